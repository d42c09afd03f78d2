"""Messages made to cost time or memory: thousands of parts, fields, parameters, addresses and encodings.

Most of them hang Python's own ``email`` package for seconds or overflow its stack; all are far below the size limit.
"""

from collections.abc import Iterator

_FROM = b"From: <user@example.test>\r\nSubject: hostile\r\nMIME-Version: 1.0\r\n"
_8BIT = "sch\u00f6n\r\n".encode()


def _nested(kind: bytes, depth: int) -> bytes:
    """Parts inside parts."""
    opened = b"".join(
        b"Content-Type: %s; boundary=b%d\r\n\r\n--b%d\r\n" % (kind, i, i) if kind.startswith(b"multipart")
        else b"Content-Type: %s\r\n\r\n" % kind
        for i in range(depth)
    )  # fmt: skip
    closed = b"".join(b"--b%d--\r\n" % i for i in reversed(range(depth))) if b"multipart" in kind else b""
    return opened + b"Content-Type: text/plain\r\n\r\n" + _8BIT + closed


def _header(field: bytes) -> bytes:
    return _FROM + field + b"\r\n\r\n" + _8BIT


def _from(value: bytes) -> bytes:
    return b"Subject: hostile\r\nFrom: " + value + b"\r\n\r\n" + _8BIT


def _folded(pieces: list[bytes], between: bytes) -> bytes:
    """Join, with a fold now and then so that lines stay short."""
    lines = [between.join(pieces[i : i + 20]) for i in range(0, len(pieces), 20)]
    return (between + b"\r\n ").join(lines)


def _parts(count: int, head: bytes = b"Content-Type: text/plain; charset=utf-8\r\n") -> bytes:
    return (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        + (b"--x\r\n" + head + b"\r\n" + _8BIT) * count
        + b"--x--\r\n"
    )


