"""Catalogue A: where a line, a command and a message end (RFC 5321 sections 2.3.8, 4.1.1.4, 4.5.3.1)."""

from .cases import (
    ALL,
    DATA,
    FINE,
    FROM,
    HEAD,
    LOGGED_IN,
    MX,
    PLAIN,
    RSET,
    SMUGGLED,
    TO,
    Case,
    End,
    Step,
    bdat,
    chunks,
    data,
    say,
)  # fmt: skip

BARE = "550 5.5.2"
NUL = "550 5.6.0"

SEQUENCES: tuple[tuple[int, str, bytes], ...] = (
    # group, name, what some servers take for an end of data
    (1, "lf-dot-lf", b"\n.\n"),
    (2, "lf-dot-crlf", b"\n.\r\n"),
    (3, "crlf-dot-lf", b"\r\n.\n"),
    (4, "cr-dot-cr", b"\r.\r"),
    (4, "cr-dot-lf", b"\r.\n"),
    (4, "lf-dot-cr", b"\n.\r"),
    (4, "cr-dot-crlf", b"\r.\r\n"),
    (6, "crlf-dot-cr-crlf", b"\r\n.\r\r\n"),
    (6, "crcrlf-dot-crcrlf", b"\r\r\n.\r\r\n"),
)
"""The nine of The-Login/SMTP-Smuggling-Tools, in the numbering of the catalogue (its fifth has a NUL, see 5)."""

WITH_NUL: tuple[tuple[str, bytes], ...] = (
    ("nul-before-dot", b"\r\n\0.\r\n"),
    ("nul-behind-dot", b"\r\n.\0\r\n"),
    ("nul-in-crlf", b"\r\0\n.\r\n"),
    ("nul-in-second-crlf", b"\r\n.\r\0\n"),
)

_BY_DATA = tuple(
    data(group, f"{name}-by-data", b"hello" + octets + SMUGGLED, BARE, end=End.CLOSED)
    for group, name, octets in SEQUENCES
)
_NUL_BY_DATA = tuple(
    data(5, f"{name}-by-data", b"hello" + octets + SMUGGLED, NUL if b"\r\0" not in octets else BARE, end=End.CLOSED)
    for name, octets in WITH_NUL
)  # fmt: skip
_BY_BDAT = tuple(
    chunks(
        19, f"{name}-by-bdat", bdat(HEAD + b"hello" + octets + SMUGGLED, "550 5.6.0"),
        better="the framing of BDAT is counted, not searched: refusing is enough, the connection can stay",
    )
    for _, name, octets in SEQUENCES
)  # fmt: skip
_NUL_BY_BDAT = (
    chunks(19, "nul-before-dot-by-bdat", bdat(HEAD + b"hello\r\n\0.\r\n" + SMUGGLED, "550 5.6.0")),
    chunks(19, "nul-behind-dot-by-bdat", bdat(HEAD + b"hello\r\n.\0\r\n" + SMUGGLED, "550 5.6.0")),
    chunks(
        19, "cut-between-chunks-by-bdat",
        bdat(HEAD + b"hello\r\n.\r", FINE[0], last=False),
        bdat(b"\r\n" + SMUGGLED, "550 5.6.0"),
    ),
    chunks(
        19, "lf-alone-in-second-chunk",
        bdat(HEAD + b"hello", FINE[0], last=False),
        bdat(b"\n.\r\n", "550 5.6.0", last=False), bdat(b"x", "503 5.5.1"), RSET,
    ),
    chunks(
        19, "true-end-inside-bdat", bdat(HEAD + b"hello\r\n.\r\n" + SMUGGLED, *FINE),
        bodies=(b"hello\r\n.\r\n" + SMUGGLED,),
    ),
)  # fmt: skip

_TRUE_END = tuple(
    Case(
        7, f"end-cut-at-{i}",
        (FROM, TO, DATA, Step(HEAD + b"text\r\n.\r\n"[: 4 + i]), Step(b"text\r\n.\r\n"[4 + i :], FINE)),
        bodies=(b"text\r\n",),
    )
    for i in range(1, 5)
)  # fmt: skip

_DOTS: tuple[tuple[str, bytes, bytes], ...] = (
    # name, on the wire, stored
    ("one", b"..\r\n", b".\r\n"),
    ("two", b"...\r\n", b"..\r\n"),
    ("text", b".text\r\n", b"text\r\n"),
    ("doubled", b"..text\r\n", b".text\r\n"),
    ("many", b"..a\r\n..b\r\n...\r\n", b".a\r\n.b\r\n..\r\n"),
    ("inside", b"a.b\r\na.\r\n", b"a.b\r\na.\r\n"),
    ("empty-lines", b"\r\n\r\n..\r\n\r\n", b"\r\n\r\n.\r\n\r\n"),
)
_UNSTUFFED = tuple(
    data(8, f"dots-{name}", wire + b".\r\n", *FINE, bodies=(stored,)) for name, wire, stored in _DOTS
)

