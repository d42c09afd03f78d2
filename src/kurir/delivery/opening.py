"""Opening a session: candidate hosts and addresses in order, banner, EHLO, TLS by policy, login (RFC 4954).

The next host is tried after every failure of a host, whatever its reason: a refused connection, a 4xx or
5xx banner (RFC 5321 section 5.1 asks only for the former, but one sick host of five should not cost
the mail).  A password or a message that demands TLS never goes on in the clear.
"""

import ipaddress
import secrets
from dataclasses import replace

from kurir.identity import RandomBytes
from kurir.identity.sasl.client import ServerUnproven, choose
from kurir.model import Cause, Clock, OutcomeKind, Stage
from kurir.net.ports import DnsStatus, Endpoint, NetError, Resolver, Stream
from kurir.smtp.client import AuthChallenged, AuthDone, Client, Greeted, HelloAnswered, PeerBroke, TlsAnswered

from .backoff import HostMemory
from .mx import MailHost, is_address, is_own_machine
from .oauth import TokenSource
from .plan import Destination, Planner
from .ports import Dialer, Untrusted
from .session import Session, Trouble, broken, net_trouble, read_offer, refusal
from .settings import DeliverySettings, Family, NextHop, Route, RouteKind, TlsLevel
from .token_login import log_in

_NO_HOP = NextHop()


