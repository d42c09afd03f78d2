"""The memory of the resolver: answers with their age, bounded, and one question at a time per name.

TTLs count down while an answer waits here.  Negative answers live as RFC 2308 section 5 says (the
lesser of the SOA's TTL and its MINIMUM), failures only for seconds, so that a broken name server is
not asked again for every message of a queue.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from .ports import DnsAnswer, DnsStatus
from .settings import ResolverSettings

Key = tuple[str, str]  # name (lower-case, no trailing dot), record type


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: DnsAnswer
    until: float


class DnsCache:
    """At most `cache_size` answers; the least recently used goes first."""

    def __init__(self, settings: ResolverSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> DnsAnswer | None:
        """Return the answer with what is left of its TTL, or None."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        left = kept.until - self._clock()
        if left <= 0:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        a = kept.answer  # `replace` would cost as much as all else here
        return DnsAnswer(a.status, a.records, left, a.authentic, a.canonical)

    def put(self, key: Key, answer: DnsAnswer) -> DnsAnswer:
        """Keep an answer for its TTL within the limits; returns it with the TTL it got."""
        ttl = self._lifetime(answer)
        answer = replace(answer, ttl=ttl)
        if ttl > 0:
            self._kept[key] = _Kept(answer, self._clock() + ttl)
            self._kept.move_to_end(key)
            while len(self._kept) > self._settings.cache_size:
                self._kept.popitem(last=False)
        return answer

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def _lifetime(self, answer: DnsAnswer) -> float:
        s = self._settings
        if answer.status in (DnsStatus.SERVFAIL, DnsStatus.TIMEOUT):
            return s.failure_ttl
        highest = s.max_ttl if answer.status is DnsStatus.OK else s.negative_max_ttl
        return min(max(answer.ttl, s.min_ttl), highest)
