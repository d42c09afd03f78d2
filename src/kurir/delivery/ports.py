"""What the delivery hand asks of the brain, of storage, and of the network."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from kurir.model import Outcome, TlsFacts
from kurir.net.ports import Endpoint, NetError, Stream
from kurir.queue.asks import Accepted, Incoming, Lease, NoticeWork, Plan, Refused, Settlement, Work


class BrainSide(Protocol):
    """The brain as the hand sees it."""

    def planned(self, plans: Sequence[Plan]) -> None:
        """Answer to `Hand.plan`."""
        ...

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Answer to `Hand.work`; kept and repeated by the channel until a brain has taken it."""
        ...

    async def accept(self, incoming: Incoming) -> Accepted | Refused:
        """Hand in a report (`Incoming.notice_of`)."""
        ...


class Watch(Protocol):
    """Knows the addresses that mail is not sent to, and learns from what comes back."""

    @property
    def any_barred(self) -> bool:
        """Whether there is any such address."""
        ...

    def barred(self, lease: Lease, work: Work) -> Outcome | None:
        """Return the end of a recipient that mail is not sent to, else None."""
        ...

    async def returned(self, lease: Lease) -> None:
        """Look into a message from <>; never raises."""
        ...

    def settled(self, lease: Lease, results: Sequence[tuple[int, Outcome]]) -> None:
        """Take notice of what became of a lease; never waits."""
        ...


class ReportReader(Protocol):
    """Reads what others report about our domains, whatever road their mail takes from here."""

    def wants(self, lease: Lease) -> bool:
        """Whether mail to one of these recipients may be a report; asked of each lease, and quick."""
        ...

    async def read(self, lease: Lease) -> Sequence[tuple[int, Outcome]]:
        """Read a message before it goes on; return the recipients whose mail ends with that.  Never raises."""
        ...


class BodyDamaged(Exception):
    """The stored body does not have the checksum it was accepted with, or is gone."""


class Bodies(Protocol):
    """Reads bodies: from the lease, from the row (read-only connection), or from the file."""

    async def whole(self, work: Lease | NoticeWork) -> bytes:
        """Return a small body (<= the in-row threshold); checks length and checksum.  Raises `BodyDamaged`."""
        ...

    def chunks(self, work: Lease | NoticeWork) -> AsyncIterator[bytes]:
        """Yield the body in pieces of at most 256 KiB, checking length and checksum; raises `BodyDamaged` at the end."""
        ...

    async def head(self, work: Lease | NoticeWork, limit: int) -> bytes:
        """Return at most `limit` first octets (unchecked): headers for a notice."""
        ...


class Untrusted(NetError):
    """The handshake worked, but the certificate does not prove the name.  `kind` is "tls".

    `result` is the result type of RFC 8460 section 4.3.
    """

    def __init__(self, text: str, result: str = "certificate-not-trusted") -> None:
        super().__init__("tls", text)
        self.result = result


class Dialer(Protocol):
    """Makes outgoing connections.  Both calls raise `NetError`."""

    async def connect(
        self, endpoints: Sequence[Endpoint], timeout: float, *, source: Sequence[str] = ()
    ) -> Stream:
        """Connect to the first address of one host that answers, or to a unix socket (`port` 0).

        `source` are addresses of ours to connect from, one per family at most; none: the usual ones.
        """
        ...

    async def start_tls(self, stream: Stream, name: str, *, verify: bool, timeout: float) -> TlsFacts:
        """Do the handshake as client for the host `name`.

        With `verify` a certificate that does not prove the name raises `Untrusted`; without it the
        facts say what the certificate proved.
        """
        ...

    def chain(self, stream: Stream) -> tuple[bytes, ...]:
        """Return the certificates that the other side showed (DER, its own first), whatever they are worth."""
        ...


class LocalStore(Protocol):
    """A place on this machine that takes leases: Maildirs, or the sandbox of a playground."""

    async def deliver(self, leases: Sequence[Lease]) -> Sequence[tuple[tuple[int, Outcome], ...]]:
        """Store a batch; return for each lease its results by recipient index.  Never raises."""
        ...


class NoticeWriter(Protocol):
    """Renders the reports that the queue owes."""

    def wants_full(self, work: NoticeWork) -> bool:
        """Whether the report returns the whole original and not only its header."""
        ...

    def write(self, work: NoticeWork, original: bytes) -> Incoming:
        """Return the report, ready to be handed in; `original` are the octets of the original that were read."""
        ...
