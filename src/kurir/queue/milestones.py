"""What happens by age alone: delay notices and the end of the lifetime, whatever state an errand is in.

Attempts are not the only clock: mail to a site that rests, or that waits for a plan or for a limit of others, is told of
and expires at the same ages.  Errands with a hand are left alone (their settlement looks at the age itself), and held
ones wait for a person.
"""

from collections.abc import Callable

from .operating.outlook import Outlook
from .outcomes.settle import Settler
from .ports import Change, StoredLetter
from .taking.commit import Committer
from .turns.schedule import Schedule
from .waiting.book import Book
from .waiting.state import Errand, Letter, Mail, State

_PATIENT = frozenset({State.WAITING, State.READY, State.PLANNING})


class Milestones:
    """Looks after mail whose age has reached a date."""

    def __init__(
        self,
        book: Book,
        schedule: Schedule,
        settler: Settler,
        committer: Committer,
        commit: Callable[[Change], None],
    ) -> None:
        self._book = book
        self._schedule = schedule
        self._settler = settler
        self._committer = committer
        self._commit = commit

    def reach(self, now: float) -> None:
        """Handle every mail whose date has come."""
        unread: list[Mail] = []
        outlook = Outlook(self._schedule, now)
        for mail in self._book.milestones.pop(now):
            mail.date = None
            if not self._due(mail, now):
                self._watch_on(mail, now)
            elif mail.fresh is not None or mail.null:
                self._tell(mail, mail.fresh, outlook, now)
            else:
                unread.append(mail)
        if unread:
            self._committer.fetch([m.number for m in unread], lambda letters: self._read(unread, letters))

    def _read(self, mails: list[Mail], letters: dict[int, StoredLetter]) -> None:
        now = self._book.steady.now()
        outlook = Outlook(self._schedule, now)
        for mail in mails:
            if mail.open:
                self._tell(mail, letters.get(mail.number), outlook, now)

    def _due(self, mail: Mail, now: float) -> list[Errand]:
        policy = self._book.policy(mail)
        age = now - mail.born
        patient = [e for e in mail.errands if e.state in _PATIENT]
        if age >= policy.lifetime:
            return patient
        if not mail.wants_delay_notices():
            return []
        passed = policy.told_by(age)
        return [e for e in patient if e.told < passed]

    def _tell(self, mail: Mail, letter: Letter | None, outlook: Outlook, now: float) -> None:
        errands = self._due(mail, now)
        over = now - mail.born >= self._book.policy(mail).lifetime
        sheet = self._settler.sheet(mail, letter)
        for errand in errands:
            limit = outlook.of(errand)
            if over:
                if errand.state is State.READY:
                    self._schedule.left([errand])
                self._settler.expire(sheet, errand, None, limit)
            elif self._settler.tell_delay(sheet, errand, None, limit):
                sheet.state(errand)
        if over:
            self._book.moved(mail, errands, now)
        if sheet.states:
            self._commit(self._settler.close(sheet))
        self._watch_on(mail, now)

    def _watch_on(self, mail: Mail, now: float) -> None:
        if mail.open and any(e.state in _PATIENT for e in mail.errands):
            self._book.watch(mail, now)
