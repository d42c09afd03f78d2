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
5. A road with limits has budgets on top (`paced`): its sites run while those have room.  There, and wherever urgent or
   bulk mail came by, those who send take turns (`FairQueue`).
6. Where a plan has several roads the roadbook chooses; when a road breaks, is spent or comes back, what waits chooses anew.
7. Everything is O(1), or O(log sites) for a site that waits for a time.
"""

from collections import deque
from heapq import heappop, heappush

from kurir.limits import Budget, Budgets
from kurir.model import Outcome, OutcomeKind, Urgency

from .alternatives import Alternatives
from .asks import Plan, PlanRequest, Road
from .choice import WORTH_WAITING
from .paced import FairQueue, Paced
from .retry import site_pause
from .roadbook import Roadbook
from .settings import QueueSettings
from .state import Errand, State
from .trouble import CONNECTION_STAGES, OWN_STAGES

_NEVER = float("inf")


class Site:
    """One (road, site): its queue, its limits, its health."""

    __slots__ = (
        "alternatives",
        "failed_at",
        "failures",
        "looked_at",
        "most",
        "open",
        "paced",
        "paused_until",
        "probe",
        "queue",
        "queued",
        "road",
        "succeeded_at",
        "token_at",
        "tokens",
        "waiting",
        "wakes_at",
        "why",
    )

    def __init__(self, road: Road, most: int) -> None:
        self.road = road
        self.queue: deque[list[Errand]] | FairQueue = deque()  # bundles: errands of one message
        self.paced: Paced | None = None  # where its road has limits
        self.most = most  # recipients in a lease
        self.waiting = 0  # errands in state READY here
        self.open = 0  # leases
        self.queued = False  # stands in the round
        self.wakes_at = _NEVER  # earliest entry among the sleeping ones
        self.failures = 0
        self.failed_at = -_NEVER
        self.succeeded_at = -_NEVER
        self.paused_until = 0.0
        self.probe = False  # the one probe lease is out
        self.why: Outcome | None = None
        self.tokens = max(1.0, road.rate)
        self.token_at = -_NEVER
        self.alternatives = False  # some errands here have another road
        self.looked_at = -_NEVER  # when it was looked whether they take it

    def runnable_at(self, now: float) -> float:
        """Return when the next lease may go out: `now` or earlier means now, infinity means not by time alone."""
        if not self.waiting or self.open >= self.road.concurrency:
            return _NEVER
        if self.failures:
            if self.probe:
                return _NEVER
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
            if self.token_at > -_NEVER:
                self.tokens = min(max(1.0, rate), self.tokens + (now - self.token_at) * rate)
            self.token_at = now
        return now if self.tokens >= 1 else now + (1 - self.tokens) / rate


class Schedule:
    """Errands that are due, up to the moment they are leased."""

    def __init__(self, settings: QueueSettings, budgets: Budgets) -> None:
        self._settings = settings
        self.budgets = budgets
        self.roads = Roadbook(settings, self._budgets_of, queued=self._queued_at)
        self.alternatives = Alternatives(self, self.roads, settings)
        self.sites: dict[tuple[str, str], Site] = {}
        self._round: deque[Site] = deque()
        self._crowded: list[Site] = []
        self._sleeping: list[tuple[float, int, Site]] = []
        self._tie = 0
        self._plans: dict[tuple[str, str], tuple[Plan, float]] = {}
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
        for errand in waiting:
            self._enqueue(errand, plan, now)
        return []

    def _forget_plans(self, now: float) -> None:
        self._plans = {k: v for k, v in self._plans.items() if v[1] > now}
        excess = len(self._plans) - self._settings.plan_cache // 2
        for key in list(self._plans)[: max(0, excess)]:
            del self._plans[key]

    def _enqueue(self, errand: Errand, plan: Plan, now: float) -> None:
        if len(plan.roads) == 1:
            site = self._site(plan.roads[0])
        else:
            site = self._site(self.roads.take(errand, plan, now))
            site.alternatives = True
            if site.failures:  # whether anything goes there is the roadbook's to say
                site.paused_until = min(site.paused_until, now)
        errand.state = State.READY
        errand.site = site
        site.waiting += 1
        self.ready += 1
        queue = site.queue
        if errand.mail.urgency is not Urgency.ORDINARY and isinstance(queue, deque):
            queue = site.queue = FairQueue(queue)
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

    def _site(self, road: Road) -> Site:
        key = (road.name, road.site)
        site = self.sites.get(key)
        if site is None:
            site = self.sites[key] = Site(road, self._most(road))
            if road.quotas:
                self._pace(site)
        elif road is not site.road:
            site.road, site.most = road, self._most(road)  # newest limits
            if road.quotas or site.paced is not None:
                self._pace(site)
        return site

    def _budgets_of(self, road: Road) -> list[Budget]:
        return [self.budgets.of(quota) for quota in road.quotas]

    def _queued_at(self, road: Road) -> int:
        site = self.sites.get((road.name, road.site))
        return site.waiting if site is not None else 0

    def _most(self, road: Road) -> int:
        """Return how many recipients a lease may have: what is counted as one message has to be one."""
        usual = self._settings.lease_recipients
        return min(usual, road.recipients) if road.recipients else usual

    def _pace(self, site: Site) -> None:
        """Let the budgets of its road decide over `site`, or no longer."""
        if not site.road.quotas:
            site.paced, site.queue = None, deque(site.queue)
            return
        if site.paced is None:
            queue = site.queue if isinstance(site.queue, FairQueue) else FairQueue(site.queue)
            site.queue = queue
            site.paced = Paced(queue, lambda now: self.consider(site, now))
        site.paced.budgets = self._budgets_of(site.road)

    # the round

    def consider(self, site: Site, now: float) -> None:
        """Let `site` stand in the round, or sleep until it can run by time."""
        if site.queued:
            return
        at = site.runnable_at(now)
        if at <= now:
            site.queued = True
            self._round.append(site)
            return
        if site.alternatives and site.paced is not None and now + WORTH_WAITING < at < _NEVER:
            self.alternatives.look(site, now)
            at = now + WORTH_WAITING  # another road may have room by then
        if at < site.wakes_at:
            site.wakes_at = at
            self._tie += 1
            heappush(self._sleeping, (at, self._tie, site))

    def wake(self, now: float) -> None:
        """Let sites whose time has come stand in the round."""
        while self._sleeping and self._sleeping[0][0] <= now:
            site = heappop(self._sleeping)[2]
            site.wakes_at = _NEVER
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
            if site.runnable_at(now) > now:
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
    ) -> None:
        """A lease of `site`, given out at `since`, ended with `outcomes` (none: not tried)."""
        site.open -= 1
        if probe:
            site.probe = False
        if outcomes:
            self._judge(site, since, outcomes[0], now, roll)
            if site.alternatives:
                self.roads.heard(site.road, outcomes, since=since, now=now, roll=roll)
        if not site.queued:
            self.consider(site, now)

    def _judge(self, site: Site, since: float, outcome: Outcome, now: float, roll: float) -> None:
        if outcome.stage in OWN_STAGES and outcome.kind is OutcomeKind.DEFERRED:
            return
        if outcome.stage not in CONNECTION_STAGES or outcome.kind is not OutcomeKind.DEFERRED:
            site.succeeded_at = now
            site.failures = 0
            site.why = None
            return
        # One flaw among successes is no dead site, and twenty failures at once are one failure.
        if since <= site.failed_at or since <= site.succeeded_at:
            return
        site.failures += 1
        site.failed_at = now
        site.why = outcome
        pause = site_pause(self._settings, site.failures, roll)
        if outcome.retry_after is not None:
            pause = max(pause, min(outcome.retry_after, max(self._settings.retry)))
        site.paused_until = now + pause

    # several roads

    def plan_of(self, errand: Errand) -> Plan | None:
        """Return the plan that is known for `errand`."""
        cached = self._plans.get((errand.mail.sender, errand.domain))
        return cached[0] if cached is not None else None

    def take_all(self, site: Site) -> list[list[Errand]]:
        """Empty the queue of `site`; return its bundles, of errands that still wait there."""
        bundles, site.queue = list(site.queue), deque()
        if site.paced is not None:
            site.paced = None
            self._pace(site)
        here = ([e for e in b if e.state is State.READY and e.site is site] for b in bundles)
        return [bundle for bundle in here if bundle]

    def move(self, errand: Errand, now: float) -> None:
        """Let an errand leave the site where it waits and choose anew."""
        self.left([errand])
        errand.site = None
        if self.due(errand, now) is not None:
            self._park(errand, (errand.mail.sender, errand.domain))

    def forget_idle_sites(self) -> None:
        """Drop what is known of sites that have no work and no bad record."""
        idle = [
            key
            for key, site in self.sites.items()
            if not (site.waiting or site.open or site.failures or site.queued)
        ]
        for key in idle:
            del self.sites[key]


__all__ = ["Schedule", "Site"]
