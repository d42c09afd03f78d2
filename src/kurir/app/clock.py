"""The real clock, as every room of the running server gets it passed in."""

import time


class SystemClock:
    """`kurir.model.Clock` over the operating system's clocks."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()
