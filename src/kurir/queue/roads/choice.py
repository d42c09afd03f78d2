"""Which of several roads a mail takes now, and why not the others: pure decisions.

Rules
1. The roads of a plan are in the operator's order; the first without an obstacle is taken.
2. Obstacles that time does not mend (authenticity, the TLS floor, the size, a refusal of this very message) exclude a road.
   Those that pass (it is broken, its budget is spent) let it wait its turn.
3. Where every road has an obstacle, mail waits where only a budget is spent and has room first, those counted that wait there
   already; else for the first that has only passing obstacles; else for the main road, whose own words then become the reason.
4. A mail that may have been delivered by a road stays there whatever its state.  One that was greylisted stays unless the road
   is broken.
5. The main road is the operator's will: it has no obstacle by authenticity or TLS floor, since no switch makes it worse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from kurir.model import Cause
from kurir.queue.asks import Obstacle, ObstacleKind, Road

from .breaker import Breaker

WORTH_WAITING = 300.0
"""Seconds that mail rather waits for room in a budget than takes another road."""

_SPENT = frozenset({ObstacleKind.BUDGET})
_PASSING = _SPENT | {ObstacleKind.BROKEN}


@dataclass(slots=True)
class Way:
    """What is remembered of one recipient's way, where it has several: `on` is the road that the trace told last."""

    on: str = ""
    kept: str = ""
    for_good: bool = False
    unfit: dict[str, Cause] = field(default_factory=dict)


def kept_for_good(way: Way | None, road: str) -> Way:
    """Return the way of a mail that may have been delivered by `road`: the first such road holds it."""
    way = way or Way()
    if not way.for_good:
        way.kept, way.for_good = road, True
    return way


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a road at this moment: its breakers (at the site, as a whole), and its budgets."""

    site: Breaker
    whole: Breaker
    free_at: float = 0.0
    limit: str = ""
    cause: Cause | None = None

    def admits(self, now: float) -> bool:
        """Whether both breakers let a mail through."""
        return self.site.admits(now) and self.whole.admits(now)


def may_take(
    road: Road, size: int, state: State, now: float, *, unfit: Cause | None = None
) -> tuple[Obstacle, ...]:
    """Return why a mail of `size` octets may not take `road` now; nothing where it may.

    `unfit` is why the road refused this very mail before.
    """
    found = list(road.obstacles)
    if road.size and size > road.size:
        found.append(Obstacle(ObstacleKind.SIZE, {"size": str(size), "limit": str(road.size)}))
    if unfit is not None:
        found.append(Obstacle(ObstacleKind.REFUSED, {"cause": unfit.value}))
    if not state.admits(now):
        cause = state.cause.value if state.cause else ""
        wait = max(state.site.next_at, state.whole.next_at) - now
        found.append(Obstacle(ObstacleKind.BROKEN, {"cause": cause, "seconds": f"{wait:.0f}"}))
    if state.free_at > now + WORTH_WAITING:
        wait = state.free_at - now
        found.append(Obstacle(ObstacleKind.BUDGET, {"limit": state.limit, "seconds": f"{wait:.0f}"}))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Choice:
    """The road that a mail takes now: `free` of obstacles, or to be waited for; `why` it does not take the main one."""

    road: Road
    free: bool
    why: tuple[Obstacle, ...] = ()


def choose(
    roads: Sequence[Road], size: int, states: Callable[[Road], State], now: float, way: Way | None = None
) -> Choice:
    """Return which of `roads` a mail takes now."""
    unfit = way.unfit if way is not None else {}
    known = [states(road) for road in roads]
    against = [may_take(r, size, k, now, unfit=unfit.get(r.name)) for r, k in zip(roads, known, strict=True)]

    def choice(i: int) -> Choice:
        return Choice(roads[i], not against[i], against[0] if i else ())

    for i, road in enumerate(roads):
        if way is not None and way.kept == road.name and (way.for_good or not against[i]):
            return choice(i)
    free = (i for i, found in enumerate(against) if not found)
    spent = sorted(
        (i for i, found in enumerate(against) if _all(found, _SPENT)), key=lambda i: known[i].free_at
    )
    passing = (i for i, found in enumerate(against) if _all(found, _PASSING))
    return choice(next(chain(free, spent, passing), 0))


def _all(obstacles: Sequence[Obstacle], kinds: frozenset[ObstacleKind]) -> bool:
    return all(o.kind in kinds for o in obstacles)
