"""From the configuration to the way out: the routes, what is known of their limits, and how they are travelled."""

from dataclasses import replace
from datetime import date

from kurir.app.process.clock import SystemClock
from kurir.config import Config, load_atlas
from kurir.config.road_schema import DIRECT, RoadSection
from kurir.delivery import (
    PROVIDERS,
    Allowed,
    DeliverySettings,
    Genuine,
    NextHop,
    OAuthClient,
    RoadSizes,
    Route,
    RouteKind,
    Timeouts,
    TlsLevel,
    leads_to,
    parse_next_hop,
)
from kurir.delivery.oauth import Provider
from kurir.delivery.tlspolicy import Rule
from kurir.limits import Atlas, Margins, midnight
from kurir.queue import StoreError
from kurir.sandbox import early_doors
from kurir.storage import Layout, NoDatabase, SqliteAccounts

SANDBOX_SOCKET = "run/sandbox.sock"


def atlas(config: Config) -> Atlas:
    """Return what is known of the limits of others, with the margins that are kept."""
    limits = config.limits
    reserve = limits.reserve if _has_urgent(config) else 0.0
    return load_atlas(config.atlas.files, Margins(limits.margin, limits.margin_discard, reserve))


def _has_urgent(config: Config) -> bool:
    """Whether anybody's mail may be urgent: a part of each limit is kept for it.  Looked at when a process starts."""
    if config.limits.urgent or config.listen.urgent:
        return True
    try:
        store = SqliteAccounts(Layout(config.server.state), SystemClock(), writable=False)
    except (NoDatabase, StoreError):
        return False  # no accounts yet, or a command of somebody who may not read them
    try:
        return any(account.urgent for account in store.accounts())
    finally:
        store.close()


def road_sizes(config: Config, allowed: Allowed, genuine: Genuine | None = None) -> RoadSizes:
    """Return how large a message may be on each road; `genuine` finds out where mail of its sender would look forged."""
    return RoadSizes(_routes(config), allowed, _signed(config), genuine)


def roads_lead_to(config: Config) -> dict[str, frozenset[str]]:
    """Return whom the server of each road belongs to; nobody where it goes straight to receivers."""
    return leads_to(atlas(config), _routes(config))


def delivery(config: Config) -> DeliverySettings:
    """Return the routes out, and how they are travelled."""
    retry, t = config.retry, config.delivery.timeouts
    usual = DeliverySettings(hello_name="", routes=())
    return DeliverySettings(
        hello_name=config.server.hostname,
        routes=tuple(_routes(config)),
        atlas=atlas(config),
        own_names=(config.server.hostname,),
        source=(config.net.source,) if config.net.source else (),
        signed=_signed(config),
        timeouts=Timeouts(
            connect=t.connect,
            banner=t.banner,
            hello=t.hello,
            tls=t.tls,
            auth=t.auth,
            mail=t.command,
            rcpt=min(Timeouts().rcpt, t.command),
            data_block=t.data,
            final_dot=t.final_dot,
        ),
        # A host rests for less time than its messages wait, so that a short schedule stays short.
        host_backoff=min(usual.host_backoff, retry[0] / 5),
        host_backoff_max=min(usual.host_backoff_max, max(retry) / 4),
        source_rest=min(usual.source_rest, retry[0] * 2),
        source_rest_max=min(usual.source_rest_max, max(retry)),
        mx_port=config.net.mx_port,
        allow_loopback_peers=config.net.allow_loopback_peers,
        maildir_root=str(config.server.state / "mail"),
    )


