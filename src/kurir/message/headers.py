"""A bounded scanner of header blocks: where the fields are, and what is wrong with them (RFC 5322 section 2.2).

The bytes stay as they came; a field is a span in them.  One pass of one regular expression whose repeats are all
possessive, so that its time is linear in the input whatever the input is.  Lines end with CRLF; a bare LF is
tolerated as a line end (it cannot arrive by SMTP, but may stand in a file), a bare CR is an ordinary octet.

What counts as a field is decided here once, for policy, signatures and display: a name of printable
US-ASCII without colon, followed by the colon.  Blanks between them are a fault, yet the field is found by name
(section 4.5: they must be accepted).  ``From`` followed by NUL, a name that is folded and a line without a colon are
malformed lines and never found by name; `Headers.disguised` tells what somebody else may read in them.
"""

import re
from collections.abc import Iterator
from enum import Flag
from typing import NamedTuple

from .limits import MAX_DISPLAY, MAX_LINE, HeaderLimits
from .words import decode_text

# The empty line that ends the header block; a block may also begin with it (no fields at all).
_HEADER_END = re.compile(rb"\n\r?\n")
_FIELD = re.compile(
    rb"(?:([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)"  # name ":" value, folded lines included
    rb"|([^\n]*+(?:\n[ \t][^\n]*+)*+))(?:\n|\Z)"  # anything else: a malformed line with its folds
)
_BLANK_FOLD = re.compile(rb"\n[ \t]++\r?(?:\n|\Z)")
_FIRST_NAME = re.compile(rb"[!-9;-~]++[ \t]*+:")
_NOT_PRINTED = bytes((*range(0x21), *range(0x7F, 0x100)))

_DEFAULT = HeaderLimits()


class Problem(Flag):
    """What is wrong with a header block.  None of it stops the scanner; the policy decides."""

    TOO_LONG = 1  # the block, or one field of it, is larger than the limit
    TOO_MANY = 2  # fields; those beyond the limit were not looked at
    MALFORMED_LINE = 4  # no colon, a blank before the colon, or an octet that no name may have
    LONG_LINE = 8  # above 998 octets
    NUL = 16
    EIGHT_BIT = 32  # only right with SMTPUTF8 (RFC 6532)
    NOT_UTF8 = 64  # 8-bit octets that are not even UTF-8
    BLANK_LINE = 128  # only blanks: readers disagree on whether the header ends there
    UNFINISHED = 256  # no empty line was seen: the header may go on beyond the given octets
    NO_HEADER = 512  # the text begins with something that is no header at all


class Field(NamedTuple):
    """One field: `name` as written, and offsets into the scanned bytes.

    ``data[start:end]`` is the whole field with its last line break, ``data[value_at:end]`` the raw value.
    """

    name: bytes
    start: int
    value_at: int
    end: int


class Headers:
    """The fields of one header block, in order.

    `header_end` is the offset of the body proper, behind the empty line; where there is no empty line, the number
    of octets looked at.  Names are compared without case.
    """

    __slots__ = ("_by_name", "_disguised", "data", "fields", "header_end", "problems")

    def __init__(
        self,
        data: bytes,
        fields: tuple[Field, ...],
        header_end: int,
        problems: Problem,
        disguised: frozenset[bytes] = frozenset(),
    ) -> None:
        self.data = data
        self.fields = fields
        self.header_end = header_end
        self.problems = problems
        self._disguised = disguised
        by_name: dict[bytes, list[Field]] = {}
        for field in fields:
            by_name.setdefault(field.name.lower(), []).append(field)
        self._by_name = by_name

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def named(self, name: bytes | str) -> tuple[Field, ...]:
        """Return the fields with that name, in order."""
        return tuple(self._by_name.get(_key(name), ()))

    def disguised(self, name: bytes | str) -> bool:
        """Whether a lenient reader may take a malformed line for a field of that name, or for more of its value."""
        return bool(self._disguised) and _key(name) in self._disguised

    def value(self, field: Field) -> bytes:
        """Return the value of `field` unfolded (RFC 5322 section 2.2.3), without blanks at its ends."""
        return unfold(self.data[field.value_at : field.end])

    def get(self, name: bytes | str) -> bytes | None:
        """Return the unfolded value of the first field with that name, or None."""
        found = self._by_name.get(_key(name))
        return self.value(found[0]) if found else None

    def all(self, name: bytes | str) -> tuple[bytes, ...]:
        """Return the unfolded values of all fields with that name, in order."""
        return tuple(self.value(field) for field in self._by_name.get(_key(name), ()))

    def text(self, name: bytes | str, limit: int = MAX_DISPLAY) -> str:
        """Return the first field's value for display: decoded, harmless, at most `limit` characters."""
        value = self.get(name)
        return "" if value is None else decode_text(value, limit)


def _key(name: bytes | str) -> bytes:
    return (name.encode() if isinstance(name, str) else name).lower()


