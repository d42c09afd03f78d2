"""How soon all of it could have gone: the best plan under the same margins, by somebody who knows the whole week.

He sends each recipient at the earliest moment at which every window of a road has room under its margin, takes
another road than the first where that is worth it, lets urgent mail go first and owners take turns, as Kurir does, and loses no second: pauses and
retries do not exist for him, and his connections are never idle.  Where these are what is scarce, sites with common limits take turns,
as Kurir's do: a connection leads to one of them.

Things nobody can do, and so neither can he.  When a mail was counted he does not know: at MAIL, at the dot or in
between.  So it takes room from when it goes until a window after its answer.  And what may have been delivered by a road he does not send by another.
A brain that was killed does not know whose turn it was: those who wait stand in line as they came.
"""

from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop

from kurir.limits import Quota, Unit
from kurir.queue.roads.choice import WORTH_WAITING

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Parcel:
    """One recipient at a site, from `at` on, of a message with `company` recipients.  Those of one `bundle` go in one turn (0: alone).

    It may go by any road, or is `kept` at one of them (its place among them): it may have been delivered by that.
    """

    at: float
    campaign: str
    owner: str
    urgent: bool
    company: int = 1
    bundle: int = 0
    kept: int | None = None
    site: str = ""


class Window:
    """One rolling window, exactly."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._log: deque[tuple[float, float]] = deque()
        self._used = 0.0

    def cost(self, parcel: Parcel) -> float:
        """Return what a parcel takes; recipients of one message share what is counted by messages."""
        return 1.0 if self._quota.unit is Unit.RECIPIENTS else 1.0 / parcel.company

    def earliest(self, parcel: Parcel, now: float) -> float:
        """Return when the parcel fits."""
        quota = self._quota
        while self._log and self._log[0][0] + quota.window <= now:
            self._used -= self._log.popleft()[1]
        stop = quota.stop if parcel.urgent else quota.stop - quota.reserve
        over = self._used + self.cost(parcel) - stop
        at = now
        for sent, units in self._log:
            if over <= 1e-6:
                break
            over -= units
            at = sent + quota.window
        return at

    def add(self, parcel: Parcel, now: float) -> None:
        """Count it."""
        cost = self.cost(parcel)
        self._used += cost
        insort(self._log, (now, cost))


@dataclass(slots=True)
class Way:
    """A road: its windows, when it is closed (from, to), in order, the seconds between two messages at best, and from MAIL to the last answer.

    `wasted` is what went out and came to nothing, and counts all the same: from when on, as if it was sent when, and what.
    Who was killed can say only when it went at the latest: it takes room before that moment, too.
    """

    quotas: Sequence[Quota]
    closed: Sequence[tuple[float, float]] = ()
    gap: float = 0.0
    flight: float = 0.0
    wasted: deque[tuple[float, float, Parcel]] = field(default_factory=deque)
    free_at: float = 0.0
    windows: list[Window] = field(init=False)

    def __post_init__(self) -> None:
        self.windows = [
            Window(q) for q in self.quotas if q.window and q.unit in (Unit.MESSAGES, Unit.RECIPIENTS)
        ]

    def earliest(self, parcel: Parcel, now: float) -> float:
        """Return when it could go by this road."""
        while self.wasted and self.wasted[0][0] <= now:
            _, at, nothing = self.wasted.popleft()
            for window in self.windows:
                window.add(nothing, at)
        at = max([now, self.free_at, *(w.earliest(parcel, now) for w in self.windows)])
        for begin, end in self.closed:
            if begin <= at < end:
                at = end
        return at

    def send(self, parcel: Parcel, now: float) -> None:
        """Let it go.  What really went is put in so before a plan begins, in order of time."""
        self.free_at = now + self.gap / parcel.company
        for window in self.windows:
            window.add(parcel, now + self.flight)


class Line:
    """Who waits at one site for the same roads: urgent mail first, then whose last turn (`turns`, at all sites) is longest ago."""

    def __init__(self, turns: dict[str, int]) -> None:
        self._turns = turns
        self._going = ""  # whose bundle is not at its end
        self._urgent: deque[Parcel] = deque()
        self._lanes: OrderedDict[str, deque[Parcel]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._urgent or self._lanes)

    def add(self, parcel: Parcel) -> None:
        (self._urgent if parcel.urgent else self._lanes.setdefault(parcel.owner, deque())).append(parcel)

    @property
    def head(self) -> Parcel:
        """Who is next."""
        return self._urgent[0] if self._urgent else self._lanes[self._owner()][0]

    def _owner(self) -> str:
        return self._going or min(self._lanes, key=lambda owner: self._turns.get(owner, 0))

    def forget(self) -> None:
        """Nobody had a turn: who came first is first."""
        self._going = ""
        self._lanes = OrderedDict(sorted(self._lanes.items(), key=lambda lane: lane[1][0].at))

    @property
    def turn(self) -> int:
        """When the next owner had its last turn, below 0 where a bundle goes on."""
        return -1 if self._urgent or self._going else self._turns.get(self._owner(), 0)

    def pop(self) -> None:
        """Take the next one out."""
        if self._urgent:
            self._urgent.popleft()
            return
        owner = self._owner()
        lane = self._lanes[owner]
        gone = lane.popleft()
        self._turns[owner] = max(self._turns.values(), default=0) + 1
        self._going = owner if lane and gone.bundle and lane[0].bundle == gone.bundle else ""
        if not lane:
            del self._lanes[owner]


def best_plan(
    parcels: Iterable[Parcel], ways: Sequence[Way], kills: Sequence[float] = ()
) -> dict[str, float]:
    """Return for each campaign when its last recipient could have gone; `kills` of the brain in order of time."""
    coming = [(p.at, i, p) for i, p in enumerate(parcels)]
    heapify(coming)
    lines: OrderedDict[tuple[str, int | None], Line] = OrderedDict()  # they take turns
    turns: dict[str, int] = {}
    done: dict[str, float] = {}
    forgotten = deque(kills)
    now = 0.0
    while coming or any(lines.values()):
        while coming and (coming[0][0] <= now or not any(lines.values())):
            at, _, parcel = heappop(coming)
            now = max(now, at)
            lines.setdefault((parcel.site, parcel.kept), Line(turns)).add(parcel)
        if forgotten and forgotten[0] <= now:
            forgotten.popleft()
            turns.clear()
            for line in lines.values():
                line.forget()
        heads = [(*_first(ways, line.head, now), key) for key, line in lines.items() if line]
        at, way, key = min(heads, key=lambda head: _rank(head[0], ways[head[1]], lines[head[2]]))
        if at > now:
            now = min(at, coming[0][0]) if coming else at
            continue  # other mail may be first by then, and less room
        head = lines[key].head
        lines[key].pop()
        lines.move_to_end(key)
        ways[way].send(head, now)
        done[head.campaign] = now
    return done


def _rank(at: float, way: Way, line: Line) -> tuple[float, bool, int]:
    """Return how early a line is: accounts take turns; but where connections are what is scarce, each line has its own.

    What goes in one turn is one message: nothing comes in between.
    """
    return at, not line.head.urgent, line.turn if at > way.free_at else min(line.turn, 0)


def _first(ways: Sequence[Way], parcel: Parcel, now: float) -> tuple[float, int]:
    """Return when and by which road it goes: the first that is not worth leaving, else the one that is free first."""
    if parcel.kept is not None:
        return ways[parcel.kept].earliest(parcel, now), parcel.kept
    times = [(way.earliest(parcel, now), i) for i, way in enumerate(ways)]
    return next((t for t in times if t[0] <= now + WORTH_WAITING), min(times))
