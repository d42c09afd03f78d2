"""What others allow on a road: the atlas, applied to a route and its hosts.

A smarthost is known by its host and login, a receiver by its mail hosts; stores of our own know no such limits.
"""

import sys
from collections.abc import Sequence

from kurir.limits import Atlas, Known, Per, RoadSize, Smarthost, Unit, road_size

from .mx import MailHost
from .route import choose_roads
from .settings import Route, RouteKind


def known_limits(atlas: Atlas, route: Route, hosts: Sequence[MailHost]) -> Known | None:
    """Return what the atlas says of mail by `route` to `hosts`, or None where it knows nothing."""
    if route.kind is RouteKind.SMARTHOST and route.next_hop is not None:
        hop = route.next_hop
        service = atlas.smarthost(hop.host, hop.username, route.provider)
        return atlas.by_smarthost(service, hop.username or route.name, route.plan) if service else None
    if route.kind is RouteKind.MX:
        receiver = atlas.receiver([host.name for host in hosts])
        return atlas.by_receiver(receiver) if receiver else None
    return None


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
    spf = known.entry.spf if known is not None and isinstance(known.entry, Smarthost) else ()
    return (*route.spf, *spf)


class RoadSizes:
    """The largest message of each road, as far as it is known before anything is sent (RFC 1870)."""

    def __init__(self, routes: Sequence[Route], atlas: Atlas) -> None:
        self._routes = tuple(routes)
        self._sizes: dict[str, RoadSize | None] = {}
        for route in routes:
            known = known_limits(atlas, route, ())
            self._sizes[_key(route)] = road_size(known, route.name) if known else None
        self.least = min((size.octets for size in self._sizes.values() if size), default=sys.maxsize)

    def towards(self, sender: str, domain: str) -> RoadSize | None:
        """Return the limit of the widest road from the domain `sender` ("" for the null sender) to `domain`, if it is known."""
        sizes = [self._sizes[_key(r)] for r in choose_roads(self._routes, sender, domain)]
        known = [size for size in sizes if size is not None]
        return max(known, key=lambda s: s.octets) if known and len(known) == len(sizes) else None

    @property
    def largest(self) -> int | None:
        """Return the size of the biggest road; None where one of them has no known limit."""
        sizes = list(self._sizes.values())
        if not sizes or None in sizes:
            return None
        return max(size.octets for size in sizes if size is not None)


def _key(route: Route) -> str:
    return f"{route.name} {route.recipients}"
