"""What others allow on a road: the atlas, applied to a route and its hosts; over it what was learnt, and a warm-up.

A smarthost is known by its host and login, a receiver by its mail hosts; stores of our own know no such limits.
"""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from kurir.delivery.mx import MailHost
from kurir.delivery.settings import Route, RouteKind
from kurir.delivery.site import site_key
from kurir.limits import (
    AT,
    Atlas,
    Known,
    Learnt,
    LimitNames,
    Per,
    Receiver,
    RoadSize,
    Smarthost,
    Unit,
    overlay,
    road_size,
    warm_up,
    warmed,
)
from kurir.model import Clock
from kurir.queue.operating.outlook import Passage, Share

from .floor import tls_floor
from .route import choose_roads

REREAD = 60.0
TOWARDS = "in-"
"""How subjects begin that are domains of recipients."""


def known_limits(atlas: Atlas, route: Route, hosts: Sequence[MailHost]) -> Known | None:
    """Return what the atlas says of mail by `route` to `hosts`, or None where it knows nothing."""
    if route.kind is RouteKind.SMARTHOST and route.next_hop is not None:
        hop = route.next_hop
        service = atlas.smarthost(hop.host, hop.username, route.provider)
        return atlas.by_smarthost(service, account_of(route), route.plan) if service else None
    if route.kind is RouteKind.MX:
        receiver = atlas.receiver([host.name for host in hosts])
        return atlas.by_receiver(receiver) if receiver else None
    return None


def account_of(route: Route) -> str:
    """Return what the mail of a route is counted under; "" where there is no account."""
    if route.kind is not RouteKind.SMARTHOST or route.next_hop is None:
        return ""
    return route.next_hop.username or route.name


def subject_of(known: Known, route: Route) -> str:
    """Return whose limits are learnt on a road: the entry's, and of a smarthost those of our account there."""
    account = account_of(route)
    return f"{known.entry.key}/{account}" if account else known.entry.key


class Allowed:
    """All that is known of limits, by road."""

    def __init__(self, atlas: Atlas, clock: Clock, learnt: Learnt | None = None) -> None:
        self.atlas = atlas
        self.learnt = learnt or Learnt(clock)
        self._clock = clock

    def now(self) -> float:
        """Return the wall time."""
        return self._clock.now()

    def known(self, route: Route, hosts: Sequence[MailHost]) -> Known | None:
        """Return what holds for mail by `route` to `hosts`, or None where nothing is known."""
        known = known_limits(self.atlas, route, hosts) or stranger(route, hosts)
        if known is None:
            return None
        known = self.applied(known, route)
        return known if known.limits else None

    def applied(self, known: Known, route: Route) -> Known:
        """Return what the atlas knows with what was learnt over it, and with the warm-up of the road."""
        lessons = self.learnt.of(subject_of(known, route))
        if lessons:
            known = overlay(known, lessons, self.atlas.margins, account_of(route))
        warm = warm_up(route.name, self._warm_from(route), self._clock.now()) if route.warm_up else None
        return warmed(known, warm) if warm is not None else known

    def names(self, routes: Sequence[Route]) -> LimitNames:
        """Return the names of all limits that hold on `routes` at present."""
        return LimitNames(lambda entry: self._under(entry, routes))

    def _under(self, entry: str, routes: Sequence[Route]) -> Iterator[Known]:
        """Yield what is known under the key of an entry: of a receiver by each road that goes straight there."""
        receiver = next((r for r in self.atlas.receivers if r.key == entry), None) or _site(entry)
        for route in routes:
            if route.kind is RouteKind.MX and receiver is not None:
                yield self.applied(self.atlas.by_receiver(receiver), route)
            elif route.next_hop is not None:
                known = self.known(route, ())
                if known is not None and known.entry.key == entry:
                    yield known

    def _warm_from(self, route: Route) -> float:
        return self.learnt.begun(route.name) if route.warm_up == Route.FROM_FIRST_USE else route.warm_up


def stranger(route: Route, hosts: Sequence[MailHost]) -> Known | None:
    """Return an entry for somebody whom the atlas does not know, so that there is something to learn about."""
    if route.kind is RouteKind.SMARTHOST and route.next_hop is not None:
        host = route.next_hop.host
        return Known(Smarthost(name=host, label=host, hosts=(host,)), (), ())
    if route.kind is RouteKind.MX and hosts:
        site = site_key(host.name for host in hosts)
        return Known(Receiver(name=site, label=site, hosts=tuple(host.name for host in hosts)), (), ())
    return None


def _site(entry: str) -> Receiver | None:
    """Return the entry of a receiver that the atlas does not know, from its key."""
    site = entry.removeprefix(AT)
    return Receiver(name=site, label=site, hosts=(site,)) if site != entry else None


def at_once(known: Known | None, usual: int) -> int:
    """Return how many connections a site may have."""
    most = known.most(Unit.CONNECTIONS, Per.ONCE) if known else None
    return usual if most is None else min(usual, most)


def of_one_message(known: Known | None) -> int:
    """Return how many recipients one message may have there; 0 where nobody says."""
    return (known.most(Unit.RECIPIENTS, Per.MESSAGE) or 0) if known else 0


def of_one_connection(known: Known | None) -> int:
    """Return how many messages one connection may carry; 0 where nobody says."""
    return (known.most(Unit.MESSAGES, Per.CONNECTION) or 0) if known else 0


def included(atlas: Atlas, route: Route) -> tuple[str, ...]:
    """Return the names by which SPF records allow mail that goes by `route`."""
    known = known_limits(atlas, route, ()) if route.kind is RouteKind.SMARTHOST else None
    spf = known.entry.spf if known is not None and isinstance(known.entry, Smarthost) else None
    return (*route.spf, *(spf.names if spf is not None else ()))


class RoadSizes:
    """The largest message of each road, as far as it is known before anything is sent (RFC 1870), and what is counted there.

    `refresh` takes in what was learnt since.  `signed` are the domains whose mail we sign: it looks genuine on every road.
    """

    def __init__(
        self, routes: Sequence[Route], allowed: Allowed, signed: Collection[str] = frozenset()
    ) -> None:
        self._routes = tuple(routes)
        self._allowed = allowed
        self._signed = signed
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

    def towards(self, sender: str, domain: str) -> RoadSize | None:
        """Return the limit of the widest road from the domain `sender` ("" for the null sender) to `domain`, if it is known."""
        sizes = [self._size(route, domain) for route in self._roads(sender, domain)]
        known = [size for size in sizes if size is not None]
        return max(known, key=lambda s: s.octets) if known and len(known) == len(sizes) else None

    def _roads(self, sender: str, domain: str) -> tuple[Route, ...]:
        """Return the roads from `sender` to `domain` that prove as much as their main road has to."""
        roads = choose_roads(self._routes, sender, domain)
        return tuple(route for route in roads if route is roads[0] or tls_floor(roads[0], route) is None)

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
        sizes = list(self._sizes.values())
        if not sizes or None in sizes:
            return None
        return max(size.octets for size in sizes if size is not None)


def _key(route: Route) -> str:
    return f"{route.name} {route.recipients}"
