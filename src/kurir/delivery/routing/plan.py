"""From (sender domain, recipient domain) to the roads, their sites, and the hosts behind them.

The main road comes first, then those that stand in for it, each with what keeps this mail off it whatever the hour.

The brain asks for a `Plan` once per pair and keeps it for its TTL; the lanes ask for the `Destination`
of a lease, which is remembered by site, so that a lease needs no look-up of its own.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from kurir.delivery.mx import MailHost, MailHosts, NoHosts, find_mail_hosts, in_order
from kurir.delivery.settings import DeliverySettings, Route, RouteKind
from kurir.delivery.site import site_key
from kurir.limits import road_size
from kurir.model import Address, Cause, Clock, Outcome, OutcomeKind, Stage
from kurir.net.ports import Resolver
from kurir.queue.asks import Lease, Obstacle, Plan, PlanRequest, Road

from .allowed import Allowed, at_once, included, of_one_connection, of_one_message
from .authentic import authenticity
from .floor import tls_floor
from .route import choose_roads, choose_route

MAX_DESTINATIONS = 50_000
ALTERNATIVES_TTL = 600.0
"""Seconds that a plan with alternatives is good for: whether they keep mail genuine is asked of DNS."""
_FIXED_TTL = 3600.0
_LOCAL_SITES = {RouteKind.MAILDIR: "maildir", RouteKind.SANDBOX: "sandbox"}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a lease goes: the route, and the hosts of its site (none for a store on this machine).

    `messages` is how many of them one connection may carry there (0: nobody says).
    """

    route: Route
    site: str
    hosts: tuple[MailHost, ...] = ()
    messages: int = 0