def _routes(config: Config) -> list[Route]:
    """Own domains first, then the roads in their order, then the way that is left."""
    routes = []
    for domain, section in config.domains.items():
        if section.relay_to:
            routes.append(_hop(f"relay-{domain}", section.relay_to, recipients=(domain,), final=False))
        elif section.deliver_to:
            routes.append(_hop(f"store-{domain}", section.deliver_to, recipients=(domain,)))
        else:
            routes.append(Route(name="local", kind=RouteKind.MAILDIR, recipients=(domain,)))
    stand_ins = {name for road in config.roads for name in road.fallback}
    for road in config.roads:
        routes += _early_doors(config, road.recipients) if road.url == "sandbox:" else []
        only = road.name in stand_ins and road.for_everybody
        routes.append(replace(_road(road, config), only_fallback=only))
    if config.server.playground and not config.roads:
        routes += [*_early_doors(config, ["*"]), _sandbox("sandbox", config)]
    elif not any("*" in r.recipients and "*" in r.senders and not r.only_fallback for r in routes):
        routes.append(_direct(config))
    elif DIRECT in stand_ins - {road.name for road in config.roads}:
        routes.append(replace(_direct(config), only_fallback=True))
    return routes


def _direct(config: Config) -> Route:
    return Route(name=DIRECT, kind=RouteKind.MX, rule=Rule(config.tls_out.rule))


def _signed(config: Config) -> frozenset[str]:
    """Return the domains whose mail we sign, wherever it goes."""
    return frozenset(config.domains) if config.signing.dkim else frozenset()


def _road(road: RoadSection, config: Config) -> Route:
    if road.url == "mx:":
        route = Route(name=road.name, kind=RouteKind.MX, rule=Rule(config.tls_out.rule))
    elif road.url == "sandbox:":
        route = _sandbox(road.name, config)
    else:
        login = (road.username, road.password) if road.username else None
        route = _hop(road.name, road.url, final=False, login=login)
        if road.oauth and route.next_hop:
            route = replace(route, next_hop=replace(route.next_hop, oauth=_oauth_client(road)))
    return replace(
        route,
        senders=tuple(road.senders),
        recipients=tuple(road.recipients),
        rule=Rule(road.tls) if road.tls else route.rule,
        concurrency=road.concurrency,
        rate=road.rate,
        provider=road.provider,
        plan=road.plan,
        fallback=tuple(road.fallback),
        source=road.sources,
        spf=tuple(road.spf),
        warm_up=_warm_from(road.warm_up),
    )


def _warm_from(begun: date | bool) -> float:
    if isinstance(begun, bool):
        return Route.FROM_FIRST_USE if begun else 0.0
    return midnight(begun)


def _oauth_client(road: RoadSection) -> OAuthClient | None:
    o = road.oauth
    if o is None:
        return None
    usual = PROVIDERS.get(o.provider, Provider(""))
    return OAuthClient(
        name=road.name,
        token_url=o.token_url or usual.token_url,
        client_id=o.client_id,
        client_secret=o.client_secret,
        refresh_token=o.refresh_token,
        scope=usual.scope if o.scope is None else o.scope,
    )


def _sandbox(name: str, config: Config) -> Route:
    hop = NextHop(path=str(config.server.state / SANDBOX_SOCKET), tls=TlsLevel.NONE)
    return Route(name=name, kind=RouteKind.SANDBOX, next_hop=hop)


def _early_doors(config: Config, recipients: list[str]) -> list[Route]:
    """Return a route to each difficult recipient that misbehaves before RCPT: it has a socket of its own."""
    doors = early_doors(config.server.state / SANDBOX_SOCKET)
    wanted = {d: path for d, path in doors.items() if "*" in recipients or d in recipients}
    return [
        Route(
            name="sandbox",
            kind=RouteKind.SANDBOX,
            recipients=(domain,),
            next_hop=NextHop(path=str(path), tls=TlsLevel.OPPORTUNISTIC),
        )
        for domain, path in wanted.items()
    ]


def _hop(
    name: str,
    url: str,
    *,
    senders: tuple[str, ...] = ("*",),
    recipients: tuple[str, ...] = ("*",),
    final: bool = True,
    login: tuple[str, str] | None = None,
) -> Route:
    hop = parse_next_hop(url, login=login)
    kind = RouteKind.LMTP if hop.lmtp else RouteKind.SMARTHOST
    return Route(
        name=name, kind=kind, senders=senders, recipients=recipients, next_hop=hop, tls=hop.tls, final=final
    )


def has_sandbox(config: Config) -> bool:
    """Whether any mail is kept in the sandbox."""
    return any(r.kind is RouteKind.SANDBOX for r in _routes(config))
