"""Queue time: wall time at start, carried on by the monotonic clock.

Waits and ages run on it, so that a wall clock that jumps by a year while we run neither expires a
message nor starts a storm of retries.  Facts are stamped with the wall clock.
"""

from kurir.model import Clock


class Steady:
    """The two times of the queue, both in epoch seconds."""

    __slots__ = ("_clock", "_offset", "wall")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.now() - clock.monotonic()
        self.wall = clock.now  # for facts

    def now(self) -> float:
        """Return queue time: for waits, ages and order."""
        return self._clock.monotonic() + self._offset