def unfold(value: bytes) -> bytes:
    """Remove the line breaks of a folded value, and blanks at both ends."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.strip(b" \t\r")


def find_header_end(data: bytes, limit: int = _DEFAULT.octets) -> tuple[int, bool]:
    """Return ``(offset of the body proper, whether the empty line was seen)`` looking at `limit` octets at most."""
    if data.startswith(b"\r\n"):
        return 2, True
    if data.startswith(b"\n"):
        return 1, True
    m = _HEADER_END.search(data, 0, limit)
    return (m.end(), True) if m else (min(len(data), limit), False)


def scan(data: bytes, limits: HeaderLimits = _DEFAULT) -> Headers:
    """Scan the header block at the start of `data` (a message, or its first octets).

    Never raises.  Looks at `limits.octets` at most.  Where the very first line is no field, the text has no
    header: `header_end` is 0 and `Problem.NO_HEADER` is set.
    """
    end, seen = find_header_end(data, limits.octets)
    problems = Problem(0)
    if not seen:
        problems |= Problem.UNFINISHED
        if len(data) > limits.octets:
            problems |= Problem.TOO_LONG
    if end and not data.startswith((b"\r\n", b"\n")) and not _FIRST_NAME.match(data, 0, end):
        if not _any_field(data, end):
            return Headers(data, (), 0, problems | Problem.NO_HEADER)
        problems |= Problem.MALFORMED_LINE
    fields, found, disguised = _fields(data, end, limits)
    return Headers(data, fields, end, problems | found | _octet_problems(data[:end]), disguised)


def _any_field(data: bytes, end: int) -> bool:
    return any(m[1] is not None for m in _FIELD.finditer(data, 0, end))


def _fields(
    data: bytes, end: int, limits: HeaderLimits
) -> tuple[tuple[Field, ...], Problem, frozenset[bytes]]:
    fields: list[Field] = []
    disguised: set[bytes] = set()
    problems = Problem(0)
    for count, m in enumerate(_FIELD.finditer(data, 0, end)):
        start, stop = m.span()
        if stop - start <= 2 and not data[start:stop].strip():
            break  # the empty line
        if count >= limits.fields:
            problems |= Problem.TOO_MANY
            break
        if stop - start > limits.field_octets:
            problems |= Problem.TOO_LONG
        name = m[1]
        if name is None:
            problems |= Problem.MALFORMED_LINE
            disguised |= _readings(m[3], fields[-1].name if fields else b"")
        else:
            value_at = m.start(2)
            if value_at - start > len(name) + 1:
                problems |= Problem.MALFORMED_LINE
            fields.append(Field(name, start, value_at, stop))
    return tuple(fields), problems, frozenset(disguised)


def _readings(line: bytes, above: bytes) -> set[bytes]:
    """Return the names, lower case, of the fields that lenient readers may see in a malformed line.

    Some drop what is not printed from a name; some know more blanks than two, and join such a line to the one above.
    Without a colon there is no field to anybody, and a letter of another charset is no blank.
    """
    name, colon, _ = line.partition(b":")
    found = {name.translate(None, _NOT_PRINTED).lower()} if colon else set()
    first = line[:4].decode("utf-8", "replace")[:1]
    return found if first.isprintable() else found | {above.lower()}


def _octet_problems(block: bytes) -> Problem:
    problems = Problem(0)
    if b"\0" in block:
        problems |= Problem.NUL
    if not block.isascii():
        problems |= Problem.EIGHT_BIT
        try:
            block.decode()
        except UnicodeDecodeError:
            problems |= Problem.NOT_UTF8
    if has_long_line(block):
        problems |= Problem.LONG_LINE
    if _BLANK_FOLD.search(block):
        problems |= Problem.BLANK_LINE
    return problems


def has_long_line(data: bytes, limit: int = MAX_LINE) -> bool:
    """Tell whether a line of `data` has more than `limit` octets, its line break not counted.

    Jumps from line end to line end by `limit` octets, so that the cost does not depend on the number of lines.
    """
    at, size = 0, len(data)
    while size - at > limit:
        line_end = data.rfind(b"\n", at, at + limit + 2)
        if line_end < 0:
            rest = data[at : at + limit + 1]
            return len(rest) > limit and not (len(rest) == limit + 1 and rest.endswith(b"\r"))
        if line_end - at == limit + 1 and data[line_end - 1] != 0x0D:
            # limit + 1 octets, then a bare LF, unless an earlier line end splits them
            earlier = data.rfind(b"\n", at, line_end)
            if earlier < 0:
                return True
            line_end = earlier
        at = line_end + 1
    return False


def tls_not_required(head: bytes) -> bool:
    """Whether a header says ``TLS-Required: No`` (RFC 8689 section 4.3); `head` may end anywhere behind it."""
    found = scan(head).get(b"tls-required")
    return found is not None and found.strip().lower() == b"no"
