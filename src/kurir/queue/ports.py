"""The two doors of the queue: where facts are kept, and who does the work.

The brain turns each decision into a `Change`; a `Store` makes a batch of changes durable in one
transaction.  A change without an event cannot be made, so no state moves without leaving its trace.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from kurir.limits import Mark
from kurir.model import Address, Event, Fate, MailParams, Origin, Outcome, Recipient, Urgency

from .asks import Lease, NoticeReason, NoticeWork, Plan, PlanRequest


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The row of a message, written once.  Fields as in `asks.Incoming`; `account` for searching."""

    number: int
    accepted_at: float
    reverse_path: Address | None
    params: MailParams
    origin: Origin
    recipients: tuple[Recipient, ...]
    trace_block: bytes
    size: int
    sha256: bytes
    body: bytes | None
    body_file: str | None
    header_end: int
    message_id: str
    subject: str
    header_from: str
    proven_sender: bool
    notice_of: str | None


class RecipientState(msgspec.Struct, frozen=True, array_like=True):
    """The mutable part of a recipient's row.

    Exactly one of: `fate` is set (ended); `held` is a reason (waits for a person); else it waits for
    `next_at`.  `leased` is the epoch that works on it, 0 when nobody does.  `told` counts delay notices.
    """

    number: int
    index: int
    fate: Fate | None
    next_at: float
    attempts: int
    held: str | None = None
    leased: int = 0
    told: int = 0


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An obligation to report.  `id` is deterministic (``"<number>-<kind>-<seq>"``): making it twice makes it once."""

    id: str
    number: int
    to: Address
    reasons: tuple[NoticeReason, ...]
    held: bool = False

    @property
    def told(self) -> str:
        """Return who is told, as the trace names them: the postmaster, or "" for the sender."""
        return str(self.to) if self.held else ""


class Debit(msgspec.Struct, frozen=True, array_like=True):
    """`units` more (or less) of the budget `key` at the moment `at` (milliseconds; `kurir.limits.AIR`: in the air)."""

    key: str
    at: int
    units: int


class RoadRecord(msgspec.Struct, frozen=True, array_like=True):
    """How a road stands at one site ("" for the road as a whole).  Times in epoch seconds by the wall clock.

    `broken`, or back since then; it went out of service `breaks` times without a calm time between.  `at` is when the news
    came, `next_at` from when on it may be probed, `cause` what broke it ("" once it is back).
    """

    road: str
    site: str
    at: float
    broken: bool
    breaks: int
    since: float
    next_at: float
    cause: str = ""


class PaceRecord(msgspec.Struct, frozen=True, array_like=True):
    """How much the peer bears that `key` stands for, cut by trouble of the kind `signal` at `at` (epoch seconds by the wall clock).

    A pace that is over has no `signal`, and holds nothing back.  The moments in its marks are wall time, too.
    """

    key: str
    at: float
    signal: str
    connections: Mark
    rate: Mark | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, all or nothing.  `finished` says that the message's last recipient ended with it.

    `debits`, `roads` and `paces` are no state of any message; what is only those leaves no event.
    """

    events: tuple[Event, ...]
    message: NewMessage | None = None
    recipients: tuple[RecipientState, ...] = ()
    notices: tuple[Notice, ...] = ()
    notices_met: tuple[str, ...] = ()
    finished: bool = False
    debits: tuple[Debit, ...] = ()
    roads: tuple[RoadRecord, ...] = ()
    paces: tuple[PaceRecord, ...] = ()

    def __post_init__(self) -> None:
        of_mail = self.recipients or self.message is not None
        if not self.events and (of_mail or not (self.debits or self.roads or self.paces)):
            raise ValueError("a change of state leaves an event")


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message with waiting recipients or open notices, as read back at start: never the body itself."""

    number: int
    accepted_at: float
    reverse_path: Address | None
    size: int
    account: str | None
    proven_sender: bool
    recipients: tuple[tuple[Recipient, RecipientState], ...]  # only those that wait
    urgency: Urgency = Urgency.ORDINARY


class StoredLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What a lease or a notice needs of a message and the brain does not keep in memory."""

    number: int
    reverse_path: Address | None
    params: MailParams
    origin: Origin
    recipients: tuple[Recipient, ...]
    accepted_at: float
    trace_block: bytes
    size: int
    sha256: bytes
    body_file: str | None
    header_end: int
    message_id: str
    subject: str