class Planner:
    """Chooses routes and looks up mail hosts."""

    def __init__(
        self,
        settings: DeliverySettings,
        resolver: Resolver,
        clock: Clock,
        random: Random,
        allowed: Allowed | None = None,
    ) -> None:
        self._settings = settings
        self.allowed = allowed or Allowed(settings.atlas, clock)
        self._resolver = resolver
        self._clock = clock
        self._random = random
        self._own_names = frozenset(
            name.lower().rstrip(".") for name in (settings.hello_name, *settings.own_names)
        )
        self._routes = {route.name: route for route in settings.routes}
        self._known: OrderedDict[tuple[str, str], tuple[float, Destination]] = OrderedDict()

    def alike(self, requests: Sequence[PlanRequest]) -> Iterable[list[PlanRequest]]:
        """Divide requests into those of one sender that a smarthost takes, which need the same look-ups, and single ones."""
        groups: dict[tuple[str, str], list[PlanRequest]] = {}
        for request in requests:
            route = choose_route(self._settings.routes, request.sender, request.domain)
            hop = route is not None and route.kind is RouteKind.SMARTHOST
            key = route.name if route is not None and hop else f"{request.domain}."
            groups.setdefault((request.sender, key), []).append(request)
        return groups.values()

    async def plan(self, request: PlanRequest) -> Plan:
        """Return the roads for a pair of domains, or the reason why there is none.  Never raises."""
        self.allowed.learnt.refresh()
        routes = choose_roads(self._settings.routes, request.sender, request.domain)
        if not routes:
            return self._failed(
                request,
                NoHosts(
                    OutcomeKind.DEFERRED,
                    Cause.CONFIGURATION,
                    f"no route leads from {request.sender or '<>'} to {request.domain} (4.3.5)",
                    60.0,
                ),
                "",
            )
        main = routes[0]
        found = await self._find(main, request.domain)
        if isinstance(found, NoHosts):
            return self._failed(request, found, main.name)
        destination, ttl = found
        roads = [self._road(destination, ttl)]
        for route in routes[1:]:
            other = await self._find(route, request.domain)
            if not isinstance(other, NoHosts):
                ttl = min(ttl, other[1], ALTERNATIVES_TTL)
                obstacles = await self._obstacles(main, route, request)
                roads.append(self._road(*other, obstacles))
        return Plan(request, tuple(roads), self._bounded(ttl))

    def _road(self, destination: Destination, ttl: float, obstacles: tuple[Obstacle, ...] = ()) -> Road:
        """Remember where a road leads, and return it with what is known of its limits."""
        route = destination.route
        known = self.allowed.known(route, destination.hosts)
        self._remember(destination, ttl)
        size = road_size(known, route.name) if known else None
        return Road(
            route.name,
            destination.site,
            at_once(known, route.concurrency),
            route.rate,
            known.quotas if known is not None else (),
            of_one_message(known),
            route.kind is RouteKind.SMARTHOST,
            size.octets if size is not None else 0,
            obstacles,
            known.entry.key if known is not None else "",
            known.entry.label if known is not None else "",
        )

    async def _obstacles(self, main: Route, route: Route, request: PlanRequest) -> tuple[Obstacle, ...]:
        """Return what keeps mail of this pair off an alternative for good: it must not be worse than the main road."""
        s = self._settings
        floor = tls_floor(main, route)
        forged = await authenticity(self._resolver, s, route, request.sender, included(s.atlas, route))
        return tuple(o for o in (forged, floor) if o is not None)

    async def destination(self, lease: Lease) -> Destination | Outcome:
        """Return where a lease goes: from memory, or by a new look-up of its first recipient's domain."""
        sender = lease.reverse_path.domain if lease.reverse_path else ""
        return await self._destination(lease.road, sender, lease.work[0].recipient.address)

    def known(self, road: Road) -> Destination | None:
        """Return the destination of a road where it is remembered and not too old."""
        entry = self._known.get((road.name, road.site))
        if entry is None or entry[0] < self._clock.monotonic():
            return None
        return entry[1]

    async def towards(self, sender: str, recipient: Address) -> Destination | Outcome:
        """Return where mail for `recipient` would go (recipient verification)."""
        route = choose_route(self._settings.routes, sender, recipient.domain)
        if route is None:
            return self._outcome(
                NoHosts(OutcomeKind.DEFERRED, Cause.CONFIGURATION, "no route leads there (4.3.5)", 60.0), ""
            )
        found = await self._find(route, recipient.domain)
        if isinstance(found, NoHosts):
            return self._outcome(found, route.name)
        self._remember(*found)
        return found[0]

    async def _destination(self, road: Road, sender: str, recipient: Address) -> Destination | Outcome:
        known = self.known(road)
        if known is not None:
            return known
        route = self._routes.get(road.name) or choose_route(self._settings.routes, sender, recipient.domain)
        if route is None:
            gone = NoHosts(
                OutcomeKind.DEFERRED,
                Cause.CONFIGURATION,
                f"the road {road.name!r} no longer exists (4.3.5)",
                0,
            )
            return self._outcome(gone, road.name)
        found = await self._find(route, recipient.domain)
        if isinstance(found, NoHosts):
            return self._outcome(found, route.name)
        destination, ttl = found
        # The lease goes by the key it was given even where DNS has changed since.
        destination = Destination(route, road.site, destination.hosts, destination.messages)
        self._remember(destination, ttl)
        return destination

    async def _find(self, route: Route, domain: str) -> tuple[Destination, float] | NoHosts:
        if route.next_hop is None and route.kind in _LOCAL_SITES:
            return Destination(route, _LOCAL_SITES[route.kind]), _FIXED_TTL
        if route.next_hop is not None:
            hop = route.next_hop
            return self._to(route, hop.site, (MailHost(hop.host),)), _FIXED_TTL
        s = self._settings
        found = await find_mail_hosts(self._resolver, domain, self._own_names, s.max_mx_hosts)
        if isinstance(found, NoHosts):
            return found
        return self._by_mx(route, found)

    def _by_mx(self, route: Route, found: MailHosts) -> tuple[Destination, float]:
        return self._to(route, site_key(host.name for host in found.hosts), found.hosts), found.ttl

    def _to(self, route: Route, site: str, hosts: tuple[MailHost, ...]) -> Destination:
        known = self.allowed.known(route, hosts)
        return Destination(route, site, hosts, of_one_connection(known))

    def _remember(self, destination: Destination, ttl: float) -> None:
        key = (destination.route.name, destination.site)
        # Twice the plan's life: leases made on its last day still find their hosts.
        self._known[key] = (self._clock.monotonic() + 2 * self._bounded(ttl), destination)
        self._known.move_to_end(key)
        while len(self._known) > MAX_DESTINATIONS:
            self._known.popitem(last=False)

    def _bounded(self, ttl: float) -> float:
        return min(max(ttl, self._settings.plan_ttl_min), self._settings.plan_ttl_max)

    def _failed(self, request: PlanRequest, failure: NoHosts, road: str) -> Plan:
        return Plan(request, (), self._bounded(failure.ttl), self._outcome(failure, road))

    def _outcome(self, failure: NoHosts, road: str) -> Outcome:
        return Outcome(
            kind=failure.kind,
            cause=failure.cause,
            at=self._clock.now(),
            stage=Stage.PLAN,
            road=road,
            detail=failure.detail,
        )

    def order(self, destination: Destination) -> list[MailHost]:
        """Return the hosts in the order in which a new connection tries them."""
        hosts = destination.hosts
        return list(hosts) if len(hosts) < 2 else in_order(hosts, self._random)
