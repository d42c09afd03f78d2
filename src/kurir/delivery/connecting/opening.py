"""Opening a session: candidate hosts and addresses in order, each asked for what the TLS policy demands of it.

The next host is tried after every failure of a host, whatever its reason: a refused connection, a 4xx or
5xx banner (RFC 5321 section 5.1 asks only for the former, but one sick host of five should not cost
the mail).
"""

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kurir.delivery.mx import MailHost, is_address, is_own_machine
from kurir.delivery.oauth import TokenSource
from kurir.delivery.ports import Dialer
from kurir.delivery.routing.plan import Destination, Planner
from kurir.delivery.settings import DeliverySettings, Family, Route, RouteKind
from kurir.delivery.tlspolicy import (
    Demand,
    Need,
    PolicyFacts,
    Question,
    Reason,
    Rule,
    SessionEnd,
    Strength,
    TlsDesk,
    TlsSettings,
    met,
    strength_of,
)
from kurir.identity import RandomBytes
from kurir.model import Cause, Clock, OutcomeKind, Stage
from kurir.net.ports import DnsStatus, Endpoint, Resolver

from .backoff import HostMemory
from .session import Session, Trouble
from .visit import Visit, display

# Decisions against a host before it was tried -> what they mean; the rest: its certificate cannot be trusted
_REFUSALS = {
    Reason.DANE_BOGUS: (Cause.DNS_FAILURE, OutcomeKind.DEFERRED, "dnssec-invalid"),
    Reason.DANE_MISSING: (Cause.TLS_REQUIRED, OutcomeKind.DEFERRED, "dane-required"),
    Reason.STS_MX: (Cause.TLS_UNTRUSTED, OutcomeKind.DEFERRED, "validation-failure"),
    Reason.MX_UNPROVEN: (Cause.TLS_UNTRUSTED, OutcomeKind.FAILED, ""),
    Reason.RULE: (Cause.TLS_REQUIRED, OutcomeKind.FAILED, ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Whose mail it is, and what it says itself about TLS: REQUIRETLS, ``TLS-Required: No`` (RFC 8689), or sealed."""

    domain: str = ""
    require_tls: bool = False
    sealed: bool = False
    tls_optional: bool = False

    @property
    def demanding(self) -> bool:
        """Whether the sender rather has no delivery than an unprotected one."""
        return self.require_tls or self.sealed


class Opener:
    """Opens sessions for all lanes of a hand; remembers which hosts did not answer.

    `random` makes the nonces of SCRAM; `tokens` gives access tokens for hops that want them.
    """

    def __init__(
        self, settings: DeliverySettings, planner: Planner, resolver: Resolver, dialer: Dialer, clock: Clock,
        *, random: RandomBytes = secrets.token_bytes, desk: TlsDesk | None = None,
        tokens: TokenSource | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._planner = planner
        self._resolver = resolver
        self._dialer = dialer
        self._clock = clock
        self._random = random
        self._desk = desk or TlsDesk(TlsSettings(), resolver, None, clock)
        self._tokens = tokens
        self._memory = HostMemory(
            clock, settings.host_backoff, settings.host_backoff_max, settings.host_memory
        )

    async def open(self, destination: Destination, wish: Wish = Wish()) -> Session | Trouble:
        """Return a session with the first host that takes us, or what went wrong on the way."""
        troubles: list[Trouble] = []
        rest: list[Trouble] = []
        tried = 0
        for host in self._planner.order(destination):
            found = await self.endpoints(host, destination.route)
            if isinstance(found, Trouble):
                troubles.append(found)
                continue
            fresh: list[Endpoint] = []
            for endpoint in found:
                resting = self._memory.resting(_way(destination.route, host, endpoint))
                if resting is None:
                    fresh.append(endpoint)
                else:
                    rest.append(_rests(display(host, endpoint), *resting))
            asked = self.question(destination.route, host, wish)
            facts = await self._desk.facts(asked)
            demand = self._desk.decide(facts)
            if demand.refuse:
                troubles.append(self._refused(asked, facts, demand))
                continue
            while fresh and tried < self._settings.max_addresses:
                visit = Visit(
                    self._settings,
                    self._dialer,
                    self._clock,
                    destination.route,
                    host,
                    self._random,
                    demand,
                    self._tokens,
                )
                result = await visit.open(fresh)
                if isinstance(result, Session):
                    self._memory.worked(_way(destination.route, host, visit.endpoint or fresh[0]))
                    self._note(asked, facts, demand, visit, result)
                    if _promises(result, asked):
                        return result
                    await result.quit(self._settings.timeouts.quit)
                    result = _promises_nothing(result)
                if result.cause is Cause.TLS_LOST:
                    result = replace(result, clear_from=facts.clear_from)
                self._note_trouble(asked, facts, demand, visit, result)
                troubles.append(result)
                reached = fresh if visit.endpoint is None else [visit.endpoint]
                tried += len(reached)
                # What only some mail demands says nothing about the host: other mail need not wait.
                if not (result.stage is Stage.TLS and _only_this_mail(demand, asked)):
                    for endpoint in reached:
                        words = result.detail or str(result.reply or "")
                        self._memory.failed(_way(destination.route, host, endpoint), words)
                fresh = [endpoint for endpoint in fresh if endpoint not in reached]
        if tried == 0 and rest:
            return min(rest, key=lambda trouble: trouble.retry_after or 0.0)
        return _most_telling(troubles)

    async def carries(self, session: Session, route: Route, wish: Wish) -> bool:
        """Whether an open session may carry this mail; remembers a yes, so that it is asked once a domain."""
        asked = self.question(route, MailHost(session.mail_host), wish)
        facts = await self._desk.facts(asked)
        demand = self._desk.decide(facts)
        if not suits(session, asked, demand):
            return False
        if not wish.demanding and not wish.tls_optional:
            session.cleared.add(wish.domain)
        return True

    # -- the desk -----------------------------------------------------------------------------

    def question(self, route: Route, host: MailHost, wish: Wish) -> Question:
        """Return what the desk is asked about a host."""
        hop = route.next_hop
        outside = hop is None or (not hop.path and not hop.lmtp)
        rule = route.tls_rule
        if wish.demanding and rule is Rule.NONE and route.kind is RouteKind.SANDBOX:
            rule = Rule.OPPORTUNISTIC  # our own door does without TLS because nobody needs it, not by order
        # A store behind a unix socket is the end of the way on this machine: nothing is left to be sealed.
        on_the_way = outside or route.kind is RouteKind.SANDBOX
        local = host.name in ("", "localhost") or (is_address(host.name) and is_own_machine(host.name))
        return Question(
            domain=wish.domain,
            host=host.name.lower(),
            port=hop.port if hop is not None else self._settings.mx_port,
            rule=rule,
            published=hop is None and route.kind is RouteKind.MX and not is_address(host.name),
            chosen=hop is not None,
            remembers=outside and not local and route.kind is not RouteKind.SANDBOX,
            require_tls=wish.require_tls and on_the_way,
            sealed=wish.sealed and on_the_way,
            tls_optional=wish.tls_optional,
        )

    def _refused(self, asked: Question, facts: PolicyFacts, demand: Demand) -> Trouble:
        cause, kind, result = _REFUSALS[demand.reason]
        if result:
            self._desk.failed(asked, facts, SessionEnd(result, demand.refuse), lost=False)
        return Trouble(
            stage=Stage.PLAN, cause=cause, kind=kind, host=asked.host, detail=demand.refuse, policy=True
        )

    def _note(
        self, asked: Question, facts: PolicyFacts, demand: Demand, visit: Visit, session: Session
    ) -> None:
        if not asked.tls_optional:
            session.cleared.add(asked.domain)
        tls = session.tls
        weak = visit.weak if tls is None else SessionEnd()
        end = SessionEnd(weak.result, weak.reason, session.stream.local.host, session.stream.peer.host)
        self._desk.connected(asked, facts, tls, demand, end)
        memory = facts.memory
        if tls is None and memory is not None and demand.reason is Reason.LOST:
            session.fallback = True
            session.note = (
                f"{asked.host} has not encrypted since {_day(memory.lost_since or facts.now)}, as it did before; "
                "after the waiting time the operator's rule sends without"
            )

    def _note_trouble(
        self, asked: Question, facts: PolicyFacts, demand: Demand, visit: Visit, trouble: Trouble
    ) -> None:
        if trouble.tls_result:
            receiving = visit.endpoint.host if visit.endpoint else ""
            end = SessionEnd(trouble.tls_result, trouble.detail, "", receiving)
            self._desk.failed(asked, facts, end, lost=visit.lost and not demand.clear)

    # -- addresses ----------------------------------------------------------------------------

    async def endpoints(self, host: MailHost, route: Route) -> list[Endpoint] | Trouble:
        """Return where a host can be reached, or why it cannot."""
        hop = route.next_hop
        if hop is not None and hop.path:
            return [Endpoint(hop.path, 0)]
        port = hop.port if hop is not None else self._settings.mx_port
        addresses = await self._addresses(host.name, route.family)
        if isinstance(addresses, Trouble):
            return addresses
        if route.kind is RouteKind.MX and not self._settings.allow_loopback_peers:
            foreign = [a for a in addresses if not is_own_machine(a)]
            if not foreign:
                return Trouble(
                    stage=Stage.PLAN,
                    cause=Cause.LOOP,
                    kind=OutcomeKind.FAILED,
                    host=host.name,
                    detail=f"the mail host {host.name} has only addresses of this machine: "
                    f"{', '.join(addresses)} (5.4.6)",
                )
            addresses = foreign
        return [Endpoint(address, port) for address in addresses]

    async def _addresses(self, name: str, family: Family) -> list[str] | Trouble:
        if is_address(name):
            return [name]
        if name == "localhost":
            v4, v6 = ["127.0.0.1"], ["::1"]
        else:
            a, aaaa = await self._resolver.addresses(name)
            v4, v6 = [str(r) for r in a.records], [str(r) for r in aaaa.records]
            wanted = [
                ans for ans, fam in ((a, Family.IPV4), (aaaa, Family.IPV6)) if family in (fam, Family.ANY)
            ]
            unsure = any(ans.status in (DnsStatus.SERVFAIL, DnsStatus.TIMEOUT) for ans in wanted)
            if unsure and not v4 and not v6:
                return Trouble(
                    stage=Stage.PLAN,
                    cause=Cause.DNS_FAILURE,
                    host=name,
                    detail=f"the address of the mail host {name} could not be looked up (4.4.3)",
                )
        if family is Family.IPV4:
            v6 = []
        elif family is Family.IPV6:
            v4 = []
        # In turns, so that one broken family costs one attempt and not all of them (RFC 8305 section 4).
        mixed = [address for pair in zip(v6, v4, strict=False) for address in pair]
        mixed += v6[len(v4) :] + v4[len(v6) :]
        if mixed:
            return mixed
        return Trouble(
            stage=Stage.PLAN,
            cause=Cause.UNKNOWN_DOMAIN,
            kind=OutcomeKind.FAILED,
            host=name,
            detail=f"the mail host {name} has no address (5.4.4)",
        )


def _way(route: Route, host: MailHost, endpoint: Endpoint) -> str:
    """Return what a host is remembered by: who refuses one road, or one address of ours, may well take another."""
    return f"{route.name} {' '.join(route.source)} {display(host, endpoint)}"


def _rests(name: str, left: float, text: str) -> Trouble:
    return Trouble(
        stage=Stage.CONNECT,
        cause=Cause.UNREACHABLE,
        host=name,
        detail=f"not tried: it failed a moment ago ({text})",
        retry_after=left,
    )


def suits(session: Session, asked: Question, demand: Demand) -> bool:
    """Whether an open session may carry mail of which so much is demanded."""
    tls = session.tls
    strength = strength_of(tls is not None, tls.verified if tls else None)
    proven = max(strength, Strength.NAME) if session.proven else strength
    return met(demand, proven) and _promises(session, asked)


def _promises(session: Session, asked: Question) -> bool:
    """Whether the next server promises to keep REQUIRETLS on the way after it, where that is asked for."""
    return session.offer.requiretls or not asked.require_tls


def _promises_nothing(session: Session) -> Trouble:
    """RFC 8689 section 4.2.1 step 5; the next host is tried, and after the last one the message is given up."""
    return Trouble(
        stage=Stage.TLS,
        cause=Cause.TLS_REQUIRED,
        kind=OutcomeKind.FAILED,
        host=session.host,
        tls=session.tls,
        detail="the sender demands REQUIRETLS, which the server does not offer (5.7.30)",
        policy=True,
    )


def _only_this_mail(demand: Demand, asked: Question) -> bool:
    return asked.require_tls or asked.sealed or (asked.published and demand.need is not Need.OPPORTUNISTIC)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _most_telling(troubles: list[Trouble]) -> Trouble:
    """Return the trouble that says most: a peer's words before our own, what may pass before what is final.

    Somebody who answered and then disappointed us says more than another address where nobody was.
    """
    if not troubles:
        return Trouble(stage=Stage.PLAN, cause=Cause.UNREACHABLE, detail="no host could be tried")
    return max(
        reversed(troubles),
        key=lambda t: (
            t.kind is OutcomeKind.DEFERRED,
            t.reply is not None,
            t.cause is not Cause.DNS_FAILURE,
            t.stage is not Stage.CONNECT,
        ),
    )
