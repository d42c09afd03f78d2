"""Catalogue F: what the header of a message pretends (RFC 5322 section 3.6, RFC 5321 section 6.3)."""

from .cases import ALL, DATA, FROM, LOGGED_IN, MX, TO, Case, Step

_ME = b"From: <%FROM%>\r\nSubject: %ID%\r\n"
_BODY = b"\r\ntext\r\n.\r\n"
_LATER = "taken from a stranger as it is: judging it is DMARC's, which counts it as a failure"


def _letter(
    group: int, name: str, header: bytes, reply: str, *, over: tuple = LOGGED_IN, better: str = ""
) -> Case:  # type: ignore[type-arg]
    taken = (b"text\r\n",) if reply.startswith("250") else ()
    return Case(group, name, (FROM, TO, DATA, Step(header + _BODY, (reply,))), bodies=taken, over=over, better=better)  # fmt: skip


_RECEIVED = b"Received: from a.test by b.test; Mon, 1 Jan 2024 00:00:00 +0000\r\n"

CASES: tuple[Case, ...] = (
    _letter(75, "two-from", _ME + b"From: <ceo@bank.test>\r\n", "550 5.6.0"),
    _letter(75, "two-from-same", _ME + b"From: <%FROM%>\r\n", "550 5.6.0"),
    _letter(75, "two-from-case", _ME + b"fRoM: <ceo@bank.test>\r\n", "550 5.6.0"),
    _letter(75, "no-from", b"Subject: %ID%\r\n", "550 5.6.0"),
    _letter(75, "empty-from", b"From:\r\nSubject: %ID%\r\n", "550 5.6.0"),
    _letter(75, "two-authors", b"From: <%FROM%>, <ceo@bank.test>\r\nSubject: %ID%\r\n", "550 5"),
    _letter(75, "two-authors-with-sender", b"From: <%FROM%>, <ceo@bank.test>\r\nSender: <%FROM%>\r\nSubject: %ID%\r\n", "550 5.7.1"),
    _letter(75, "group", b"From: a: <%FROM%>;\r\nSubject: %ID%\r\n", "550 5.6.0"),
    _letter(75, "other-from", b"From: <ceo@bank.test>\r\nSubject: %ID%\r\n", "550 5.7.1"),
    _letter(75, "two-from-from-stranger", _ME + b"From: <ceo@bank.test>\r\n", "250", over=MX, better=_LATER),
    _letter(75, "no-from-from-stranger", b"Subject: %ID%\r\n", "250", over=MX, better=_LATER),
    _letter(76, "address-behind-comment", b"From: <%FROM%>) <evil@bank.test>\r\nSubject: %ID%\r\n", "550 5"),
    _letter(76, "address-in-name", b'From: "ceo@bank.test" <%FROM%>\r\nSubject: %ID%\r\n', "250"),
    _letter(76, "three-ats", b"From: <a@b.test@%FROM%>\r\nSubject: %ID%\r\n", "550 5.6.0"),
    _letter(76, "nested-comments", b"From: (((((((((((((x))))))))))))) <%FROM%>\r\nSubject: %ID%\r\n", "550 5"),
    _letter(76, "comment-in-address", b"From: <us(c)er@example.test>\r\nSubject: %ID%\r\n", "550 5"),
    _letter(76, "route-in-from", b"From: <@bank.test:%FROM%>\r\nSubject: %ID%\r\n", "550 5"),
    _letter(76, "unfinished-quote", b'From: "x <%FROM%>\r\nSubject: %ID%\r\n', "550 5.6.0"),
    _letter(76, "nothing-before-angle-close", b"From: %FROM%>\r\nSubject: %ID%\r\n", "550 5.6.0"),
    _letter(77, "space-before-colon", b"From : <ceo@bank.test>\r\n" + _ME, "550 5.6.0"),
    _letter(77, "line-without-colon", _ME + b"nonsense\r\n", "550 5.6.0"),
    _letter(77, "eight-bit-header", _ME + "X: \u00e9\r\n".encode(), "550 5.6.0"),
    _letter(77, "fold-first", b" From: <ceo@bank.test>\r\n" + _ME, "550 5.6.0"),
    _letter(77, "fold-first-from-anybody", b" dkim=pass header.d=bank.test\r\n" + _ME, "550 5.6.0", over=ALL),
    _letter(77, "tab-first-without-header", b"\thello\r\n", "550 5.6.0", over=ALL),
    _letter(78, "too-many-fields", _ME + b"X: y\r\n" * 2000, "552 5.3.4"),
    _letter(78, "too-much-header", _ME + (b"X: " + b"y" * 900 + b"\r\n") * 200, "552 5.3.4", over=ALL),
    _letter(85, "49-received", _RECEIVED * 48 + _ME, "250", over=ALL),
    _letter(85, "51-received", _RECEIVED * 51 + _ME, "554 5.4.6", over=ALL),
    _letter(85, "51-received-folded", _RECEIVED.replace(b" by", b"\r\n\tby") * 51 + _ME, "554 5.4.6", over=ALL),
    _letter(85, "51-received-any-case", _RECEIVED.replace(b"Received", b"rEcEiVeD") * 51 + _ME, "554 5.4.6", over=ALL),
    _letter(86, "forged-delivered-to", b"Delivered-To: box@example.test\r\n" + _ME, "250", over=MX, better="Delivered-To alone proves nothing; own Received fields do"),
)  # fmt: skip
