"""How well can mail to a domain be protected?  Found out by a real conversation with each of its mail hosts.

The same decisions as for mail (`tlspolicy`), the same visit, and then goodbye: no sender is named, no mail is sent,
nothing is remembered or counted.
"""

import secrets
from dataclasses import dataclass
from random import Random

from kurir.delivery.connecting.opening import Opener, Wish, suits
from kurir.delivery.connecting.session import Session, Trouble
from kurir.delivery.connecting.visit import NO_TLS, Visit
from kurir.delivery.mx import MailHost
from kurir.delivery.ports import Dialer
from kurir.delivery.routing.plan import Destination, Planner
from kurir.delivery.settings import DeliverySettings
from kurir.delivery.tlspolicy import (
    DaneState,
    Demand,
    Need,
    PolicyFacts,
    Reason,
    StsFacts,
    TlsDesk,
    Validation,
    met,
    strength_of,
)
from kurir.delivery.tlspolicy.sts import names_host
from kurir.model import Clock, Outcome, TlsFacts
from kurir.model.address import Address
from kurir.net.ports import Resolver
from kurir.net.tlsa import match

MAX_HOSTS = 5
FRESH = 2 * 86_400.0  # seconds that what a host proved counts beforehand; it is noted once a day
_LOOK = Demand(Need.OPPORTUNISTIC, Reason.OPPORTUNISTIC, clear=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostExam:
    """One mail host.  `tls` None: it offers no encryption, or `trouble` says why nobody could find out.

    `reached` says that it answered.  `dane_why` says why its certificate does not match its TLSA records ("" where it
    does or there are none).  `sts_named` is None where no policy names hosts.  `sent` says whether the mail that was
    asked about would go to it now.
    """

    host: str
    address: str
    facts: PolicyFacts
    demand: Demand
    reached: bool = False
    tls: TlsFacts | None = None
    requiretls: bool = False
    trouble: str = ""
    dane_why: str = ""
    sts_named: bool | None = None
    sent: bool = False

    @property
    def strength(self) -> int:
        """How well mail to it is protected: 0 not, 1 encrypted, 2 by name, 3 by DANE; -1 where it is not reached."""
        if not self.reached:
            return -1
        return int(strength_of(self.tls is not None, self.tls.verified if self.tls else None))


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainExam:
    """A domain and its hosts.  `failure` says why there are none."""

    domain: str
    road: str
    kind: str
    validation: Validation
    sts: StsFacts
    hosts: tuple[HostExam, ...] = ()
    failure: str = ""

    @property
    def weakest(self) -> int:
        """The weakest protection among the hosts that were reached; -1 where none was."""
        return min((h.strength for h in self.hosts if h.strength >= 0), default=-1)


class Examiner:
    """Looks at domains."""

    def __init__(
        self,
        settings: DeliverySettings,
        resolver: Resolver,
        dialer: Dialer,
        clock: Clock,
        desk: TlsDesk,
        random: Random,
    ) -> None:
        self._settings = settings
        self._dialer = dialer
        self._clock = clock
        self._desk = desk
        self._planner = Planner(settings, resolver, clock, random)
        self._opener = Opener(settings, self._planner, resolver, dialer, clock, desk=desk)

    async def domain(self, domain: str, *, sender: str = "", wish: Wish | None = None) -> DomainExam:
        """Look at a domain by the road that mail from `sender`'s domain takes, for mail with that wish."""
        wish = wish or Wish(domain=domain)
        found = await self._planner.towards(sender, Address("postmaster", domain))
        sts = await self._desk.sts.facts(domain)
        await self._desk.dane.tested()
        validation = self._desk.dane.validation
        if isinstance(found, Outcome):
            return DomainExam(
                domain=domain, road=found.road, kind="", validation=validation, sts=sts, failure=found.detail
            )
        hosts = [await self._host(found, host, wish) for host in self._planner.order(found)[:MAX_HOSTS]]
        return DomainExam(
            domain=domain, road=found.route.name, kind=found.route.kind.value, validation=validation, sts=sts,
            hosts=tuple(hosts),
        )  # fmt: skip

    async def expected(self, wish: Wish, *, sender: str = "") -> bool:
        """Whether a host proved lately what that mail demands, so that nobody need be asked again.

        What a host promises for the way after it (REQUIRETLS) is not remembered.
        """
        found = await self._planner.towards(sender, Address("postmaster", wish.domain))
        if wish.require_tls or isinstance(found, Outcome):
            return False
        for host in self._planner.order(found)[:MAX_HOSTS]:
            facts = await self._desk.facts(self._opener.question(found.route, host, wish))
            memory = facts.memory
            fresh = memory is not None and not memory.lost and facts.now - memory.seen < FRESH
            if fresh and memory is not None and met(self._desk.decide(facts), memory.best):
                return True
        return False

    async def _host(self, destination: Destination, host: MailHost, wish: Wish) -> HostExam:
        route = destination.route
        asked = self._opener.question(route, host, wish)
        facts = await self._desk.facts(asked)
        demand = self._desk.decide(facts)
        named = names_host(facts.sts.mx, host.name) if facts.sts.mx else None
        endpoints = await self._opener.endpoints(host, route)
        if isinstance(endpoints, Trouble):
            return HostExam(
                host=host.name,
                address="",
                facts=facts,
                demand=demand,
                trouble=endpoints.detail,
                sts_named=named,
            )
        visit = Visit(self._settings, self._dialer, self._clock, route, host, secrets.token_bytes, _LOOK)
        result = await visit.open(endpoints)
        address = (visit.endpoint or endpoints[0]).host
        if isinstance(result, Trouble):
            why = result.detail or str(result.reply or result.cause.value)
            return HostExam(
                host=host.name, address=address, facts=facts, demand=demand, trouble=why, sts_named=named
            )
        result.proof, why = self._judged(result, facts, demand)
        await result.quit(self._settings.timeouts.quit)
        trouble = visit.weak.reason if visit.weak.reason != NO_TLS else ""
        return HostExam(
            host=host.name, address=address, facts=facts, demand=demand, reached=True, tls=result.proof,
            requiretls=result.offer.requiretls, trouble=trouble, dane_why=why, sts_named=named,
            sent=suits(result, asked, demand),
        )  # fmt: skip

    def _judged(self, session: Session, facts: PolicyFacts, demand: Demand) -> tuple[TlsFacts | None, str]:
        """Judge the certificate by TLSA records, where there are any."""
        tls = session.tls
        if tls is None or facts.dane.state is not DaneState.USABLE:
            return tls, ""
        names = demand.names or (facts.dane.base or facts.host,)
        verdict = match(facts.dane.records, self._dialer.chain(session.stream), names, self._clock.now())
        if verdict.why_not is not None:
            return tls, verdict.why_not
        return TlsFacts(tls.version, tls.cipher, "dane", None, tls.peer_name), ""
