"""What the client says is an event, what we decide is a reply: the commands, one method each.

A method that needs nobody else's word answers at once and returns None; one that waits (for the brain, a
hash, the next hop, the disk) returns a coroutine for the session to await.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from kurir.identity import Account, is_within, plain_address
from kurir.identity.sasl import Challenge
from kurir.model import Cause, ObservationKind, Origin, Recipient, Reply
from kurir.net.ports import NetError
from kurir.senderauth.screening import Screener
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

Waiting = Coroutine[Any, Any, None]
_NOBODY = e.Hello("", extended=False)


class Dialogue:
    """The state of one conversation: who the client is, and the message under way.

    `intake` is the body in flight; `over` is set with the last event.
    """

    __slots__ = (
        "_account",
        "_admitted",
        "_client",
        "_desk",
        "_door",
        "_exchange",
        "_helo",
        "_host",
        "_notebook",
        "_origin",
        "_port",
        "_screener",
        "_server",
        "_stream",
        "_transaction",
        "intake",
        "listener",
        "over",
    )

    def __init__(
        self,
        desk: Desk,
        listener: ListenerSettings,
        stream: ServerStream,
        server: Server,
        notebook: Notebook,
        host: str,
    ) -> None:
        self._desk = desk
        self._door = desk.door
        self._stream = stream
        self._server = server
        self._notebook = notebook
        self._host = host
        self._port = stream.peer.port
        self._account: Account | None = None
        self._helo = _NOBODY
        self._origin: Origin | None = None
        self._exchange: Exchange | None = None
        self._transaction: Transaction | None = None
        self._admitted: str | None = None
        self.listener = listener
        self.intake: Intake | None = None
        self.over = False
        self._client = self._ask_client()
        self._screener = self._ask_screener()

    def answer(self, event: e.ServerEvent) -> Waiting | None:
        """Decide an event; what is returned must be awaited."""
        return self._HANDLERS[type(event)](self, event)

    async def admit(self) -> Reply | None:
        """Ask the brain whether the client is welcome; return the refusal."""
        refusal = (await self._door.admit(self._host, self.listener.name)).refusal
        if refusal is None:
            self._admitted = self._host
        else:
            self._notebook.note(
                ObservationKind.REFUSED_CONNECTION, reply=refusal, cause=replies.cause_of_brake(refusal)
            )
        return refusal

    def end(self) -> None:
        """The connection is gone: drop what is under way, tell the brain."""
        if self.intake is not None:
            self.intake.discard()
            self.intake = None
        if self._admitted is not None:
            self._door.departed(self._admitted, self.listener.name)
            self._admitted = None

    # -- small things every command needs ------------------------------------------------------------------

    def _answer(self, reply: Reply) -> None:
        self._desk.counts.replies[reply.code // 100] += 1
        self._server.reply(reply)

    def _ask_client(self) -> Client:
        trusted = is_within(self._host, self._desk.settings.trusted)
        return Client(self.listener.role, self._account.name if self._account else None, trusted)

    def _ask_screener(self) -> Screener | None:
        """Who checks what this client sends: nobody where it is one of ours, or exempt."""
        stranger = self.listener.role is Role.MX and not standing(self._client).insider
        exempt = self._desk.screener is None or is_within(self._host, self._desk.settings.unscreened)
        return self._desk.screener if stranger and not exempt else None

    def _who_changed(self) -> None:
        self._client = self._ask_client()
        self._screener = self._ask_screener()
        self._origin = None

    def _current_origin(self) -> Origin:
        if self._origin is None:
            self._origin = Origin(
                protocol=protocol_word(
                    lmtp=self.listener.role is Role.LMTP,
                    extended=self._helo.extended,
                    tls=self._stream.tls is not None,
                    auth=self._account is not None,
                ),
                listener=self.listener.name,
                client=self._host,
                port=self._port,
                helo=self._helo.name,
                account=self._account.name if self._account else None,
                tls=self._stream.tls,
                ours=standing(self._client).insider,
            )
        return self._origin

    # -- commands ------------------------------------------------------------------------------------------

    def _hello(self, event: e.Hello) -> None:
        self._helo = event
        self._notebook.helo = event.name
        self._origin = None
        self._desk.counts.replies[2] += 1
        self._server.accept_hello()

    async def _start_tls(self, _: e.StartTls) -> None:
        tls, stream = self._desk.tls_of(self.listener), self._stream
        if tls is None:
            self._answer(replies.TLS_UNAVAILABLE)
            return
        talks_early = self._server.buffered > 0  # the server refuses that by itself; `Closing` follows
        self._answer(replies.READY_FOR_TLS)
        if talks_early:
            return
        stream.write(self._server.take_output())
        try:
            await stream.upgrade_server(tls, timeout=self._desk.settings.deadlines.handshake)
        except NetError as error:
            self._notebook.note(ObservationKind.TLS_FAILED, cause=Cause.TLS_FAILED, detail=str(error))
            raise
        shown = self.listener.client_certificates and stream.client_certificate is not None
        self._server.tls_started(
            self._desk.offer(self.listener, self._host, external=True) if shown else None
        )
        self._notebook.tls = stream.tls
        self._helo = _NOBODY
        self._exchange = None
        self._who_changed()

    async def _auth(self, event: e.AuthStarted | e.AuthAnswered) -> None:
        if self._exchange is None:
            plus = "SCRAM-SHA-256-PLUS" in self.listener.mechanisms
            binding = self._stream.channel_binding("tls-server-end-point") if plus else None
            shown = self._stream.client_certificate if self.listener.client_certificates else None
            self._exchange = Exchange(self._desk, self._host, binding, shown)
        step = await self._exchange.step(event)
        if isinstance(step, Challenge):
            self._server.challenge(step.data)
        elif isinstance(step, LoggedIn):
            self._account = step.account
            self._who_changed()
            self._notebook.note(ObservationKind.LOGIN, account=step.account.name, detail=step.how)
            self._desk.counts.replies[2] += 1
            more = self._desk.offer(self.listener, self._host, urgent=True) if step.account.urgent else None
            self._server.auth_succeeded(replies.LOGGED_IN, more)
        else:
            self._notebook.note(
                ObservationKind.FAILED_LOGIN, reply=step.reply, account=step.name, detail=step.reason
            )
            self._answer(step.reply)

    def _mail(self, event: e.MailFrom) -> Waiting | None:
        said = self._refuse_sender(event) or self._door.ready(event.params.size, self._stranger())
        if said is None or isinstance(said, Reply):
            self._mail_ruled(event, said)
            return None
        return self._mail_asked(event, said)

    async def _mail_asked(self, event: e.MailFrom, ready: Coroutine[Any, Any, Reply | None]) -> None:
        self._mail_ruled(event, await ready)

    def _mail_ruled(self, event: e.MailFrom, refusal: Reply | None) -> None:
        if refusal is not None:
            self._notebook.note(
                ObservationKind.REFUSED_SENDER,
                reply=refusal,
                cause=replies.cause_of_brake(refusal),
                sender=_text(event),
                account=self._name(),
            )
            self._answer(refusal)
            return
        desk = self._desk
        self._transaction = Transaction(
            event,
            self._client,
            desk.directory,
            desk.settings,
            roads=desk.roads,
            here=literal_of(self._stream.local.host),
            srs=desk.srs,
            clock=desk.clock,
            barred=desk.barred,
        )
        self._answer(replies.SENDER_OK)

    def _stranger(self) -> str:
        """Return whose messages are counted: the client's address, where it came from the world and did not log in."""
        return self._host if self._account is None and self.listener.role is Role.MX else ""

    def _refuse_sender(self, event: e.MailFrom) -> Reply | None:
        if self.listener.require_tls and self._stream.tls is None:
            return replies.TLS_FIRST
        if self._account is None:
            return replies.LOGIN_FIRST if self.listener.role is Role.SUBMISSION else None
        separator = self._desk.directory.settings.separator
        owned = owns_reverse_path(self._account, event.reverse_path, separator)
        return None if owned else replies.NOT_YOUR_SENDER

    def _name(self) -> str:
        return self._account.name if self._account is not None else ""

    def _rcpt(self, event: e.RcptTo) -> Waiting | None:
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

    async def _rcpt_asked(self, event: e.RcptTo, targets: tuple[Recipient, ...]) -> None:
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
        self._notebook.note(
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
        sender = Sender(
            self._current_origin(),
            self.listener.role,
            self._account,
            insider,
            self._screener,
            self.listener.urgent,
        )
        self.intake = Intake(self._desk, self._transaction, sender)
        if event.chunking:
            self._server.go_on()
        else:
            self._answer(replies.START_DATA)

    def _body_chunk(self, event: e.BodyChunk) -> Waiting | None:
        intake = self.intake
        assert intake is not None
        intake.add(event.data)
        return intake.flush() if intake.flush_due else None

    async def _body_ended(self, event: e.BodyEnded) -> None:
        intake, transaction = self.intake, self._transaction
        assert intake is not None
        assert transaction is not None
        if event.problem is not None:
            intake.refuse(event.problem)
            reply = event.problem
        else:
            reply = await intake.accept()
        self.intake = self._transaction = None
        if reply.klass != 2:
            self._notebook.note(
                ObservationKind.REFUSED_MESSAGE,
                reply=reply,
                cause=replies.cause_of(reply) or intake.cause or Cause.UNKNOWN,
                sender=intake.claimed or str(transaction.reverse_path or ""),
                recipient=str(transaction.typed[0]) if transaction.typed else "",
                account=self._name(),
                detail=intake.detail or (f"{intake.octets} octets" if intake.octets else ""),
            )
        # The server gives an LMTP client one such reply for each recipient (RFC 2033 section 4.2).
        self._answer(reply)

    def _reset(self, _: e.TransactionReset) -> None:
        if self.intake is not None:
            self.intake.discard()
        self.intake = self._transaction = None

    # -- the rest ------------------------------------------------------------------------------------------

    def _verify(self, event: e.Verify) -> None:
        self._answer(replies.EXPN if event.command.upper() == "EXPN" else replies.VRFY)

    async def _xclient(self, event: e.Xclient) -> None:
        """A trusted front server says who the client is (https://www.postfix.org/XCLIENT_README.html)."""
        if not is_within(self._stream.peer.host, self.listener.xclient):
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
            self.end()
            self._host = self._notebook.client = str(address)
            refusal = await self.admit()
            if refusal is not None:
                self._server.close(refusal)
                return
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
        self._notebook.note(
            ObservationKind.PROTOCOL_ERROR,
            reply=event.reply,
            cause=Cause.PROTOCOL_ERROR,
            detail=verb(event.command),
        )

    def _closing(self, event: e.Closing) -> None:
        self.over = True
        if not event.polite:
            kind = ObservationKind.DROPPED_CONNECTION
            self._notebook.note(
                kind, reply=event.reply, cause=replies.CAUSES.get(event.reply, Cause.CONNECTION_LOST)
            )

    _HANDLERS: ClassVar[dict[type, Callable[[Any, Any], Waiting | None]]] = {
        e.Hello: _hello,
        e.StartTls: _start_tls,
        e.AuthStarted: _auth,
        e.AuthAnswered: _auth,
        e.MailFrom: _mail,
        e.RcptTo: _rcpt,
        e.BodyStarted: _body_started,
        e.BodyChunk: _body_chunk,
        e.BodyEnded: _body_ended,
        e.TransactionReset: _reset,
        e.Verify: _verify,
        e.Xclient: _xclient,
        e.Rejected: _rejected,
        e.Closing: _closing,
    }


_UNKNOWN = frozenset({"[UNAVAILABLE]", "[TEMPUNAVAIL]"})


def protocol_word(*, lmtp: bool, extended: bool, tls: bool, auth: bool) -> str:
    """Return the keyword for ``with`` in the Received field (RFC 3848): ``SMTP``, ``ESMTPSA``, ``LMTPS``..."""
    if not lmtp and not extended:
        return "SMTP"
    return ("LMTP" if lmtp else "ESMTP") + ("S" if tls else "") + ("A" if auth else "")


def literal_of(host: str) -> str:
    """Return an IP address as the domain of a mailbox (RFC 5321 section 4.1.3); "" for a unix socket."""
    address = plain_address(host)
    if address is None:
        return ""
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address.compressed}]"


def _text(event: e.MailFrom) -> str:
    return str(event.reverse_path or "")
