"""Catalogue D: proving who one is (RFC 4954, RFC 4616, RFC 5802)."""

from base64 import b64encode

from .cases import FROM, MX, Case, End, Step, Transport, say


def _plain(*parts: bytes) -> bytes:
    return b"%PROOF:" + b"|".join(parts) + b"%"


_RIGHT = b64encode(b"\0user@example.test\0correct-horse-battery")
_NAME = b"n%ID%@example.test"  # a new one each time: the brake counts names too
_WRONG = "535 5.7.8"

# Played on 587 (after STARTTLS) and 465 before any login.
CASES: tuple[Case, ...] = (
    say(59, "no-base64", b"AUTH PLAIN ????\r\n", "501 5.5.2"),
    say(59, "padding-alone", b"AUTH PLAIN ====\r\n", "501 5.5.2"),
    say(59, "equals-sign-is-empty", b"AUTH PLAIN =\r\n", _WRONG),
    say(59, "truncated", b"AUTH PLAIN " + _RIGHT[:-1] + b"\r\n", "501 5.5.2"),
    say(59, "base64-with-tail", b"AUTH PLAIN " + _RIGHT + b"====\r\n", "501 5.5.2"),
    Case(59, "cancel", (Step(b"AUTH PLAIN\r\n", ("334",)), Step(b"*\r\n", ("501 5.0.0",)))),
    Case(59, "empty-answer", (Step(b"AUTH PLAIN\r\n", ("334",)), Step(b"\r\n", (_WRONG,)))),
    Case(59, "bare-lf-in-answer", (Step(b"AUTH PLAIN\r\n", ("334",)), Step(_RIGHT[:8] + b"\n" + _RIGHT[8:] + b"\r\n", ("500 5.5.2",))), End.CLOSED),
    Case(59, "command-as-answer", (Step(b"AUTH PLAIN\r\n", ("334",)), Step(b"MAIL FROM:<a@b.test>\r\n", ("501 5.5.2",)))),
    Case(59, "six-times", (Step(b"AUTH PLAIN ????\r\n", ("501 5.5.2",)),) * 5 + (Step(b"AUTH PLAIN ????\r\n", ("421 4.7.0",)),), End.CLOSED),
    say(60, "no-nul", b"AUTH PLAIN " + b64encode(b"user") + b"\r\n", _WRONG),
    say(60, "one-nul", b"AUTH PLAIN " + _plain(_NAME, b"correct-horse-battery") + b"\r\n", _WRONG),
    say(60, "three-nuls", b"AUTH PLAIN " + _plain(b"", _NAME, b"correct-horse-battery", b"") + b"\r\n", _WRONG),
    say(60, "other-authzid", b"AUTH PLAIN " + _plain(b"box@example.test", b"user@example.test", b"correct-horse-battery") + b"\r\n", _WRONG, together=True),
    say(60, "same-authzid", b"AUTH PLAIN " + _plain(b"user@example.test", b"user@example.test", b"correct-horse-battery") + b"\r\n", "235 2.7.0"),
    say(60, "invalid-utf8", b"AUTH PLAIN " + _plain(b"", b"\xff\xfe", b"\xff") + b"\r\n", _WRONG),
    say(61, "unknown-user", b"AUTH PLAIN " + _plain(b"", _NAME, b"x") + b"\r\n", "535 5.7.8 Authentication credentials invalid"),
    say(61, "wrong-password", b"AUTH PLAIN " + _plain(b"", b"user@example.test", b"x") + b"\r\n", "535 5.7.8 Authentication credentials invalid", together=True),
    Case(62, "sixth-failure", (Step(b"AUTH PLAIN " + _plain(b"", _NAME, b"x") + b"\r\n", (_WRONG,)),) * 5 + (Step(b"AUTH PLAIN " + _RIGHT + b"\r\n", ("421 4.7.0",)),), End.CLOSED),
    Case(63, "twice", (Step(b"AUTH PLAIN " + _RIGHT + b"\r\n", ("235",)), Step(b"AUTH PLAIN " + _RIGHT + b"\r\n", ("503 5.5.1",)))),
    Case(63, "after-mail", (Step(b"AUTH PLAIN " + _RIGHT + b"\r\n", ("235",)), Step(b"MAIL FROM:<user@example.test>\r\n", ("250",)), Step(b"AUTH PLAIN\r\n", ("503 5.5.1",)))),
    say(63, "before-login-mail", b"MAIL FROM:<user@example.test>\r\n", "530 5.7.0"),
    say(63, "unknown-mechanism", b"AUTH FOO\r\n", "504 5.5.4"),
    say(63, "external", b"AUTH EXTERNAL =\r\n", "504 5.5.4"),
    say(63, "no-mechanism", b"AUTH\r\n", "501 5.5.4"),
    say(65, "password-1025", b"AUTH PLAIN " + _plain(b"", _NAME, b"x" * 1025) + b"\r\n", _WRONG),
    say(65, "name-5000", b"AUTH PLAIN " + _plain(b"", b"u" * 5000, b"x") + b"\r\n", _WRONG),
    say(65, "megabyte", b"AUTH PLAIN " + b"A" * 200_000, "500 5.5.2", end=End.CLOSED),
    say(65, "not-nfc", b"AUTH PLAIN " + _plain(b"", _NAME, "e\u0301".encode()) + b"\r\n", _WRONG),
    say(65, "control-in-password", b"AUTH PLAIN " + _plain(b"", _NAME, b"a\x07b") + b"\r\n", _WRONG),
    say(66, "oauthbearer", b"AUTH OAUTHBEARER " + b64encode(b"n,a=user@example.test,\x01auth=Bearer x\x01\x01") + b"\r\n", "504 5.5.4"),
    say(66, "xoauth2", b"AUTH XOAUTH2 " + b64encode(b"user=user@example.test\x01auth=Bearer x\x01\x01") + b"\r\n", "504 5.5.4"),
)  # fmt: skip

ON_PORT_25: tuple[Case, ...] = (
    say(63, "auth-on-mx", b"AUTH PLAIN " + _RIGHT + b"\r\n", "502 5.5.1", over=MX),
    say(24, "auth-before-tls-on-mx", b"AUTH LOGIN\r\n", "502 5.5.1", over=(Transport.PLAIN,)),
    Case(63, "mail-still-works", (Step(b"AUTH PLAIN " + _RIGHT + b"\r\n", ("502",)), FROM), over=MX),
)
