"""How large a message becomes on the road (RFC 2045 section 6.8: base64 adds a third, and a line end each 76).

Octets of attachments become 78/57 as many as base64 in lines of 76: 37 % more.
"""

from dataclasses import dataclass

_LINE_IN, _LINE_OUT = 57, 78


def encoded(octets: int) -> int:
    """Return how many octets base64 makes of so many."""
    lines = -(-octets // _LINE_IN)
    return lines * _LINE_OUT


def unencoded(octets: int) -> int:
    """Return how many octets of attachments fit into so many on the road, headers left out."""
    return octets // _LINE_OUT * _LINE_IN


@dataclass(frozen=True, slots=True)
class RoadSize:
    """The largest message that a road takes, in octets as they travel; `road` and `source` say which and who says so."""

    octets: int
    road: str
    provider: str = ""
    source: str = ""
