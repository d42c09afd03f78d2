"""What a person can do: hold, release, retry now, drop; and what he can see.

Every verb names who and why, leaves an event, and says for each recipient what changed or why not.
A recipient that is with a hand right now is not touched: nobody can call back what is being sent.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from kurir.limits import NEVER, Budget, Quota, Step, Wait, forecast
from kurir.model import Cause, EventKind, Fate, Outcome, encode_id

from .book import Book
from .commit import Committer
from .outlook import Forecast, Outlook, Share, foresee
from .schedule import Schedule
from .settle import Settler, Sheet
from .shaping import PaceState
from .site import Site
from .state import Errand, Mail, State

_BUSY = frozenset({State.LEASED, State.SETTLING})
_IS_BUSY = "is being tried right now; ask again in a moment"
_NOT_HERE = "does not wait (it has ended, or never was)"


class Operated(msgspec.Struct, frozen=True, array_like=True):
    """Answer to a verb: indexes that changed, and ``(index, why not)`` for the others (-1: the whole message)."""

    number: int
    changed: tuple[int, ...]
    unchanged: tuple[tuple[int, str], ...]


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
    """One site: what waits, what is out, and why it rests."""

    road: str
    site: str
    waiting: int
    open: int
    concurrency: int
    rate: float
    failures: int
    paused_until: float | None
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


_MAILS_NAMED = 5


def _binding(site: Site, now: float) -> Budget | None:
    return site.paced.binding(now) if site.paced is not None else None


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


_WORDS = {
    State.WAITING: "waiting",
    State.READY: "ready",
    State.PLANNING: "planning",
    State.LEASED: "trying",
    State.SETTLING: "trying",
    State.HELD: "held",
}


class Operator:
    """Verbs and views."""

    def __init__(self, book: Book, schedule: Schedule, settler: Settler, committer: Committer) -> None:
        self._book = book
        self._schedule = schedule
        self._settler = settler
        self._committer = committer

    # verbs

    def hold(
        self, number: int, index: int | None, by: str, reason: str, done: Callable[[], None] | None
    ) -> Operated:
        """Let recipients wait for a person."""

        def apply(sheet: Sheet, errand: Errand) -> str | None:
            if errand.state is State.HELD:
                return f"is held already: {errand.held}"
            self._take_out(errand)
            errand.state = State.HELD
            errand.held = reason or f"held by {by}"
            sheet.event(errand, EventKind.HELD, cause=Cause.HELD, by=by, reason=reason)
            sheet.state(errand)
            return None

        return self._each(number, index, apply, done)

    def release(
        self, number: int, index: int | None, by: str, reason: str, done: Callable[[], None] | None
    ) -> Operated:
        """Let held recipients go on, at once."""

        def apply(sheet: Sheet, errand: Errand) -> str | None:
            if errand.state is not State.HELD:
                return "is not held"
            self._go(sheet, errand, EventKind.RELEASED, by, reason)
            return None

        return self._each(number, index, apply, done)

    def retry_now(
        self, number: int, index: int | None, by: str, reason: str, done: Callable[[], None] | None
    ) -> Operated:
        """Try waiting recipients at once; a resting site gets a probe for it."""

        def apply(sheet: Sheet, errand: Errand) -> str | None:
            if errand.state is State.HELD:
                return f"is held: {errand.held}; release it"
            self._take_out(errand)
            self._go(sheet, errand, EventKind.RETRY_ASKED, by, reason)
            return None

        return self._each(number, index, apply, done)

    def drop(
        self,
        number: int,
        index: int | None,
        by: str,
        reason: str,
        done: Callable[[], None] | None,
        fate: Fate = Fate.DELETED,
    ) -> Operated:
        """End recipients without a notice: deleted by a person, or discarded by a named rule."""

        def apply(sheet: Sheet, errand: Errand) -> str | None:
            self._take_out(errand)
            sheet.event(errand, EventKind.DROPPED, fate=fate, cause=Cause.DELETED, by=by, reason=reason)
            self._settler.end(sheet, errand, fate)
            return None

        return self._each(number, index, apply, done)

    def _take_out(self, errand: Errand) -> None:
        if errand.state is State.READY:
            self._schedule.left([errand])
        errand.site = None

    def _go(self, sheet: Sheet, errand: Errand, kind: EventKind, by: str, reason: str) -> None:
        errand.held = None
        errand.urgent = True
        self._book.wait(errand, sheet.now)
        sheet.event(errand, kind, by=by, reason=reason, next_at=sheet.wall)
        sheet.state(errand)

    def _each(
        self,
        number: int,
        index: int | None,
        apply: Callable[[Sheet, Errand], str | None],
        done: Callable[[], None] | None,
    ) -> Operated:
        mail = self._book.mails.get(number)
        errands = self._chosen(mail, index)
        if mail is None or not errands:
            return Operated(number, (), ((-1 if index is None else index, _NOT_HERE),))
        sheet = self._settler.sheet(mail, mail.fresh)
        changed: list[int] = []
        unchanged: list[tuple[int, str]] = []
        for errand in errands:
            why_not = _IS_BUSY if errand.state in _BUSY else apply(sheet, errand)
            if why_not is None:
                changed.append(errand.index)
            else:
                unchanged.append((errand.index, why_not))
        if changed:
            self._committer.submit(self._settler.close(sheet), done)
            if not mail.open:
                self._book.forget(mail)
            elif mail.date is None and any(e.state is State.WAITING for e in mail.errands):
                self._book.watch(mail, sheet.now)
        return Operated(number, tuple(changed), tuple(unchanged))

    @staticmethod
    def _chosen(mail: Mail | None, index: int | None) -> list[Errand]:
        if mail is None:
            return []
        if index is None:
            return [e for e in mail.errands if e.state is not State.ENDED]
        errand = mail.errand(index)
        return [] if errand is None else [errand]

    # views

    def snapshot(self, *, after: int = 0, limit: int | None = None) -> Iterator[Waiting]:
        """Yield waiting recipients of messages above `after`, oldest first, of at most `limit` messages."""
        now, wall = self._book.steady.now(), self._book.steady.wall()
        numbers = [n for n in self._book.mails if n > after]
        outlook = Outlook(now)
        for number in numbers[:limit]:
            mail = self._book.mails.get(number)
            for errand in mail.errands if mail is not None else ():
                if errand.state is not State.ENDED:
                    yield self._show(errand, outlook, now, wall)

    def show(self, number: int) -> list[Waiting]:
        """Return the waiting recipients of one message."""
        now, wall = self._book.steady.now(), self._book.steady.wall()
        outlook = Outlook(now)
        return [self._show(e, outlook, now, wall) for e in self._chosen(self._book.mails.get(number), None)]

    def _show(self, errand: Errand, outlook: Outlook, now: float, wall: float) -> Waiting:
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

    def limits(self) -> list[LimitState]:
        """Return every limit that was asked for since the start, with what waits for it."""
        now, wall = self._book.steady.now(), self._book.steady.wall()
        waiting: dict[str, list[Site]] = {}
        for site in self._schedule.sites.values():
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
                why=site.why,
                provider=site.road.provider,
            )
            for site in self._schedule.sites.values()
        ]
        return sorted(states, key=lambda s: (-s.waiting, -s.open, s.site))
