"""Queue time: wall time at start, carried on by the monotonic clock.

Waits and ages run on it, so that a wall clock that jumps by a year while we run neither expires a
message nor starts a storm of retries.  Facts are stamped with the wall clock; how far it jumped ahead is noted
beside them (`jumped`), so that the next start can tell the age of a message from the age of its date.
"""

from kurir.model import Clock

JUMP = 600.0  # a wall clock that is set by more than this has jumped


class Steady:
    """The two times of the queue, both in epoch seconds."""

    __slots__ = ("_clock", "_drift", "_offset", "wall")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.now() - clock.monotonic()
        self._drift = 0.0  # of the wall clock, as far as it is known
        self.wall = clock.now  # for facts

    def now(self) -> float:
        """Return queue time: for waits, ages and order."""
        return self._clock.monotonic() + self._offset

    def jumped(self) -> float:
        """Return how far the wall clock jumped ahead since this was last asked; 0 where it did not."""
        drift = self.wall() - self.now()
        ahead = drift - self._drift
        if abs(ahead) < JUMP:
            return 0.0
        self._drift = drift
        return max(0.0, ahead)
