"""What is said between reception, the brain and the hands: few and fixed values (DESIGN section 2).

They are encoded with msgpack when they cross a process boundary and passed as they are inside one.
"""

from enum import Enum

import msgspec

from kurir.limits import Quota, Wait
from kurir.model import Address, Cause, Check, Envelope, MailParams, Origin, Outcome, Recipient, Reply

ID_MARK = b"kurir-id-comes-here"
"""Stands in `Incoming.trace_block` where the queue id belongs: it is known only when the number is given."""


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """reception -> brain at the end of data: take this message.

    `trace_block` are the header lines put in front of the immutable body (Received and what submission
    adds), as bytes ending in CRLF.  The body is either `body` (small) or `body_file`, the name of a file in
    the body folder that is already synced together with its directory entry.  `size` counts body octets;
    `sha256` is over the body octets (not the trace block).  `hold` is the reason to hold it at once, `hold_cause` its cause.
    `checks` are what was found out about a stranger who sent it: facts for the first event.
    `notice_of` is the id of the obligation that this message (a DSN) fulfils: accepting it closes the
    obligation in the same transaction, and a second one with the same id is answered with the first's number.
    `header_end` is the offset of the body proper (after the empty line), for RET=HDRS.
    """

    envelope: Envelope
    received_at: float
    origin: Origin
    trace_block: bytes
    size: int
    sha256: bytes
    body: bytes | None = None
    body_file: str | None = None
    header_end: int = 0
    message_id: str = ""
    subject: str = ""
    header_from: str = ""
    hold: str | None = None
    notice_of: str | None = None
    proven_sender: bool = False  # an account sent it, or SPF/DMARC proved the reverse-path: DSNs may go back
    hold_cause: Cause | None = None
    checks: tuple[Check, ...] = ()


class Accepted(msgspec.Struct, frozen=True, array_like=True):
    """brain -> reception, after the commit.  `waits`: some of it may have to, or goes by several roads (`foresee` tells)."""

    number: int
    id: str
    waits: bool = True


class Refused(msgspec.Struct, frozen=True, array_like=True):
    """brain -> reception: not taken (disk nearly full, storage failed, shutting down); say `reply`.

    `in_doubt` says that its sync failed: the next start may find it stored, so its body file stays.
    """

    reply: Reply
    in_doubt: bool = False


class PlanRequest(msgspec.Struct, frozen=True, array_like=True):
    """brain -> hand: which roads lead from this sender to this domain?  `sender` is the reverse-path's domain or ""."""

    sender: str
    domain: str


class ObstacleKind(str, Enum):
    """Why a mail may not take a road.  Each has a sentence in both languages."""

    AUTHENTICITY = "authenticity"  # the sender would look forged
    TLS_FLOOR = "tls_floor"  # it proves less than is demanded for this mail
    SIZE = "size"
    REFUSED = "refused"  # the road has refused this very mail
    BROKEN = "broken"
    BUDGET = "budget"


class Obstacle(msgspec.Struct, frozen=True, array_like=True):
    """One reason against a road; `values` fill its sentence."""

    kind: ObstacleKind
    values: dict[str, str] = {}


class Road(msgspec.Struct, frozen=True, array_like=True):
    """One way to the destination.

    `name` is the route's name (``local``, ``mx``, a smarthost's name, ``sandbox``).  `site` is the key that
    limits and connection reuse belong to: the same site means the same set of hosts.  `concurrency` is the
    number of connections allowed at once; `rate` messages per second (0 = no limit).  `quotas` are the limits of
    others that are counted here; `recipients` is how many one message may have there (0 = no limit).
    `hop` says that one server of a provider takes everything and passes it on.  `size` is the largest message
    in octets as far as it is known (0: not).  `obstacles` keep mail of this plan away from it whatever the hour.
    `provider` is whose hosts they are, where the atlas knows it: what it says of us holds for all its sites;
    `label` is what people call it.
    """

    name: str
    site: str
    concurrency: int = 20
    rate: float = 0.0
    quotas: tuple[Quota, ...] = ()
    recipients: int = 0
    hop: bool = False
    size: int = 0
    obstacles: tuple[Obstacle, ...] = ()
    provider: str = ""
    label: str = ""


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """hand -> brain: the roads in order of preference, good for `ttl` seconds; or why there is none.

    `failure` (DEFERRED or FAILED) applies to every recipient of that domain.
    """

    request: PlanRequest
    roads: tuple[Road, ...]
    ttl: float
    failure: Outcome | None = None


class Work(msgspec.Struct, frozen=True, array_like=True):
    """One waiting recipient inside a lease: its index in the message, the recipient, attempts made before."""

    index: int
    recipient: Recipient
    attempts: int


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """brain -> hand: try these recipients of this message by this road, once.

    `epoch` and `id` come back with the settlement.  `body` is there while the brain still has it in memory;
    otherwise the hand reads it by `number` (row) or `body_file`.  `ours`: see `Origin.ours`.  `since` and `alternatives`: see `Busy`.
    """

    epoch: int
    id: int
    number: int
    road: Road
    reverse_path: Address | None
    params: MailParams
    work: tuple[Work, ...]
    trace_block: bytes
    size: int
    sha256: bytes
    body: bytes | None = None
    body_file: str | None = None
    accepted_at: float = 0.0
    account: str | None = None
    ours: bool = False
    since: float = 0.0
    alternatives: bool = False

    @property
    def busy(self) -> "Busy":
        """Return what its hand tells a new brain of it."""
        indexes = tuple([work.index for work in self.work])
        return Busy(self.number, indexes, self.road, self.since, self.alternatives)


class Busy(msgspec.Struct, frozen=True, array_like=True):
    """hand -> brain that has just started: these recipients of a message are being tried, by this road.

    `since` is when that was leased, in queue time; `alternatives`: whether its plan had another road.
    """

    number: int
    indexes: tuple[int, ...]
    road: Road
    since: float
    alternatives: bool = False


class NoticeReason(msgspec.Struct, frozen=True, array_like=True):
    """What is to be reported of one recipient: `action` is ``failed``, ``delayed``, ``delivered``, ``relayed`` or ``expanded``.

    `limit` is what it waits for (or waited for at the end), where that is no trouble but a limit of others; its time is wall time.
    """

    recipient: Recipient
    action: str
    outcome: Outcome | None
    at: float
    next_at: float | None = None
    give_up_at: float | None = None
    index: int = -1  # of the recipient within its message; -1 in obligations of older versions
    limit: Wait | None = None


class NoticeWork(msgspec.Struct, frozen=True, kw_only=True):
    """brain -> hand: we owe a report; render it and hand it in with `Incoming.notice_of` = `id`.

    `to` is the address that is told: the reverse-path, or the postmaster where the sender is not proven.
    """

    id: str
    epoch: int
    number: int
    to: Address
    original: Envelope
    reasons: tuple[NoticeReason, ...]
    accepted_at: float
    trace_block: bytes
    size: int
    body: bytes | None = None
    body_file: str | None = None
    header_end: int = 0
    subject: str = ""
    message_id: str = ""
    held: bool = False  # told to the postmaster because the sender is unproven


class Settlement(msgspec.Struct, frozen=True, array_like=True):
    """hand -> brain: what became of a lease, per recipient index.  Missing indexes were not tried (given back).

    `refused` is how a connection for it was refused, and how many others stayed and took it over; `learnt` says that a limit of its road is
    another one from now on.
    """

    epoch: int
    lease: int
    number: int
    results: tuple[tuple[int, Outcome], ...]
    refused: tuple[Outcome, int] | None = None
    learnt: bool = False
