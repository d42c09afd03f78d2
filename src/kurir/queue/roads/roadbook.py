"""What the brain knows of roads that have alternatives: it hears outcomes, keeps the breakers, and chooses.

Mail of plans with one road never comes here.  A break and a return are *turns*, told to whoever watches; each recipient
that takes another road than it was told to take before is a *move*, for its trace.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kurir.limits import NEVER, Budget
from kurir.model import Cause, Outcome
from kurir.queue.asks import Obstacle, Plan, Road
from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.retry import site_pause
from kurir.queue.waiting.state import Errand

from .breaker import Breaker, BreakerRules, Health, after_success, after_trouble, probing
from .choice import WORTH_WAITING, Choice, State, Way, choose, may_take
from .trouble import PATIENCE_MX, WHOLE_ROAD, Word, patience, word

Load = Callable[[Road, Errand | None, float], Iterable[tuple[Budget, int]]]
"""What holds on a road now for anybody new, or for one errand; and how much of each waits there before it."""
SOUND = Breaker()
_RULES = BreakerRules()
REMEMBERED = 86_400.0
WHOLE = ""
"""Stands for the site where a road is meant as a whole."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A road broke (`health` BROKEN) or is back (SOUND); `site` is "" for the road as a whole."""

    road: str
    site: str
    health: Health
    cause: Cause
    words: str
    seconds: float = 0.0  # how long it was broken


@dataclass(frozen=True, slots=True)
class Move:
    """One recipient takes the road `to` instead of `instead`, for the reason `why`."""

    errand: Errand
    instead: str
    to: str
    why: tuple[Obstacle, ...]


