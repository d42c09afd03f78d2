"""What a person can do: hold, release, retry now, drop.

Every verb names who and why, leaves an event, and says for each recipient what changed or why not.
A recipient that is with a hand right now is not touched: nobody can call back what is being sent.
"""

from collections.abc import Callable

import msgspec

from kurir.model import Cause, EventKind, Fate
from kurir.queue.outcomes.settle import Settler, Sheet
from kurir.queue.taking.commit import Committer
from kurir.queue.turns.schedule import Schedule
from kurir.queue.waiting.book import Book
from kurir.queue.waiting.state import Errand, Mail, Place, State

_BUSY = frozenset({State.LEASED, State.SETTLING})
_IS_BUSY = "is being tried right now; ask again in a moment"
_NOT_HERE = "does not wait (it has ended, or never was)"


class Operated(msgspec.Struct, frozen=True, array_like=True):
    """Answer to a verb: indexes that changed, and ``(index, why not)`` for the others (-1: the whole message)."""

    number: int
    changed: tuple[int, ...]
    unchanged: tuple[tuple[int, str], ...]


class Operator:
    """The verbs.  `index` names one recipient, None all; `done` is called after the commit, where something changed.

    `go_on` is called where mail may go at once.
    """

    def __init__(
        self,
        book: Book,
        schedule: Schedule,
        settler: Settler,
        committer: Committer,
        go_on: Callable[[], None],
    ) -> None:
        self._book = book
        self._schedule = schedule
        self._settler = settler
        self._committer = committer
        self._go_on = go_on

    def hold(
        self,
        number: int,
        index: int | None = None,
        *,
        by: str,
        reason: str = "",
        done: Callable[[], None] | None = None,
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
        self,
        number: int,
        index: int | None = None,
        *,
        by: str,
        reason: str = "",
        done: Callable[[], None] | None = None,
    ) -> Operated:
        """Let held recipients go on, at once."""

        def apply(sheet: Sheet, errand: Errand) -> str | None:
            if errand.state is not State.HELD:
                return "is not held"
            self._go(sheet, errand, EventKind.RELEASED, by, reason)
            return None

        operated = self._each(number, index, apply, done)
        self._go_on()
        return operated

    def retry_now(
        self,
        number: int,
        index: int | None = None,
        *,
        by: str,
        reason: str = "",
        done: Callable[[], None] | None = None,
    ) -> Operated:
        """Try waiting recipients at once; a resting site gets a probe for it."""

        def apply(sheet: Sheet, errand: Errand) -> str | None:
            if errand.state is State.HELD:
                return f"is held: {errand.held}; release it"
            self._take_out(errand)
            self._go(sheet, errand, EventKind.RETRY_ASKED, by, reason)
            return None

        operated = self._each(number, index, apply, done)
        self._go_on()
        return operated

    def drop(
        self,
        number: int,
        index: int | None = None,
        *,
        by: str,
        reason: str = "",
        done: Callable[[], None] | None = None,
        fate: Fate = Fate.DELETED,
    ) -> Operated:
        """End recipients without a notice: deleted by a person, or discarded by a named rule (`Fate.DISCARDED`)."""

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
        errand.place = Place.FIRST
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
