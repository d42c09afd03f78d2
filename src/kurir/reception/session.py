"""One connection, read from top to bottom: what the client says is an event, what we decide is a reply.

The loop takes events until there are none, writes the replies of the batch in one go, and reads on.
Only what really waits (the brain, a hash, the next hop, the disk, the network) is awaited.  A deadline
belongs to a whole record (a command, a body), not to a read, so that a client that trickles one octet at a
time gains nothing (slowloris); a body earns time by its size.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from kurir.identity import Account, is_within, plain_address
from kurir.identity.sasl import Challenge
from kurir.model import Cause, ObservationKind, Origin, Reply
from kurir.net.ports import NetError
from kurir.smtp import events as e
from kurir.smtp.server import Server

from . import replies
from .authentication import Exchange, LoggedIn
from .desk import Desk
from .intake import Intake, Sender
from .observations import Notebook, verb
from .ports import ServerStream
from .relay import Client, standing
from .settings import ListenerSettings, Role
from .submission import owns_reverse_path
from .transaction import Transaction, from_next_hop


class Session:
    """One connection at one door.  `run` returns when it is over; `stop` ends it after what is in flight."""

    __slots__ = (
        "_account",
        "_body_since",
        "_client",
        "_desk",
        "_door",
        "_exchange",
        "_helo",
        "_host",
        "_idle",
        "_intake",
        "_listener",
        "_notebook",
        "_origin",
        "_over",
        "_port",
        "_record_since",
        "_server",
        "_since",
        "_stopping",
        "_stream",
        "_task",
        "_transaction",
    )

    def __init__(self, desk: Desk, listener: ListenerSettings, stream: ServerStream) -> None:
        self._desk = desk
        self._door = desk.door
        self._listener = listener
        self._stream = stream
        peer = stream.peer
        address = plain_address(peer.host)
        self._host = str(address) if address is not None else ""
        self._port = peer.port
        self._server = Server(desk.offer(listener, self._host), tls=stream.tls is not None)
        self._notebook = Notebook(desk.door, listener.name, self._host)
        self._notebook.tls = stream.tls
        self._account: Account | None = None
        self._helo = e.Hello("", extended=False)
        self._client = self._ask_client()
        self._origin: Origin | None = None
        self._exchange: Exchange | None = None
        self._transaction: Transaction | None = None
        self._intake: Intake | None = None
        self._since = self._record_since = self._body_since = desk.clock.monotonic()
        self._over = self._stopping = self._idle = False
        self._task: asyncio.Task[Any] | None = None

    # -- the life of a connection --------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the connection until its end.  Raises only what is a bug (after a 421)."""
        self._task = asyncio.current_task()
        counts = self._desk.counts
        counts.sessions[self._listener.name] += 1
        counts.open += 1
        admitted = ""
        try:
            refusal = (await self._door.admit(self._host, self._listener.name)).refusal
            if refusal is None:
                admitted = self._listener.name
            await self._greet(refusal)
            await self._converse()
        except NetError as error:
            self._note(ObservationKind.DROPPED_CONNECTION, cause=_CAUSES.get(error.kind), detail=str(error))
        except Exception:
            self._say_goodbye(replies.INTERNAL_ERROR)
            raise
        finally:
            counts.open -= 1
            if self._intake is not None:
                self._intake.discard()
            if admitted:
                self._door.departed(self._host, admitted)
            self._notebook.close(self._desk.clock.now())
            if not self._over:
                self._stream.abort()

    def stop(self) -> None:
        """End the session with 421 as soon as no body is in flight (RFC 5321 section 3.8)."""
        self._stopping = True
        if self._idle and self._intake is None and self._task is not None:
            self._idle = False
            self._task.cancel()

    async def _greet(self, refusal: Reply | None) -> None:
        if refusal is not None:
            self._note(ObservationKind.REFUSED_CONNECTION, reply=refusal)
        if self._stream.buffered:  # talks before the banner: `greet` refuses it
            self._server.receive(await self._stream.read(0))
        self._server.greet(refusal)

    async def _converse(self) -> None:
        server, stream = self._server, self._stream
        write_seconds = self._desk.settings.deadlines.write
        while True:
            event = server.next_event()
            if event is not None:
                waiting = _HANDLERS[type(event)](self, event)
                if waiting is not None:
                    await waiting
                continue
            output = server.take_output()
            if output:
                stream.write(output)
                await stream.drain(write_seconds)
            if self._over:
                await stream.close()
                return
            self._notebook.tell()
            if self._stopping and self._intake is None:
                server.close(replies.SHUTTING_DOWN)
                continue
            await self._read()

    async def _read(self) -> None:
        now = self._desk.clock.monotonic()
        limits = self._desk.settings.deadlines
        if self._intake is None:
            left = min(self._record_since + limits.command, self._since + limits.session) - now
        else:
            earned = self._intake.octets / limits.min_rate
            left = min(self._body_since + limits.data + earned, self._record_since + limits.data) - now
        try:
            if left <= 0:
                raise NetError("timeout", "too slow")
            self._idle = True
            data = await self._stream.read(left)
        except NetError as error:
            if error.kind != "timeout":
                raise
            late = self._intake is None and now + left >= self._since + limits.session
            self._server.close(replies.SESSION_OVER if late else replies.TOO_SLOW)
            return
        except asyncio.CancelledError:
            if not self._stopping or self._idle:
                raise
            assert self._task is not None
            self._task.uncancel()
            self._server.close(replies.SHUTTING_DOWN)
            return
        finally:
            self._idle = False
        self._server.receive(data)

    def _say_goodbye(self, reply: Reply) -> None:
        self._server.close(reply)
        self._stream.write(self._server.take_output())

    # -- small things every command needs ------------------------------------------------------------------

    def _answer(self, reply: Reply) -> None:
        self._desk.counts.replies[reply.code // 100] += 1
        self._record_since = self._desk.clock.monotonic()
        self._server.reply(reply)

    def _note(self, kind: ObservationKind, **facts: Any) -> None:
        self._notebook.note(kind, self._desk.clock.now(), **facts)

    def _ask_client(self) -> Client:
        trusted = is_within(self._host, self._desk.settings.trusted)
        return Client(self._listener.role, self._account.name if self._account else None, trusted)

    def _who_changed(self) -> None:
        self._client = self._ask_client()
        self._origin = None

    def _current_origin(self) -> Origin:
        if self._origin is None:
            self._origin = Origin(
                protocol=protocol_word(
                    lmtp=self._listener.role is Role.LMTP,
                    extended=self._helo.extended,
                    tls=self._stream.tls is not None,
                    auth=self._account is not None,
                ),
                listener=self._listener.name,
                client=self._host,
                port=self._port,
                helo=self._helo.name,
                account=self._account.name if self._account else None,
                tls=self._stream.tls,
            )
        return self._origin

    # -- commands ------------------------------------------------------------------------------------------

    def _hello(self, event: e.Hello) -> None:
        self._helo = event
        self._notebook.helo = event.name
        self._origin = None
        self._desk.counts.replies[2] += 1
        self._record_since = self._desk.clock.monotonic()
        self._server.accept_hello()

    async def _start_tls(self, _: e.StartTls) -> None:
        tls, stream = self._desk.tls, self._stream
        if tls is None:
            self._answer(replies.TLS_UNAVAILABLE)
            return
        self._answer(replies.READY_FOR_TLS)
        output = self._server.take_output()
        stream.write(output)
        if not output.startswith(b"220"):
            return  # octets behind STARTTLS: the server refused, `Closing` follows
        try:
            await stream.upgrade_server(tls, timeout=self._desk.settings.deadlines.handshake)
        except NetError as error:
            self._note(ObservationKind.TLS_FAILED, cause=Cause.TLS_FAILED, detail=str(error))
            raise
        self._server.tls_started()
        self._record_since = self._desk.clock.monotonic()
        self._notebook.tls = stream.tls
        self._helo = e.Hello("", extended=False)
        self._exchange = None
        self._who_changed()

    async def _auth(self, event: e.AuthStarted | e.AuthAnswered) -> None:
        if self._exchange is None:
            plus = "SCRAM-SHA-256-PLUS" in self._listener.mechanisms
            binding = self._stream.channel_binding("tls-server-end-point") if plus else None
            self._exchange = Exchange(self._desk, self._host, binding)
        step = await self._exchange.step(event)
        if isinstance(step, Challenge):
            self._record_since = self._desk.clock.monotonic()
            self._server.challenge(step.data)
        elif isinstance(step, LoggedIn):
            self._account = step.account
            self._who_changed()
            self._note(ObservationKind.LOGIN, account=step.account.name, detail=step.mechanism)
            self._desk.counts.replies[2] += 1
            self._record_since = self._desk.clock.monotonic()
            self._server.auth_succeeded(replies.LOGGED_IN)
        else:
            self._note(ObservationKind.FAILED_LOGIN, reply=step.reply, account=step.name, detail=step.reason)
            self._answer(step.reply)

    async def _mail(self, event: e.MailFrom) -> None:
        refusal = self._refuse_sender(event)
        if refusal is None:
            refusal = await self._door.ready(event.params.size)
        if refusal is not None:
            self._note(
                ObservationKind.REFUSED_SENDER, reply=refusal, sender=_text(event), account=self._name()
            )
            self._answer(refusal)
            return
        self._transaction = Transaction(event, self._client, self._desk.directory, self._desk.settings)
        self._answer(replies.SENDER_OK)

    def _refuse_sender(self, event: e.MailFrom) -> Reply | None:
        if self._listener.require_tls and self._stream.tls is None:
            return replies.TLS_FIRST
        if self._account is None:
            return replies.LOGIN_FIRST if self._listener.role is Role.SUBMISSION else None
        separator = self._desk.directory.settings.separator
        owned = owns_reverse_path(self._account, event.reverse_path, separator)
        return None if owned else replies.NOT_YOUR_SENDER

    def _name(self) -> str:
        return self._account.name if self._account is not None else ""

    def _rcpt(self, event: e.RcptTo) -> Coroutine[Any, Any, None] | None:
        assert self._transaction is not None
        ruling = self._transaction.rule(event.recipient)
        if ruling.ask is not None:
            return self._rcpt_asked(event, ruling.targets)
        if ruling.targets:
            self._transaction.add(event.recipient, ruling.targets)
            self._answer(ruling.reply)
        else:
            self._refuse_recipient(event, ruling.reply)
        return None

    async def _rcpt_asked(self, event: e.RcptTo, targets: tuple[Any, ...]) -> None:
        assert self._transaction is not None
        try:
            async with asyncio.timeout(self._desk.settings.deadlines.verify):
                said = await self._desk.verifier.verify(self._transaction.reverse_path, targets[0].address)
        except TimeoutError:
            said = replies.VERIFY_FAILED
        reply = from_next_hop(said)
        if reply.klass == 2:
            self._transaction.add(event.recipient, targets)
            self._answer(reply)
        else:
            self._refuse_recipient(event, reply)

    def _refuse_recipient(self, event: e.RcptTo, reply: Reply) -> None:
        assert self._transaction is not None
        self._note(
            ObservationKind.REFUSED_RECIPIENT,
            reply=reply,
            sender=str(self._transaction.reverse_path or ""),
            recipient=str(event.recipient.address),
            account=self._name(),
        )
        self._answer(reply)

    # -- the message ---------------------------------------------------------------------------------------

    def _body_started(self, event: e.BodyStarted) -> None:
        assert self._transaction is not None
        insider = standing(self._client).insider
        sender = Sender(self._current_origin(), self._listener.role, self._account, insider)
        self._intake = Intake(self._desk, self._transaction, sender)
        if event.chunking:
            self._server.go_on()
        else:
            self._answer(replies.START_DATA)
        self._body_since = self._record_since = self._desk.clock.monotonic()

    def _body_chunk(self, event: e.BodyChunk) -> Coroutine[Any, Any, None] | None:
        intake = self._intake
        assert intake is not None
        intake.add(event.data)
        self._record_since = self._desk.clock.monotonic()
        return intake.flush() if intake.flush_due else None

    async def _body_ended(self, event: e.BodyEnded) -> None:
        intake, transaction = self._intake, self._transaction
        assert intake is not None
        assert transaction is not None
        if event.problem is not None:
            intake.refuse(event.problem)
            reply = event.problem
        else:
            reply = await intake.accept()
        self._intake = self._transaction = None
        if reply.klass != 2:
            self._note(
                ObservationKind.REFUSED_MESSAGE,
                reply=reply,
                cause=replies.CAUSES.get(reply, Cause.UNKNOWN),
                sender=str(transaction.reverse_path or ""),
                recipient=str(transaction.typed[0]) if transaction.typed else "",
                account=self._name(),
                detail=f"{intake.octets} octets",
            )
        # The server gives an LMTP client one such reply for each recipient (RFC 2033 section 4.2).
        self._answer(reply)

    def _reset(self, _: e.TransactionReset) -> None:
        if self._intake is not None:
            self._intake.discard()
        self._intake = self._transaction = None

    # -- the rest ------------------------------------------------------------------------------------------

    def _verify(self, event: e.Verify) -> None:
        self._answer(replies.EXPN if event.command.upper() == "EXPN" else replies.VRFY)

    async def _xclient(self, event: e.Xclient) -> None:
        """A trusted front server says who the client is (https://www.postfix.org/XCLIENT_README.html)."""
        if not is_within(self._stream.peer.host, self._listener.xclient):
            self._answer(replies.NO_XCLIENT)
            return
        said = {k: v for k, v in event.attributes.items() if v and v.upper() not in _UNKNOWN}
        address = (
            plain_address(said["ADDR"].removeprefix("IPV6:").removeprefix("IPv6:"))
            if "ADDR" in said
            else None
        )
        if ("ADDR" in said and address is None) or not said.get("PORT", "0").isdecimal():
            self._answer(replies.BAD_XCLIENT)
            return
        if address is not None and str(address) != self._host:
            refusal = (await self._door.admit(str(address), self._listener.name)).refusal
            if refusal is not None:
                self._note(ObservationKind.REFUSED_CONNECTION, reply=refusal)
                self._server.close(refusal)
                return
            self._door.departed(self._host, self._listener.name)
            self._host = self._notebook.client = str(address)
        self._port = int(said.get("PORT", "0")[:5]) or self._port
        if "LOGIN" in event.attributes:
            self._account = self._desk.directory.account(said.get("LOGIN", ""))
        self._helo = e.Hello(said.get("HELO", ""), extended=True)
        self._transaction = None
        self._exchange = None
        self._who_changed()
        self._answer(Reply.of(220, None, f"{self._desk.settings.hostname} ESMTP Kurir"))

    def _rejected(self, event: e.Rejected) -> None:
        self._desk.counts.replies[event.reply.klass] += 1
        self._record_since = self._desk.clock.monotonic()
        self._note(
            ObservationKind.PROTOCOL_ERROR,
            reply=event.reply,
            cause=Cause.PROTOCOL_ERROR,
            detail=verb(event.command),
        )

    def _closing(self, event: e.Closing) -> None:
        self._over = True
        if not event.polite:
            kind = ObservationKind.DROPPED_CONNECTION
            self._note(kind, reply=event.reply, cause=replies.CAUSES.get(event.reply, Cause.CONNECTION_LOST))


_UNKNOWN = frozenset({"[UNAVAILABLE]", "[TEMPUNAVAIL]"})
_CAUSES = {"timeout": Cause.TIMEOUT, "lost": Cause.CONNECTION_LOST, "tls": Cause.TLS_FAILED}

_HANDLERS: dict[type, Callable[[Session, Any], Coroutine[Any, Any, None] | None]] = {
    e.Hello: Session._hello,
    e.StartTls: Session._start_tls,
    e.AuthStarted: Session._auth,
    e.AuthAnswered: Session._auth,
    e.MailFrom: Session._mail,
    e.RcptTo: Session._rcpt,
    e.BodyStarted: Session._body_started,
    e.BodyChunk: Session._body_chunk,
    e.BodyEnded: Session._body_ended,
    e.TransactionReset: Session._reset,
    e.Verify: Session._verify,
    e.Xclient: Session._xclient,
    e.Rejected: Session._rejected,
    e.Closing: Session._closing,
}


def protocol_word(*, lmtp: bool, extended: bool, tls: bool, auth: bool) -> str:
    """Return the keyword for ``with`` in the Received field (RFC 3848): ``SMTP``, ``ESMTPSA``, ``LMTPS``..."""
    if not lmtp and not extended:
        return "SMTP"
    return ("LMTP" if lmtp else "ESMTP") + ("S" if tls else "") + ("A" if auth else "")


def _text(event: e.MailFrom) -> str:
    return str(event.reverse_path or "")
