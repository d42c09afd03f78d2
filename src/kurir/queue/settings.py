"""What can be set about the queue.  Times in seconds, sizes in octets."""

from collections.abc import Mapping
from dataclasses import dataclass

from kurir.limits import USUAL_SHAPE, ShapeSettings
from kurir.model import Address
from kurir.model.told import told

HOUR = 3600.0
DAY = 24 * HOUR
MIB = 1 << 20
POSTMASTER = Address("postmaster", "localhost")


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Settings of the brain; every default is meant to be right for a server on the open Internet.

    `retry` are the waits after the first, second, ... attempt, the last one repeats (RFC 5321 section
    4.5.4.1 asks for at least 30 minutes *in general*; the shorter first steps serve greylisting).
    `lifetime` is counted from acceptance (RFC 5321: 4 to 5 days), `lifetime_null` is that of bounces,
    `lifetime_blocked` that of mail which meets a block that waiting alone does not lift.
    `delay_notice` are the ages at which the sender is told that the mail still waits.
    """

    retry: tuple[float, ...] = (300.0, 600.0, 1200.0, 2400.0, HOUR, 2 * HOUR, 4 * HOUR)
    lifetime: float = 5 * DAY
    lifetime_null: float = 2 * DAY
    lifetime_blocked: float = DAY
    delay_notice: tuple[float, ...] = (HOUR, DAY)
    jitter: float = 0.1  # a wait is made longer by up to this part of it, never shorter
    postmaster: Address = POSTMASTER  # told where a sender is not proven

    disk_low: int = 256 * MIB  # below this much free space nothing is accepted
    disk_high: int = 320 * MIB  # accepted again from here on
    disk_interval: float = 1.0  # how long a probe of the free space counts
    full_retry: float = 5.0  # how often a commit that did not fit is tried again

    fresh_bytes: int = 16 * MIB  # letters with small bodies kept for their first attempt
    lease_recipients: int = 100  # recipients of one message in one lease
    share: int = 4  # a site may hold at most this many times as many slots as are free
    site_backoff: float = 60.0  # first pause after a connection failure; doubles
    site_backoff_max: float = HOUR
    give_back: float = 1.0  # wait of a recipient that a hand gave back untried
    recover: float = 30.0  # wait of a recipient whose hand died
    reconnect_grace: float = 2.0  # after a start: time for the hands to say what they are busy with
    shape: ShapeSettings = USUAL_SHAPE  # how a peer in trouble is spared
    plan_timeout: float = 60.0
    plan_cache: int = 100_000
    notice_timeout: float = 120.0  # a hand that has not handed in a report by then is asked again
    notice_retry: float = 5.0  # how often to look whether there is room for reports that were refused
    notices_per_hand: int = 32
    due_per_tick: int = 5_000
    alternatives: bool = False  # whether any road has a fallback
    leads_to: Mapping[str, frozenset[str]] | None = None  # see `leads`
    air_grace: float = 600.0  # what was in the air at a crash counts from this long after the start
    forget_debits: float = HOUR  # how often what left all windows is removed from the store

    def __post_init__(self) -> None:
        if not self.retry or min(self.retry) <= 0:
            raise ValueError(told("queue.retry needs at least one wait, each above 0 seconds"))
        if min(self.lifetime, self.lifetime_null, self.lifetime_blocked) <= 0:
            raise ValueError(told("queue.lifetime must be above 0 seconds"))
        if list(self.delay_notice) != sorted(set(self.delay_notice)):
            raise ValueError(told("queue.delay_notice must be ascending ages in seconds"))
        if self.disk_high < self.disk_low:
            raise ValueError(told("queue.disk_high must not be below queue.disk_low"))

    def leads(self, road: str, who: str) -> bool:
        """Whether `road` still leads to `who` (a site, or a provider), of whom an earlier brain knew something.

        `leads_to` tells for each road there is to whom its one server belongs; to an empty set: straight to receivers, whoever they are.
        Without it nobody knows.
        """
        if self.leads_to is None:
            return True
        there = self.leads_to.get(road)
        return there is not None and (not there or who in there)
