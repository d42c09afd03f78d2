"""What the delivery hand asks of the brain and of storage."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from kurir.queue.asks import Accepted, Incoming, Lease, NoticeWork, Plan, Refused, Settlement


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
