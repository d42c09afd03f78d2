"""What checking one sender may cost, and what is done where the rules leave a choice."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SpfSettings:
    """Bounds of one SPF check (RFC 7208 sections 4.6.4 and 11.1).

    `lookups` counts terms that ask the DNS, `void_lookups` answers without a record, `names` the hosts of one
    ``mx`` or ``ptr`` that are looked up.  `deadline` is in seconds for the whole check.  A record or an
    explanation longer than its bound in octets is not read.
    """

    lookups: int = 10
    void_lookups: int = 2
    names: int = 10
    deadline: float = 20.0
    record_octets: int = 16 * 1024
    explanation_octets: int = 2 * 1024


@dataclass(frozen=True, slots=True)
class DmarcSettings:
    """Bounds of one DMARC check, and the rule for mail whose From names no single author.

    `deadline` is in seconds for the whole check; `identifiers` how many signatures' domains are looked up,
    `authors` how many author domains are checked.  `without_author` is ``none``, ``quarantine`` or ``reject``
    (RFC 9989 section 11.5 leaves it to the receiver; big providers reject).
    """

    deadline: float = 20.0
    identifiers: int = 10
    authors: int = 3
    without_author: Literal["none", "quarantine", "reject"] = "reject"


@dataclass(frozen=True, slots=True)
class ReverseSettings:
    """Bounds of looking up a client's name: `names` are tried, within `deadline` seconds."""

    names: int = 10
    deadline: float = 10.0
