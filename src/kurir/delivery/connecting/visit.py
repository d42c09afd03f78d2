"""One visit to one host: banner, EHLO, TLS as the policy demands, login (RFC 4954, RFC 5929).

A password or a message that demands TLS never goes on in the clear.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import msgspec

from kurir.delivery.mx import MailHost
from kurir.delivery.oauth import TokenSource
from kurir.delivery.ports import Dialer, Untrusted
from kurir.delivery.settings import DeliverySettings, NextHop, Route, RouteKind, TlsLevel
from kurir.delivery.tlspolicy import Demand, Need, Reason, SessionEnd
from kurir.identity import RandomBytes
from kurir.identity.sasl.client import ServerUnproven, choose
from kurir.model import Cause, Clock, Stage
from kurir.net.ports import Endpoint, NetError, Stream
from kurir.net.tlsa import match
from kurir.smtp.client import AuthChallenged, AuthDone, Client, Greeted, HelloAnswered, PeerBroke, TlsAnswered

from .session import Session, Trouble, broken, net_trouble, read_offer, refusal
from .token_login import log_in

_NO_HOP = NextHop()
# Result types of RFC 8460 section 4.3
_NOT_SUPPORTED = "starttls-not-supported"
_BROKEN = "validation-failure"
NO_TLS = "the server offers no TLS"
# Who demands encryption, for the detail of an attempt that met none.
_WHO_DEMANDS = MappingProxyType(
    {
        Reason.RULE: "the operator of this server demands",
        Reason.DANE: "the recipient's domain demands in signed DNS (DANE)",
        Reason.DANE_UNUSABLE: "the recipient's domain demands in signed DNS (DANE)",
        Reason.STS: "the recipient's domain demands in its published policy (MTA-STS)",
        Reason.REQUIRETLS: "the sender demands",
        Reason.SEALED: "the sender demands",
    }
)


class Visit:
    """One host: straight through the set-up of a session.

    `endpoint` is the address that answered.  `lost` says that encryption itself was not to be had, `weak` why a
    session went on in the clear.
    """

    def __init__(
        self, settings: DeliverySettings, dialer: Dialer, clock: Clock, route: Route, host: MailHost,
        random: RandomBytes, demand: Demand, tokens: TokenSource | None = None,
    ) -> None:  # fmt: skip
        self._tokens = tokens
        self.endpoint: Endpoint | None = None
        self.lost = False
        self.weak = SessionEnd()
        self._demand = demand
        self._settings = settings
        self._times = settings.timeouts
        self._dialer = dialer
        self._clock = clock
        self._route = route
        self._hop = route.next_hop or _NO_HOP
        self._host = host
        self._random = random
        self._display = host.name
        self._inside = route.kind is RouteKind.SANDBOX and bool(self._hop.path)
        self._stage = Stage.CONNECT
        self._handshake_failed = False

    async def open(self, endpoints: list[Endpoint]) -> Session | Trouble:
        """Return a session that meets the demand, or why there is none."""
        demand = self._demand
        result = await self._open(endpoints, demand.need)
        if not isinstance(result, Trouble) or self._stage is not Stage.TLS or self.endpoint is None:
            return result
        if demand.need is not Need.OPPORTUNISTIC or not self._handshake_failed:
            return result
        if not demand.clear:
            return replace(result, cause=Cause.TLS_LOST)
        if not self._may_fall_back():
            return result
        # RFC 7435: some protection where possible, none rather than no mail.  The outcome says so.
        second = await self._open([self.endpoint], Need.NONE)
        if isinstance(second, Trouble):
            return replace(second, plaintext_fallback=True)
        second.fallback = True
        return second

    def _may_fall_back(self) -> bool:
        return (
            self._demand.clear
            and self._settings.plaintext_fallback
            and not self._hop.username
            and not self._hop.implicit_tls
        )

    async def _open(self, endpoints: list[Endpoint], need: Need) -> Session | Trouble:
        self._stage = Stage.CONNECT
        self._handshake_failed = False
        self._display = display(self._host, endpoints[0])
        stream: Stream | None = None
        try:
            source = self._route.source
            stream = await self._dialer.connect(endpoints, self._times.connect, source=source)
            self.endpoint = next((e for e in endpoints if e == stream.peer), endpoints[0])
            self._display = display(self._host, self.endpoint)
            client = Client(self._settings.hello_name, lmtp=self._hop.lmtp)
            session = Session(stream, client, self._display, self._clock)
            session.mail_host = self._host.name
            session.inside = self._inside
            trouble = await self._set_up(session, need)
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

    async def _set_up(self, session: Session, need: Need) -> Trouble | None:
        if self._hop.implicit_tls:
            trouble = await self._handshake(session)
            if trouble is not None:
                return trouble
        return (
            await self._banner(session)
            or await self._hello(session)
            or await self._start_tls(session, need)
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

    async def _start_tls(self, session: Session, need: Need) -> Trouble | None:
        extensions = session.client.extensions
        if need is Need.NONE or session.tls is not None:
            return None
        self._stage = Stage.TLS
        if extensions is None or "STARTTLS" not in extensions:
            return self._no_encryption(session, NO_TLS)
        session.client.start_tls_command()
        event = await session.event(self._times.hello)
        if isinstance(event, PeerBroke):
            return broken(event, Stage.TLS, self._display)
        if not isinstance(event, TlsAnswered) or event.reply.klass != 2:
            if isinstance(event, TlsAnswered) and not self._demand.strict:
                if self._may_fall_back():
                    session.fallback = True
                    return self._no_encryption(session, f"the server refuses STARTTLS: {event.reply}")
                self.lost = True
            cause = Cause.TLS_REQUIRED if self._demand.strict else Cause.TLS_FAILED
            if not self._demand.strict and not self._demand.clear:
                cause = Cause.TLS_LOST
            return replace(self._unwelcome(session, event), cause=cause, tls_result=_NOT_SUPPORTED)
        trouble = await self._handshake(session)
        if trouble is not None:
            return trouble
        session.client.tls_started()
        return await self._hello(session)

    def _no_encryption(self, session: Session, why: str) -> Trouble | None:
        """TLS is not to be had: go on in the clear where that is allowed, else say what that means."""
        self.lost = True
        self.weak = SessionEnd(_NOT_SUPPORTED, why)
        if self._demand.strict:
            who = _WHO_DEMANDS.get(self._demand.reason, "this mail needs")
            return self._trouble(Cause.TLS_REQUIRED, f"{why}, which {who} (4.7.10)", _NOT_SUPPORTED)
        if not self._demand.clear:
            return self._trouble(
                Cause.TLS_LOST, f"{why}, although it has done so before (4.7.10)", _NOT_SUPPORTED
            )
        return None

    async def _handshake(self, session: Session) -> Trouble | None:
        self._stage = Stage.TLS
        demand = self._demand
        name = demand.names[0] if demand.need is Need.DANE else self._host.name or "localhost"
        # A door of our own is known by its path; its certificate is made for other names.
        verify = demand.need is Need.NAME and not self._inside
        try:
            facts = await self._dialer.start_tls(session.stream, name, verify=verify, timeout=self._times.tls)
        except Untrusted as error:
            return self._unproven(name, str(error), error.result)
        except NetError as error:
            self._handshake_failed = self.lost = True
            self.weak = SessionEnd(_BROKEN, str(error))
            why = str(error).removeprefix("the TLS handshake failed: ")
            return self._trouble(Cause.TLS_FAILED, f"the TLS handshake failed: {why} (4.7.0)", _BROKEN)
        if demand.need is Need.DANE:
            verdict = match(
                demand.records, self._dialer.chain(session.stream), demand.names, self._clock.now()
            )
            if verdict.why_not is not None:
                result = "certificate-expired" if verdict.expired else "validation-failure"
                trouble = self._unproven(
                    name, verdict.why_not, "certificate-host-mismatch" if verdict.wrong_name else result
                )
                return replace(trouble, tls=facts)
            facts = msgspec.structs.replace(facts, verified="dane", why_not=None)
        elif verify and facts.verified is None:
            trouble = self._unproven(
                name, facts.why_not or "its certificate proves nothing", "certificate-not-trusted"
            )
            return replace(trouble, tls=facts)
        session.proof = msgspec.structs.replace(facts, policy=demand.reason.value)
        return None

    def _unproven(self, name: str, why: str, result: str) -> Trouble:
        return self._trouble(
            Cause.TLS_UNTRUSTED, f"the server did not prove that it is {name}: {why} (4.7.5)", result
        )

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
        binding = session.stream.channel_binding("tls-server-end-point") if session.tls is not None else None
        login = _Login(offered, hop, self._random, binding)
        trouble = await self._authenticate(session, login)
        proven = session.tls is not None and session.tls.verified is not None
        if trouble is not None and login.binding_refused and proven and session.client.idle:
            # It binds by other means than we have (RFC 9266 section 2).  Its certificate is proven, so that there is
            # nobody in between whom the binding would betray: log in without.
            return await self._authenticate(session, _Login(offered, hop, self._random, None))
        return trouble

    async def _authenticate(self, session: Session, login: "_Login") -> Trouble | None:
        mechanism = login.mechanism
        if mechanism is None:
            what = ", ".join(login.offered) or "none"
            return self._trouble(
                Cause.AUTH_FAILED, f"the server offers no way to log in that we know: {what} (4.7.9)"
            )
        session.client.auth(mechanism.name, mechanism.start())
        try:
            while True:
                event = await session.event(self._times.auth)
                if isinstance(event, AuthChallenged):
                    login.challenged = True
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

    def _trouble(self, cause: Cause, detail: str, tls_result: str = "") -> Trouble:
        return Trouble(
            stage=self._stage, cause=cause, host=self._display, detail=detail, tls_result=tls_result
        )


class _Login:
    """One try to log in with the strongest mechanism on offer; `challenged` once the server went along with it."""

    def __init__(
        self, offered: Sequence[str], hop: NextHop, random: RandomBytes, binding: bytes | None
    ) -> None:
        self.offered = offered
        self.mechanism = choose(offered, hop.username, hop.password, random=random, endpoint=binding)
        self.challenged = False

    @property
    def binding_refused(self) -> bool:
        """Whether a bound login ended before it began: not the password was wrong."""
        return self.mechanism is not None and self.mechanism.name.endswith("-PLUS") and not self.challenged


def display(host: MailHost, endpoint: Endpoint) -> str:
    """Return a host and its address as the trace shows them."""
    if endpoint.port == 0:
        return f"unix:{endpoint.host}"
    return f"{host.name or endpoint.host}[{endpoint.host}]:{endpoint.port}"


def _is_loopback(peer: Endpoint) -> bool:
    return peer.port == 0 or ipaddress.ip_address(peer.host).is_loopback  # port 0: a unix socket
