"""Which address of ours a message leaves from, where its road has several (a pool).

Rules
1. A message leaves from the same address at every try, so that a greylist knows it again; messages are spread over all.
2. An address that a site refuses as such (on a blocklist, without a reverse name) rests there, loudly, and its mail goes from
   another one at once.  The rest doubles while it is refused, and ends with the first mail that is taken from it.
3. Where all of them rest, the trouble is the road's: the queue hears it and takes a fallback.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from msgspec import structs

from kurir.delivery.connecting.backoff import HostMemory
from kurir.delivery.routing.plan import Destination
from kurir.delivery.settings import DeliverySettings
from kurir.model import Cause, Clock, Outcome, OutcomeKind
from kurir.queue.asks import Lease

from .attempt import Results

ABOUT_US = frozenset({Cause.BLOCKLISTED, Cause.NO_PTR})
"""Refusals of the address that a connection comes from."""
_TAKEN = frozenset({OutcomeKind.HANDED_OVER, OutcomeKind.DELIVERED, OutcomeKind.CAPTURED})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTurn:
    """An address of ours was left at a site (`left`), or is used there again; `words` are those of the other side."""

    road: str
    site: str
    source: str
    left: bool
    words: str = ""


@dataclass(slots=True)
class _Trip:
    """A lease on its way: the addresses (one of each family) that it left from, and those that were refused before."""

    pool: tuple[str, ...]
    source: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)


class Sources:
    """The pools of one hand.  `trips` are the leases under way that leave from one."""

    def __init__(
        self, settings: DeliverySettings, clock: Clock, tell: Callable[[SourceTurn], None] | None = None
    ) -> None:
        self.trips: dict[tuple[int, int], _Trip] = {}
        self._tell = tell
        self._rests = HostMemory(clock, settings.source_rest, settings.source_rest_max, settings.host_memory)

    def leave(self, lease: Lease, destination: Destination) -> Destination:
        """Return the destination with the addresses that this lease leaves from."""
        pool = destination.route.source
        trip = self.trips.setdefault((lease.epoch, lease.id), _Trip(pool))
        trip.source = self._chosen(trip, lease)
        return replace(destination, route=replace(destination.route, source=trip.source))

    def judged(self, lease: Lease, results: Results) -> Results | None:
        """Learn from how a lease ended; None where it is to be tried again, from another address."""
        trip = self.trips.get((lease.epoch, lease.id))
        if trip is None:
            return results
        for _, outcome in results:
            self._hear(trip, lease, outcome)
        listed = bool(results) and all(outcome.cause in ABOUT_US for _, outcome in results)
        if listed and not set(self._chosen(trip, lease)) <= {*trip.refused, *trip.source}:
            return None
        del self.trips[lease.epoch, lease.id]
        return [(index, _noted(outcome, trip)) for index, outcome in results] if trip.refused else results

    def _chosen(self, trip: _Trip, lease: Lease) -> tuple[str, ...]:
        """Return an address of each family: the message's own, or the next one that is not refused there."""
        families = ([a for a in trip.pool if (":" in a) is v6] for v6 in (False, True))
        return tuple(self._first(trip, lease, addresses) for addresses in families if addresses)

    def _first(self, trip: _Trip, lease: Lease, addresses: Sequence[str]) -> str:
        order = sorted(addresses, key=lambda a: blake2b(f"{lease.number} {a}".encode()).digest())
        sound = (a for a in order if a not in trip.refused and self._rests.resting(_at(lease, a)) is None)
        return next(sound, order[0])

    def _hear(self, trip: _Trip, lease: Lease, outcome: Outcome) -> None:
        source = next((a for a in trip.source if (":" in a) is _over_v6(outcome.host)), None)
        if source is None:
            return
        words, left = str(outcome.reply or outcome.detail), outcome.cause in ABOUT_US
        if left:
            trip.refused[source] = words
            news = self._rests.failed(_at(lease, source), words)
        else:
            news = outcome.kind in _TAKEN and self._rests.worked(_at(lease, source))
        if news and self._tell is not None:
            road = lease.road
            self._tell(
                SourceTurn(
                    road=road.name, site=road.site, source=source, left=left, words=words if left else ""
                )
            )


def _at(lease: Lease, source: str) -> str:
    return f"{source} {lease.road.name} {lease.road.site}"


def _over_v6(host: str) -> bool:
    """Whether ``mx.example.org[2001:db8::1]:25`` was reached over IPv6."""
    return ":" in host.partition("[")[2].partition("]")[0]


def _noted(outcome: Outcome, trip: _Trip) -> Outcome:
    """Return the outcome with what became of the addresses tried before."""
    source = next((a for a in trip.source if (":" in a) is _over_v6(outcome.host)), "")
    before = "; ".join(f"{a}: {words}" for a, words in trip.refused.items() if a != source)
    if not before or outcome.detail or source in trip.refused:
        return outcome
    return structs.replace(
        outcome, detail=f"sent from our address {source}, since another was refused: {before}"
    )
