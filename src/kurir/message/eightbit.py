"""The derived body for a next hop that takes 7-bit mail only (RFC 6152 section 3, RFC 2045 section 6).

Two passes, both on chunks, so that memory does not grow with the message: `survey` looks, `plan_conversion` decides
each entity's new transfer encoding, `Converter` writes.  Leaves with 8-bit octets become quoted-printable (text) or base64;
the labels of what contains them become 7bit; every other octet stays.  Nothing is dropped but 8-bit octets in preambles and
epilogues, which no reader shows.
"""

import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .headers import Headers
from .limits import MimeLimits
from .mime import Entity, Kind, MimeParser, MimeProblem, Piece, Role
from .structure import Structure, Trait, survey

_IDENTITY = (b"7bit", b"8bit", b"binary", b"")
_NEVER_ENCODED = (b"message/partial", b"message/external-body")  # RFC 2046 sections 5.2.2 and 5.2.3
_SIGNED = b"multipart/signed"
_ASCII_ONLY = bytes(range(128)) + b"?" * 128
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")
_NOT_BASE64 = re.sub(rb"[A-Za-z0-9+/=]", b"", bytes(range(256)))
_QP_PIECE = 64 * 1024  # of a line that does not end
_B64_LINE = 57  # octets that make 76 characters


class Obstacle(str, Enum):
    """Why a message cannot be converted (and so cannot go to that next hop)."""

    HEADER = "a header holds 8-bit octets, which only a server with SMTPUTF8 takes"
    UNSCANNABLE = "its structure is too deep or too large to be followed"
    BROKEN = "its structure can be read in more than one way"
    ENCODED = "a part says that it is encoded, and still holds octets that need conversion"
    FORBIDDEN = "a part is of a type that must not be encoded"


@dataclass(frozen=True, slots=True)
class ConversionPlan:
    """What is to be done: new transfer encodings by index of the entity; nothing to do where empty.

    `breaks_signature` warns that a part inside a multipart/signed changes, so that its signature will fail.
    `frame` says that 8-bit octets of preambles become question marks.
    """

    encodings: dict[int, bytes]
    obstacle: Obstacle | None = None
    breaks_signature: bool = False
    frame: bool = False

    @property
    def idle(self) -> bool:
        """Whether the message may travel as it is."""
        return self.obstacle is None and not self.encodings and not self.frame


def plan_conversion(
    structure: Structure, *, long_lines: bool = False, keep_headers: bool = False
) -> ConversionPlan:
    """Decide how to make the message 7-bit (and, with `long_lines`, free of lines above 998 octets).

    `keep_headers` leaves 8-bit headers as they are, for a next hop that takes SMTPUTF8 but not 8BITMIME (there should be
    none) or is known not to mind.
    """
    bad = Trait.EIGHT_BIT | Trait.NUL | Trait.BARE_BREAK | (Trait.LONG_LINE if long_lines else Trait(0))
    if structure.eight_bit_headers and not keep_headers:
        return ConversionPlan({}, Obstacle.HEADER)
    if not structure.needs_conversion(long_lines=long_lines):
        return ConversionPlan({})
    if structure.unscannable:
        return ConversionPlan({}, Obstacle.UNSCANNABLE)
    if structure.problems & MimeProblem.DUPLICATE_BOUNDARY:
        return ConversionPlan({}, Obstacle.BROKEN)
    encodings: dict[int, bytes] = {}
    signed = False
    for part, traits in zip(structure.parts, structure.contents, strict=True):
        if part.kind is Kind.LEAF and traits & bad:
            obstacle = _obstacle(part, traits)
            if obstacle is not None:
                return ConversionPlan({}, obstacle)
            encodings[part.index] = _encoding(part, traits)
            signed = signed or structure.inside(part.index, _SIGNED)
        elif part.encoding in (b"8bit", b"binary"):
            if part.broken:
                return ConversionPlan({}, Obstacle.BROKEN)
            encodings[part.index] = b"7bit"
    return ConversionPlan(encodings, None, signed, bool(structure.frame & Trait.EIGHT_BIT))


def _obstacle(part: Entity, traits: Trait) -> Obstacle | None:
    if part.broken:
        return Obstacle.BROKEN
    if part.content_type in _NEVER_ENCODED:
        return Obstacle.FORBIDDEN
    if part.encoding in _IDENTITY:
        return None
    # Raw octets in a quoted-printable part can be escaped where they stand, and base64 can be wrapped anew.
    escapable = part.encoding == b"quoted-printable" and not traits & ~Trait.EIGHT_BIT
    mendable = escapable or part.encoding == b"base64"
    return None if mendable else Obstacle.ENCODED


def _encoding(part: Entity, traits: Trait) -> bytes:
    if part.encoding not in _IDENTITY:
        return part.encoding
    text = part.content_type.startswith((b"text/", b"message/"))
    return b"quoted-printable" if text and not traits.binary else b"base64"


