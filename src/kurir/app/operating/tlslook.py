"""What the command line knows about TLS towards others: a look at a domain, what was lost, and accepting it."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from kurir.app.process.clock import SystemClock
from kurir.app.wiring import roads, settings
from kurir.config import Config
from kurir.delivery import AccessTokens, DeliverySettings, DomainExam, Examiner, NetDialer
from kurir.delivery.tlspolicy import (
    PolicyFacts,
    Remembered,
    Rule,
    Shelf,
    StsFacts,
    StsMode,
    TlsDesk,
    Validation,
    decide,
)
from kurir.delivery.tlspolicy.dane import DaneLookup, validates
from kurir.delivery.tlspolicy.sts import names_host
from kurir.model.told import told
from kurir.net import CachingResolver, CertificateError, ClientTlsFactory, TlsLevel, WebClient
from kurir.queue import StoreError
from kurir.storage import NoDatabase, SqliteTls

from .control import ControlError


@dataclass(frozen=True, slots=True)
class Outside:
    """What a command needs to speak with other servers as delivery would, without changing what is remembered."""

    routes: DeliverySettings
    resolver: CachingResolver
    dialer: NetDialer
    clock: SystemClock
    desk: TlsDesk
    tokens: AccessTokens


@contextmanager
def outside(config: Config) -> Iterator[Outside]:
    """Make the surroundings of a conversation.  Raises `ControlError`."""
    clock = SystemClock()
    resolver = CachingResolver(settings.resolver(config), clock=clock.monotonic)
    try:
        tls = ClientTlsFactory(settings.client_tls(config), now=clock.now)
        routes = roads.delivery(config)
    except (CertificateError, OSError) as e:
        raise ControlError(told("net.ca_file: {why}", why=e)) from None
    fetch = WebClient(resolver, tls.level(TlsLevel.VERIFIED), settings.web(config)).fetch
    policy = settings.tls_out(config, trusted_resolver=resolver.vouched)
    store = memory(config)
    try:
        desk = TlsDesk(policy, resolver, fetch, clock, store=store)
        desk.load()
        named = WebClient(resolver, tls.level(TlsLevel.VERIFIED), settings.named_web(config)).fetch
        tokens = AccessTokens(named, clock, config.server.state / settings.TOKENS)
        yield Outside(routes, resolver, NetDialer(tls, source=routes.source), clock, desk, tokens)
    finally:
        if store is not None:
            store.close()


async def look(config: Config, domain: str) -> DomainExam:
    """Have a conversation with the mail hosts of `domain`.  Raises `ControlError`."""
    with outside(config) as o:
        return await Examiner(o.routes, o.resolver, o.dialer, o.clock, o.desk, Random()).domain(domain)  # noqa: S311


class Memory:
    """What is known of other servers, only read: a look changes nothing."""

    def __init__(self, store: SqliteTls) -> None:
        self.changes = store.changes
        self.close = store.close

    def remember(self, memories: object) -> None:
        """Keep nothing."""

    def keep(self, policy: object) -> None:
        """Keep nothing."""

    def count(self, results: object) -> None:
        """Count nothing."""


def memory(config: Config) -> Memory | None:
    """Return what is known so far, None where nothing is.  Raises `ControlError`."""
    store = _opened(config)
    return Memory(store) if store is not None else None


def _opened(config: Config) -> SqliteTls | None:
    try:
        return SqliteTls(settings.layout(config), SystemClock(), writable=False)
    except NoDatabase:
        return None
    except StoreError as e:
        raise ControlError(
            told(
                "what is known about TLS cannot be read: {why}; run this as the server's user or as root",
                why=e,
            )
        ) from None


async def lost(config: Config) -> list[PolicyFacts]:
    """Return what is known of the hosts that protected mail better before.

    Without those that the operator has accepted, unless somebody demands protection, for then accepting changes nothing.
    Who accepts a domain accepts its mail hosts, as the DNS names them now.  Raises `ControlError`.
    """
    store = _opened(config)
    if store is None:
        return []
    try:
        shelf = store.changes(0)
        worse = [memory for memory in shelf.memories if memory.lost]
        tried = {memory.host: store.domains_by(memory.host) for memory in worse}
    finally:
        store.close()
    if not worse:
        return []
    clock = SystemClock()
    resolver = CachingResolver(settings.resolver(config), clock=clock.monotonic)
    accepted = await _accepted(shelf, resolver, clock.now())
    policy = settings.tls_out(config, trusted_resolver=resolver.vouched)
    dane = DaneLookup(resolver, policy.dane, clock.monotonic, trusted=resolver.vouched)

    policies = {p.domain: p.facts for p in shelf.policies if p.until > clock.now()}

    async def facts_of(memory: Remembered) -> PolicyFacts:
        """For the domain whose mail by this host has the strictest terms."""
        records = await dane.facts(memory.host, config.net.mx_port)
        domains = {*tried[memory.host], *_enforced(policies, memory.host)}
        found = [
            PolicyFacts(
                host=memory.host,
                domain=domain,
                now=clock.now(),
                rule=policy.rule_for(domain, Rule(config.tls_out.rule)),
                dane=records,
                sts=policies.get(domain, StsFacts()),
                memory=memory,
                accepted=memory.host in accepted,
            )
            for domain in sorted(domains) or [""]
        ]
        return next((facts for facts in found if decide(facts).strict), found[0])

    found = await asyncio.gather(*(facts_of(memory) for memory in worse))
    return [facts for facts in found if not facts.accepted or decide(facts).strict]


async def _accepted(shelf: Shelf, resolver: CachingResolver, now: float) -> set[str]:
    names = {a.name for a in shelf.acceptances if a.until > now}
    answers = await asyncio.gather(*(resolver.mx(name) for name in sorted(names)))
    return names | {str(mx[1]) for answer in answers for mx in answer.records if isinstance(mx, tuple)}


def _enforced(policies: Mapping[str, StsFacts], host: str) -> list[str]:
    """Return the domains whose policy demands a proven certificate of this host."""
    return [
        d for d, facts in policies.items() if facts.mode is StsMode.ENFORCE and names_host(facts.mx, host)
    ]


async def validation(config: Config) -> Validation:
    """Test whether the resolver validates."""
    resolver = CachingResolver(settings.resolver(config), clock=SystemClock().monotonic)
    policy = settings.tls_out(config, trusted_resolver=resolver.vouched)
    return await validates(resolver, policy.dane, trusted=resolver.vouched)
