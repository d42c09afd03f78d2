"""How large a message may be, and what is counted, on the roads that mail of a sender takes: asked before anything is sent.

A road that this mail may not take does not count: one below the TLS floor of the main road, and one where it is known to look forged.
"""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from kurir.delivery.settings import Route, RouteKind
from kurir.limits import Known, RoadSize, Unit, road_size
from kurir.queue.operating.forecasts import Passage, Share

from .allowed import TOWARDS, Allowed, of_one_message
from .floor import tls_floor
from .genuine import Genuine
from .route import choose_roads, leading, with_fallbacks

REREAD = 60.0


class RoadSizes:
    """The largest message of each road, as far as it is known before anything is sent (RFC 1870), and what is counted there.

    `refresh` takes in what was learnt since.  `signed` are the domains whose mail we sign: it looks genuine on every road.
    `genuine` finds out about the others; without it no road is ruled out for how mail would look there.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        allowed: Allowed,
        signed: Collection[str] = frozenset(),
        genuine: Genuine | None = None,
    ) -> None:
        self._routes = tuple(routes)
        self._allowed = allowed
        self._signed = signed
        self._genuine = genuine
        self._sizes: dict[str, RoadSize | None] = {}
        self._known: dict[str, Known] = {}
        self._towards: dict[str, RoadSize] = {}
        self.least = sys.maxsize
        self._read()

    def refresh(self) -> None:
        """Look whether anything was learnt; take in once in `REREAD` seconds what time alone changes (a warm-up, what is forgotten)."""
        learnt = self._allowed.learnt
        learnt.refresh()
        if learnt.mark != self._mark or self._allowed.now() >= self._read_at + REREAD:
            self._read()

    def _read(self) -> None:
        self._mark, self._read_at = self._allowed.learnt.mark, self._allowed.now()
        self._known = {}
        for route in self._routes:
            known = self._allowed.known(route, ())
            self._sizes[_key(route)] = road_size(known, route.name) if known else None
            if known is not None and any(quota.window for quota in known.quotas):
                self._known[_key(route)] = known
        self._towards = {
            lesson.subject.removeprefix(TOWARDS): RoadSize(lesson.value, "mx", "", lesson.words)
            for lesson in self._allowed.learnt.all()
            if lesson.unit is Unit.OCTETS and lesson.subject.startswith(TOWARDS)
        }
        sizes = [*self._sizes.values(), *self._towards.values()]
        self.least = min((size.octets for size in sizes if size), default=sys.maxsize)

    async def prove(self, sender: str) -> None:
        """Find out which roads mail of the domain `sender` may not take, for `towards` and `anywhere`.  Never raises."""
        if self._genuine is not None:
            mains = leading(self._routes, sender)
            stand_ins = (road for main in mains for road in with_fallbacks(self._routes, main)[1:])
            await self._genuine.ask(sender, dict.fromkeys(stand_ins))

    def towards(self, sender: str, domain: str) -> RoadSize | None:
        """Return the limit of the widest road from the domain `sender` ("" for the null sender) to `domain`, if it is known."""
        return _widest(self._size(route, domain) for route in self._roads(sender, domain))

    def anywhere(self, sender: str) -> RoadSize | None:
        """Return the limit of the widest road that mail of the domain `sender` may take to anybody, if that of each is known."""
        mains = leading(self._routes, sender)
        roads = [r for main in mains for r in self._able(sender, with_fallbacks(self._routes, main))]
        return _widest(self._size(route, "") for route in roads)

    def _roads(self, sender: str, domain: str) -> tuple[Route, ...]:
        """Return the roads from `sender` to `domain` that its mail may take, as far as that is known."""
        return self._able(sender, choose_roads(self._routes, sender, domain))

    def _able(self, sender: str, roads: Sequence[Route]) -> tuple[Route, ...]:
        """Return the first of `roads`, and those others that prove as much as it has to, and where mail of `sender` looks genuine."""
        return tuple(
            route
            for route in roads
            if route is roads[0]
            or not (
                tls_floor(roads[0], route)
                or (self._genuine is not None and self._genuine.barred(sender, route))
            )
        )

    def _size(self, route: Route, domain: str) -> RoadSize | None:
        return self._towards.get(domain) if route.kind is RouteKind.MX else self._sizes[_key(route)]

    @property
    def counted(self) -> bool:
        """Whether a road has limits that may let mail wait."""
        return bool(self._known)

    def shares(self, sender: str, domains: Iterable[str], together: int) -> list[Share]:
        """Return how recipients at `domains` divide between the roads that have such limits."""
        counts = Counter(self._roads(sender, domain) for domain in domains)
        signed = not sender or sender in self._signed
        return [
            Share(count, tuple(self._passage(route, together) for route in routes), signed)
            for routes, count in counts.items()
            if routes and _key(routes[0]) in self._known
        ]

    def _passage(self, route: Route, together: int) -> Passage:
        known, size = self._known.get(_key(route)), self._sizes[_key(route)]
        place = route.name, route.next_hop is not None, size.octets if size is not None else 0
        if known is None:  # nothing that is counted, as far as anybody knows before it is tried
            return Passage(route.name, (), together, *place)
        return Passage(
            known.entry.label, known.quotas, min(together, of_one_message(known) or together), *place
        )

    @property
    def largest(self) -> int | None:
        """Return the size of the biggest road; None where one of them has no known limit."""
        widest = _widest(self._sizes.values())
        return widest.octets if widest is not None else None


def _widest(sizes: Iterable[RoadSize | None]) -> RoadSize | None:
    """Return the largest of `sizes`; None where one of them is not known, or there are none."""
    widest: RoadSize | None = None
    for size in sizes:
        if size is None:
            return None
        if widest is None or size.octets > widest.octets:
            widest = size
    return widest


def _key(route: Route) -> str:
    return f"{route.name} {route.recipients}"
