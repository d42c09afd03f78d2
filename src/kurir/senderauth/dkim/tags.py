"""Tag lists: ``name=value; name=value`` (RFC 6376 section 3.2), in signatures and key records.

Strict, since what two readers read differently proves nothing: a name twice, an empty element or an octet that no
value may have spoils the whole list.  Names and values keep their case.
"""

import base64
import binascii
import re

from kurir.message import unfold

from .verdict import DkimProblem, DkimReason

# Non-ASCII is legal in the values of internationalised mail (RFC 8616).
_TAG = re.compile(r"[ \t]*+([A-Za-z][A-Za-z0-9_]*+)[ \t]*+=([!-:<-~ \t\u0080-\U0010ffff]*+)")
_BLANKS = re.compile(r"[ \t]+")


class TagError(DkimProblem):
    """The text is no tag list, or a value is not what its tag demands; `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(DkimReason.SYNTAX, detail)


def parse_tags(text: bytes) -> dict[str, str]:
    """Return the tags of `text` (folded or not), values without blanks at their ends.  Raises `TagError`."""
    try:
        items = unfold(text).decode().split(";")
    except UnicodeDecodeError:
        raise TagError("octets that are not UTF-8") from None
    if not items[-1].strip(" \t"):
        items.pop()
    tags: dict[str, str] = {}
    for item in items:
        m = _TAG.fullmatch(item)
        if m is None:
            raise TagError(f"not a tag: {item.strip()[:40]!r}")
        if m[1] in tags:
            raise TagError(f"{m[1]}= is given twice")
        tags[m[1]] = m[2].strip(" \t")
    return tags


def squeeze(value: str) -> str:
    """Return `value` without any blanks."""
    return _BLANKS.sub("", value)


def decode_base64(value: str, name: str) -> bytes:
    """Return the octets of a base64 value with blanks in it.  Raises `TagError`."""
    try:
        octets = base64.b64decode(squeeze(value), validate=True)
    except (binascii.Error, ValueError):
        raise TagError(f"{name}= is not base64") from None
    if not octets:
        raise TagError(f"{name}= is empty")
    return octets


def number(value: str, name: str, digits: int = 12) -> int:
    """Return an unsigned decimal number of at most `digits` digits.  Raises `TagError`."""
    if not (value.isascii() and value.isdigit() and len(value) <= digits):
        raise TagError(f"{name}= is not a number of at most {digits} digits")
    return int(value)


def names(value: str) -> tuple[str, ...]:
    """Return a colon-separated list in lower case, without blanks."""
    return tuple(squeeze(value).lower().split(":"))
