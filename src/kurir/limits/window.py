"""Rolling windows, kept as bucketed logs of integers.

Rules
1. Never less than the truth: what was counted at a moment leaves the window only when all of its bucket has.
   So the count is that of a window that is longer by at most one bucket, a 1440th part of it.
2. A window of any length has at most about 1440 buckets; adding and asking are O(1), amortised.
3. Whatever clock a provider counts by (its midnight, the first of the month, its own rolling window), no interval
   as long as the window holds more than we let into any rolling one.
"""

from collections import deque

BUCKETS = 1440


class RollingWindow:
    """How much was used within the last `span` milliseconds.  All times are integers, in milliseconds."""

    __slots__ = ("_grain", "_log", "_same_until", "_span", "_used")

    def __init__(self, span: int) -> None:
        if span <= 0:
            raise ValueError("a window has a length")
        self._span = span
        self._grain = max(1, span // BUCKETS)
        self._log: deque[list[int]] = deque()  # [bucket, used], oldest first
        self._used = 0
        self._same_until = 0  # nothing leaves before

    def copy(self) -> "RollingWindow":
        """Return a window that holds the same."""
        other = RollingWindow(self._span)
        other._log = deque([bucket, used] for bucket, used in self._log)
        other._used, other._same_until = self._used, self._same_until
        return other

    @property
    def span(self) -> int:
        """The length of the window."""
        return self._span

    def stamp(self, at: int) -> int:
        """Return the last moment of the bucket of `at`: what has to be remembered of it."""
        return (at // self._grain + 1) * self._grain - 1

    def add(self, used: int, at: int) -> None:
        """Count `used` at `at`; that may be earlier or later than what was counted before."""
        bucket, log = at // self._grain, self._log
        self._used += used
        if not log or log[-1][0] < bucket:
            log.append([bucket, used])
        elif log[-1][0] == bucket:
            log[-1][1] += used
        else:
            self._insert(bucket, used)

    def _insert(self, bucket: int, used: int) -> None:
        log = self._log
        place = len(log)
        while place and log[place - 1][0] > bucket:
            place -= 1
        if place and log[place - 1][0] == bucket:
            log[place - 1][1] += used
        else:
            log.insert(place, [bucket, used])
        if place == 0:
            self._same_until = 0

    def used(self, now: int) -> int:
        """Return how much counts at `now`.  Time goes forward: what has left the window is forgotten."""
        if now < self._same_until:
            return self._used
        log = self._log
        while log and self._leaves(log[0][0]) <= now:
            self._used -= log.popleft()[1]
        self._same_until = self._leaves(log[0][0]) if log else now
        return self._used

    def ahead(self, now: int) -> int:
        """Return how much was noted for a moment after `now`."""
        bucket, found = now // self._grain, 0
        for later, used in reversed(self._log):
            if later <= bucket:
                break
            found += used
        return found

    def falls_to(self, used: int, now: int) -> int:
        """Return when at most `used` counts, if nothing is added: `now`, or later."""
        left = self.used(now)
        for bucket, spent in self._log:
            if left <= used:
                return now
            left -= spent
            now = self._leaves(bucket)
        return now

    def turn(self, ahead: int, stop: int, air: int, now: int) -> int:
        """Return when one more may be taken behind `ahead` others that all go as early as they can, by this window alone.

        At most `stop` count at any time; `air` counts from now on, as soon as it has landed.  What leaves makes room for who
        waits, who leaves one window later: so turns repeat, and the answer is as exact for the hundredth window as for the first.
        """
        used = self.used(now) + air
        windows, place = divmod(ahead, stop)
        later = windows * (self._span + self._grain)
        free = max(0, stop - used)
        if place < free:
            return now + later
        leaving = place - free + max(0, used - stop) + 1
        for bucket, spent in self._log:
            leaving -= spent
            if leaving <= 0:
                return max(now, self._leaves(bucket)) + later
        return self._leaves(now // self._grain) + later

    def _leaves(self, bucket: int) -> int:
        return (bucket + 1) * self._grain - 1 + self._span
