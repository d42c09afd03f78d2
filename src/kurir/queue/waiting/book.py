"""The book of what waits: every mail that has not ended, and the two calendars over it."""

from kurir.queue.settings import QueueSettings

from .retry import RetryPolicy
from .state import Counters, Errand, FreshLetters, Mail, State
from .steady import Steady
from .wheel import Calendar, Wheel


class Book:
    """Memory of the brain.  The store has the truth; this is what of it still moves."""

    __slots__ = (
        "_null",
        "_ordinary",
        "_settings",
        "counters",
        "fresh",
        "mails",
        "milestones",
        "steady",
        "wheel",
    )

    def __init__(self, settings: QueueSettings, steady: Steady) -> None:
        self._settings = settings
        self._ordinary = RetryPolicy.ordinary(settings)
        self._null = RetryPolicy.null_sender(settings)
        self.steady = steady
        self.mails: dict[int, Mail] = {}
        self.wheel: Wheel[Errand] = Wheel()  # next attempts
        self.milestones: Calendar[Mail] = Calendar()  # delay notices and the end of lifetimes
        self.fresh = FreshLetters(settings.fresh_bytes)
        self.counters = Counters()

    def policy(self, mail: Mail) -> RetryPolicy:
        """Return the retry policy of `mail`."""
        return self._null if mail.null else self._ordinary

    def wait(self, errand: Errand, due: float) -> None:
        """Let the errand wait until `due`."""
        errand.state = State.WAITING
        errand.site = None
        errand.lease = None
        errand.due = due
        self.wheel.add(due, errand)

    def watch(self, mail: Mail, now: float) -> None:
        """Note the next milestone of `mail`; past its lifetime it gets one more step of the schedule."""
        if mail.date is not None:
            return
        policy = self.policy(mail)
        age = now - mail.born
        if age >= policy.lifetime:
            ahead = policy.steps[-1]
        else:
            ahead = policy.next_milestone(age, notices=mail.wants_delay_notices()) - age
        mail.date = self.milestones.add(now + ahead, ahead, mail)

    def forget(self, mail: Mail) -> None:
        """The last recipient has ended."""
        self.mails.pop(mail.number, None)
        self.fresh.drop(mail)
        if mail.date is not None:
            self.milestones.cancel(mail.date, mail)
            mail.date = None

    def moved(self, mail: Mail, errands: list[Errand], now: float) -> None:
        """Errands were settled: file each where its state says."""
        deferred = held = False
        for errand in errands:
            errand.lease = None
            errand.site = None
            if errand.state is State.WAITING:
                deferred = True
                self.wheel.add(errand.due, errand)
            elif errand.state is State.HELD:
                held = True
        if not mail.open:
            self.forget(mail)
        elif deferred or held:
            self.fresh.drop(mail)
            if deferred and mail.date is None:
                self.watch(mail, now)
