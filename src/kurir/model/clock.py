"""The clock as a parameter: core code never reads the time itself."""

from typing import Protocol


class Clock(Protocol):
    """Two clocks, because wall time may jump and durations must not.

    ``now`` is seconds since the epoch (UTC) and goes into facts; ``monotonic`` is for waits and rates.
    """

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...
