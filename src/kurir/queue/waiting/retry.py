"""When to try again, when to give up, when to tell that it takes longer: pure decisions.

Rules
1. The wait after attempt n is step n of the schedule; the last step repeats.
2. A hint of the other side (`Outcome.retry_after`) replaces the step, within the bounds of the schedule.
   A greylisting server without a hint is asked again after the first steps only: it is waiting for us.
3. Jitter only lengthens: whoever said "in 300 seconds" is not asked after 290.
4. When the next step would come after the end of the lifetime, a last try is made shortly before it.
5. A recipient whose lifetime is over is given up (RFC 5321 section 4.5.4.1).
6. A block that somebody has to lift is given a day from where it was first met, not five: long enough to be lifted,
   short enough that the sender learns of it while the mail still matters.  What waited before for a limit does not count.
"""

from bisect import bisect_right
from dataclasses import dataclass

from kurir.model import Cause
from kurir.queue.settings import QueueSettings


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class WaitForTheEnd:
    """No further try fits into the lifetime: give up after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The lifetime is over."""


Decision = Again | WaitForTheEnd | GiveUp
GIVE_UP = GiveUp()

# Causes where the other side only wants to see us come back.
_COME_BACK = frozenset({Cause.GREYLISTED})
_COME_BACK_STEPS = 3
_LAST_TRY = 0.9  # at this part of what is left


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The schedule of one kind of mail.  All values in seconds."""

    steps: tuple[float, ...]
    lifetime: float
    notices: tuple[float, ...]
    jitter: float
    blocked: float  # lifetime where waiting alone does not help

    @classmethod
    def ordinary(cls, settings: QueueSettings) -> "RetryPolicy":
        """Return the policy of mail that has a sender."""
        return cls(
            settings.retry,
            settings.lifetime,
            settings.delay_notice,
            settings.jitter,
            settings.lifetime_blocked,
        )

    @classmethod
    def null_sender(cls, settings: QueueSettings) -> "RetryPolicy":
        """Return the policy of bounces: nobody is told of a delay."""
        return cls(
            settings.retry,
            min(settings.lifetime_null, settings.lifetime),
            (),
            settings.jitter,
            settings.lifetime_blocked,
        )

    def after(
        self,
        *,
        attempts: int,
        age: float,
        cause: Cause,
        hint: float | None,
        roll: float,
        blocked_for: float | None = None,
    ) -> Decision:
        """Decide after a deferral.  `attempts` includes the one just made; `roll` is in 0 <= roll < 1.

        `blocked_for` is how long ago it first met a block that lasts; None where nothing blocks it.
        """
        left = self.lifetime - age
        if blocked_for is not None:
            left = min(left, self.blocked - blocked_for)
        if left <= 0:
            return GIVE_UP
        delay = self._wait(attempts, cause, hint) * (1 + self.jitter * roll)
        if delay < left:
            return Again(delay)
        last = left * _LAST_TRY
        return Again(last) if last >= self.steps[0] else WaitForTheEnd(left)

    def _wait(self, attempts: int, cause: Cause, hint: float | None) -> float:
        if hint is not None:
            return min(max(hint, 1.0), max(self.steps))
        last = len(self.steps)
        if cause in _COME_BACK:
            last = min(last, _COME_BACK_STEPS)
        return self.steps[min(max(attempts, 1), last) - 1]

    def told_by(self, age: float) -> int:
        """Return how many delay notices are due at `age`."""
        return bisect_right(self.notices, age)

    def next_milestone(self, age: float, *, notices: bool) -> float:
        """Return the next age at which something is to be done: a delay notice, or the end."""
        if notices:
            for at in self.notices:
                if age < at < self.lifetime:
                    return at
        return self.lifetime


def site_pause(settings: QueueSettings, failures: int, roll: float) -> float:
    """Return how long a site rests after its `failures`-th connection failure in a row (>= 1).

    It is kept well below the waits of the messages themselves, so that a short schedule stays short.
    """
    first = min(settings.site_backoff, settings.retry[0] / 5)
    longest = min(settings.site_backoff_max, max(settings.retry) / 4)
    pause = first * 2.0 ** min(failures - 1, 30)
    return min(pause, max(longest, first)) * (1 + settings.jitter * roll)
