"""Is the set-up right?  Each check looks at one thing and returns findings: how bad, in words, and the evidence.

A check never raises: what could not be tested is a grey finding, never a green one.  ``own`` looks at this
server; what to look at (folders, ports, names) is passed in, so the same checks run from the command
line and on a schedule.
"""

from .own import Place, certificate, clock, disk, permissions, ports, resolvers
from .tlsout import dnssec, kept

__all__ = ["Place", "certificate", "clock", "disk", "dnssec", "kept", "permissions", "ports", "resolvers"]
