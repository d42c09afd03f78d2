"""What waits for a limit, and when it goes: the turns of a site, and of those that share its limits, played forward on copies of its budgets.

Where mail has another road it takes whichever has room first (`alternatives`), and is promised that.  A road that is closed takes
nothing before its first probe.

Who waits because the other side is spared (`shaping`) is told that, and when the next one goes: how fast it opens again nobody knows.

Mail that waits so has made no attempt and no mistake; whoever asks (the trace, a delay notice, the reply to a submission)
is told the limit, how much of it is used, and the time.  Exact as long as nothing else arrives and no more than `AHEAD`
messages wait in front.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest

from kurir.limits import NEVER, Budget, Lane, Wait, soonest
from kurir.queue.asks import Road
from kurir.queue.pacing.paced import FairQueue
from kurir.queue.pacing.shaping import Shaper
from kurir.queue.turns.schedule import Schedule
from kurir.queue.turns.site import Site
from kurir.queue.waiting.state import Errand, Mail, State

AHEAD = 5_000
"""Messages in line that are played forward."""


_Played = dict[Errand, tuple[float, Road]]
"""When who goes, and by which road."""


class Outlook:
    """A look ahead at one moment; each site is played forward once at most.  All times are queue time."""

    def __init__(self, schedule: Schedule, now: float) -> None:
        self.now = now
        self._schedule = schedule
        self._sites: dict[Site, _Played] = {}
        self._groups: dict[int, list[Site]] = {}  # of sites that take turns, by those

    def of(self, errand: Errand) -> Wait | None:
        """Return the limit or the pace that `errand` waits for, or None where it waits for neither."""
        site = errand.site
        if errand.state is not State.READY or site is None or site.failures:
            return None
        budget = site.paced.binding(self.now) if site.paced is not None else None
        if budget is not None:
            return self._limit(errand, site, budget)
        if held := Shaper.holding(site, self.now):
            who, at = held
            return Wait(None, 0, 0, None if at == NEVER else at, site.road.name, at != NEVER, who)
        return None

    def _limit(self, errand: Errand, site: Site, budget: Budget) -> Wait:
        urgent = errand.mail.urgent
        if site not in self._sites:
            self._play(site)
        times = self._sites[site]
        at, road = times.get(errand) or (max((at for at, _ in times.values()), default=None), site.road)
        if road is not site.road and (there := self._binding(road)) is not None:
            budget = there
        if at is None and (ready := budget.ready_at(self.now, urgent=urgent)) != NEVER:
            at = ready
        quota = budget.quota
        stop = quota.stop if urgent else quota.stop - quota.reserve
        used = budget.used(self.now)
        return Wait(quota, used, stop, at, road.name, at is not None and errand not in times)

    def _binding(self, road: Road) -> Budget | None:
        """Return the budget of `road` that is waited for longest, or None where there is room."""
        budgets = map(self._schedule.budgets.of, road.quotas)
        latest = max(budgets, key=lambda b: b.ready_at(self.now), default=None)
        return latest if latest is not None and latest.ready_at(self.now) > self.now else None

    def _play(self, site: Site) -> None:
        """Play the line of `site` and of all that take turns with it forward: each goes by that of its roads which has room first."""
        assert site.paced is not None
        lanes = {_counted(site.road): Lane(site.paced.budgets, self.now)}
        times: _Played = {}
        beside = self._beside(site)
        self._sites |= dict.fromkeys(beside, times)
        for here in _lines(beside):
            roads = self._roads(here[0], here[0].site or site)
            for road in roads:
                if _counted(road) not in lanes:
                    lanes[_counted(road)] = self._lane(road)
            steps = soonest([lanes[_counted(r)] for r in roads], len(here), urgent=here[0].mail.urgent)
            if not steps:
                break
            moments = ((step.at, roads[i]) for i, step in steps for _ in range(step.recipients))
            times |= zip(here, moments, strict=True)

    def _beside(self, site: Site) -> list[Site]:
        """Return the sites that take turns with `site`, and itself."""
        if not self._groups:
            for each in self._schedule.sites:
                if each.paced is not None:
                    self._groups.setdefault(id(each.paced.queue.turns), []).append(each)
        assert site.paced is not None
        return self._groups[id(site.paced.queue.turns)]

    def _roads(self, errand: Errand, site: Site) -> list[Road]:
        """Return by which roads a recipient that waits at `site` goes as soon as they have room, that of the site first."""
        plan = self._schedule.plans.of(errand) if site.alternatives else None
        others = (r for r in plan.roads if r.name != site.road.name) if plan is not None else ()
        return [site.road, *(r for r in others if self._schedule.roads.stands_open(r, errand, self.now))]

    def _lane(self, road: Road) -> Lane:
        """Return the lane of another road, behind what waits there."""
        lane = Lane(map(self._schedule.budgets.of, road.quotas), self.now)
        site = self._schedule.sites.find(road)
        if site is not None and site.paced is not None:
            for here in _line(site):
                soonest([lane], len(here), urgent=here[0].mail.urgent)
        return lane


def _line(site: Site) -> Iterator[list[Errand]]:
    """Yield who waits at a site with limits, in turn; who was put in line anew (`retry_now`) stands in it once, where it came first."""
    assert site.paced is not None
    seen: set[Errand] = set()
    for bundle in islice(site.paced.queue.in_turn(), AHEAD):
        here = [
            e for e in dict.fromkeys(bundle) if e.state is State.READY and e.site is site and e not in seen
        ]
        if here:
            seen.update(here)
            yield here


def _lines(sites: Sequence[Site]) -> Iterable[list[Errand]]:
    """Return who waits at sites with common limits, as it will be their turn: an owner who waits at several goes there in turn."""
    if len(sites) == 1:
        return _line(sites[0])
    return islice(merged_lines(sites).in_turn(), AHEAD)


def merged_lines(sites: Sequence[Site], without: Mail | None = None) -> FairQueue:
    """Return one queue of all who wait at `sites`, but for a message; turns go on from those that were had."""
    paced = next((site.paced for site in sites if site.paced is not None), None)
    queue = FairQueue(turns=paced.queue.turns if paced is not None else None)
    for bundles in zip_longest(*map(_line, sites), fillvalue=()):
        for bundle in bundles:
            here = [errand for errand in bundle if errand.mail is not without]
            if here:
                queue.append(here)
    return queue


def _counted(road: Road) -> tuple[str, ...]:
    """Return what is counted on `road`: roads with the same are one lane."""
    return tuple([quota.key for quota in road.quotas if quota.window])
