"""The difficult recipient, for people who test their applications: it captures mail, and misbehaves on request.

A `SandboxServer` is an ordinary SMTP server whose recipients play parts: `roles` reads which one from the address,
`session` plays it, `store` keeps what was captured for ``kurir sandbox list|show``.  `roles_help` lists the parts in
both languages.  Mail for the domains in `early_doors` is to be routed to sockets of their own.
"""

from .rolebook import roles_help
from .roles import Part, near_part, parse_part, part_of
from .server import SandboxServer, early_doors
from .settings import SandboxSettings
from .store import Captured, SandboxStore

__all__ = [
    "Captured",
    "Part",
    "SandboxServer",
    "SandboxSettings",
    "SandboxStore",
    "early_doors",
    "near_part",
    "parse_part",
    "part_of",
    "roles_help",
]
