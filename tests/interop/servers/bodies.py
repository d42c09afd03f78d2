"""Messages whose octets must survive the way, one per peculiarity."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """`message` as it is handed in.  `whole`: by BDAT, so that the last line may lack its end.

    `arrives` is what a receiver by DATA stores where that cannot be the same octets.
    """

    message: bytes
    parameters: str = ""
    whole: bool = False
    arrives: bytes | None = None

    @property
    def expected(self) -> bytes:
        return self.message if self.arrives is None else self.arrives


def _header(name: str, *more: str) -> bytes:
    lines = [
        "From: Tester <tester@example.test>",
        "To: somebody@elsewhere.test",
        f"Subject: {name}",
        "Date: Mon, 5 Jan 2026 12:00:00 +0000",
        f"Message-ID: <{name}@client.test>",
        *more,
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _mime(name: str, charset: str, encoding: str = "8bit") -> bytes:
    return _header(
        name,
        "MIME-Version: 1.0",
        f"Content-Type: text/plain; charset={charset}",
        f"Content-Transfer-Encoding: {encoding}",
    )


EIGHT = "BODY=8BITMIME"
_LINE = bytes(32 + i % 95 for i in range(998))

CASES: dict[str, Case] = {
    "plain": Case(_header("plain") + b"\r\nHello.\r\n"),
    "eightbit-utf8": Case(
        _mime("eightbit-utf8", "utf-8") + "\r\nKurir mengantar “surat” — ünïcödé ✉\r\n".encode(), EIGHT
    ),
    "eightbit-all": Case(
        _mime("eightbit-all", "iso-8859-1")
        + b"\r\n"
        + b"".join(
            bytes(c for c in range(x, x + 16) if c not in (0, 10, 13)) + b"\r\n" for x in range(0, 256, 16)
        ),
        EIGHT,
    ),
    "eightbit-undeclared": Case(_mime("eightbit-undeclared", "utf-8") + "\r\ntanpa izin: é\r\n".encode()),
    "lines-998": Case(_header("lines-998") + b"\r\n" + (_LINE + b"\r\n") * 20),
    "header-998": Case(
        _header("header-998", "X-Long: " + "x" * 990, "X-Folded: a\r\n\tb\r\n  c") + b"\r\nbody\r\n"
    ),
    "leading-dots": Case(_header("leading-dots") + b"\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\nx.\r\n. \r\n.\r\n"),
    "dot-alone-first": Case(_header("dot-alone-first") + b"\r\n.\r\n"),
    "nul": Case(_header("nul") + b"\r\nbefore\0after\r\n\0\r\n\0\0end\r\n"),
    "no-final-crlf": Case(
        _header("no-final-crlf") + b"\r\nno end",
        whole=True,
        arrives=_header("no-final-crlf") + b"\r\nno end\r\n",
    ),
    "empty-body": Case(_header("empty-body") + b"\r\n"),
    "header-only": Case(_header("header-only")),
    "no-octets": Case(b""),
    "blank-lines": Case(_header("blank-lines") + b"\r\n\r\n\r\n \r\n\t\r\ntrailing  \t \r\n\r\n\r\n\r\n"),
    "from-line": Case(_header("from-line") + b"\r\nFrom here on\r\n>From there\r\nFrom \r\n"),
    "not-a-header": Case(b"This is no header at all\r\nneither: this\r\n\r\nbody\r\n"),
}
