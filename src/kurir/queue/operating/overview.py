"""What a person can see of the queue: who waits for what, which sites rest, what is used of the limits of others.

Times are wall times.  Looking moves nothing.
"""

from collections.abc import Iterator, Sequence

import msgspec

from kurir.limits import NEVER, Budget, Quota, Step, Wait, forecast
from kurir.model import Cause, Outcome, encode_id
from kurir.queue.pacing.shaping import PaceState, Shaper
from kurir.queue.turns.schedule import Schedule
from kurir.queue.turns.site import Site
from kurir.queue.waiting.book import Book
from kurir.queue.waiting.state import Errand, State

from .forecasts import Forecast, Share, foresee
from .outlook import Outlook


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """One waiting recipient as `kurir queue list` shows it; `next_at` in epoch seconds, None while unknown.

    `state` is one of ``waiting ready planning trying held``; addresses are in the store, not here.
    """

    number: int
    id: str
    index: int
    domain: str
    sender_domain: str
    state: str
    attempts: int
    age: float
    next_at: float | None
    held: str | None
    cause: Cause | None
    road: str
    site: str
    limit: Wait | None = None  # what it waits for; its time is `next_at`


class SiteState(msgspec.Struct, frozen=True, kw_only=True):
    """One site: what waits, what is out, and why it rests.

    `next_at` is when the next of what waits may go: after the rest, or when a limit or a pace has room; None where only
    the end of an attempt can tell, or nothing waits.
    """

    road: str
    site: str
    waiting: int
    open: int
    concurrency: int
    rate: float
    failures: int
    paused_until: float | None
    next_at: float | None
    why: Outcome | None
    provider: str = ""  # whose hosts they are, where the atlas knows it


