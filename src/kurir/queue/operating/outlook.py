"""What waits for a limit, and when it goes: the turns of a site played forward on copies of its budgets.

Where mail has another road it takes whichever has room first (`alternatives`), and is promised that.  A road that is closed takes
nothing before its first probe.

Who waits because the other side is spared (`shaping`) is told that, and when the next one goes: how fast it opens again nobody knows.

Mail that waits so has made no attempt and no mistake; whoever asks (the trace, a delay notice, the reply to a submission)
is told the limit, how much of it is used, and the time.  Exact as long as nothing else arrives and no more than `AHEAD`
messages wait in front.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from kurir.limits import NEVER, Budget, Lane, Quota, Step, Wait, departures, merged, soonest
from kurir.queue.asks import Road
from kurir.queue.pacing.paced import Bundle, FairQueue
from kurir.queue.pacing.shaping import Shaper
from kurir.queue.turns.schedule import Schedule
from kurir.queue.turns.site import Site
from kurir.queue.waiting.state import Errand, Mail, State

AHEAD = 5_000
"""Messages in line that are played forward."""
LINE = 100
"""Recipients in line up to which that is done for each message that is accepted; behind more its turn is reckoned."""
PARTS = 20
"""Of so many parts of a message it is reckoned at most."""


class Passage(msgspec.Struct, frozen=True, array_like=True):
    """A road as one says it, and its limits: at most `together` recipients in one message, of `size` octets (0: any).

    `road` is its name; `hop` tells one to a smarthost, which is broken as soon as that is.
    """

    label: str
    quotas: tuple[Quota, ...]
    together: int
    road: str = ""
    hop: bool = False
    size: int = 0


class Share(msgspec.Struct, frozen=True, array_like=True):
    """So many recipients of a message go by the first of `passages`, or by the others where that lets them wait.

    Mail that is not `signed` may look forged on the others, which only its plan can tell.
    """

    recipients: int
    passages: tuple[Passage, ...]
    signed: bool = True


class Forecast(msgspec.Struct, frozen=True, array_like=True):
    """When so many recipients go by `label`; `at` is None where it cannot be foreseen.  `limit` is what they wait for.

    `closed`: no limit, but the road is out of service, and tried again at that time.
    """

    label: str
    recipients: int
    at: float | None
    limit: str = ""
    closed: bool = False


_Played = dict[Errand, tuple[float, Road]]
"""When who goes, and by which road."""


class Outlook:
    """A look ahead at one moment; each site is played forward once at most.  All times are queue time."""

    def __init__(self, schedule: Schedule, now: float) -> None:
        self.now = now
        self._schedule = schedule
        self._sites: dict[Site, _Played] = {}

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
            self._sites[site] = self._play(site)
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

    def _play(self, site: Site) -> _Played:
        """Play the line of `site` forward: each goes by that of its roads which has room first."""
        assert site.paced is not None
        lanes = {site.road.name: Lane(site.paced.budgets, self.now)}
        times: _Played = {}
        for here in _line(site):
            roads = self._roads(here[0], site)
            for road in roads:
                if road.name not in lanes:
                    lanes[road.name] = self._lane(road)
            steps = soonest([lanes[r.name] for r in roads], len(here), urgent=here[0].mail.urgent)
            if not steps:
                break
            moments = ((step.at, roads[i]) for i, step in steps for _ in range(step.recipients))
            times |= zip(here, moments, strict=True)
        return times

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


def foresee(schedule: Schedule, mail: Mail, shares: Sequence[Share], now: float) -> list[Forecast]:
    """Return when the recipients of `mail` go, whether or not they stand in a queue already."""
    found: list[Forecast] = []
    for share in shares:
        found += _of_share(schedule, mail, share, now)
    return found


def _of_share(schedule: Schedule, mail: Mail, share: Share, now: float) -> list[Forecast]:
    """Return what goes soonest by any of the passages that are open to `mail`; of those that open at the same time the first is taken.

    Where none is open it goes by any that it may ever take: the first one is its main road, which is never barred, and
    all that is promised before anybody knows.
    """
    barred = schedule.plans.barred(mail.sender, share.passages[0].road)
    if barred is None:
        barred = frozenset() if share.signed else frozenset(p.road for p in share.passages[1:])
    able = [p for p in share.passages if p.road not in barred]
    fit = [p for p in able if not 0 < p.size < mail.size] or able
    open_ = [p for p in fit if schedule.roads.closed_until(p.road, hop=p.hop) is None] or fit
    ways = [_by(schedule, mail, share.recipients, passage, now) for passage in open_]
    found: list[Forecast] = []
    left = share.recipients
    for step in sorted((step for way in ways for step in way), key=_moment):
        if count := min(left, step.recipients):
            found.append(msgspec.structs.replace(step, recipients=count))
            left -= count
    return found


def _rests_until(schedule: Schedule, passage: Passage, now: float) -> float:
    """Return when the first mail may try it: its next probe, where it is closed or its server fails."""
    closed = schedule.roads.closed_until(passage.road, hop=passage.hop)
    resting = (
        site.paused_until
        for site in schedule.sites
        if passage.hop and site.failures and site.road.name == passage.road
    )
    return max(now, closed or now, *resting)


def _moment(step: Forecast) -> float:
    return NEVER if step.at is None else step.at


def _by(schedule: Schedule, mail: Mail, recipients: int, passage: Passage, now: float) -> list[Forecast]:
    """Return when the recipients went if all of them took this passage."""
    first = _rests_until(schedule, passage, now)
    if not passage.quotas:
        return [Forecast(passage.label, recipients, first, closed=first > now)]
    budgets = [schedule.budgets.of(quota) for quota in passage.quotas]
    chunks = [
        list(mail.errands[i : min(i + passage.together, recipients)])
        for i in range(0, recipients, passage.together)
    ]
    sites = [s for s in schedule.sites if s.paced is not None and s.road.quotas == passage.quotas]
    if sum(site.waiting for site in sites) > LINE:
        steps, limit = _reckoned(sites, mail, chunks, budgets, now)
    else:
        steps, limit = _played(sites, mail, chunks, budgets, now)
    return [_not_before(first, step) for step in _told(passage.label, recipients, steps, now, limit)]


def _not_before(first: float, step: Forecast) -> Forecast:
    """Return `step`, or what becomes of it where its road is tried again only at `first`."""
    if step.at is None or step.at >= first:
        return step
    return Forecast(step.label, step.recipients, first, closed=True)


def _binding(budgets: Sequence[Budget], recipients: int, messages: int, now: float) -> str:
    """Return the key of the limit that so much mail waits for longest; "" where all of it fits."""

    def needs(quota: Quota) -> int:
        return recipients if quota.unit.by_recipient else messages

    short = [b.quota for b in budgets if b.quota.window and b.room(now) < needs(b.quota)]
    return max(short, key=lambda q: q.window).key if short else ""


def _told(label: str, recipients: int, steps: Sequence[Step], now: float, limit: str) -> list[Forecast]:
    told = [Forecast(label, s.recipients, s.at, limit if s.at > now else "") for s in steps]
    left = recipients - sum(step.recipients for step in steps)
    return [*told, Forecast(label, left, None, limit)] if left else told


def _played(
    sites: Sequence[Site], mail: Mail, chunks: Sequence[Bundle], budgets: Sequence[Budget], now: float
) -> tuple[list[Step], str]:
    """Return when `mail` goes, each of `sites` played forward, and the limit that it waits for."""
    queue = FairQueue()
    for site in sites:
        for bundle in _line(site):
            here = [e for e in bundle if e.mail is not mail]
            if here:
                queue.append(here)
    for chunk in chunks:
        queue.append(chunk)
    line = list(queue.in_turn())
    parcels = ((len(bundle), bundle[0].mail.urgent) for bundle in line)
    played = zip(line, departures(budgets, parcels, now), strict=False)
    steps = merged(step for bundle, found in played if bundle[0].mail is mail for step in found)
    return steps, _binding(budgets, sum(map(len, line)), len(line), now)


def _reckoned(
    sites: Sequence[Site], mail: Mail, chunks: Sequence[Bundle], budgets: Sequence[Budget], now: float
) -> tuple[list[Step], str]:
    """Return about when `mail` goes, and the limit that it waits for, however long the line is."""
    recipients = messages = 0
    for site in sites:
        if isinstance(site.queue, FairQueue):
            before, turns = site.queue.ahead(mail, site.waiting)
            here = sum(e.site is site and e.state is State.READY for e in mail.errands)
            recipients += max(0, before - here)
            messages += max(0, turns - -(-here // site.most))
    steps = []
    at_once = -(-len(chunks) // PARTS)
    for i in range(0, len(chunks), at_once):
        part = chunks[i : i + at_once]
        count = sum(map(len, part))
        recipients, messages = recipients + count, messages + len(part)
        at = max(
            b.turn((recipients if b.quota.unit.by_recipient else messages) - 1, now, urgent=mail.urgent)
            for b in budgets
        )
        steps.append(Step(at, count))
    return merged(steps), _binding(budgets, recipients, messages, now)
