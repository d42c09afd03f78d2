"""Replies of a peer, cut from the stream (RFC 5321 section 4.2).

Any code from 200 to 599 is legal; the text is kept word for word.  A lone LF is taken as a line end here, since
some servers send it and nothing follows from it.
"""

import re

from kurir.model import Reply
from kurir.model.reply import split_enhanced

from . import limits

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)


class Garbage(Exception):
    """What came is no reply, or one without end; `str(e)` says which."""


class ReplyReader:
    """Bytes of a peer until they are whole replies.  Holds at most one reply of `limits.REPLY_OCTETS`."""

    __slots__ = ("_buffer", "_lines", "_octets", "_start")

    def __init__(self) -> None:
        self._buffer = b""
        self._start = 0
        self._lines: list[tuple[bytes, bytes]] = []  # (code, text) of the reply under way
        self._octets = 0

    def add(self, data: bytes) -> None:
        """Append bytes from the peer."""
        self._buffer = self._buffer[self._start :] + data
        self._start = 0

    @property
    def pending(self) -> bool:
        """Whether anything has come that was not returned as a reply."""
        return self._start < len(self._buffer) or bool(self._lines)

    @property
    def begun(self) -> bytes:
        """What has come of an unfinished line, for a person to read."""
        return self._buffer[self._start : self._start + 200]

    def next(self) -> Reply | None:
        """Return the next whole reply, or None when more bytes are needed.  Raises `Garbage`."""
        while True:
            start = self._start
            end = self._buffer.find(b"\n", start, start + limits.REPLY_LINE)
            if end < 0:
                if len(self._buffer) - start >= limits.REPLY_LINE:
                    raise Garbage(f"a reply line is longer than {limits.REPLY_LINE} octets")
                return None
            line = self._buffer[
                start : end - 1 if self._buffer[end - 1 : end] == b"\r" and end > start else end
            ]
            self._start = end + 1
            m = _LINE.fullmatch(line)
            if m is None:
                shown = line[:200].decode("utf-8", "backslashreplace")
                raise Garbage(f"this is no SMTP reply: {shown!r}")
            code, mark, text = m.groups()
            if mark != b"-" and not self._lines:
                return _reply(int(code), [text or b""])
            self._take(code, text or b"", end + 1 - start)
            if mark != b"-":
                lines, self._lines, self._octets = self._lines, [], 0
                return _reply(int(code), [text for _, text in lines])

    def _take(self, code: bytes, text: bytes, octets: int) -> None:
        lines = self._lines
        if lines and lines[0][0] != code:
            raise Garbage(f"the code changes within a reply: {lines[0][0].decode()} and {code.decode()}")
        lines.append((code, text))
        self._octets += octets
        if len(lines) > limits.REPLY_LINES or self._octets > limits.REPLY_OCTETS:
            raise Garbage(
                f"a reply is longer than {limits.REPLY_LINES} lines or {limits.REPLY_OCTETS} octets"
            )


def _reply(code: int, lines: list[bytes]) -> Reply:
    texts = [line.decode("utf-8", "backslashreplace") for line in lines]
    enhanced, first = split_enhanced(code, texts[0])
    if enhanced is not None:
        texts[0] = first
        for i in range(1, len(texts)):
            again, rest = split_enhanced(code, texts[i])
            if again == enhanced:
                texts[i] = rest
    return Reply(code, enhanced, tuple(texts))
