"""The bytes that have come in and are not understood yet, and how command lines are cut from them.

A line ends with CR LF only (RFC 5321 section 2.3.8).  The first LF decides, so the verdict on a line does not
depend on how the network cut it.  What is held back is never more than the longest line allowed.
"""

from enum import Enum


class Trouble(Enum):
    """Why no line could be cut."""

    BARE = "bare CR, LF or NUL in a line"
    LONG = "no line end within the limit"


class Inbox:
    """Received bytes with a reading position."""

    __slots__ = ("_buffer", "_start")

    def __init__(self) -> None:
        self._buffer = b""
        self._start = 0

    def __len__(self) -> int:
        return len(self._buffer) - self._start

    def add(self, data: bytes) -> None:
        """Append bytes from the peer."""
        if self._start == len(self._buffer):
            self._buffer = data
        else:
            self._buffer = self._buffer[self._start :] + data
        self._start = 0

    def clear(self) -> None:
        """Forget everything."""
        self._buffer = b""
        self._start = 0

    def take(self, most: int) -> bytes:
        """Return and forget the next octets, at most `most`."""
        buffer, start = self._buffer, self._start
        if len(buffer) - start <= most:
            self.clear()
            return buffer[start:] if start else buffer
        self._start = start + most
        return buffer[start : start + most]

    def put_back(self, rest: bytes) -> None:
        """Make `rest`, the end of what was taken last, the next octets again."""
        self._buffer = rest + self._buffer[self._start :]
        self._start = 0

    def first(self) -> int:
        """Return the value of the next octet, or -1."""
        return self._buffer[self._start] if self._start < len(self._buffer) else -1

    def starts_with_auth(self) -> bool:
        """Tell whether the next line is an AUTH command, which may be longer than others."""
        return self._buffer[self._start : self._start + 5].upper() == b"AUTH "

    def line(self, limit: int) -> bytes | Trouble | None:
        """Cut the next line of at most `limit` octets, its CRLF included; return it without CRLF.

        None means that more bytes are needed.  With a `Trouble` nothing is consumed.
        """
        buffer, start = self._buffer, self._start
        end = buffer.find(b"\n", start, start + limit)
        if end < 0:
            return Trouble.LONG if len(buffer) - start >= limit else None
        line = buffer[start : end - 1] if end > start else b""
        if end == start or buffer[end - 1] != 13 or b"\r" in line or b"\0" in line:
            return Trouble.BARE
        self._start = end + 1
        return line

    def skip_line(self) -> int | None:
        """Drop everything up to and including the next CRLF.

        Returns None when that was found, else how many octets were dropped while it is still missing (a CR at
        the very end is kept, its LF may follow).
        """
        end = self._buffer.find(b"\r\n", self._start)
        if end >= 0:
            self._start = end + 2
            return None
        dropped = len(self)
        if self._buffer.endswith(b"\r"):
            self._start = len(self._buffer) - 1
            return dropped - 1
        self.clear()
        return dropped
