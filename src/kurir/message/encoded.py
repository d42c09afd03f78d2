"""Raw letters beyond ASCII in a header become encoded words (RFC 2047 section 5).

For what programs on this machine hand in: many write such letters as they are, and a header with them travels only
where every server on the way knows SMTPUTF8.  Encoded, it travels everywhere and is read as the same.  Pure.
"""

from .addresses import parse_mailboxes
from .compose import HeaderInjection, address_field, field
from .headers import Headers, scan
from .words import decode_text

_ADDRESSES = frozenset({b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"})
_TEXTS = frozenset({b"subject", b"comments", b"organization"})


def encoded_header(data: bytes) -> bytes:
    """Return the message with the texts and names of its header encoded; what has no such form stays as it is.

    An address with letters beyond ASCII has none, nor has a field whose meaning is not known here.
    """
    head = scan(data)
    pieces, at = [], 0
    for raw in head:
        if data[raw.start : raw.end].isascii():
            continue
        encoded = _encoded(raw.name, head.value(raw))
        if encoded is not None:
            pieces += [data[at : raw.start], encoded]
            at = raw.end
    return b"".join([*pieces, data[at:]]) if pieces else data


def is_plain(data: bytes) -> bool:
    """Whether the header of the message is nothing but ASCII."""
    head: Headers = scan(data)
    return data[: head.header_end].isascii()


def _encoded(name: bytes, value: bytes) -> bytes | None:
    key, shown = name.lower(), name.decode("ascii")
    try:
        if key in _TEXTS or key.startswith(b"x-"):
            return field(shown, decode_text(value, len(value)))
        if key in _ADDRESSES:
            found = parse_mailboxes(value)
            if found.problem is None and found.mailboxes and not found.groups:
                return address_field(shown, [(m.display, m.address) for m in found.mailboxes])
    except HeaderInjection:
        return None
    return None