class LimitState(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of others as it is counted: fields as in `kurir.limits.Quota`.

    `free_at` is when one more ordinary message may go (epoch seconds; None where only the end of an attempt can
    tell), `waiting` how many recipients wait for that, `mails` the first of their messages.
    """

    key: str
    unit: str
    value: int
    window: float
    stop: int
    reserve: int
    used: int
    in_air: int
    free_at: float | None
    waiting: int
    mails: tuple[str, ...]


class Underway(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message stands at the moment `at`: the domains of its recipients in line, and of those being tried with their roads."""

    at: float
    sender_domain: str
    waiting: tuple[str, ...]
    trying: tuple[tuple[str, str], ...]


_MAILS_NAMED = 5


def _binding(site: Site, now: float) -> Budget | None:
    return site.paced.binding(now) if site.paced is not None else None


def _next_at(site: Site, now: float) -> float:
    """Return when the next of what waits at `site` may go, `NEVER` where time alone does not tell."""
    if not site.waiting or site.probe or site.open >= site.road.concurrency:
        return NEVER
    if site.failures and site.paused_until > now:
        return site.paused_until
    if (budget := _binding(site, now)) is not None:
        return max(now, budget.ready_at(now))
    if held := Shaper.holding(site, now):
        return max(now, held[1])
    return now


def _limit_state(budget: Budget, sites: list[Site], now: float, wall: float) -> LimitState:
    quota, at = budget.quota, budget.ready_at(now)
    numbers: dict[int, None] = {}
    for site in sites:
        for bundle in site.queue:
            if len(numbers) < _MAILS_NAMED:
                numbers |= {e.mail.number: None for e in bundle if e.state is State.READY}
    return LimitState(
        key=quota.key,
        unit=quota.unit.value,
        value=quota.value,
        window=quota.window,
        stop=quota.stop,
        reserve=quota.reserve,
        used=budget.used(now),
        in_air=budget.air,
        free_at=None if at == NEVER else wall + max(0.0, at - now),
        waiting=sum(site.waiting for site in sites),
        mails=tuple(encode_id(n) for n in numbers),
    )


_IN_LINE = frozenset({State.WAITING, State.READY, State.PLANNING})
_TRYING = frozenset({State.LEASED, State.SETTLING})
_WORDS = {
    State.WAITING: "waiting",
    State.READY: "ready",
    State.PLANNING: "planning",
    State.LEASED: "trying",
    State.SETTLING: "trying",
    State.HELD: "held",
}


def _shown(errand: Errand, outlook: Outlook, wall: float) -> Waiting:
    now = outlook.now
    mail, site = errand.mail, errand.site
    next_at: float | None = wall
    limit = outlook.of(errand)
    if errand.state is State.HELD:
        next_at = None
    elif errand.state is State.WAITING:
        next_at = wall + max(0.0, errand.due - now)
    elif errand.state is State.READY and site is not None and site.failures:
        next_at = wall + max(0.0, site.paused_until - now)
    elif limit is not None:
        next_at = None if limit.goes_at is None else wall + max(0.0, limit.goes_at - now)
    return Waiting(
        number=mail.number,
        id=encode_id(mail.number),
        index=errand.index,
        domain=errand.domain,
        sender_domain=mail.sender,
        state=_WORDS[errand.state],
        attempts=errand.attempts,
        age=now - mail.born,
        next_at=next_at,
        held=errand.held,
        cause=errand.cause,
        road=site.road.name if site is not None else "",
        site=site.road.site if site is not None else "",
        limit=limit,
    )


class Overview:
    """What waits, and for what."""

    def __init__(self, book: Book, schedule: Schedule) -> None:
        self._book = book
        self._schedule = schedule

    def snapshot(self, *, after: int = 0, limit: int | None = None) -> Iterator[Waiting]:
        """Yield what waits, oldest first, by pages of `limit` messages above number `after`."""
        outlook, wall = Outlook(self._schedule, self._book.steady.now()), self._book.steady.wall()
        numbers = [n for n in self._book.mails if n > after]
        for number in numbers[:limit]:
            yield from self._waiting(number, outlook, wall)

    def show(self, number: int) -> list[Waiting]:
        """Return the waiting recipients of one message."""
        return list(
            self._waiting(number, Outlook(self._schedule, self._book.steady.now()), self._book.steady.wall())
        )

    def _waiting(self, number: int, outlook: Outlook, wall: float) -> Iterator[Waiting]:
        mail = self._book.mails.get(number)
        for errand in mail.errands if mail is not None else ():
            if errand.state is not State.ENDED:
                yield _shown(errand, outlook, wall)

    def underway(self, number: int) -> Underway | None:
        """Return where a message stands, at no cost for what else waits; None where it is not here."""
        mail = self._book.mails.get(number)
        if mail is None:
            return None
        trying = (e for e in mail.errands if e.state in _TRYING)
        return Underway(
            at=self._book.steady.wall(),
            sender_domain=mail.sender,
            waiting=tuple(e.domain for e in mail.errands if e.state in _IN_LINE),
            trying=tuple((e.domain, e.site.road.name if e.site is not None else "") for e in trying),
        )

    def foresee(self, number: int, shares: Sequence[Share]) -> list[Forecast]:
        """Return when the recipients of a waiting message go by their roads; times are wall times."""
        mail = self._book.mails.get(number)
        if mail is None:
            return []
        now, wall = self._book.steady.now(), self._book.steady.wall()
        found = foresee(self._schedule, mail, shares, now)
        return [msgspec.structs.replace(f, at=wall + f.at - now) if f.at is not None else f for f in found]

    def forecast(self, quotas: Sequence[Quota], recipients: int, together: int) -> list[Step]:
        """Return when how many recipients of one message could go under `quotas`; times are wall times."""
        now, wall = self._book.steady.now(), self._book.steady.wall()
        budgets = [self._schedule.budgets.of(quota) for quota in quotas]
        steps = forecast(budgets, recipients, now, together=together)
        return [Step(wall + step.at - now, step.recipients) for step in steps]

    def limits(self, quotas: Sequence[Quota] = ()) -> list[LimitState]:
        """Return what is used of every limit that was asked for since the start (and of `quotas`), and what waits for it."""
        for quota in quotas:
            self._schedule.budgets.of(quota)
        now, wall = self._book.steady.now(), self._book.steady.wall()
        waiting: dict[str, list[Site]] = {}
        for site in self._schedule.sites:
            if site.waiting and (binding := _binding(site, now)) is not None:
                waiting.setdefault(binding.quota.key, []).append(site)
        return [
            _limit_state(budget, waiting.get(budget.quota.key, []), now, wall)
            for budget in self._schedule.budgets
        ]

    def paces(self) -> list[PaceState]:
        """Return the sites and providers that are spared at present, the narrowest first."""
        return self._schedule.shaper.states(self._book.steady.wall(), self._book.steady.now())

    def sites(self) -> list[SiteState]:
        """Return every site that has work or a record, busiest first."""
        now, wall = self._book.steady.now(), self._book.steady.wall()
        states = [
            SiteState(
                road=site.road.name,
                site=site.road.site,
                waiting=site.waiting,
                open=site.open,
                concurrency=site.road.concurrency,
                rate=site.road.rate,
                failures=site.failures,
                paused_until=wall + site.paused_until - now if site.paused_until > now else None,
                next_at=wall + at - now if (at := _next_at(site, now)) != NEVER else None,
                why=site.why,
                provider=site.road.provider,
            )
            for site in self._schedule.sites
        ]
        return sorted(states, key=lambda s: (-s.waiting, -s.open, s.site))
