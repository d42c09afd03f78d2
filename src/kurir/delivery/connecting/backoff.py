"""What we remember of hosts that did not answer, so that a dead host costs one slot and not all of them.

A host that failed is left alone for a while that doubles with each failure and ends with the first success.
The memory is bounded; what is oldest is forgotten first.
"""

from collections import OrderedDict
from dataclasses import dataclass

from kurir.model import Clock


@dataclass(slots=True)
class _Failure:
    until: float
    wait: float
    text: str


class HostMemory:
    """Addresses that failed lately, by a name that the caller chooses."""

    def __init__(self, clock: Clock, first: float, longest: float, size: int) -> None:
        self._clock = clock
        self._first = first
        self._longest = longest
        self._size = size
        self._failures: OrderedDict[str, _Failure] = OrderedDict()

    def resting(self, key: str) -> tuple[float, str] | None:
        """Return (seconds left, what went wrong) where the host is to be left alone, else None."""
        failure = self._failures.get(key)
        if failure is None:
            return None
        left = failure.until - self._clock.monotonic()
        if left > 0:
            return left, failure.text
        if left < -self._longest:
            del self._failures[key]
        return None

    def failed(self, key: str, text: str) -> bool:
        """Note a failure; return whether it is the first.  One while the host rests (a connection opened before) does not double."""
        now = self._clock.monotonic()
        before = self._failures.get(key)
        if before is not None and now < before.until:
            before.text = text
            return False
        wait = self._first if before is None else min(before.wait * 2, self._longest)
        self._failures[key] = _Failure(now + wait, wait, text)
        self._failures.move_to_end(key)
        while len(self._failures) > self._size:
            self._failures.popitem(last=False)
        return before is None

    def worked(self, key: str) -> bool:
        """Forget what went wrong before; return whether anything did."""
        return bool(self._failures) and self._failures.pop(key, None) is not None
