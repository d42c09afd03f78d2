"""Hashes of a body in canonical form, taken while it passes by in chunks (RFC 6376 sections 3.4.3, 3.4.4 and 3.7).

Whoever needs a hash says so before the body comes (`BodyDigests.want`); each canonical form is made once, whatever
the number of signatures.  All work is done by searches and replacements of `bytes`, never by lines; what a chunk
leaves open is two octets at most and a count of empty lines, so that neither size nor content costs memory.
"""

import hashlib
from typing import NamedTuple

from .canon import Canon

_STEP = 256 * 1024  # octets looked at in one go: bounds the copies made of a large chunk
_EMPTY_LINES = b"\r\n" * 8_192


class BodyDigest(NamedTuple):
    """SHA-256 of the first `wanted` canonical octets (None: all) of a body that has `size` of them."""

    sha256: bytes
    size: int
    wanted: int | None = None

    @property
    def unsigned(self) -> int:
        """Octets behind the hashed ones; negative where the body is shorter than was wanted."""
        return 0 if self.wanted is None else self.size - self.wanted


class _Sink:
    """One hash over all, or the first `limit`, canonical octets."""

    __slots__ = ("hash", "left", "limit")

    def __init__(self, limit: int | None) -> None:
        self.hash = hashlib.sha256()
        self.limit = limit
        self.left = limit or 0


class _Canonical:
    """Turns chunks into canonical octets for its sinks.  Empty lines are held back until something follows them."""

    def __init__(self) -> None:
        self.sinks: dict[int | None, _Sink] = {}
        self.size = 0
        self._open = b""  # octets whose meaning depends on what follows
        self._empty = 0  # line ends seen behind the last octet that was passed on

    def feed(self, data: bytes) -> None:
        """Take the next chunk."""
        raise NotImplementedError

    def close(self) -> None:
        """The body has ended."""
        raise NotImplementedError

    def _lines(self, text: bytes) -> None:
        """Pass `text` on but for the line ends behind it; it does not end within a CRLF."""
        kept = text.rstrip(b"\r\n")
        empty = 0
        if len(kept) != len(text):
            tail = text[len(kept) :]
            if tail == b"\r\n":
                empty = 1
            else:  # only CR and LF in it, so that NUL can stand for a pair
                marked = tail.replace(b"\r\n", b"\0")
                empty = len(marked) - len(marked.rstrip(b"\0"))
                kept = text[: len(text) - 2 * empty]
        if kept:
            self._flush()
            self._pass(kept)
        self._empty += empty

    def _flush(self) -> None:
        while self._empty:
            count = min(self._empty, len(_EMPTY_LINES) // 2)
            self._pass(_EMPTY_LINES[: 2 * count])
            self._empty -= count

    def _pass(self, octets: bytes) -> None:
        self.size += len(octets)
        for sink in self.sinks.values():
            if sink.limit is None:
                sink.hash.update(octets)
            elif sink.left:
                part = octets[: sink.left]
                sink.left -= len(part)
                sink.hash.update(part)


class _Simple(_Canonical):
    """Only the empty lines at the end are dropped; an empty body is one line end."""

    def feed(self, data: bytes) -> None:
        if self._open:
            data = self._open + data
        self._open = data[-1:] if data.endswith(b"\r") else b""
        self._lines(data[:-1] if self._open else data)

    def close(self) -> None:
        if self._open:
            self._flush()
            self._pass(self._open)
        self._pass(b"\r\n")


class _Relaxed(_Canonical):
    """Blanks become one, none stays at the end of a line; an empty body stays empty."""

    def feed(self, data: bytes) -> None:
        if self._open:
            data = self._open + data
        ends_in_cr = data.endswith(b"\r")
        if ends_in_cr:
            data = data[:-1]
        text = data.rstrip(b" \t")
        self._open = (b" " if len(text) != len(data) else b"") + (b"\r" if ends_in_cr else b"")
        if b"\t" in text:
            text = text.replace(b"\t", b" ")
        if b" " in text:  # most octets of large mails are base64, where this is all there is to do
            while b"  " in text:  # halves each run
                text = text.replace(b"  ", b" ")
            text = text.replace(b" \r\n", b"\r\n")
        self._lines(text)

    def close(self) -> None:
        if self._open.endswith(b"\r"):
            self._flush()
            self._pass(self._open)
        if self.size:
            self._pass(b"\r\n")


class BodyDigests:
    """The hashes that signatures of one message need: `want` before, `feed` while it passes, `digest` behind."""

    __slots__ = ("_closed", "_forms")

    def __init__(self) -> None:
        self._forms: dict[Canon, _Canonical] = {}
        self._closed = False

    def want(self, canon: Canon, length: int | None = None) -> None:
        """Ask for the hash of the first `length` canonical octets (None: all); before anything is fed."""
        form = self._forms.get(canon)
        if form is None:
            form = self._forms[canon] = _Relaxed() if canon is Canon.RELAXED else _Simple()
        form.sinks.setdefault(length, _Sink(length))

    def feed(self, data: bytes) -> None:
        """Take the next octets of the body (what follows the empty line)."""
        if not data:
            return
        for form in self._forms.values():
            if len(data) <= _STEP:
                form.feed(data)
            else:
                for at in range(0, len(data), _STEP):
                    form.feed(data[at : at + _STEP])

    def digest(self, canon: Canon, length: int | None = None) -> BodyDigest:
        """Return a hash that was asked for; the body has ended.  Raises KeyError for one that was not."""
        if not self._closed:
            self._closed = True
            for form in self._forms.values():
                form.close()
        form = self._forms[canon]
        return BodyDigest(form.sinks[length].hash.digest(), form.size, length)
