"""Who is tried next: plans, sites, and the round over the sites that can run.

An errand that is due first needs a plan for (sender domain, recipient domain); the plan puts it into the
queue of a *site*, one per (road, site key).  Sites that can run take turns, one lease each, so that a
site with 50,000 waiting costs a site with one waiting no more than one turn.  Rules:

1. A site runs while it has work, less leases than its concurrency, a token of its rate, and no pause.
2. A site holds at most `share` times as many slots as are free (the dynamic threshold of Choudhury and
   Hahne): alone it gets nearly all, and N slow sites together still leave a slot for the next one.
3. After a connection failure the site rests, longer each time; then one probe lease goes out, and only its
   success opens the site again.
4. Recipients of a message share a lease, but for those that are to go alone or in smaller company
   (`Errand.together`): a peer that hangs at one of them must not starve the others.
5. A road with limits has budgets on top (`paced`): its sites run while those have room.  A peer in trouble has
   paces (`shaping`).
6. Everything is O(1), or O(log sites) for a site that waits for a time.
"""

from collections import deque
from heapq import heappop, heappush

from msgspec import structs

from kurir.limits import NEVER, Budgets, Signal, Unit
from kurir.model import Outcome, OutcomeKind, Stage

from .acquaintances import Acquaintances, person_of
from .asks import Plan, PlanRequest, Road
from .paced import FairQueue, Paced
from .retry import site_pause
from .settings import QueueSettings
from .shaping import CONNECTION_STAGES, Shaper, Slowed, signal_of
from .site import Site
from .state import Errand, State

# Stages that are no word from a peer at all.
_OWN_STAGES = frozenset({Stage.PLAN, Stage.STORE})