_COMMANDS: tuple[tuple[str, bytes], ...] = (
    ("lf-only", b"NOOP\n" + SMUGGLED),
    ("cr-only", b"NOOP\rNOOP\r\n"),
    ("cr-inside-mail", b"MAIL FROM:<%FROM%>\rRCPT TO:<box+%ID%@example.test>\r\n"),
    ("lf-inside-mail", b"MAIL FROM:<%FROM%>\nRCPT TO:<box+%ID%@example.test>\r\n"),
    ("nul-inside-mail", b"MAIL FROM:<%FROM%>\0RCPT TO:<box+%ID%@example.test>\r\n"),
    ("nul-before", b"\0NOOP\r\n"),
    ("nul-behind", b"NOOP\0\r\n"),
    ("crcrlf", b"NOOP\r\r\n"),
    ("lfcr", b"NOOP\n\r\n"),
    ("lf-first", b"\nNOOP\r\n"),
)
_BROKEN_LINES = tuple(say(9, name, line, "500 5.5.2", end=End.CLOSED) for name, line in _COMMANDS)

_LONG = (
    say(10, "noop-of-512", b"NOOP " + b"x" * 505 + b"\r\n", "250"),
    say(10, "noop-of-513", b"NOOP " + b"x" * 506 + b"\r\n", "500 5.5.2"),
    say(10, "mail-of-2048", b"MAIL FROM:<%FROM%> X=" + b"x" * 2000 + b"\r\n", "555 5.5.4"),
    say(10, "mail-of-2100", b"MAIL FROM:<%FROM%> X=" + b"x" * 2100 + b"\r\n", "500 5.5.2"),
    say(10, "auth-of-12288", b"AUTH PLAIN " + b"A" * 12264 + b"\r\n", "503 5.5.1", over=LOGGED_IN),
    say(10, "auth-too-long", b"AUTH PLAIN " + b"A" * 13000 + b"\r\n", "500 5.5.2"),
    say(10, "three-long-lines", (b"x" * 600 + b"\r\n") * 3, *("500 5.5.2",) * 3, end=End.CLOSED),
    say(10, "long-then-short", b"x" * 600 + b"\r\nNOOP\r\n", "500 5.5.2", "250"),
    say(11, "endless-line", b"x" * 200_000, "500 5.5.2", end=End.CLOSED),
)

_TEXT_LINES = (
    data(12, "line-of-998", b"x" * 998 + b"\r\n.\r\n", *FINE, bodies=(b"x" * 998 + b"\r\n",)),
    data(12, "line-of-999", b"x" * 999 + b"\r\n.\r\n", *FINE, bodies=(b"x" * 999 + b"\r\n",)),
    data(12, "line-of-60000", b"x" * 60_000 + b"\r\n.\r\n", *FINE, bodies=(b"x" * 60_000 + b"\r\n",)),
    data(12, "line-of-66000", b"x" * 66_000 + b"\r\n.\r\n", "550 5.6.0"),
    data(
        12, "dot-at-998", b"x" * 998 + b".\r\nQUIT\r\n.\r\n", *FINE, bodies=(b"x" * 998 + b".\r\nQUIT\r\n",)
    ),
)  # fmt: skip

_TORN = tuple(
    case
    for end in (End.HANG_UP, End.RESET)
    for case in (
        Case(14, f"{end.value}-in-data", (FROM, TO, DATA, Step(HEAD + b"half")), end),
        Case(14, f"{end.value}-before-lf-of-end", (FROM, TO, DATA, Step(HEAD + b"half\r\n.\r")), end),
        Case(14, f"{end.value}-after-354", (FROM, TO, DATA), end),
        Case(14, f"{end.value}-in-chunk", (FROM, TO, Step(b"BDAT 5000 LAST\r\n" + HEAD)), end),
        Case(14, f"{end.value}-between-chunks", (FROM, TO, bdat(HEAD, *FINE, last=False)), end),
        Case(14, f"{end.value}-in-command", (FROM, TO, Step(b"DAT")), end),
    )
)

_OUT_OF_TURN = (
    say(16, "body-before-354", b"DATA\r\n" + HEAD + b".\r\n", "503 5.5.0", before=(FROM, TO), end=End.CLOSED, together=True),
    say(16, "command-behind-ehlo", b"EHLO a.test\r\nNOOP\r\n", "503 5.5.0", end=End.CLOSED, together=True),
    say(16, "group-of-commands", b"MAIL FROM:<%FROM%>\r\nRCPT TO:<box+%ID%@example.test>\r\nRSET\r\n", *("250",) * 3),
    *(
        say(17, name, line, "521 5.5.1", end=End.CLOSED, over=ALL)
        for name, line in (
            ("http-get", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("http-post", b"POST /x HTTP/1.1\r\nContent-Length: 200\r\n\r\n" + SMUGGLED),
            ("http-connect", b"CONNECT a:25 HTTP/1.1\r\n\r\n"),
            ("http-2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n"),
            ("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 100),
        )
    ),
    data(
        18, "space-line-behind-header", b" \r\nFrom: <other@evil.test>\r\n\r\nhi\r\n.\r\n", *FINE,
        bodies=(b" \r\nFrom: <other@evil.test>\r\n\r\nhi\r\n",), over=MX,
    ),
)  # fmt: skip

CASES: tuple[Case, ...] = (
    *_BY_DATA, *_NUL_BY_DATA, *_BY_BDAT, *_NUL_BY_BDAT, *_TRUE_END, *_UNSTUFFED, *_BROKEN_LINES, *_LONG,
    *_TEXT_LINES, *_TORN, *_OUT_OF_TURN,
)  # fmt: skip

__all__ = ["CASES", "PLAIN", "SEQUENCES", "WITH_NUL"]