class StoreError(Exception):
    """The store could not make a batch durable; nothing of the batch counts.  Never retried (fsync may lie)."""


class StoreFull(StoreError):
    """No space left: answer 452, keep sending."""


class Store(Protocol):
    """Facts, kept.  One writer; the blocking calls run in the commit thread."""

    def next_number(self) -> int:
        """Return the accept number that follows the highest ever used: numbers are dense and never reused."""
        ...

    def begin_epoch(self) -> int:
        """Return the number of this start of the brain, 1 for the first; durable before it returns."""
        ...

    def note_gap(self, below: int, seconds: float, at: float) -> None:
        """Note wall time that does not age the messages with numbers below `below`: nobody lived through it.

        `at` is the wall time of this note, behind the gap.

        Durable before it returns; belongs to the commit thread.  Raises `StoreFull` or `StoreError`.
        """
        ...

    def gaps(self) -> Sequence[tuple[int, float, float]]:
        """Return (below, seconds, wall time of the note) of the gaps noted so far, oldest first (start-up only)."""
        ...

    def debits(self, since: int) -> Sequence[Debit]:
        """Return what is used of all budgets since that moment (milliseconds), and what is in the air; forget the rest.

        At the start, and now and then in the commit thread.
        """
        ...

    def roads(self, since: float) -> Sequence[RoadRecord]:
        """Return the newest record of each road at each site; forget those from before `since` (start-up only)."""
        ...

    def paces(self, since: float) -> Sequence[PaceRecord]:
        """Return the newest record of each pace; forget those from before `since`, and those that are over (start-up only)."""
        ...

    def commit(self, changes: Sequence[Change]) -> None:
        """Make all changes durable in one transaction, one sync.  Raises `StoreFull` or `StoreError`."""
        ...

    def waiting(self) -> Iterator[StoredMessage]:
        """Yield every message with waiting recipients, in order of number (start-up only)."""
        ...

    def open_notices(self) -> Iterator[Notice]:
        """Yield every obligation not met yet."""
        ...

    def letters(self, numbers: Sequence[int]) -> dict[int, StoredLetter]:
        """Read what leases need; missing numbers are left out.  Thread-safe beside `commit`."""
        ...

    def last_outcomes(self, number: int) -> dict[int, Outcome]:
        """Return what the latest attempt on each recipient came to, by index.  Thread-safe beside `commit`."""
        ...

    def lost_replies(self) -> Iterator[tuple[int, int, str]]:
        """Yield (number, index, road) of waiting recipients that may have been delivered (start-up only)."""
        ...

    def notice_number(self, notice_id: str) -> int | None:
        """Return the number of the message that fulfilled the obligation, or None."""
        ...


class Hand(Protocol):
    """A delivery worker as the brain sees it.  Calls return at once; answers come as calls to the brain."""

    @property
    def slots(self) -> int:
        """How many leases it may hold at once; 0 where it ends and takes nothing more."""
        ...

    def plan(self, requests: Sequence[PlanRequest]) -> None:
        """Ask for plans; answered by `Brain.planned(Plan)`."""
        ...

    def work(self, leases: Sequence[Lease]) -> None:
        """Give work; answered by `Brain.settle(Settlement)`."""
        ...

    def notice(self, notices: Sequence[NoticeWork]) -> None:
        """Ask for reports; answered by an `Incoming` with `notice_of`."""
        ...


__all__ = [
    "Change",
    "Debit",
    "Hand",
    "Mark",
    "NewMessage",
    "Notice",
    "PaceRecord",
    "Plan",
    "RecipientState",
    "RoadRecord",
    "Store",
    "StoreError",
    "StoreFull",
    "StoredLetter",
    "StoredMessage",
]