class Schedule:
    """Errands that are due, up to the moment they are leased."""

    def __init__(self, settings: QueueSettings, budgets: Budgets) -> None:
        self._settings = settings
        self.budgets = budgets
        self.sites: dict[tuple[str, str], Site] = {}
        self._round: deque[Site] = deque()
        self._crowded: list[Site] = []
        self._sleeping: list[tuple[float, int, Site]] = []
        self._tie = 0
        self._plans: dict[tuple[str, str], tuple[Plan, float]] = {}
        self.known = Acquaintances()
        self.shaper = Shaper(settings.shape, self.sites, self.consider)
        self._unplanned: dict[tuple[str, str], list[Errand]] = {}
        self._asked: dict[tuple[str, str], float] = {}
        self._to_ask: list[tuple[str, str]] = []
        self.ready = 0

    # planning

    def due(self, errand: Errand, now: float) -> Outcome | None:
        """Find the errand a place; return an outcome where its plan says that there is no road."""
        key = (errand.mail.sender, errand.domain)
        cached = self._plans.get(key)
        if cached is not None and cached[1] > now:
            plan = cached[0]
            if plan.failure is not None:
                return plan.failure
            self._enqueue(errand, plan, now)
            return None
        self._park(errand, key)
        return None

    def _park(self, errand: Errand, key: tuple[str, str]) -> None:
        errand.state = State.PLANNING
        waiting = self._unplanned.get(key)
        if waiting is None:
            self._unplanned[key] = [errand]
            self._to_ask.append(key)
        else:
            waiting.append(errand)

    def requests(self, now: float) -> list[PlanRequest]:
        """Return the plans to ask for now; each counts as asked until `plan_timeout`."""
        keys, self._to_ask = self._to_ask, []
        for key in keys:
            self._asked.pop(key, None)  # asked last is last in line for the timeout
            self._asked[key] = now
        return [PlanRequest(*key) for key in keys]

    @property
    def wants_plans(self) -> bool:
        """Whether `requests` would return something."""
        return bool(self._to_ask)

    def ask_again(self, now: float, *, everything: bool = False) -> None:
        """Ask again for plans that nobody answered in time, or for all that are open (a hand went away)."""
        limit = now - self._settings.plan_timeout
        late = []
        for key, at in self._asked.items():
            if at > limit and not everything:
                break
            late.append(key)
        for key in late:
            del self._asked[key]
            if key in self._unplanned:
                self._to_ask.append(key)

    def planned(self, plan: Plan, now: float) -> list[Errand]:
        """Take a plan; return the errands to which its failure applies."""
        key = (plan.request.sender, plan.request.domain)
        if len(self._plans) >= self._settings.plan_cache:
            self._forget_plans(now)
        self._plans[key] = (plan, now + plan.ttl)
        self._asked.pop(key, None)
        # An errand that was held and released meanwhile may stand here twice.
        waiting = [e for e in dict.fromkeys(self._unplanned.pop(key, ())) if e.state is State.PLANNING]
        if plan.failure is not None:
            return waiting
        for road in plan.roads:
            if (road.name, road.site) in self.sites:
                self.consider(self._site(road), now)  # with its newest limits
        for errand in waiting:
            self._enqueue(errand, plan, now)
        return []

    def replan(self, site: Site | None = None) -> None:
        """Limits (of one site, or of all) are others now: forget the plans that lead there, and ask for one for each site.

        What waits there keeps to the new limits as soon as that is there.
        """
        only = (site.road.name, site.road.site) if site is not None else None
        asked: set[tuple[str, str]] = set()
        for key, (plan, _) in list(self._plans.items()):
            leads_to = [(road.name, road.site) for road in plan.roads]
            if only is not None and only not in leads_to:
                continue
            del self._plans[key]
            if not asked.issuperset(leads_to) and key not in self._unplanned:
                asked.update(leads_to)
                self._unplanned[key] = []
                self._to_ask.append(key)

    def _forget_plans(self, now: float) -> None:
        self._plans = {k: v for k, v in self._plans.items() if v[1] > now}
        excess = len(self._plans) - self._settings.plan_cache // 2
        for key in list(self._plans)[: max(0, excess)]:
            del self._plans[key]

    def _enqueue(self, errand: Errand, plan: Plan, now: float) -> None:
        site = self._site(plan.roads[0])
        if len(plan.roads) > 1:
            for road in plan.roads:  # the first road that is not closed
                other = self._site(road)
                if not other.failures:
                    site = other
                    break
            site.alternatives = True
        if site.meets:
            site = self._of_the_known(site, errand, now)
        errand.state = State.READY
        errand.site = site
        site.waiting += 1
        self.ready += 1
        queue = site.queue
        if errand.urgent:
            errand.urgent = False
            queue.appendleft([errand])
            site.paused_until = min(site.paused_until, now)
        elif not queue or (last := queue[-1]) is None or last[0].mail is not errand.mail:
            queue.append([errand])
        elif errand.together == 1:  # before the last bundle, which stays open for the others
            queue[-1] = [errand]
            queue.append(last)
        elif last[0].together == errand.together and len(last) < min(errand.together or site.most, site.most):
            last.append(errand)
        else:
            queue.append([errand])
        if not site.queued:
            self.consider(site, now)

    def _of_the_known(self, site: Site, errand: Errand, now: float) -> Site:
        """Return the queue of those who are not new where the errand's recipient is one: limits of new ones do not hold there.

        Whose letter is not at hand (it was tried before, or read back after a start) counts as new.
        """
        letter, road = errand.mail.fresh, site.road
        if letter is None:
            return site
        person = person_of(letter.recipients[errand.index])
        if not all(self.known.knows(budget, person, now) for budget in site.meets):
            return site
        usual = tuple(q for q in road.quotas if q.unit is not Unit.NEW_RECIPIENTS)
        known = self._site(structs.replace(road, quotas=usual), (road.name, f"{road.site} known"))
        known.meets = site.meets
        return known

    def _site(self, road: Road, key: tuple[str, str] | None = None) -> Site:
        key = key or (road.name, road.site)
        site = self.sites.get(key)
        if site is None:
            site = self.sites[key] = Site(road, self._most(road))
            self.shaper.join(site)
            if road.quotas:
                self._pace(site)
        elif road is not site.road:
            site.road, site.most = road, self._most(road)  # newest limits
            self.shaper.join(site)
            if road.quotas or site.paced is not None:
                self._pace(site)
        return site

    def _most(self, road: Road) -> int:
        """Return how many recipients a lease may have: what is counted as one message has to be one."""
        usual = self._settings.lease_recipients
        return min(usual, road.recipients) if road.recipients else usual

    def _pace(self, site: Site) -> None:
        """Let the budgets of its road decide over `site`, or no longer."""
        site.meets = tuple(q.key for q in site.road.quotas if q.unit is Unit.NEW_RECIPIENTS)
        if not site.road.quotas:
            site.paced, site.queue = None, deque(site.queue)
            return
        if site.paced is None:
            site.queue = queue = FairQueue(site.queue)
            site.paced = Paced(queue, lambda now: self.consider(site, now))
        site.paced.budgets = [self.budgets.of(quota) for quota in site.road.quotas]

    # the round

    def consider(self, site: Site, now: float) -> None:
        """Let `site` stand in the round, or sleep until it can run by time."""
        if site.queued:
            return
        at = site.runnable_at(now)
        if site.paces and at <= now:
            at = self.shaper.ready_at(site, now)
        if at <= now:
            site.queued = True
            self._round.append(site)
        elif at < site.wakes_at:
            site.wakes_at = at
            self._tie += 1
            heappush(self._sleeping, (at, self._tie, site))

    def wake(self, now: float) -> None:
        """Let sites whose time has come stand in the round."""
        while self._sleeping and self._sleeping[0][0] <= now:
            site = heappop(self._sleeping)[2]
            site.wakes_at = NEVER
            self.consider(site, now)

    def next_at(self) -> float | None:
        """Return when the first sleeping site wakes, or the first unanswered plan is asked again."""
        wake = self._sleeping[0][0] if self._sleeping else None
        if self._asked:
            again = next(iter(self._asked.values())) + self._settings.plan_timeout
            wake = again if wake is None else min(wake, again)
        return wake

    def uncrowd(self) -> None:
        """Slots are free again: sites that held too many may ask again."""
        if self._crowded:
            self._round.extend(self._crowded)
            self._crowded.clear()

    def next_bundle(self, now: float, free: int) -> tuple[Site, list[Errand]] | None:
        """Take the next bundle of errands (one message, one site) to lease while `free` slots are left."""
        limit = free * self._settings.share
        while self._round:
            site = self._round.popleft()
            at = site.runnable_at(now)
            if at > now or (site.paces and self.shaper.ready_at(site, now) > now):
                site.queued = False
                self.consider(site, now)
                continue
            if site.open >= limit:
                self._crowded.append(site)
                continue
            errands = self._take(site, now)
            if not errands:
                site.queued = False
                if site.paced is not None:
                    self.consider(site, now)  # only what was urgent is gone
                continue
            site.open += 1
            for pace in site.paces:
                pace.leased(now)
            if site.road.rate > 0:
                site.tokens -= 1
            if site.failures:
                site.probe = True
            self._round.append(site)
            return site, errands
        return None

    def _take(self, site: Site, now: float) -> list[Errand]:
        paced = site.paced
        while site.queue:
            bundle = site.queue.popleft() if paced is None else paced.next(now)
            if bundle is None:
                break
            errands = [e for e in dict.fromkeys(bundle) if e.state is State.READY and e.site is site]
            if errands:
                if paced is not None:
                    errands = self._divided(site, paced, errands, now)
                self.left(errands)
                return errands
        return []

    @staticmethod
    def _divided(site: Site, paced: Paced, errands: list[Errand], now: float) -> list[Errand]:
        """Return as many as there is room for; the others stay first in line."""
        room = paced.room(now, urgent=errands[0].mail.urgent)
        if room is None or room >= len(errands):
            return errands
        site.queue.appendleft(errands[room:])
        return errands[:room]

    def left(self, errands: list[Errand]) -> None:
        """Errands leave their site's queue: leased, held, dropped or expired."""
        for errand in errands:
            site = errand.site
            assert site is not None
            site.waiting -= 1
            self.ready -= 1

    # health

    def ended(
        self, site: Site, *, since: float, probe: bool, outcomes: list[Outcome], now: float, roll: float
    ) -> Slowed | None:
        """A lease of `site`, given out at `since`, ended with `outcomes` (none: not tried); return what is slower by that."""
        site.open -= 1
        if site.paces:
            self.shaper.ended(site, now)
        if probe:
            site.probe = False
        slowed = self._judge(site, since, outcomes[0], now, roll) if outcomes else None
        if not site.queued:
            self.consider(site, now)
        return slowed

    def refused(
        self, site: Site, outcome: Outcome, *, since: float, now: float, bears: int = 0
    ) -> Slowed | None:
        """A lease met what may be trouble of the peer; where a connection for it was refused, `bears` others took it over."""
        signal = signal_of(outcome)
        if signal is None:
            return None
        return self.shaper.trouble(site, signal, outcome, since=since, now=now, bears=bears)

    def _judge(self, site: Site, since: float, outcome: Outcome, now: float, roll: float) -> Slowed | None:
        if outcome.stage in _OWN_STAGES and outcome.kind is OutcomeKind.DEFERRED:
            return None
        if outcome.stage not in CONNECTION_STAGES or outcome.kind is not OutcomeKind.DEFERRED:
            site.succeeded_at = now
            site.failures = 0
            site.why = None
            return self._went(site, since, outcome, now)
        dead = self._failed(site, since, outcome, now, roll)
        if not dead and signal_of(outcome) is Signal.HANDSHAKE:
            return None
        return self.refused(site, outcome, since=since, now=now)

    def _went(self, site: Site, since: float, outcome: Outcome, now: float) -> Slowed | None:
        """The peer talked with us: well, too slowly, or to say that it is too much."""
        seconds, usual, shape = outcome.seconds, site.usual, self._settings.shape
        site.usual = usual * (1.05 if seconds > usual else 0.95) if usual else seconds
        if outcome.kind is OutcomeKind.DEFERRED:
            return self.refused(site, outcome, since=since, now=now)
        if seconds > shape.latency_floor and seconds > shape.latency * usual > 0:
            site.slow += 1
            if site.slow >= shape.latency_row:
                site.slow = 0
                return self.shaper.trouble(site, Signal.LATENCY, outcome, since=since, now=now)
            return None
        site.slow = 0
        if site.paces:
            self.shaper.success(site, since=since, now=now)
        return None

    def _failed(self, site: Site, since: float, outcome: Outcome, now: float, roll: float) -> bool:
        """Let the site rest; False where that says nothing new of it."""
        # One flaw among successes is no dead site, and twenty failures at once are one failure.
        if since <= site.failed_at or since <= site.succeeded_at:
            return False
        site.failures += 1
        site.failed_at = now
        site.why = outcome
        pause = site_pause(self._settings, site.failures, roll)
        if outcome.retry_after is not None:
            pause = max(pause, min(outcome.retry_after, max(self._settings.retry)))
        site.paused_until = now + pause
        if site.failures == 1 and site.alternatives:
            self._reroute(site, now)
        return True

    def _reroute(self, site: Site, now: float) -> None:
        """A road was closed: let those waiting on it ask their plan again."""
        bundles, site.queue = list(site.queue), deque()
        if site.paced is not None:
            site.paced = None
            self._pace(site)
        site.alternatives = False
        for bundle in bundles:
            for errand in bundle:
                if errand.state is State.READY and errand.site is site:
                    self.left([errand])
                    errand.site = None
                    if self.due(errand, now) is not None:
                        self._park(errand, (errand.mail.sender, errand.domain))

    def forget_idle_sites(self, now: float) -> None:
        """Drop what is known of sites that have no work and no bad record."""
        idle = [
            key
            for key, site in self.sites.items()
            if not (site.waiting or site.open or site.failures or site.queued)
        ]
        for key in idle:
            del self.sites[key]
        self.shaper.forget(now)


__all__ = ["Schedule", "Site"]
