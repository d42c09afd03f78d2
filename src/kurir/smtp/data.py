r"""The body of a message on the wire: dots taken out and put in, and the rules its octets must obey.

The end of data is CRLF.CRLF and nothing else (RFC 5321 section 4.1.1.4).  All work is done on whole chunks with
the C methods of `bytes`; the only thing carried from chunk to chunk is the start of a possible ``\r\n.\r\n``.
The stream is read as if a CRLF stood before its first octet, so its first line needs no case of its own.
"""

import re

from kurir.model import Reply

from . import replies

_END = b"\r\n.\r\n"
_LINE_DOT = b"\r\n."
_DOTS_ONE_BY_ONE = 24
_DOT_LINE = re.compile(rb"\r\n\.(?=\r\n)")


def has_bare_line_end(data: bytes) -> bool:
    """Tell whether a CR in `data` is not followed by LF, or an LF does not follow a CR.

    What is left of either when the pairs are gone stood alone; three searches for an octet or two cost an eighth of a
    look at each octet.  Two octets for two are put in place, at half the cost of closing each gap.
    """
    rest = data.replace(b"\r\n", b"  ")
    return b"\r" in rest or b"\n" in rest


def find_line_dot(data: bytes) -> int:
    """Return where the first CRLF with a dot behind it begins, or -1.

    One octet is found ten times as fast as three.  So the first dots are looked at one by one: a header has a few,
    an attachment has none.  Where there are many, as in prose, the plain search goes on from there.
    """
    dot = -1
    for _ in range(_DOTS_ONE_BY_ONE):
        dot = data.find(b".", dot + 1)
        if dot < 0:
            return -1
        if data.startswith(b"\r\n", max(dot - 2, 0), dot):
            return dot - 2
    return data.find(_LINE_DOT, dot - 1)


class TextRules:
    """What a body may hold, checked chunk by chunk; remembers the first rule broken as `problem`.

    The pieces given to `admit` must not split a CRLF.  `size` counts all octets, also those not let through.
    """

    __slots__ = (
        "_any_octet",
        "_max_line",
        "_max_size",
        "_nul_seen",
        "_refuse_nul",
        "_run",
        "_tail",
        "_tail_without_nul",
        "framing",
        "problem",
        "size",
    )

    def __init__(self, max_size: int, max_line: int, *, refuse_nul: bool, any_octet: bool) -> None:
        self.size = 0
        self.problem: Reply | None = None
        self.framing = False  # the problem makes it doubtful where messages begin and end
        self._max_size = max_size or (1 << 63)
        self._max_line = max_line
        self._refuse_nul = refuse_nul
        self._any_octet = any_octet  # BODY=BINARYMIME
        self._run = 0  # octets since the last line end
        self._nul_seen = False
        self._tail = self._tail_without_nul = b"\r\n"  # the last four octets, and those that are not NUL

    def admit(self, raw: bytes, body: bytes, bare: Reply) -> bytes:
        """Return `body`, or nothing once a rule is broken.  `raw` is the same piece before dots were taken out."""
        self.size += len(body)
        if self.problem is not None:
            return b""
        if self.size > self._max_size:
            self.problem = replies.too_large(None, self._max_size)
        elif not self._any_octet:
            self._check(raw, bare)
        return body if self.problem is None else b""

    def _check(self, raw: bytes, bare: Reply) -> None:
        if has_bare_line_end(raw):
            self.problem, self.framing = bare, True
        elif (self._nul_seen or b"\0" in raw) and self._nul_is_harmful(raw):
            self.problem, self.framing = replies.NUL_IN_BODY, True
        elif self._max_line and self._line_too_long(raw):
            self.problem = replies.TEXT_LINE_TOO_LONG
        else:
            self._remember(raw)

    def _nul_is_harmful(self, raw: bytes) -> bool:
        """Some software drops NUL: what is no end of data here must not become one there."""
        self._nul_seen = True
        without = self._tail_without_nul + raw.replace(b"\0", b"")
        return self._refuse_nul or len(_DOT_LINE.findall(without)) > len(_DOT_LINE.findall(self._tail + raw))

    def _line_too_long(self, raw: bytes) -> bool:
        limit, length = self._max_line, len(raw)
        start = -self._run  # where the line under way began
        while length - start > limit:  # one look per `limit` octets, not one per line
            end = raw.rfind(b"\n", max(start, 0), start + limit)
            if end < 0:
                return True
            start = end + 1
        end = raw.rfind(b"\n", max(start, 0))
        self._run = length - (end + 1 if end >= 0 else start)
        return False

    def _remember(self, raw: bytes) -> None:
        without = self._tail_without_nul + raw.replace(b"\0", b"") if self._nul_seen else b""
        self._tail = raw[-4:] if len(raw) > 3 else (self._tail + raw)[-4:]
        self._tail_without_nul = without[-4:] if self._nul_seen else self._tail


class DataReader:
    """Takes the body out of what follows DATA."""

    __slots__ = ("_carry", "_first", "rules")

    def __init__(self, rules: TextRules) -> None:
        self.rules = rules
        self._carry = b"\r\n"
        self._first = True

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Return ``(body octets, None)``, or ``(last body octets, what stands behind the end of data)``."""
        data = self._carry + data
        dot = find_line_dot(data)
        # One search does for most bodies: no line begins with a dot, or only the last one.
        end = dot if dot < 0 or data.startswith(_END, dot) else data.find(_END, dot)
        if end >= 0:
            raw, rest = data[: end + 2], data[end + 5 :]
        else:
            keep = held_back(data)
            raw, rest = data[: len(data) - keep], None
            self._carry = data[len(data) - keep :]
        if not raw:
            return b"", rest
        body = raw if dot == end else raw.replace(_LINE_DOT, b"\r\n")
        if self._first:  # the CRLF that we put in front
            body, self._first = body[2:], False
        return self.rules.admit(raw, body, replies.BARE_IN_BODY), rest


def held_back(data: bytes) -> int:
    """Return how many octets at the end of `data` may be the beginning of an end of data."""
    if data.endswith((b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")):
        return (
            4 if data.endswith(b"\r\n.\r") else 3 if data.endswith(b".") else 2 if data.endswith(b"\n") else 1
        )
    return 0


class DotStuffer:
    """Puts dots in, across pieces, and makes the end of data.  Octets are otherwise sent as they are."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"

    def feed(self, data: bytes) -> bytes:
        """Return `data` as it goes over the wire."""
        tail = self._tail
        self._tail = data[-2:] if len(data) > 1 else (tail + data)[-2:]
        # A line begins in here, or the line end lies in (or across) the piece before.
        if tail == b"\r\n":
            if data.startswith(b"."):
                data = b"." + data
        elif tail.endswith(b"\r") and data.startswith(b"\n."):
            data = b"\n." + data[1:]
        return data.replace(_LINE_DOT, b"\r\n..") if find_line_dot(data) >= 0 else data

    def end(self) -> bytes:
        """Return the end of data; a body that does not end with a line end is given one."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"
