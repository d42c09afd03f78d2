"""What others allow on a road: the atlas, applied to a route and its hosts; over it what was learnt, and a warm-up.

A smarthost is known by its host and login, a receiver by its mail hosts; stores of our own know no such limits.
"""

from collections.abc import Iterable, Iterator, Sequence

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
    Smarthost,
    Unit,
    overlay,
    warm_up,
    warmed,
)
from kurir.model import Clock

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


def leads_to(atlas: Atlas, routes: Iterable[Route]) -> dict[str, frozenset[str]]:
    """Return for each road whom its server belongs to: its site and the keys of its provider; nobody where it goes straight to receivers."""
    found: dict[str, frozenset[str]] = {}
    for route in routes:
        whose = (known_limits(atlas, route, ()), stranger(route, ()))
        keys = {known.entry.key for known in whose if known is not None}
        site = {route.next_hop.site} if route.next_hop is not None else set()
        found[route.name] = found.get(route.name, frozenset()) | keys | site
    return found


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
