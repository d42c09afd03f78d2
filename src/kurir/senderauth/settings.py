"""What checking one sender may cost, and what is done where the rules leave a choice."""

from dataclasses import dataclass


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