class Roadbook:
    """Breakers by (road, site), and by (road, "") for roads as a whole."""

    def __init__(self, settings: QueueSettings, load: Load, rules: BreakerRules = _RULES) -> None:
        self._settings = settings
        self._load = load
        self._rules = rules
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._why: dict[tuple[str, str], Outcome] = {}
        self._unsound: dict[tuple[str, str], float] = {}  # when the next probe of each may go
        self.probe_at = NEVER
        """When the first of them may be probed."""
        self.turns: list[Turn] = []
        self.moves: list[Move] = []
        self.unkept: set[tuple[str, str]] = set()
        """(road, site) of breakers that have to outlive a restart as they are now."""

    def __iter__(self) -> Iterator[tuple[str, str, Breaker, Outcome | None]]:
        """Yield what is known: road, site, breaker, and why it broke."""
        for key, breaker in self._breakers.items():
            yield *key, breaker, self._why.get(key)

    def of(self, key: tuple[str, str]) -> tuple[Breaker, Outcome | None]:
        """Return the breaker at (road, site), and why it broke."""
        return self._breakers.get(key, SOUND), self._why.get(key)

    def recall(self, key: tuple[str, str], breaker: Breaker, why: Outcome | None) -> None:
        """Take what an earlier brain knew of (road, site)."""
        self._put(key, breaker)
        if why is not None:
            self._why[key] = why

    def replaced(self, key: tuple[str, str], why: Outcome | None, seconds: float) -> None:
        """Take notice that (road, site), broken for so long, is no way any more: whoever watches may stop to worry."""
        self.unkept.add(key)
        self.turns.append(
            Turn(*key, Health.SOUND, why.cause if why else Cause.UNKNOWN, "it is no way any more", seconds)
        )

    def _put(self, key: tuple[str, str], breaker: Breaker) -> None:
        """Keep a breaker, and when the next probe may go."""
        self._breakers[key] = breaker
        if breaker.health is not Health.SOUND:
            self._unsound[key] = breaker.next_at
        elif self._unsound.pop(key, None) is None:
            return
        self.probe_at = min(self._unsound.values(), default=NEVER)

    # choosing

    def state(self, road: Road, now: float, errand: Errand | None = None, *, urgent: bool = False) -> State:
        """Return what stands for and against `road` at this moment, for anybody new (`urgent`: or urgent) or for `errand`."""
        at, limit = 0.0, ""
        urgent = urgent or (errand is not None and errand.mail.urgent)
        for budget, waiting in self._load(road, errand, now):
            free_at = budget.free_after(0 if urgent else waiting, now, urgent=urgent)
            if at < free_at:
                at, limit = free_at, budget.quota.key
        site = self._breakers.get((road.name, road.site), SOUND)
        whole = self._breakers.get((road.name, WHOLE), SOUND)
        first = (road.name, road.site) if not site.admits(now) else (road.name, WHOLE)
        why = self._why.get(first)
        return State(site, whole, at, limit, why.cause if why else None)

    def free_at(self, road: Road, now: float, *, urgent: bool = False) -> float:
        """Return when a mail that comes now may go by `road`: behind all that waits for its limits, where it is not urgent."""
        load = self._load(road, None, now)
        times = (budget.free_after(0 if urgent else waiting, now, urgent=urgent) for budget, waiting in load)
        return max(times, default=now)

    def stands_open(self, road: Road, errand: Errand, now: float) -> bool:
        """Whether nothing but a spent budget keeps `errand` from `road`."""
        way = errand.way
        if way is not None and way.for_good and way.kept != road.name:
            return False
        site, whole = (self._breakers.get((road.name, at), SOUND) for at in (road.site, WHOLE))
        unfit = way.unfit.get(road.name) if way is not None else None
        return not may_take(road, errand.mail.size, State(site, whole), now, unfit=unfit)

    def closed_until(self, road: str, *, hop: bool) -> float | None:
        """Return when `road` may be probed; None where it is sound: as a whole, and at its one site (`hop`)."""
        probes = (at for (name, site), at in self._unsound.items() if name == road and (hop or site == WHOLE))
        return max(probes, default=None)

    def elsewhere(self, errand: Errand, plan: Plan, road: Road, now: float, *, anew: bool = False) -> bool:
        """Whether another road than `road` is free for `errand` now; `anew`: or will be so soon that it is better waited for."""
        chosen = self._choose(errand, plan, now)
        if chosen.free or chosen.road.name == road.name or not anew:
            return chosen.free and chosen.road.name != road.name
        there, here = self.state(chosen.road, now, errand), self.state(road, now, errand)
        return there.admits(now) and there.free_at + WORTH_WAITING < here.free_at

    def _choose(self, errand: Errand, plan: Plan, now: float) -> Choice:
        return choose(plan.roads, errand.mail.size, lambda r: self.state(r, now, errand), now, errand.way)

    def take(self, errand: Errand, plan: Plan, now: float) -> Choice:
        """Choose the road of `errand`; note the move where it is a new one, and the probe where it is one."""
        chosen, way = self._choose(errand, plan, now), errand.way
        road = chosen.road
        before = way.on if way is not None and way.on else plan.roads[0].name
        if road.name != before:
            if way is None:
                way = errand.way = Way()
            way.on = road.name
            self.moves.append(Move(errand, before, road.name, chosen.why))
        for key in ((road.name, road.site), (road.name, WHOLE)):
            breaker = self._breakers.get(key)
            if breaker is not None and breaker.health is not Health.SOUND and breaker.admits(now):
                self._put(key, probing(breaker, now=now, rules=self._rules))
        return chosen

    # hearing

    def heard(self, road: Road, outcomes: list[Outcome], *, since: float, now: float, roll: float) -> None:
        """Hear what became of an attempt by `road` that was given out at `since`."""
        words = {word(o, road): o for o in reversed(outcomes)}
        if (trouble := words.get(Word.TROUBLE)) is not None:
            broke = self._trouble((road.name, road.site), trouble, since, now, roll, patience(trouble, road))
            if not road.hop and (broke or trouble.cause in WHOLE_ROAD):
                most = 1 if trouble.cause in WHOLE_ROAD else PATIENCE_MX
                self._trouble((road.name, WHOLE), trouble, since, now, roll, most)
        elif Word.SUCCESS in words:
            self._success((road.name, road.site), since, now)
            if not road.hop:
                self._success((road.name, WHOLE), since, now)

    def _trouble(
        self, key: tuple[str, str], outcome: Outcome, since: float, now: float, roll: float, patience: int
    ) -> bool:
        """Return whether that broke what was sound."""
        before = self._breakers.get(key, SOUND)

        def rest(breaks: int) -> float:
            pause = site_pause(self._settings, breaks, roll)
            return max(pause, min(outcome.retry_after or 0.0, max(self._settings.retry)))

        after = after_trouble(before, since=since, now=now, patience=patience, rest=rest)
        self._put(key, after)
        if after is not before and after.health is Health.BROKEN:
            self._why[key] = outcome
            self.unkept.add(key)
        broke = before.health is Health.SOUND and after.health is Health.BROKEN
        if broke:
            said = str(outcome.reply) if outcome.reply is not None else outcome.detail
            self.turns.append(Turn(*key, Health.BROKEN, outcome.cause, said))
        return broke

    def _success(self, key: tuple[str, str], since: float, now: float) -> None:
        before = self._breakers.get(key)
        if before is None:
            return
        after = after_success(before, since=since, now=now, rules=self._rules)
        self._put(key, after)
        if before.health is not Health.SOUND and after.health is Health.SOUND:
            why = self._why.pop(key, None)
            self.unkept.add(key)
            cause = why.cause if why else Cause.UNKNOWN
            self.turns.append(Turn(*key, Health.SOUND, cause, "", now - before.since))

    def told(self, errand: Errand, outcome: Outcome, road: Road) -> bool:
        """Remember what `outcome` means for the way of this recipient; whether it may go by another road."""
        said = word(outcome, road)
        way = errand.way
        if way is not None and way.for_good:
            return False
        if way is not None:
            way.kept = ""
        if said in (Word.STAY, Word.UNFIT):
            if way is None:
                way = errand.way = Way()
            if said is Word.STAY:
                way.kept = road.name
            else:
                way.unfit[road.name] = outcome.cause
        return said in (Word.TROUBLE, Word.UNFIT)

    def forget_idle(self, now: float) -> None:
        """Forget roads of which nothing was heard for a day."""
        for key, b in list(self._breakers.items()):
            if max(b.failed_at, b.succeeded_at, b.next_at) < now - REMEMBERED:
                del self._breakers[key]
                self._why.pop(key, None)
                self._unsound.pop(key, None)
