"""Is the set-up right?  Each check looks at one thing and returns findings: how bad, in words, and the evidence.

A check never raises: what could not be tested is a grey finding, never a green one.  ``own`` looks at this
server, ``records`` and ``dnscheck`` at what its domains need in the DNS; what to look at (folders, ports, names) is passed in, so the same checks run from the command
line and on a schedule.
"""

from .dnscheck import ZoneDns, check_records
from .own import Place, certificate, clock, disk, permissions, ports, resolvers
from .records import DomainFacts, Record, expected, form_fields, sts_policy, zone_line
from .roads import open_roads
from .tlsout import dnssec, kept

__all__ = [
    "DomainFacts",
    "Place",
    "Record",
    "ZoneDns",
    "certificate",
    "check_records",
    "clock",
    "disk",
    "dnssec",
    "expected",
    "form_fields",
    "kept",
    "open_roads",
    "permissions",
    "ports",
    "resolvers",
    "sts_policy",
    "zone_line",
]
