"""What a person sees of the roads that have alternatives: their state now, and which one a mail would take."""

from collections.abc import Sequence

import msgspec

from kurir.queue.asks import Obstacle, Road
from kurir.queue.roads.breaker import Health
from kurir.queue.roads.choice import choose, may_take
from kurir.queue.roads.roadbook import Roadbook
from kurir.queue.waiting.book import Book


class RoadState(msgspec.Struct, frozen=True, kw_only=True):
    """One road at one site ("" for the road as a whole).  Times in epoch seconds.

    `since` is when it broke, `next_at` from when on the next mail is its probe, `proofs` how many probes in a row went well.
    """

    road: str
    site: str
    health: Health
    cause: str = ""
    words: str = ""
    since: float | None = None
    next_at: float | None = None
    proofs: int = 0


class RoadChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One road of a plan: whether a mail would take it now (as the `probe` of one that had closed), and what speaks against it."""

    road: str
    site: str
    taken: bool
    obstacles: tuple[Obstacle, ...]
    probe: bool = False
    free_at: float | None = None


class RoadView:
    """Views of the roadbook."""

    def __init__(self, book: Book, roads: Roadbook) -> None:
        self._book = book
        self._roads = roads

    def states(self) -> list[RoadState]:
        """Return every road that is not sound, or has been in trouble."""
        now, wall = self._book.steady.now(), self._book.steady.wall()
        found = []
        for road, site, breaker, why in self._roads:
            broken = breaker.health is not Health.SOUND
            said = (str(why.reply) if why.reply else why.detail) if why is not None else ""
            found.append(
                RoadState(
                    road=road,
                    site=site,
                    health=breaker.health,
                    cause=why.cause.value if why is not None else "",
                    words=said,
                    since=wall + breaker.since - now if broken else None,
                    next_at=wall + max(0.0, breaker.next_at - now) if broken else None,
                    proofs=breaker.proofs,
                )
            )
        return sorted(found, key=lambda s: (s.health is Health.SOUND, s.road, s.site))

    def explain(self, roads: Sequence[Road], size: int, *, urgent: bool = False) -> list[RoadChoice]:
        """Return for each of `roads` (in order) whether a new mail of `size` octets would take it now, and why not."""
        now, wall = self._book.steady.now(), self._book.steady.wall()
        if not roads:
            return []
        states = {(r.name, r.site): self._roads.state(r, now, urgent=urgent) for r in roads}
        taken = choose(roads, size, lambda r: states[r.name, r.site], now).road
        choices = []
        for road in roads:
            state, free_at = states[road.name, road.site], self._roads.free_at(road, now, urgent=urgent)
            choices.append(
                RoadChoice(
                    road=road.name,
                    site=road.site,
                    taken=road is taken,
                    obstacles=may_take(road, size, state, now),
                    probe={state.site.health, state.whole.health} != {Health.SOUND},
                    free_at=wall + free_at - now if free_at > now else None,
                )
            )
        return choices
