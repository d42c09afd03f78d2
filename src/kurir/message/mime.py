"""A bounded scanner of MIME structure that works on chunks (RFC 2045, RFC 2046).

Bytes in, pieces out, and the pieces joined are exactly the bytes: headers of entities, content of leaves, and the
frame around them (boundary lines, preambles, epilogues).  No recursion; work is done per boundary candidate, never
per line.  What cannot be followed (nested too deep, too many parts, a multipart without boundary) is not guessed at:
the problem is noted and the rest of that entity, or of the message, is passed through as frame.

Feed chunks of some size (64 KiB and more); an entity header is kept until it is complete, content is not.
"""

import re
from dataclasses import dataclass
from enum import Enum, Flag
from typing import NamedTuple

from .headers import Headers, scan
from .limits import MimeLimits

_HEADER_END = re.compile(rb"\n\r?\n")
_TYPE = re.compile(rb"[ \t]*+([!#-'*+.0-9A-Z^-~-]{1,127})/([!#-'*+.0-9A-Z^-~-]{1,127})")
_CFWS = rb"[ \t]*+(?:\([^()]*+\)[ \t]*+)*+"
_PARAMETER = re.compile(
    _CFWS + rb";" + _CFWS + rb"(?:([!#-'*+.0-9A-Z^-~-]++)[ \t]*+=[ \t]*+"
    rb'(?:"((?:[^"\\]|\\.)*+)"|([^ \t;"]++)))?+'
)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_MAX_PARAMETERS = 100
_SLICE = 128 * 1024

_DEFAULT = MimeLimits()


class MimeProblem(Flag):
    """Why a structure is not what it seems."""

    TOO_DEEP = 1
    TOO_MANY_PARTS = 2
    TOO_COMPLEX = 4  # lines that look like boundaries, parameters without end, an endless header
    NO_BOUNDARY = 8  # a multipart that names none, or one that cannot stand in a line
    DUPLICATE_BOUNDARY = 16  # two nested multiparts, or two parameters: readers disagree on where parts end
    DUPLICATE_FIELD = 32  # two Content-Type or two Content-Transfer-Encoding fields
    NOT_CLOSED = 64  # the closing boundary is missing
    NO_PARTS = 128  # a multipart whose boundary never occurs
    BAD_TYPE = 256  # a Content-Type that cannot be read


# With one of these, nobody may claim to know what is inside.
UNSCANNABLE = MimeProblem.TOO_DEEP | MimeProblem.TOO_MANY_PARTS | MimeProblem.TOO_COMPLEX


class Kind(Enum):
    """What an entity is."""

    LEAF = "leaf"
    MULTIPART = "multipart"
    MESSAGE = "message"  # message/rfc822: another message inside, with a header of its own


class Role(Enum):
    """What a piece is."""

    HEADER = "header"  # of one entity, with its empty line (which may be missing in a broken one)
    CONTENT = "content"  # of a leaf
    FRAME = "frame"


class Piece(NamedTuple):
    """Some octets of the message; `part` is the index of the entity they belong to."""

    role: Role
    data: bytes
    part: int


@dataclass(slots=True)
class Entity:
    """One entity.  `content_type` and `encoding` lower-case; `parent` -1 for the message itself."""

    index: int
    parent: int
    depth: int
    kind: Kind = Kind.LEAF
    content_type: bytes = b"text/plain"
    encoding: bytes = b"7bit"
    boundary: bytes = b""
    header: Headers | None = None
    broken: bool = False  # a multipart without usable boundary, or ambiguous fields: not to be converted


