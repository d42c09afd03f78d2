"""Two calendars: one that forgets lazily, one that forgets at once.

Both keep buckets in a dict and the bucket times in a heap, so that adding costs O(1) per entry and
O(log buckets) per new bucket, and an entry costs one list or set slot instead of a heap tuple.
"""

from collections.abc import Hashable, Iterator
from heapq import heappop, heappush
from math import ceil
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

GRAIN = 0.25  # seconds: how exact a wait is kept


class Wheel(Generic[T]):
    """Things due at a time.  Nothing is taken out early: whoever pops checks whether it still holds."""

    __slots__ = ("_buckets", "_heap", "_open")

    def __init__(self) -> None:
        self._buckets: dict[int, list[T]] = {}
        self._heap: list[int] = []
        self._open: list[T] = []  # rest of a bucket that was popped in part

    def add(self, at: float, thing: T) -> None:
        """Note `thing` for time `at`."""
        key = ceil(at / GRAIN)
        bucket = self._buckets.get(key)
        if bucket is None:
            self._buckets[key] = [thing]
            heappush(self._heap, key)
        else:
            bucket.append(thing)

    def next_at(self) -> float | None:
        """Return the time of the first entry (0.0 when some are overdue), or None."""
        if self._open:
            return 0.0
        return self._heap[0] * GRAIN if self._heap else None

    def pop(self, now: float, limit: int) -> list[T]:
        """Take out at most `limit` things that are due, in order of bucket and then of adding."""
        due, self._open = self._open, []
        last = int(now / GRAIN)
        while len(due) < limit and self._heap and self._heap[0] <= last:
            bucket = self._buckets.pop(heappop(self._heap))
            due = due + bucket if due else bucket
        if len(due) > limit:
            due, self._open = due[:limit], due[limit:]
        return due


class Calendar(Generic[K]):
    """Things with one date each that are mostly cancelled before it comes: the set forgets at once."""

    __slots__ = ("_buckets", "_heap")

    def __init__(self) -> None:
        self._buckets: dict[int, set[K]] = {}
        self._heap: list[int] = []

    def add(self, at: float, ahead: float, thing: K) -> int:
        """Note `thing` for `at`, which lies `ahead` seconds away; return the date to cancel it by.

        A date far away is kept less exactly (never early), so that few buckets hold many things.
        """
        grain = 1 if ahead < 300 else 32
        date = ceil(at / grain) * grain
        bucket = self._buckets.get(date)
        if bucket is None:
            self._buckets[date] = {thing}
            heappush(self._heap, date)
        else:
            bucket.add(thing)
        return date

    def cancel(self, date: int, thing: K) -> None:
        """Forget `thing`."""
        bucket = self._buckets.get(date)
        if bucket is not None:
            bucket.discard(thing)

    def next_at(self) -> float | None:
        """Return the first date that still has something on it, or None."""
        while self._heap:
            if self._buckets[self._heap[0]]:
                return float(self._heap[0])
            del self._buckets[heappop(self._heap)]
        return None

    def pop(self, now: float) -> Iterator[K]:
        """Take out everything whose date has come."""
        while self._heap and self._heap[0] <= now:
            yield from self._buckets.pop(heappop(self._heap))
