"""How urgent a message says it is, in the header fields that mail programs write.

Contradictions: who writes to many is bulk, whatever else he says (newsletters like to be urgent).  The fields for
people (Importance and the like) say nothing about MT-PRIORITY, which has a field of its own (RFC 6758 section 3.1).
"""

import re

from kurir.model import Urgency

from .headers import Headers

_BULK = frozenset({b"bulk", b"list", b"junk"})
# Field -> the first words of a value that mean "urgent".
_URGENT = {
    b"priority": frozenset({b"urgent"}),  # RFC 2156 section 5.3.6
    b"importance": frozenset({b"high"}),  # RFC 2156 section 5.3.4
    b"x-priority": frozenset({b"1"}),  # "1 (Highest)"
}
_NON_URGENT = frozenset({b"non-urgent"})
_LEVEL = re.compile(rb"(0|-?[1-9])(?:[ \t]*\(.*)?", re.DOTALL)
_ANY = re.compile(
    rb"^(?:priority|importance|x-priority|precedence|list-unsubscribe|mt-priority)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)


def says_anything(head: bytes) -> bool:
    """Tell quickly whether any of these fields may be there."""
    return _ANY.search(head) is not None


def said_urgency(headers: Headers) -> Urgency | None:
    """Return how urgent the message says it is; None where it says nothing."""
    first = {name: _first(headers.get(name)) for name in (b"precedence", *_URGENT)}
    if first[b"precedence"] in _BULK or headers.named(b"List-Unsubscribe"):
        return Urgency.BULK
    if any(first[name] in words for name, words in _URGENT.items()):
        return Urgency.URGENT
    return Urgency.BULK if first[b"priority"] in _NON_URGENT else None


def said_mt_priority(headers: Headers) -> int | None:
    """Return the value of MT-Priority (RFC 6758 section 3.3), -9 to 9; None without a sound one."""
    m = _LEVEL.fullmatch((headers.get(b"MT-Priority") or b"").strip())
    return int(m[1]) if m else None


def _first(value: bytes | None) -> bytes:
    words = value.lower().split(None, 1) if value else ()
    return words[0] if words else b""