class Converter:
    """Writes the derived body.  Feed it the same octets that were surveyed, in chunks of any size."""

    def __init__(self, plan: ConversionPlan, limits: MimeLimits | None = None) -> None:
        if plan.obstacle is not None:
            raise ValueError(f"this message cannot be converted: {plan.obstacle.value}")
        self._plan = plan
        self._parser = MimeParser(limits or MimeLimits())
        self._encoder: _QuotedPrintable | _Base64 | _Escape | _Rewrap | None = None

    def feed(self, data: bytes) -> bytes:
        """Return the octets that are ready."""
        return b"".join([self._convert(piece) for piece in self._parser.feed(data)])

    def close(self) -> bytes:
        """Return the last octets."""
        out = b"".join([self._convert(piece) for piece in self._parser.close()])
        whole = len(self._parser.parts) == 1
        return out + self._flush(ends_message=whole)

    def _convert(self, piece: Piece) -> bytes:
        if piece.role is Role.CONTENT:
            if self._encoder is None:
                encoding = self._plan.encodings.get(piece.part)
                if encoding is None or encoding == b"7bit":
                    return piece.data
                self._encoder = self._encoder_for(piece.part, encoding)
            return self._encoder.feed(piece.data)
        done = self._flush(ends_message=False)
        if piece.role is Role.HEADER:
            return done + self._header(piece)
        return done + (piece.data.translate(_ASCII_ONLY) if self._plan.frame else piece.data)

    def _encoder_for(self, part: int, encoding: bytes) -> "_QuotedPrintable | _Base64 | _Escape | _Rewrap":
        present = self._parser.parts[part].encoding
        if present not in _IDENTITY:
            return _Escape() if present == b"quoted-printable" else _Rewrap()
        return _Base64() if encoding == b"base64" else _QuotedPrintable()

    def _flush(self, *, ends_message: bool) -> bytes:
        encoder, self._encoder = self._encoder, None
        return encoder.close(ends_message=ends_message) if encoder else b""

    def _header(self, piece: Piece) -> bytes:
        encoding = self._plan.encodings.get(piece.part)
        entity = self._parser.parts[piece.part]
        if encoding is None or entity.header is None:
            return piece.data
        root = entity.parent < 0 or self._parser.parts[entity.parent].kind is Kind.MESSAGE
        return _relabelled(piece.data, entity.header, encoding, root=root)


def _relabelled(block: bytes, header: Headers, encoding: bytes, *, root: bool) -> bytes:
    """Return the header block with its Content-Transfer-Encoding replaced, or added in front of the empty line."""
    line = b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    old = header.named(b"Content-Transfer-Encoding")
    if old:
        return block[: old[0].start] + line + block[old[0].end :]
    if root and not header.named(b"MIME-Version"):
        line = b"MIME-Version: 1.0\r\n" + line
        if not header.named(b"Content-Type"):
            line += b"Content-Type: text/plain; charset=unknown-8bit\r\n"  # RFC 1428
    end = header.fields[-1].end if header.fields else 0
    before = block[:end]
    if before and not before.endswith(b"\n"):
        before += b"\r\n"
    return before + line + (block[end:] or b"\r\n")


class _QuotedPrintable:
    """Text of CRLF lines to quoted-printable, whole lines at a time."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data
        cut = data.rfind(b"\n") + 1
        out = binascii.b2a_qp(data[:cut], istext=True) if cut else b""
        rest = data[cut:]
        while len(rest) > _QP_PIECE:  # a line without end: written with soft breaks
            size = _QP_PIECE - rest.startswith(b"\r", _QP_PIECE - 1)
            out += self._unfinished(rest[:size]) + b"=\r\n"
            rest = rest[size:]
        self._rest = rest
        return out

    def close(self, *, ends_message: bool) -> bytes:
        rest, self._rest = self._rest, b""
        if not rest:
            return b""
        return self._unfinished(rest) + (b"=\r\n" if ends_message else b"")

    @staticmethod
    def _unfinished(data: bytes) -> bytes:
        # b2a_qp writes soft breaks in the style of the first line end that it sees: show it one.
        return binascii.b2a_qp(data + b"\r\n", istext=True)[:-2]


class _Base64:
    """Any octets to base64."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data
        whole = len(data) - len(data) % _B64_LINE
        self._rest = data[whole:]
        return self._lines(data[:whole])

    def close(self, *, ends_message: bool) -> bytes:
        rest, self._rest = self._rest, b""
        return self._lines(rest)

    @staticmethod
    def _lines(data: bytes) -> bytes:
        if not data:
            return b""
        return b"\r\n".join(re.findall(rb".{1,76}", binascii.b2a_base64(data, newline=False))) + b"\r\n"


class _Escape:
    """Raw 8-bit octets in a part that is quoted-printable already: escape them, and nothing else."""

    def feed(self, data: bytes) -> bytes:
        return data if data.isascii() else _EIGHT_BIT.sub(lambda m: b"=%02X" % m[0][0], data)

    def close(self, *, ends_message: bool) -> bytes:
        return b""


class _Rewrap:
    """Base64 that was there already, in lines of 76; what is no base64 (and decoders ignore) goes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data.translate(None, _NOT_BASE64)
        whole = len(data) - len(data) % 76
        self._rest = data[whole:]
        return b"".join([line + b"\r\n" for line in re.findall(rb".{76}", data[:whole])])

    def close(self, *, ends_message: bool) -> bytes:
        rest, self._rest = self._rest, b""
        return rest + b"\r\n" if rest else b""


@dataclass(frozen=True, slots=True)
class Converted:
    """A derived body, or why there is none."""

    octets: bytes
    plan: ConversionPlan


def convert(message: bytes, *, long_lines: bool = False, keep_headers: bool = False) -> Converted:
    """Convert a message that is in memory: both passes at once.  For files, use the passes themselves."""
    plan = plan_conversion(survey(message), long_lines=long_lines, keep_headers=keep_headers)
    if plan.obstacle is not None or plan.idle:
        return Converted(message, plan)
    return Converted(b"".join(convert_chunks((message,), plan)), plan)


def convert_chunks(chunks: Iterable[bytes], plan: ConversionPlan) -> Iterable[bytes]:
    """Yield the derived body of a message given in chunks."""
    converter = Converter(plan)
    for chunk in chunks:
        yield converter.feed(chunk)
    yield converter.close()
