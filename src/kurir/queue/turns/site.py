"""One (road, site): its queue, its limits, its health.

A site runs while it has work, less leases than its concurrency, a token of its rate, and no pause.  It has no objects of its own
where there are no limits and was no trouble.
"""

from collections import deque

from kurir.limits import NEVER, Pace
from kurir.model import Outcome
from kurir.queue.asks import Road
from kurir.queue.pacing.paced import FairQueue, Paced
from kurir.queue.waiting.state import Errand


class Site:
    """One (road, site): its queue, its limits, its health."""

    __slots__ = (
        "alternatives",
        "failed_at",
        "failures",
        "looked_at",
        "meets",
        "most",
        "open",
        "paced",
        "paces",
        "paused_until",
        "probe",
        "queue",
        "queued",
        "road",
        "row",
        "slow",
        "stranded",
        "succeeded_at",
        "token_at",
        "tokens",
        "usual",
        "waiting",
        "wakes_at",
        "why",
    )

    def __init__(self, road: Road, most: int) -> None:
        self.road = road
        self.queue: deque[list[Errand]] | FairQueue = deque()  # bundles: errands of one message
        self.paced: Paced | None = None  # where its road has limits
        self.paces: tuple[Pace, ...] = ()  # where it, or its provider, had trouble
        self.meets: tuple[str, ...] = ()  # keys of its budgets that count new recipients
        self.usual = 0.0  # seconds of an attempt that went well: a running median
        self.slow = 0  # attempts in a row that took far longer
        self.most = most  # recipients in a lease
        self.waiting = 0  # errands in state READY here
        self.open = 0  # leases
        self.row = 0  # of them without a turn of another site, where connections are counted (`streak`)
        self.queued = False  # stands in the round
        self.wakes_at = NEVER  # earliest entry among the sleeping ones
        self.failures = 0
        self.failed_at = -NEVER
        self.succeeded_at = -NEVER
        self.paused_until = 0.0
        self.probe = False  # the one probe lease is out
        self.why: Outcome | None = None
        self.stranded: dict[Errand, None] = {}  # who waits only because it failed
        self.tokens = max(1.0, road.rate)
        self.token_at = -NEVER
        self.alternatives = False  # some errands here have another road
        self.looked_at = -NEVER  # when it was looked whether they take it

    def runnable_at(self, now: float) -> float:
        """Return when the next lease may go out: `now` or earlier means now, infinity means not by time alone."""
        if not self.waiting or self.open >= self.road.concurrency:
            return NEVER
        if self.failures:
            if self.probe:
                return NEVER
            if self.paused_until > now:
                return self.paused_until
        if self.paced is not None and (at := self.paced.ready_at(now)) > now:
            return at
        if self.road.rate > 0:
            return self._token_time(now)
        return now

    def _token_time(self, now: float) -> float:
        rate = self.road.rate
        if self.token_at < now:
            if self.token_at > -NEVER:
                self.tokens = min(max(1.0, rate), self.tokens + (now - self.token_at) * rate)
            self.token_at = now
        return now if self.tokens >= 1 else now + (1 - self.tokens) / rate
