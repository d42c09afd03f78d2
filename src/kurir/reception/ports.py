"""What reception asks of the brain (in the same process or over a channel), and of the next hop."""

import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kurir.limits import RoadSize
from kurir.model import Address, Observation, Prospect, Reply, TlsFacts
from kurir.net.ports import Stream
from kurir.net.tls import ClientShown, ServerTls
from kurir.queue import Forecast
from kurir.queue.asks import Accepted, Incoming, Refused


@dataclass(frozen=True, slots=True)
class Admission:
    """Answer to a connection: None is welcome; a reply (421, 554) refuses it."""

    refusal: Reply | None = None


class BrainDoor(Protocol):
    """The brain as reception sees it."""

    async def admit(self, client: str, listener: str) -> Admission:
        """Ask whether a connection from this address is welcome (connection counts, brakes seen anywhere)."""
        ...

    def departed(self, client: str, listener: str) -> None:
        """Say that a connection admitted before has ended."""
        ...

    async def login_allowed(self, client: str, account: str) -> float:
        """Return how many seconds this login attempt has to wait: 0 go on; above 0 answer 421 and close."""
        ...

    def login_result(self, client: str, account: str, *, success: bool) -> None:
        """Report a login attempt, so that the brake knows of attempts seen anywhere."""
        ...

    def ready(
        self, size: int | None, stranger: str = ""
    ) -> "Reply | Coroutine[Any, Any, Reply | None] | None":
        """Return a reply (450, 452, 451) where mail of that size cannot be taken now, else None.  Asked at MAIL FROM.

        `stranger` is the address of a client that did not log in: its messages are counted.  A brain in this process answers at once, another one is awaited.
        """
        ...

    async def accept(self, incoming: Incoming) -> Accepted | Refused:
        """Make it durable.  Only after `Accepted` may "250" be said.

        `Refused` means that it was surely not stored (unless `in_doubt`): its body file is removed.  Raises `ConnectionError` or
        `TimeoutError` where the answer got lost: it may have been stored, so the file stays, and 451 is said.
        """
        ...

    async def foresee(self, number: int) -> list[Forecast]:
        """Return when the recipients of an accepted message go, as far as limits of others let them wait."""
        ...

    def observe(self, observations: Sequence[Observation]) -> None:
        """Note what left no message behind; never waits, may be counted together under a flood."""
        ...


class ServerStream(Stream, Protocol):
    """A stream that can become TLS as the server: `kurir.net.SocketStream`."""

    @property
    def buffered(self) -> int:
        """Octets that came in and were not read yet."""
        ...

    async def listen(self, hear: Callable[[bytes], float | None], timeout: float) -> None:
        """Give what comes in to `hear`, without waking this task, until that returns None."""
        ...

    async def upgrade_server(self, tls: ServerTls, *, timeout: float = ...) -> TlsFacts:
        """Do the handshake.  Raises `NetError`, also for octets sent in the clear before it."""
        ...

    @property
    def client_certificate(self) -> ClientShown | None:
        """The certificate that the client proved to have in the handshake."""
        ...

    def channel_binding(self, kind: str) -> bytes | None:
        """Return the channel binding of that kind (RFC 5929), or None."""
        ...


class RecipientVerifier(Protocol):
    """Asks the next hop of a relayed domain whether it takes a recipient (cached)."""

    async def verify(self, sender: Address | None, recipient: Address) -> Reply:
        """Return the next hop's reply to RCPT: 2xx known, 5xx refused, 4xx try later (also when it cannot be asked)."""
        ...


class RoadTable(Protocol):
    """Knows how large a message may be on the road that it would take; up to `least` octets every road takes it."""

    @property
    def least(self) -> int:
        """Return the size of the smallest road."""
        ...

    @property
    def counted(self) -> bool:
        """Whether a road has limits that may let mail wait."""
        ...

    async def prove(self, sender: str) -> None:
        """Find out which roads mail of the domain `sender` may not take; the others are not counted from then on.

        Never raises, and answers within a time limit of its own; what nobody knows keeps mail off no road.
        """
        ...

    def towards(self, sender: str, domain: str) -> RoadSize | None:
        """Return the limit of the widest road from the domain `sender` ("" for the null sender) to `domain`, if it is known."""
        ...

    def anywhere(self, sender: str) -> RoadSize | None:
        """Return the limit of the widest road that mail of the domain `sender` takes to anybody, if that of each is known."""
        ...


class NoRoadTable:
    """Nothing is known of roads."""

    least = sys.maxsize
    counted = False

    def towards(self, sender: str, domain: str) -> RoadSize | None:
        """Return None."""
        return None

    def anywhere(self, sender: str) -> RoadSize | None:
        """Return None."""
        return None

    async def prove(self, sender: str) -> None:
        """Find out nothing."""


class Foresight(Protocol):
    """Finds out, while the sender waits, whether mail that must travel sealed can."""

    async def prospect(self, sender: str, domain: str, *, strict: bool) -> Prospect:
        """Return what becomes of such mail from the domain `sender` ("" for ``<>``) to `domain`; `strict`: REQUIRETLS.

        Never raises, and answers within a time limit of its own.
        """
        ...


class BodyFiles(Protocol):
    """Where large bodies go while they stream in."""

    def create(self) -> "BodyFile":
        """Start a new file."""
        ...


class BodyFile(Protocol):
    """One large body being written, in the order write*, finish; or discard."""

    async def write(self, data: bytes) -> None:
        """Append (in a thread where that may block)."""
        ...

    async def finish(self) -> str:
        """Sync file and directory; return its name for `Incoming.body_file`.  Raises OSError."""
        ...

    def discard(self) -> None:
        """Remove it."""
        ...
