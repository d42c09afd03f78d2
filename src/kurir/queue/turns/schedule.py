"""Who is tried next: plans, sites, and the round over the sites that can run.

An errand that is due first needs a plan for (sender domain, recipient domain); the plan puts it into the
queue of a *site*, one per (road, site key).  Sites that can run take turns, one lease each, so that a
site with 50,000 waiting costs a site with one waiting no more than one turn.  Rules:

1. A site runs while it has work, less leases than its concurrency, a token of its rate, and no pause.
2. A site holds at most `share` times as many slots as are free (the dynamic threshold of Choudhury and
   Hahne): alone it gets nearly all, and N slow sites together still leave a slot for the next one.
3. After a connection failure the site rests, longer each time (`judge`); then one probe lease goes out, and only its
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
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush

from kurir.limits import NEVER, Budgets
from kurir.model import Outcome, Urgency
from kurir.queue.asks import Busy, Plan
from kurir.queue.pacing.paced import FairQueue, rejoin
from kurir.queue.pacing.shaping import Slowed, too_many_at_once
from kurir.queue.roads.choice import WORTH_WAITING
from kurir.queue.roads.roadbook import Roadbook
from kurir.queue.settings import QueueSettings
from kurir.queue.turns.alternatives import Alternatives
from kurir.queue.waiting.state import Errand, Place, State

from .judge import Judge
from .neighbours import Neighbours
from .plans import Plans
from .site import Site
from .sites import Sites
from .streak import Streaks, earlier


class Schedule:
    """Errands that are due, up to the moment they are leased."""

    def __init__(self, settings: QueueSettings, budgets: Budgets) -> None:
        self._settings = settings
        self.budgets = budgets
        self.plans = Plans(settings)
        self.sites = Sites(settings, budgets, self.consider)
        self.shaper = self.sites.shaper
        self.roads = Roadbook(settings, self.sites.load_of)
        self.alternatives = Alternatives(self, self.roads, settings)
        self._round: deque[Site] = deque()
        self._crowded: list[Site] = []
        self._sleeping: list[tuple[float, int, Site]] = []
        self._tie = 0
        self.neighbours = Neighbours(settings)
        self._streaks = Streaks()
        self.judge = Judge(settings, self.neighbours, self.shaper, self.consider)
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
                self.sites.renew(road, now)
        ready.sort(key=lambda pair: pair[0].mail.number)
        for errand, plan in ready:
            self._enqueue(errand, plan, now)
        return failed

    def goes_at_once(self, errands: Sequence[Errand], now: float) -> bool:
        """Whether errands that are due stand in one line, and no limit and no outage holds them up."""
        site = errands[0].site
        if site is None or site.failures or (site.alternatives and self.roads.probe_at < NEVER):
            return False
        if any(errand.site is not site or errand.state is not State.READY for errand in errands):
            return False
        return site.paced is None or site.paced.roomy(site.waiting, now)

    def replan(self, site: Site | None = None) -> None:
        """Limits (of one site, or of all) are others now: what waits there keeps to the new ones as soon as its plan is there."""
        self.plans.ask_anew([(site.road.name, site.road.site)] if site is not None else ())

    def _enqueue(self, errand: Errand, plan: Plan, now: float) -> None:
        chosen = self.roads.take(errand, plan, now) if len(plan.roads) > 1 else None
        site = self.sites.place(errand, chosen.road if chosen is not None else plan.roads[0], now)
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
            on = self._streaks.instead(site, self._round, now)
            other = on or earlier(site, self._round)
            if other and other.open < limit and (errands := self._out_of_turn(other, now, on=bool(on))):
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

    def _out_of_turn(self, site: Site, now: float, *, on: bool) -> list[Errand]:
        """Take the next bundle of a site whose turn it is not; nothing where it may not run now."""
        if site.runnable_at(now) > now or (site.paces and self.shaper.ready_at(site, now) > now):
            return []
        errands = self._take(site, now)
        if errands:
            self._leased(site, now, on=on)
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
            if isinstance(site.queue, FairQueue):
                site.queue.turns.undo()  # all of the bundle have gone otherwise
        return []

    def adopt(self, work: Busy, now: float) -> Site:
        """Return the site at which a hand works on what an earlier brain leased: its connection counts there."""
        site = self.sites.standing(work.road)
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

    # taking back

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
            slowed = self.judge.ended(site, outcomes[0], since=since, now=now, roll=roll)
        if not site.queued:
            self.consider(site, now)
        return slowed

    # several roads

    def take_all(self, site: Site) -> list[list[Errand]]:
        """Empty the queue of `site`; return its bundles, of errands that still wait there: once each, though who left and came back stands there twice."""
        found: list[list[Errand]] = []
        seen: set[Errand] = set()
        for bundle in site.queue:
            here = [e for e in dict.fromkeys(bundle) if e.state is State.READY and e.site is site]
            if here := [e for e in here if e not in seen]:
                seen.update(here)
                found.append(here)
        queue = site.queue
        site.queue = FairQueue(turns=queue.turns) if isinstance(queue, FairQueue) else deque()
        if site.paced is not None and isinstance(site.queue, FairQueue):
            site.paced.queue = site.queue
        return found

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
        self.sites.forget_idle()
        self.shaper.forget(now)


__all__ = ["Schedule"]