class MimeParser:
    """Splits a message into pieces.  `parts` grows while chunks are fed; `problems` is complete after `close`."""

    def __init__(self, limits: MimeLimits = _DEFAULT) -> None:
        self.parts: list[Entity] = [Entity(0, -1, 0)]
        self.problems = MimeProblem(0)
        self._limits = limits
        self._buffer = b""
        self._searched = 0
        self._role = Role.HEADER
        self._part = 0
        self._line_start = True  # the buffer begins at the start of a line
        self._open: list[int] = []  # multiparts whose end has not been seen, outermost first
        self._levels: dict[bytes, int] = {}  # boundary -> its position in `_open`
        self._seen_boundary: set[int] = set()
        self._candidates = 0
        self._gave_up = False

    def feed(self, data: bytes) -> list[Piece]:
        """Take a chunk; return the pieces that are certain now."""
        out: list[Piece] = []
        for at in range(0, len(data), _SLICE):  # what is cut off the buffer is copied: keep it small
            self._buffer += data[at : at + _SLICE]
            self._advance(out, last=False)
        return out

    def close(self) -> list[Piece]:
        """End of the message: return the last pieces."""
        out: list[Piece] = []
        self._advance(out, last=True)
        if self._open:
            self.problems |= MimeProblem.NOT_CLOSED
            if any(index not in self._seen_boundary for index in self._open):
                self.problems |= MimeProblem.NO_PARTS
        return out

    def _advance(self, out: list[Piece], *, last: bool) -> None:
        while (self._header if self._role is Role.HEADER else self._body)(out, last=last):
            pass

    # -- headers

    def _header(self, out: list[Piece], *, last: bool) -> bool:
        end = self._header_end(last=last)
        if end < 0:
            if len(self._buffer) > self._limits.header_octets:
                self._give_up(MimeProblem.TOO_COMPLEX)
                return True
            return False
        block, self._buffer = self._buffer[:end], self._buffer[end:]
        self._searched, self._line_start = 0, True
        entity = self.parts[self._part]
        entity.header = scan(block)
        if block:
            out.append(Piece(Role.HEADER, block, entity.index))
        self._read_type(entity)
        self._enter(entity)
        return True

    def _header_end(self, *, last: bool) -> int:
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            return 2
        if buffer.startswith(b"\n"):
            return 1
        m = _HEADER_END.search(buffer, max(0, self._searched - 3))
        end = m.end() if m else len(buffer)
        # A boundary inside the header: the part has no empty line and no content.
        at = 0 if self._line_start and buffer.startswith(b"--") else buffer.find(b"\n--", 0, end) + 1
        while self._levels and (at or buffer.startswith(b"--")):
            stop = buffer.find(b"\n", at)
            if self._match(buffer[at : stop if stop >= 0 else end]) is not None and (stop >= 0 or last):
                return at
            at = buffer.find(b"\n--", at + 1, end) + 1
            if not at:
                break
        self._searched = len(buffer)
        return end if m or last else -1

    def _read_type(self, entity: Entity) -> None:
        header = entity.header
        assert header is not None
        types, encodings = header.all(b"Content-Type"), header.all(b"Content-Transfer-Encoding")
        if len(types) > 1 or len(encodings) > 1:
            self.problems |= MimeProblem.DUPLICATE_FIELD
            entity.broken = True
        if encodings:
            entity.encoding = encodings[0].partition(b"(")[0].strip().lower()
        digest = entity.parent >= 0 and self.parts[entity.parent].content_type == b"multipart/digest"
        entity.content_type = b"message/rfc822" if digest else b"text/plain"
        if types:
            m = _TYPE.match(types[0])
            if m is None:
                self.problems |= MimeProblem.BAD_TYPE
                return
            entity.content_type = m[0].strip().lower()
            if entity.content_type.startswith(b"multipart/"):
                self._read_boundary(entity, types[0], m.end())

    def _read_boundary(self, entity: Entity, value: bytes, at: int) -> None:
        found: list[bytes] = []
        for _ in range(_MAX_PARAMETERS):
            m = _PARAMETER.match(value, at)
            if m is None:
                break
            at = m.end()
            if m[1] is not None and m[1].lower() == b"boundary":
                quoted = m[2]
                found.append(_QUOTED_PAIR.sub(rb"\1", quoted) if quoted is not None else m[3])
        entity.kind = Kind.MULTIPART
        if len(found) > 1:
            self.problems |= MimeProblem.DUPLICATE_BOUNDARY
            entity.broken = True
        boundary = found[0].rstrip(b" \t") if found else b""
        if not boundary or len(boundary) > self._limits.boundary or b"\n" in boundary or b"\r" in boundary:
            self.problems |= MimeProblem.NO_BOUNDARY
            entity.kind, entity.broken = Kind.LEAF, True
            return
        entity.boundary = boundary

    def _enter(self, entity: Entity) -> None:
        """Go on behind the header of `entity`."""
        encoded = entity.encoding in (b"base64", b"quoted-printable")
        if entity.content_type in (b"message/rfc822", b"message/global") and not encoded:
            entity.kind = Kind.MESSAGE
            self._start_part(entity.index)
        elif entity.kind is Kind.MULTIPART:
            if entity.boundary in self._levels:
                self.problems |= MimeProblem.DUPLICATE_BOUNDARY
                entity.broken = True
            self._open.append(entity.index)
            self._levels[entity.boundary] = len(self._open) - 1
            self._role = Role.FRAME
        else:
            self._role = Role.CONTENT

    def _start_part(self, parent: int) -> None:
        depth = self.parts[parent].depth + 1
        if depth > self._limits.depth:
            self._give_up(MimeProblem.TOO_DEEP)
        elif len(self.parts) >= self._limits.parts:
            self._give_up(MimeProblem.TOO_MANY_PARTS)
        else:
            self._part = len(self.parts)
            self.parts.append(Entity(self._part, parent, depth))
            self._role = Role.HEADER

    def _give_up(self, problem: MimeProblem) -> None:
        self.problems |= problem
        self._gave_up = True
        self._role = Role.FRAME

    # -- content and frame

    def _body(self, out: list[Piece], *, last: bool) -> bool:
        buffer = self._buffer
        if self._gave_up or not self._levels:
            self._emit(out, len(buffer))
            return False
        at = self._next_candidate()
        while at >= 0:
            stop = buffer.find(b"\n", at, at + self._limits.boundary + 100)
            if stop < 0 and not last and len(buffer) - at < self._limits.boundary + 100:
                break  # the line is not complete yet
            end = stop + 1 if stop >= 0 else len(buffer)
            matched = self._match(buffer[at:end]) if stop >= 0 or last else None
            if matched is not None:
                self._delimiter(out, at, end, *matched)
                return True
            self._candidates += 1
            if self._candidates > self._limits.candidates:
                self._give_up(MimeProblem.TOO_COMPLEX)
                return True
            at = buffer.find(b"\n--", at + 1)
            at = at + 1 if at >= 0 else -1
        # Without a candidate, the last octets may still be the start of CR LF "--".
        rest = len(buffer) if last else max(0, len(buffer) - 4)
        self._emit(out, rest if at < 0 else self._before_break(at))
        return False

    def _next_candidate(self) -> int:
        if self._line_start and self._buffer.startswith(b"--"):
            return 0
        return self._buffer.find(b"\n--") + 1 or -1

    def _before_break(self, at: int) -> int:
        """The line break before a boundary belongs to the boundary (RFC 2046 section 5.1.1)."""
        if at >= 2 and self._buffer[at - 2 : at] == b"\r\n":
            return at - 2
        return at - 1 if at >= 1 else 0

    def _match(self, line: bytes) -> tuple[int, bool] | None:
        """Return (level, whether it closes) where `line` is a boundary line."""
        name = line.rstrip(b" \t\r\n")[2:]
        level = self._levels.get(name)
        if level is not None:
            return level, False
        if name.endswith(b"--"):
            level = self._levels.get(name[:-2])
            if level is not None:
                return level, True
        return None

    def _delimiter(self, out: list[Piece], at: int, end: int, level: int, closes: bool) -> None:
        content = self._before_break(at)
        if content:
            self._emit(out, content)
        multipart = self._open[level]
        if len(self._open) > level + 1:
            self.problems |= MimeProblem.NOT_CLOSED  # those inside were still open
        self._seen_boundary.add(multipart)
        keep = level if closes else level + 1
        del self._open[keep:]
        self._levels = {self.parts[index].boundary: i for i, index in enumerate(self._open)}
        self._part, self._role = multipart, Role.FRAME
        self._emit(out, end - content)
        self._line_start, self._searched = True, 0
        if not closes:
            self._start_part(multipart)

    def _emit(self, out: list[Piece], size: int) -> None:
        if size:
            out.append(Piece(self._role, self._buffer[:size], self._part))
            self._buffer = self._buffer[size:]
            self._line_start = False
