"""The letters that every client sends: one table of bodies that are hard to carry unchanged.

A body is what stands behind the empty line, with CRLF line ends.  A client that speaks DATA adds a line end to a body
that has none; `as_sent` says what then counts as the same.
"""

import random
from dataclasses import dataclass
from itertools import count

_numbers = count(1)

LARGE = 10 * 1024 * 1024
VERY_LARGE = 100 * 1000 * 1000


def large(octets: int) -> bytes:
    """Return that much text in lines of 75 octets and CRLF, some of them dots; no two parts are alike."""
    noise = random.Random(20261123)
    block = b"".join(
        (b"." * (n % 4) + noise.randbytes(38).hex().encode())[:75] + b"\r\n" for n in range(13_000)
    )
    whole = b"".join(b"part %d\r\n" % n + block for n in range(octets // len(block) + 1))
    return whole[: octets - 2].rstrip(b"\r\n") + b"\r\n"


BODIES: dict[str, bytes] = {
    "plain": b"Halo,\r\n\r\nthis is a letter.\r\n",
    "utf-8": "Selamat pagi — žluťoučký kůň, 早上好, \N{OK HAND SIGN}\r\n".encode() * 20,
    "octets": bytes(b for b in range(1, 256) if b not in b"\r\n") + b"\r\n",
    "line of 998": b"x" * 998 + b"\r\n" + b"y" * 998 + b"\r\n",
    "line of 20000": b"z" * 20_000 + b"\r\nend\r\n",
    "leading dots": b".\r\n..\r\n.one\r\n..two\r\n...\r\n. \r\n.\t\r\n",
    "lone dots": b"before\r\n.\r\n.\r\nafter\r\n.\r\n",
    "dot alone": b".\r\n",
    "empty": b"",
    "empty lines": b"\r\n\r\n\r\n",
    "no final newline": b"the end has no end",
    "NUL": b"a\0b\r\n\0\r\n\0\0\0 tail \0\r\n",
    "commands": b"QUIT\r\nMAIL FROM:<x@y>\r\nRSET\r\nBDAT 5 LAST\r\n",
    "from lines": b"From here on\r\n>From there\r\n\r\nFrom x\r\n",
}
"""Bodies under 64 KB by name."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as a client is given it; `whole` has CRLF line ends."""

    message_id: str
    head: bytes
    body: bytes

    @property
    def whole(self) -> bytes:
        """Header, empty line, body."""
        return self.head + b"\r\n" + self.body

    @property
    def with_lf(self) -> bytes:
        """The same as programs on this machine have it: LF line ends."""
        return self.whole.replace(b"\r\n", b"\n")

    @property
    def as_sent(self) -> bytes:
        """What DATA carries: every body ends with a line end (RFC 5321 section 4.1.1.4)."""
        return self.whole if self.whole.endswith(b"\r\n") else self.whole + b"\r\n"


def letter(
    body: bytes, *, sender: str, to: str, subject: str = "Surat", name: str = "", extra: bytes = b""
) -> Letter:
    """Return a complete message with an id of its own, so that a submission server has nothing to add."""
    message_id = f"<{next(_numbers)}.{random.SystemRandom().randrange(1 << 60):x}@client.test>"
    fields = (
        f"Date: Mon, 23 Nov 2026 10:00:00 +0700\r\nMessage-ID: {message_id}\r\nFrom: {name} <{sender}>\r\n"
        f"To: <{to}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    )
    return Letter(message_id, fields.replace("From:  ", "From: ").encode() + extra, body)


def body_of(message: bytes) -> bytes:
    """Return what stands behind the first empty line."""
    return message.partition(b"\r\n\r\n")[2]