class Opener:
    """Opens sessions for all lanes of a hand; remembers which hosts did not answer.

    `random` makes the nonces of SCRAM; `tokens` gives access tokens for hops that want them.
    """

    def __init__(
        self, settings: DeliverySettings, planner: Planner, resolver: Resolver, dialer: Dialer, clock: Clock,
        *, random: RandomBytes = secrets.token_bytes, tokens: TokenSource | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._planner = planner
        self._resolver = resolver
        self._dialer = dialer
        self._clock = clock
        self._random = random
        self._tokens = tokens
        self._memory = HostMemory(
            clock, settings.host_backoff, settings.host_backoff_max, settings.host_memory
        )

    async def open(self, destination: Destination, *, require_tls: bool = False) -> Session | Trouble:
        """Return a session with the first host that takes us, or what went wrong on the way."""
        troubles: list[Trouble] = []
        rest: list[Trouble] = []
        tried = 0
        for host in self._planner.order(destination):
            found = await self._endpoints(host, destination.route)
            if isinstance(found, Trouble):
                troubles.append(found)
                continue
            fresh: list[Endpoint] = []
            for endpoint in found:
                resting = self._memory.resting(_display(host, endpoint))
                if resting is None:
                    fresh.append(endpoint)
                else:
                    rest.append(_rests(_display(host, endpoint), *resting))
            while fresh and tried < self._settings.max_addresses:
                visit = _Visit(
                    self._settings,
                    self._dialer,
                    self._clock,
                    destination.route,
                    host,
                    self._random,
                    self._tokens,
                )
                result = await visit.open(fresh, require_tls=require_tls)
                if isinstance(result, Session):
                    self._memory.worked(result.host)
                    return result
                troubles.append(result)
                reached = fresh if visit.endpoint is None else [visit.endpoint]
                tried += len(reached)
                # What only this message demands says nothing about the host: other mail need not wait.
                if not (require_tls and result.stage is Stage.TLS):
                    for endpoint in reached:
                        self._memory.failed(
                            _display(host, endpoint), result.detail or str(result.reply or "")
                        )
                fresh = [endpoint for endpoint in fresh if endpoint not in reached]
        if tried == 0 and rest:
            return min(rest, key=lambda trouble: trouble.retry_after or 0.0)
        return _most_telling(troubles)

    async def _endpoints(self, host: MailHost, route: Route) -> list[Endpoint] | Trouble:
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


class _Visit:
    """One host: straight through the set-up of a session.  `endpoint` is the address that answered."""

    def __init__(
        self, settings: DeliverySettings, dialer: Dialer, clock: Clock, route: Route, host: MailHost,
        random: RandomBytes, tokens: TokenSource | None = None,
    ) -> None:  # fmt: skip
        self._tokens = tokens
        self.endpoint: Endpoint | None = None
        self._settings = settings
        self._times = settings.timeouts
        self._dialer = dialer
        self._clock = clock
        self._route = route
        self._hop = route.next_hop or _NO_HOP
        self._host = host
        self._random = random
        self._display = host.name
        self._stage = Stage.CONNECT
        self._handshake_failed = False

    async def open(self, endpoints: list[Endpoint], *, require_tls: bool) -> Session | Trouble:
        level = TlsLevel.REQUIRE if require_tls else self._level()
        result = await self._open(endpoints, level)
        if not isinstance(result, Trouble) or self._stage is not Stage.TLS or self.endpoint is None:
            return result
        if level is not TlsLevel.OPPORTUNISTIC or not self._may_fall_back() or not self._handshake_failed:
            return result
        # RFC 7435: some protection where possible, none rather than no mail.  The outcome says so.
        second = await self._open([self.endpoint], TlsLevel.NONE)
        if isinstance(second, Trouble):
            return replace(second, plaintext_fallback=True)
        second.fallback = True
        return second

    def _level(self) -> TlsLevel:
        return self._hop.tls if self._route.next_hop is not None else self._route.tls

    def _may_fall_back(self) -> bool:
        return self._settings.plaintext_fallback and not self._hop.username and not self._hop.implicit_tls

    async def _open(self, endpoints: list[Endpoint], level: TlsLevel) -> Session | Trouble:
        self._stage = Stage.CONNECT
        self._handshake_failed = False
        self._display = _display(self._host, endpoints[0])
        stream: Stream | None = None
        try:
            stream = await self._dialer.connect(endpoints, self._times.connect)
            self.endpoint = next((e for e in endpoints if e == stream.peer), endpoints[0])
            self._display = _display(self._host, self.endpoint)
            client = Client(self._settings.hello_name, lmtp=self._hop.lmtp)
            session = Session(stream, client, self._display, self._clock)
            trouble = await self._set_up(session, level)
        except NetError as error:
            trouble = net_trouble(error, self._stage, self._display)
        except BaseException:
            if stream is not None:
                stream.abort()
            raise
        if trouble is None:
            return session
        if stream is not None:
            stream.abort()
        return trouble

    async def _set_up(self, session: Session, level: TlsLevel) -> Trouble | None:
        if self._hop.implicit_tls:
            trouble = await self._handshake(session, level)
            if trouble is not None:
                return trouble
        return (
            await self._banner(session)
            or await self._hello(session)
            or await self._start_tls(session, level)
            or await self._login(session)
        )

    async def _banner(self, session: Session) -> Trouble | None:
        self._stage = Stage.BANNER
        event = await session.event(self._times.banner)
        if isinstance(event, Greeted) and event.reply.klass == 2:
            return None
        return self._unwelcome(session, event)

    async def _hello(self, session: Session) -> Trouble | None:
        self._stage = Stage.HELO
        session.client.hello()
        event = await session.event(self._times.hello)
        if isinstance(event, HelloAnswered) and event.reply.klass == 2:
            session.offer = read_offer(event.extensions)
            return None
        return self._unwelcome(session, event)

    async def _start_tls(self, session: Session, level: TlsLevel) -> Trouble | None:
        extensions = session.client.extensions
        if level is TlsLevel.NONE or session.tls is not None:
            return None
        self._stage = Stage.TLS
        if extensions is None or "STARTTLS" not in extensions:
            if level is TlsLevel.REQUIRE:
                return self._trouble(
                    Cause.TLS_REQUIRED, "the server offers no TLS, which this mail needs (4.7.10)"
                )
            return None
        session.client.start_tls_command()
        event = await session.event(self._times.hello)
        if isinstance(event, PeerBroke):
            return broken(event, Stage.TLS, self._display)
        if not isinstance(event, TlsAnswered) or event.reply.klass != 2:
            if isinstance(event, TlsAnswered) and level is TlsLevel.OPPORTUNISTIC and self._may_fall_back():
                session.fallback = True
                return None
            trouble = self._unwelcome(session, event)
            return replace(
                trouble, cause=Cause.TLS_REQUIRED if level is TlsLevel.REQUIRE else Cause.TLS_FAILED
            )
        trouble_or_none = await self._handshake(session, level)
        if trouble_or_none is not None:
            return trouble_or_none
        session.client.tls_started()
        return await self._hello(session)

    async def _handshake(self, session: Session, level: TlsLevel) -> Trouble | None:
        self._stage = Stage.TLS
        name = self._host.name or "localhost"
        verify = level is TlsLevel.REQUIRE
        try:
            facts = await self._dialer.start_tls(session.stream, name, verify=verify, timeout=self._times.tls)
        except Untrusted as error:
            return self._trouble(
                Cause.TLS_UNTRUSTED, f"the server did not prove that it is {name}: {error} (4.7.5)"
            )
        except NetError as error:
            self._handshake_failed = True
            return self._trouble(Cause.TLS_FAILED, f"the TLS handshake failed: {error} (4.7.0)")
        if verify and facts.verified is None:
            why = facts.why_not or "its certificate proves nothing"
            trouble = self._trouble(
                Cause.TLS_UNTRUSTED, f"the server did not prove that it is {name}: {why} (4.7.5)"
            )
            return replace(trouble, tls=facts)
        return None

    async def _login(self, session: Session) -> Trouble | None:
        hop = self._hop
        if not hop.username:
            return None
        self._stage = Stage.AUTH
        chosen_plain = hop.tls is TlsLevel.NONE and hop.tls_chosen
        if session.tls is None and not chosen_plain and not _is_loopback(session.stream.peer):
            return self._trouble(Cause.TLS_REQUIRED, "a password is not sent without TLS (4.7.11)")
        if hop.oauth is not None:
            said = await log_in(session, hop, hop.oauth, self._tokens, self._times.auth)
            if isinstance(said, str):
                return self._trouble(Cause.AUTH_FAILED, said)
            done = isinstance(said, AuthDone) and said.reply.klass == 2
            return None if done else self._unwelcome(session, said)
        extensions = session.client.extensions
        offered = extensions.keywords.get("AUTH", ()) if extensions is not None else ()
        mechanism = choose(offered, hop.username, hop.password, random=self._random)
        if mechanism is None:
            what = ", ".join(offered) or "none"
            return self._trouble(
                Cause.AUTH_FAILED, f"the server offers no way to log in that we know: {what} (4.7.9)"
            )
        session.client.auth(mechanism.name, mechanism.start())
        try:
            while True:
                event = await session.event(self._times.auth)
                if isinstance(event, AuthChallenged):
                    session.client.auth_response(mechanism.answer(event.data))
                elif isinstance(event, AuthDone) and event.reply.klass == 2:
                    if not mechanism.satisfied:
                        raise ServerUnproven("the server did not prove that it knows the password")
                    return None
                else:
                    return self._unwelcome(session, event)
        except ServerUnproven as error:
            return self._trouble(Cause.AUTH_FAILED, str(error))

    def _unwelcome(self, session: Session, event: object) -> Trouble:
        if isinstance(event, PeerBroke):
            return broken(event, self._stage, self._display, session.tls)
        if isinstance(event, Greeted | HelloAnswered | TlsAnswered | AuthDone):
            return refusal(event.reply, self._stage, self._display, session.tls)
        return self._trouble(Cause.PROTOCOL_ERROR, f"unexpected {type(event).__name__} from the server")

    def _trouble(self, cause: Cause, detail: str) -> Trouble:
        return Trouble(stage=self._stage, cause=cause, host=self._display, detail=detail)


def _display(host: MailHost, endpoint: Endpoint) -> str:
    if endpoint.port == 0:
        return f"unix:{endpoint.host}"
    return f"{host.name or endpoint.host}[{endpoint.host}]:{endpoint.port}"


def _is_loopback(peer: Endpoint) -> bool:
    return peer.port == 0 or ipaddress.ip_address(peer.host).is_loopback  # port 0: a unix socket


def _rests(name: str, left: float, text: str) -> Trouble:
    return Trouble(
        stage=Stage.CONNECT,
        cause=Cause.UNREACHABLE,
        host=name,
        detail=f"not tried: it failed a moment ago ({text})",
        retry_after=left,
    )


def _most_telling(troubles: list[Trouble]) -> Trouble:
    """Return the trouble that says most: a peer's words before our own, what may pass before what is final."""
    if not troubles:
        return Trouble(stage=Stage.PLAN, cause=Cause.UNREACHABLE, detail="no host could be tried")
    return max(
        reversed(troubles),
        key=lambda t: (t.kind is OutcomeKind.DEFERRED, t.reply is not None, t.cause is not Cause.DNS_FAILURE),
    )
