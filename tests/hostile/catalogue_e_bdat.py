"""Catalogue E: counted octets and pipelining (RFC 3030, RFC 2920)."""

from .cases import DATA, FINE, FROM, HEAD, MX, PLAIN, RSET, SMUGGLED, TO, Case, End, Step, bdat, chunks, say

LINES = (b"x" * 478 + b"\r\n") * 2200  # above the limit of the stage
_BAD_SIZES: tuple[tuple[str, bytes], ...] = (
    ("negative", b"-1"),
    ("plus", b"+5"),
    ("exponent", b"1e9"),
    ("hex", b"0x10"),
    ("2-63", b"9223372036854775808"),
    ("huge", b"9" * 100),
    ("missing", b""),
    ("last-only", b"LAST"),
    ("comma", b"1,000"),
    ("underscore", b"1_0"),
    ("arabic-digits", "\u0661".encode()),
    ("three-words", b"5 LAST LAST"),
    ("misspelt", b"5 LSAT"),
)

CASES: tuple[Case, ...] = (
    Case(67, "without-mail", (bdat(SMUGGLED, "503 5.5.1"),)),
    Case(67, "without-rcpt", (FROM, bdat(SMUGGLED, "503 5.5.1"))),
    Case(67, "refused-rcpt", (FROM, Step(b"RCPT TO:<no@example.test>\r\n", ("550 5.1.1",)), bdat(SMUGGLED, "554 5.5.1")), over=MX),
    Case(67, "after-data", (FROM, TO, DATA, Step(HEAD + b"x\r\n.\r\n", FINE), bdat(SMUGGLED, "503 5.5.1")), bodies=(b"x\r\n",)),
    *(
        say(68, f"size-{name}", b"BDAT " + size + b"\r\n" + SMUGGLED, "501 5.5.4", before=(FROM, TO), end=End.CLOSED)
        for name, size in _BAD_SIZES
    ),
    chunks(69, "zero-last", bdat(HEAD + b"x\r\n", *FINE, last=False), Step(b"BDAT 0 LAST\r\n", FINE), bodies=(b"x\r\n",)),
    chunks(69, "zero-first", Step(b"BDAT 0\r\n", FINE), bdat(HEAD + b"x\r\n", *FINE), bodies=(b"x\r\n",)),
    chunks(69, "zeros", Step(b"BDAT 0\r\n" * 50, FINE * 50), bdat(HEAD + b"x\r\n", *FINE), bodies=(b"x\r\n",)),
    Case(
        69, "two-thousand-of-one",
        (
            FROM, TO, bdat(HEAD, *FINE, last=False), Step(b"BDAT 1\r\nx" * 2000, FINE * 2000),
            Step(b"BDAT 2 LAST\r\n\r\n", FINE),
        ),
        bodies=(b"x" * 2000 + b"\r\n",),
    ),
    Case(69, "empty-message", (FROM, TO, Step(b"BDAT 0 LAST\r\n", FINE)), over=PLAIN, bodies=(b"",)),
    chunks(70, "ten-gigabytes", Step(b"BDAT 10000000000 LAST\r\n", ("552 5.3.4",)), end=End.CLOSED),
    chunks(70, "above-limit", bdat(HEAD + LINES, "552 5.3.4")),
    chunks(
        70, "above-limit-in-chunks",
        bdat(HEAD + LINES[: 500 * 1000], *FINE, last=False), bdat(LINES, "552 5.3.4", last=False),
        bdat(b"x", "503 5.5.1"), RSET,
    ),
    chunks(71, "end-of-data", bdat(HEAD + b"a\r\n.\r\nQUIT\r\n", *FINE), bodies=(b"a\r\n.\r\nQUIT\r\n",)),
    chunks(71, "dots-stay", bdat(HEAD + b".\r\n..\r\n", *FINE), bodies=(b".\r\n..\r\n",)),
    chunks(71, "commands", bdat(HEAD + SMUGGLED, *FINE), bodies=(SMUGGLED,)),
    chunks(71, "bdat-in-bdat", bdat(HEAD + b"BDAT 5 LAST\r\nhello\r\n", *FINE), bodies=(b"BDAT 5 LAST\r\nhello\r\n",)),
    chunks(72, "rset-between", bdat(HEAD, *FINE, last=False), RSET, bdat(b"x", "503 5.5.1")),
    chunks(72, "quit-between", bdat(HEAD, *FINE, last=False), Step(b"QUIT\r\n", ("221",)), end=End.CLOSED),
    chunks(72, "starttls-between", bdat(HEAD, *FINE, last=False), Step(b"STARTTLS\r\n", ("503 5.5.1",)), RSET),
    chunks(72, "ehlo-between", bdat(HEAD, *FINE, last=False), Step(b"EHLO x.test\r\n", ("250",)), bdat(b"x", "503 5.5.1")),
    chunks(72, "mail-between", bdat(HEAD, *FINE, last=False), Step(b"MAIL FROM:<%FROM%>\r\n", ("503 5.5.1",)), RSET),
    chunks(72, "bad-size-between", bdat(HEAD, *FINE, last=False), Step(b"BDAT x\r\n", ("501 5.5.4",)), end=End.CLOSED),
    say(74, "pipelined", b"VRFY x\r\nHELP\r\n" * 47, *("252", "214") * 47),
    Case(74, "pipelined-transactions", (Step((FROM.send + TO.send + RSET.send) * 90, ("250",) * 270),), over=PLAIN),
)  # fmt: skip
