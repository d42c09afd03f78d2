"""Budgets: how much of each quota is used, and whether one more message fits.  Arithmetic only, no clock.

A lease *takes* from its budgets before anything is sent.  While it is out, what it took is *in the air* and does
not age; when it comes back it *lands*: from then on it counts as long as the window is.  The other side counted it at some
moment in between, so that our window never ends before theirs.  What was surely never offered to it is given back.
"""

from collections.abc import Callable, Iterable, Iterator

from .limit import Quota
from .window import RollingWindow

NEVER = float("inf")
AIR = -1
"""The moment of what is in the air, where moments are stored."""
LASTING_FROM = 10.0
"""Windows of at least so many seconds are stored; a shorter one is waited for after a start."""
LONGEST = 32 * 86_400_000
"""Milliseconds after which no window remembers anything."""
LINGER = 2.0
"""Seconds that connections which nobody closed may still count at the other side."""


class Budget:
    """One quota and what is used of it.  Times are seconds of the queue's clock."""

    __slots__ = ("_lingers", "_most", "_window", "air", "blocked", "key", "lasting", "quota")

    def __init__(self, quota: Quota) -> None:
        self.key = quota.key
        self.lasting = quota.window >= LASTING_FROM  # what is used has to survive a restart
        self.quota = quota
        self.relimit(quota)
        self.air = 0
        self.blocked: dict[Callable[[float], None], None] = {}  # whom to wake when something lands
        self._window = RollingWindow(_ms(quota.window)) if quota.window else None
        self._lingers = 0.0  # until when

    def used(self, now: float) -> int:
        """Return how much counts at `now`, with what is in the air."""
        return self.air + (self._window.used(_ms(now)) if self._window is not None else 0)

    def room(self, now: float, *, urgent: bool = False) -> int:
        """Return how much may be taken now (0 or less: nothing)."""
        used = self._window.used(int(now * 1000)) if self._window is not None else 0
        return self._most[urgent] - self.air - used

    def ready_at(self, now: float, *, urgent: bool = False) -> float:
        """Return when one unit may be taken: `now`, later, or `NEVER` while only a landing can tell."""
        most = self._most[urgent] - 1 - self.air
        if self._window is None:
            return max(now, self._lingers) if most >= 0 else NEVER
        if most < 0:
            return NEVER
        if self._window.used(int(now * 1000)) <= most:
            return now
        return (self._window.falls_to(most, _ms(now)) + 1) / 1000  # surely not a moment too early

    def free_after(self, queued: int, now: float, *, urgent: bool = False) -> float:
        """Return when one more may be taken if `queued` units wait for it already; meant for choosing between roads.

        Exact as far as they all fit into one window; what is beyond goes at the pace of the window.
        """
        if self._window is None:
            return now  # connections: they make nothing wait for long
        stop = self._most[urgent]
        soon = min(queued + 1, max(0, stop - self.air))
        if soon <= queued:  # nobody waits for the little that a process left which was killed
            soon = max(min(1, soon), soon - self._window.ahead(_ms(now)))
        at, most = now, stop - self.air - soon
        if soon and self._window.used(_ms(now)) > most:
            at = (self._window.falls_to(most, _ms(now)) + 1) / 1000
        return at + (queued + 1 - soon) * self.quota.window / stop

    def turn(self, ahead: int, now: float, *, urgent: bool = False) -> float:
        """Return when one more may be taken behind `ahead` units, if nothing but this budget holds them up; meant to be told.

        Costs the same however many wait.
        """
        if self._window is None:
            return now  # connections: they make nothing wait for long
        at = self._window.turn(ahead, self._most[urgent], self.air, _ms(now))
        return now if at <= _ms(now) else (at + 1) / 1000

    def take(self, units: int) -> None:
        """Count `units` before they are sent."""
        self.air += units

    def give_back(self, units: int) -> None:
        """Forget units that were taken and surely never offered."""
        self.air -= units

    def land(self, units: int, now: float) -> int:
        """Let units count from `now` on; return the moment to store them by."""
        self.air -= units
        return self.count(units, _ms(now) + 1)

    def linger(self, now: float) -> None:
        """Connections ended because their process did: the other side may not have noticed yet."""
        if self._window is None:
            self._lingers = now + LINGER

    def count(self, units: int, at: int) -> int:
        """Count units used at `at` (milliseconds); return the moment to store them by."""
        if self._window is None:
            return at
        self._window.add(units, at)
        return self._window.stamp(at)

    def copy(self, now: float) -> "Budget":
        """Return a budget of which the same is used, what is in the air as if it landed now."""
        other = Budget(self.quota)
        if self._window is not None:
            other._window = self._window.copy()
            other.count(self.air, _ms(now) + 1)
        return other

    def relimit(self, quota: Quota) -> None:
        """Go on with newer figures of the same limit."""
        assert quota.window == self.quota.window, "a limit of another window has another key"
        self.quota = quota
        self._most = (quota.stop - quota.reserve, quota.stop)  # for ordinary mail, for urgent mail

    def wake(self, now: float) -> None:
        """Something landed or came back: tell those who wait for it."""
        if self.blocked:
            waiting, self.blocked = list(self.blocked), {}
            for call in waiting:
                call(now)


class Budgets:
    """All budgets by key.  `since` is when counting began: before that, short windows are taken as full.

    Where something was loaded, a process ended before: its connections may still count.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._by_key: dict[str, Budget] = {}
        self._stored: dict[str, list[tuple[int, int]]] = {}
        self._resumed = False

    def __iter__(self) -> Iterator[Budget]:
        return iter(self._by_key.values())

    def load(self, debits: Iterable[tuple[str, int, int]], landed: int) -> list[tuple[str, int, int]]:
        """Take (key, moment, units) as stored; what was in the air counts as used at `landed` (milliseconds).

        Return the entries to store instead: nobody knows what came of it, but it flies no more.
        """
        moved = []
        self._resumed = True
        for key, at, units in debits:
            if not units:
                continue
            if at == AIR:
                moved += [(key, AIR, -units), (key, landed, units)]
                at = landed
            self._stored.setdefault(key, []).append((at, units))
        return moved

    def of(self, quota: Quota) -> Budget:
        """Return the budget of `quota`, with the newest figures."""
        budget = self._by_key.get(quota.key)
        if budget is None:
            budget = self._by_key[quota.key] = self._made(quota)
        elif budget.quota != quota:
            budget.relimit(quota)
        return budget

    def _made(self, quota: Quota) -> Budget:
        budget = Budget(quota)
        if budget.lasting:
            for at, units in sorted(self._stored.pop(quota.key, ())):
                budget.count(units, at)
        elif quota.window:
            budget.count(quota.stop, _ms(self._since))
        elif self._resumed:
            budget.linger(self._since)
        return budget


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
