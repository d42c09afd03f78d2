"""What a message may ask of us: every bound of this room, in one place.

The figures are those of the servers that survived the known floods (Postfix ``header_size_limit`` and
``mime_nesting_limit``, Haraka ``max_header_lines``) and leave legitimate mail a factor of ten.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeaderLimits:
    """Bounds of one header block (RFC 5322 section 2.1.1 bounds only the line: 998 octets)."""

    octets: int = 256 * 1024
    fields: int = 1_000
    field_octets: int = 100 * 1024


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """Bounds of one address field; `depth` is of comments inside comments (RFC 5322 section 3.2.2)."""

    octets: int = 64 * 1024
    mailboxes: int = 1_000
    depth: int = 8


@dataclass(frozen=True, slots=True)
class MimeLimits:
    """Bounds of a MIME structure.

    `boundary` is in octets (RFC 2046 section 5.1.1 says 70; 998 is what fits a line, and beyond it nothing
    can match).  `candidates` are lines that start with ``--`` and are no boundary.
    """

    depth: int = 100
    parts: int = 1_000
    boundary: int = 900
    candidates: int = 100_000
    header_octets: int = 256 * 1024


# RFC 5322 section 2.1.1: a line must not be longer, CRLF not counted.
MAX_LINE = 998
# How much of a message text for display may hold (subjects, names), in characters.
MAX_DISPLAY = 255
