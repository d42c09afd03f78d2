"""The real clock; the only place outside ``net`` that reads it."""

import time


class SystemClock:
    """`kurir.model.Clock` over the operating system's clocks."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()
