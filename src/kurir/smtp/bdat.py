"""BDAT: bodies that come as counted octets (RFC 3030)."""

import re
from typing import NamedTuple

from . import limits, replies
from .data import TextRules

_CHUNK = re.compile(rb"(\d{1,%d})(?: +(LAST))? *" % limits.CHUNK_DIGITS, re.IGNORECASE)


class Chunk(NamedTuple):
    """The argument of BDAT."""

    size: int
    last: bool


def parse_chunk(argument: bytes) -> Chunk | None:
    """Parse ``size [LAST]``; None when it cannot be believed (then nobody knows where the next command is)."""
    m = _CHUNK.fullmatch(argument)
    return Chunk(int(m[1]), m[2] is not None) if m else None


class ChunkReader:
    """Takes a body out of chunks.  A CR at the end of a piece waits for what follows it."""

    __slots__ = ("_carry", "rules")

    def __init__(self, rules: TextRules) -> None:
        self.rules = rules
        self._carry = b""

    def feed(self, data: bytes) -> bytes:
        """Return the octets that may be passed on."""
        if self._carry:
            data = self._carry + data
        self._carry = b""
        if data.endswith(b"\r"):
            data, self._carry = data[:-1], b"\r"
        return self.rules.admit(data, data, replies.BARE_IN_CHUNK) if data else b""

    def end(self) -> bytes:
        """Return what was held back, at the end of the last chunk."""
        carry, self._carry = self._carry, b""
        return self.rules.admit(carry, carry, replies.BARE_IN_CHUNK) if carry else b""
