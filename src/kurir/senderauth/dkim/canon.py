"""Canonical form of header fields (RFC 6376 section 3.4), and which fields a signature means (section 5.4.2)."""

import re
from collections.abc import Iterable, Sequence
from enum import Enum

from kurir.message import Field, Headers

_BLANKS = re.compile(rb"[ \t]+")
_B_TAG = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


class Canon(str, Enum):
    """How header or body is brought into a form that survives transport."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


def choose_fields(headers: Headers, names: Iterable[str], own: Field | None = None) -> list[Field]:
    """Return the fields that a list of names means: each mention takes the lowest one not yet taken.

    A mention beyond the last one means nothing.  `own` is the signature's own field, which it never covers.
    """
    left: dict[str, list[Field]] = {}
    chosen: list[Field] = []
    for name in names:
        stack = left.get(name)
        if stack is None:
            stack = left[name] = [field for field in headers.named(name) if field is not own]
        if stack:
            chosen.append(stack.pop())
    return chosen


def canonical_fields(headers: Headers, fields: Sequence[Field], canon: Canon) -> bytes:
    """Return the canonical octets of `fields`, each ending in CRLF."""
    data = headers.data
    if canon is Canon.RELAXED:
        return b"".join([relaxed(f.name, data[f.value_at : f.end]) for f in fields])
    return b"".join([_ended(data[f.start : f.end]) for f in fields])


def canonical_own(headers: Headers, field: Field, canon: Canon) -> bytes:
    """Return the canonical octets of a signature's own field: ``b=`` emptied, no CRLF at the end (section 3.7)."""
    data = headers.data
    value = without_b(data[field.value_at : field.end].removesuffix(b"\n").removesuffix(b"\r"))
    if canon is Canon.RELAXED:
        return relaxed(field.name, value)[:-2]
    return data[field.start : field.value_at] + value


def without_b(value: bytes) -> bytes:
    """Return a signature's raw value with the value of its ``b=`` tag removed."""
    return _B_TAG.sub(rb"\1", value, count=1)


def relaxed(name: bytes, value: bytes) -> bytes:
    """Return one field in relaxed form (section 3.4.2), CRLF included."""
    value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return name.lower() + b":" + _BLANKS.sub(b" ", value).strip(b" ") + b"\r\n"


def _ended(field: bytes) -> bytes:
    return field if field.endswith(b"\n") else field + b"\r\n"