def letters() -> Iterator[tuple[int, str, bytes]]:
    """Yield (catalogue number, name, message)."""
    many = [b"a%d@example.test" % i for i in range(20_000)]
    yield 79, "2,000 open comments in From", _from(b"(" * 2000 + b" <user@example.test>")
    yield 79, "60,000 open comments in From", _from(_folded([b"(" * 50] * 1200, b""))
    yield 79, "20,000 addresses in To", _header(b"To: " + _folded(many, b", "))
    yield 79, "20,000 addresses in From", _from(_folded(many, b", "))
    yield 79, "50,000 quoted atoms in From", _from(_folded([b'"a"'] * 50_000, b" ") + b" <user@example.test>")
    yield 79, "50,000 dots in From", _from(_folded([b"a."] * 25_000, b"") + b"@example.test")
    yield 79, "30,000 at signs in From", _from(_folded([b"@"] * 30_000, b""))
    yield 79, "20,000 groups in From", _from(_folded([b"g:;"] * 20_000, b", "))
    yield 79, "20,000 unfinished quotes in From", _from(_folded([b'"\\'] * 20_000, b""))
    yield 79, "20,000 angle brackets in From", _from(_folded([b"<"] * 20_000, b""))
    yield (
        79,
        "5,000 encoded words in Subject",
        _header(b"Subject: " + _folded([b"=?utf-8?q?a=C3=A9?="] * 5000, b" ")),
    )
    yield 79, "5,000 broken encoded words", _header(b"Subject: " + _folded([b"=?utf-8?b?=?="] * 5000, b" "))
    yield 79, "20,000 beginnings of encoded words", _header(b"Subject: " + _folded([b"=?"] * 20_000, b""))
    yield 79, "5,000 RFC 2231 parameters", _FROM + b"Content-Type: text/plain" + b"".join(
        b";\r\n name*%d*=utf-8''x" % i for i in range(5000)
    ) + b"\r\n\r\n" + _8BIT  # fmt: skip
    yield (
        79,
        "20,000 semicolons in Content-Type",
        _FROM + b"Content-Type: text/plain" + _folded([b";"] * 20_000, b"") + b"\r\n\r\n" + _8BIT,
    )
    yield (
        79,
        "30,000 quoted pairs in a parameter",
        _FROM + b'Content-Type: text/plain; name="' + _folded([b"\\a"] * 30_000, b"") + b'"\r\n\r\n' + _8BIT,
    )
    yield 78, "900 fields", _FROM + b"X: y\r\n" * 900 + b"\r\n" + _8BIT
    yield 78, "20,000 fields", _FROM + b"X: y\r\n" * 20_000 + b"\r\n" + _8BIT
    yield 78, "1,000,000 fields", _FROM + b"X:\r\n" * 1_000_000 + b"\r\n" + _8BIT
    yield 78, "100 KB in one field", _header(b"X: " + _folded([b"x" * 60] * 1700, b""))
    yield 78, "a field of 60,000 octets in one line", _header(b"X: " + b"x" * 60_000)
    yield 78, "30,000 fold lines of one space", _header(b"X: y" + b"\r\n " * 30_000 + b"z")
    yield 78, "header without end, 5 MB", _FROM + b"X: yyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 160_000
    yield 77, "20,000 lines without colon", _FROM + b"nocolon\r\n" * 20_000 + b"\r\n" + _8BIT
    yield (
        85,
        "900 Received fields",
        b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 900 + _FROM + b"\r\nx\r\n",
    )
    yield 80, "1,000 multiparts nested", _FROM + _nested(b"multipart/mixed", 1000)
    yield 80, "10,000 multiparts nested", _FROM + _nested(b"multipart/mixed", 10_000)
    yield 80, "5,000 messages nested", _FROM + _nested(b"message/rfc822", 5000)
    yield 80, "10,000 parts", _FROM + _parts(10_000)
    yield 80, "10,000 parts without a header", _FROM + _parts(10_000, b"")
    yield (
        80,
        "100,000 lines that look like boundaries",
        (
            _FROM
            + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
            + b"--y\r\n" * 100_000
            + b"--x\r\n\r\n"
            + _8BIT
            + b"--x--\r\n"
        ),
    )
    yield 80, "90 nested, each with a boundary that begins alike", _FROM + b"".join(
        b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n" % (b"b" * (i + 1), b"b" * (i + 1)) for i in range(65)
    ) + b"Content-Type: text/plain\r\n\r\n" + (b"--" + b"b" * 69 + b"c\r\n") * 20_000  # fmt: skip
    yield (
        80,
        "boundary of 2,000 octets",
        _FROM
        + b"Content-Type: multipart/mixed; boundary="
        + b"b" * 2000
        + b"\r\n\r\n--"
        + b"b" * 2000
        + b"\r\n\r\n"
        + _8BIT,
    )
    yield 80, "no boundary", _FROM + b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\n" + _8BIT
    yield (
        80,
        "the same boundary inside",
        _FROM
        + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        + b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 3000,
    )
    yield 83, "unknown charset", _FROM + b"Content-Type: text/plain; charset=../../etc\r\n\r\n" + _8BIT
    yield (
        83,
        "broken base64 of 2 MB",
        _FROM
        + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + b"=A=B?\xff\r\n" * 250_000,
    )
    yield (
        83,
        "8-bit body of 5 MB",
        _FROM
        + b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
        + ("\u00e9" * 40 + "\r\n").encode() * 60_000,
    )
    yield (
        83,
        "equals signs of 5 MB",
        _FROM
        + b"Content-Type: text/plain\r\n\r\n"
        + b"=\xe9" * 38
        + b"\r\n"
        + (b"=" * 76 + b"\r\n") * 60_000,
    )
    yield (
        84,
        "spaces at line ends, 5 MB",
        _FROM + b"Content-Type: text/plain\r\n\r\n" + _8BIT + (b" " * 900 + b"x\r\n") * 5000,
    )
    yield 84, "64 KB of spaces in a date", _header(b"Date: " + _folded([b" " * 60] * 1000, b"") + b"x")
    yield (
        84,
        "64 KB of brackets in a Message-ID",
        _header(b"Message-ID: " + _folded([b"<" * 60] * 1000, b"") + b"x"),
    )
    yield 84, "64 KB of tabs before a colon", _FROM + b"X" + b"\t" * 60_000 + b": y\r\n\r\n" + _8BIT
    yield (
        82,
        "a name of 10 KB with a path",
        _FROM
        + b'Content-Type: text/plain; name="'
        + _folded([b"../" * 20] * 170, b"")
        + b'\xe2\x80\xae$(rm)"\r\n\r\n'
        + _8BIT,
    )
