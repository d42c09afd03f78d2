"""SMTP and LMTP without I/O, both roles: bytes in, events out, replies (or commands) out.

Server: ``Server.receive(data)`` stores bytes; ``next_event()`` returns the next event or None (more
bytes are needed, or the last event has not been answered yet); ``reply(...)`` answers it;
``take_output()`` is what goes on the wire.  Client: the mirror image.  Neither knows of sockets,
clocks, TLS libraries, accounts or queues; every buffer is bounded by a named limit.

`states` holds both transition tables, `limits` every limit, `replies` every reply of our own making.
"""

from .answers import ClientEvent, PeerExtensions
from .client import Client
from .events import ServerEvent
from .server import Server
from .settings import ServerSettings

__all__ = ["Client", "ClientEvent", "PeerExtensions", "Server", "ServerEvent", "ServerSettings"]
