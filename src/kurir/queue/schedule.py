"""Who is tried next: plans, sites, and the round over the sites that can run.

An errand that is due first needs a plan for (sender domain, recipient domain); the plan puts it into the
queue of a *site*, one per (road, site key).  Sites that can run take turns, one lease each, so that a
site with 50,000 waiting costs a site with one waiting no more than one turn.  Rules:

1. A site runs while it has work, less leases than its concurrency, a token of its rate, and no pause.
2. A site holds at most `share` times as many slots as are free (the dynamic threshold of Choudhury and
   Hahne): alone it gets nearly all, and N slow sites together still leave a slot for the next one.
3. After a connection failure the site rests, longer each time; then one probe lease goes out, and only its
   success opens the site again.  Whom its failure kept waiting then goes on at once (`stranded`), and sites of the same
   provider that failed meanwhile are probed, too (`neighbours`).
4. Recipients of a message share a lease, but for those that are to go alone or in smaller company
   (`Errand.together`): a peer that hangs at one of them must not starve the others.
5. A road with limits has budgets on top (`paced`): its sites run while those have room.  There, and wherever urgent or
   bulk mail came by, those who send take turns (`FairQueue`).  A peer in trouble has paces (`shaping`).
6. Where a plan has several roads the roadbook chooses; when a road breaks, is spent or comes back, what waits chooses anew.
7. Everything is O(1), or O(log sites) for a site that waits for a time.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from msgspec import structs

from kurir.limits import NEVER, Budget, Budgets, Signal, Unit
from kurir.model import Outcome, OutcomeKind, Urgency

from .acquaintances import Acquaintances, meets, person_of, those_known
from .alternatives import Alternatives
from .asks import Busy, Plan, Road
from .choice import WORTH_WAITING
from .neighbours import Neighbours
from .paced import FairQueue, Paced, Turns, rejoin
from .plans import Plans
from .retry import site_pause
from .roadbook import Roadbook
from .settings import QueueSettings
from .shaping import Shaper, Slowed, signal_of, too_many_at_once
from .site import Site
from .state import Errand, Place, State
from .stranded import forget_ended
from .streak import Streaks
from .trouble import CONNECTION_STAGES, OWN_STAGES


class Schedule:
    """Errands that are due, up to the moment they are leased."""

    def __init__(self, settings: QueueSettings, budgets: Budgets) -> None:
        self._settings = settings
        self.budgets = budgets
        self.plans = Plans(settings)
        self.roads = Roadbook(settings, self._load_of)
        self.alternatives = Alternatives(self, self.roads, settings)
        self.sites: dict[tuple[str, str], Site] = {}
        self._round: deque[Site] = deque()
        self._crowded: list[Site] = []
        self._sleeping: list[tuple[float, int, Site]] = []
        self._tie = 0
        self.known = Acquaintances()
        self.neighbours = Neighbours(settings)
        self._streaks = Streaks()
        self._turns: dict[str, Turns] = {}  # by the longest of the limits that sites share
        self.shaper = Shaper(settings.shape, self.sites, self.consider)
        self.ready = 0

    # planning

    def due(self, errand: Errand, now: float) -> Outcome | None:
        """Find the errand a place; return an outcome where its plan says that there is no road."""
        plan = self.plans.fresh(errand, now)
        if plan is None:
            self.plans.park(errand)
        elif plan.failure is not None:
            return plan.failure
        else:
            self._enqueue(errand, plan, now)
        return None

    def planned(self, plans: Iterable[Plan], now: float) -> list[tuple[list[Errand], Outcome]]:
        """Take plans; return the errands for which there is no road, and why.

        Who waited for any of them goes on in the order in which the mail came: at a start that is everybody.
        """
        ready: list[tuple[Errand, Plan]] = []
        failed = []
        for plan in plans:
            waiting = self.plans.answered(plan, now)
            if plan.failure is not None:
                failed.append((waiting, plan.failure))
                continue
            ready += [(errand, plan) for errand in waiting]
            for road in plan.roads:
                if (road.name, road.site) in self.sites:
                    self.consider(self._site(road), now)  # with its newest limits
                if (road.name, those_known(road.site)) in self.sites:
                    self.consider(self._of_the_known(road), now)
        ready.sort(key=lambda pair: pair[0].mail.number)
        for errand, plan in ready:
            self._enqueue(errand, plan, now)
        return failed

    def replan(self, site: Site | None = None) -> None:
        """Limits (of one site, or of all) are others now: what waits there keeps to the new ones as soon as its plan is there."""
        self.plans.ask_anew([(site.road.name, site.road.site)] if site is not None else ())

    def _enqueue(self, errand: Errand, plan: Plan, now: float) -> None:
        chosen = self.roads.take(errand, plan, now) if len(plan.roads) > 1 else None
        site = self._site(chosen.road if chosen is not None else plan.roads[0])
        if site.meets and self._is_known(errand, site.road, now):
            site = self._of_the_known(site.road)
        if chosen is not None:
            site.alternatives = True
            if site.failures and chosen.free:  # as its probe: whether one goes is the roadbook's to say
                site.paused_until = min(site.paused_until, now)
        errand.state = State.READY
        errand.site = site
        site.waiting += 1
        self.ready += 1
        queue = site.queue
        if errand.mail.urgency is not Urgency.ORDINARY and isinstance(queue, deque):
            queue = site.queue = FairQueue(queue)
        if errand.place is Place.FIRST:
            queue.appendleft([errand])
            site.paused_until = min(site.paused_until, now)
        elif errand.place is Place.KEPT:
            rejoin(queue if isinstance(queue, deque) else queue.own(errand), errand, site.most)
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

    def _is_known(self, errand: Errand, road: Road, now: float) -> bool:
        """Whether limits of new recipients do not hold for an errand.

        Whose letter is not at hand (it was tried before, or read back after a start) counts as new.
        """
        letter, budgets = errand.mail.fresh, meets(road)
        if letter is None or not budgets:
            return False
        person = person_of(letter.recipients[errand.index])
        return all(self.known.knows(budget, person, now) for budget in budgets)

    def _of_the_known(self, road: Road) -> Site:
        """Return the queue of those who are not new to the provider behind `road`: its limits of new ones do not hold there."""
        usual = tuple(q for q in road.quotas if q.unit is not Unit.NEW_RECIPIENTS)
        known = self._site(structs.replace(road, quotas=usual), (road.name, those_known(road.site)))
        known.meets = meets(road)
        return known

    def _load_of(self, road: Road, errand: Errand | None, now: float) -> tuple[list[Budget], int]:
        """Return what is counted on `road` for anybody new, or for one errand, and how many wait there before it."""
        known = errand is not None and self._is_known(errand, road, now)
        site = self.sites.get((road.name, those_known(road.site) if known else road.site))
        quotas = (q for q in road.quotas if not (known and q.unit is Unit.NEW_RECIPIENTS))
        before = site.waiting if site is not None else 0
        if before and site is not None and errand is not None and isinstance(site.queue, FairQueue):
            before = site.queue.ahead(errand.mail, before)
        return [self.budgets.of(q) for q in quotas], before

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
        site.meets = meets(site.road)
        if not site.road.quotas:
            site.paced, site.queue = None, deque(site.queue)
            return
        if site.paced is None:
            longest = max(site.road.quotas, key=lambda q: q.window).key
            queue = site.queue = FairQueue(site.queue, self._turns.setdefault(longest, Turns()))
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
            return
        if site.alternatives and site.paced is not None and now + WORTH_WAITING < at < NEVER:
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
            site.wakes_at = NEVER
            self.consider(site, now)

    def next_at(self) -> float | None:
        """Return when the first sleeping site wakes, an unanswered plan is asked again, or who waits may probe a road."""
        wake = self._sleeping[0][0] if self._sleeping else NEVER
        if self.ready:
            wake = min(wake, self.alternatives.next_at())
        again = self.plans.next_at()
        at = wake if again is None else min(wake, again)
        return at if at < NEVER else None

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
            other = self._streaks.instead(site, now)
            if other is not None and other.open < limit and (errands := self._goes_on(other, now)):
                self._round.appendleft(site)
                return other, errands
            errands = self._take(site, now)
            if not errands:
                site.queued = False
                if site.paced is not None:
                    self.consider(site, now)  # only what was urgent is gone
                continue
            self._leased(site, now)
            self._round.append(site)
            return site, errands
        return None

    def _goes_on(self, site: Site, now: float) -> list[Errand]:
        """Take the next bundle of a site whose turn it is not; nothing where it may not run now."""
        if site.runnable_at(now) > now or (site.paces and self.shaper.ready_at(site, now) > now):
            return []
        errands = self._take(site, now)
        if errands:
            self._leased(site, now, on=True)
        return errands

    def _leased(self, site: Site, now: float, *, on: bool = False) -> None:
        site.open += 1
        self._streaks.went(site, on=on)
        for pace in site.paces:
            pace.leased(now)
        if site.road.rate > 0:
            site.tokens -= 1
        if site.failures:
            site.probe = True

    def _take(self, site: Site, now: float) -> list[Errand]:
        paced = site.paced
        while site.queue:
            bundle = site.queue.popleft() if paced is None else paced.next(now)
            if bundle is None:
                break
            errands = [e for e in dict.fromkeys(bundle) if e.state is State.READY and e.site is site]
            if errands:
                if paced is not None:
                    errands = paced.divided(errands, now)
                self.left(errands)
                return errands
        return []

    def adopt(self, work: Busy, now: float) -> Site:
        """Return the site at which a hand works on what an earlier brain leased: its connection counts there."""
        road = work.road
        site = self.sites.get((road.name, road.site)) or self._site(road)
        site.alternatives |= work.alternatives
        site.open += 1
        for pace in site.paces:
            pace.leased(now)
        return site

    def left(self, errands: list[Errand]) -> None:
        """Errands leave their site's queue: leased, held, dropped or expired."""
        for errand in errands:
            site = errand.site
            assert site is not None
            errand.place = Place.LAST
            site.waiting -= 1
            self.ready -= 1

    # health

    def ended(
        self, site: Site, *, since: float, probe: bool, outcomes: list[Outcome], now: float, roll: float
    ) -> Slowed | None:
        """A lease of `site`, given out at `since`, ended with `outcomes` (none: not tried); return what is slower by that."""
        site.open -= 1
        self._streaks.came_back(site, now)
        if site.paces:
            self.shaper.ended(site, now)
        if probe:
            site.probe = False
        slowed = None
        if outcomes:
            if site.alternatives and not too_many_at_once(site, outcomes[0], since):
                self.roads.heard(site.road, outcomes, since=since, now=now, roll=roll)
            slowed = self._judge(site, since, outcomes[0], now, roll)
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
        if outcome.stage in OWN_STAGES and outcome.kind is OutcomeKind.DEFERRED:
            return None
        if outcome.stage not in CONNECTION_STAGES or outcome.kind is not OutcomeKind.DEFERRED:
            site.succeeded_at = now
            if site.failures:
                for other in self.neighbours.back(site, now):
                    self.consider(other, now)
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
        if not site.failures:
            site.failing_since = now
        site.failures += 1
        site.failed_at = now
        self.neighbours.failed(site)
        site.why = outcome
        pause = site_pause(self._settings, site.failures, roll)
        if outcome.retry_after is not None:
            pause = max(pause, min(outcome.retry_after, max(self._settings.retry)))
        site.paused_until = now + pause
        return True

    # several roads

    def take_all(self, site: Site) -> list[list[Errand]]:
        """Empty the queue of `site`; return its bundles, of errands that still wait there."""
        bundles = list(site.queue)
        queue = site.queue
        site.queue = FairQueue(turns=queue.turns) if isinstance(queue, FairQueue) else deque()
        if site.paced is not None and isinstance(site.queue, FairQueue):
            site.paced.queue = site.queue
        here = ([e for e in b if e.state is State.READY and e.site is site] for b in bundles)
        return [bundle for bundle in here if bundle]

    @staticmethod
    def in_line(site: Site) -> Iterator[Errand]:
        """Yield who waits at `site`; nothing may move meanwhile."""
        return (e for bundle in site.queue for e in bundle if e.state is State.READY and e.site is site)

    def move(self, errand: Errand, now: float) -> None:
        """Let an errand leave the site where it waits and choose anew."""
        self.left([errand])
        errand.site = None
        if self.due(errand, now) is not None:
            self.plans.park(errand)

    def forget_idle_sites(self, now: float) -> None:
        """Drop what is known of sites that have no work and no bad record."""
        idle = [
            key
            for key, site in self.sites.items()
            if not (site.waiting or site.open or site.failures or site.queued)
        ]
        for site in self.sites.values():
            if site.stranded:
                forget_ended(site)
        for key in idle:
            del self.sites[key]
        self.shaper.forget(now)


__all__ = ["Schedule"]
