"""What the client says is an event, what we decide is a reply: the commands, one method each.

A method that needs nobody else's word answers at once and returns None; one that waits (for the brain, a
hash, the next hop, the disk) returns a coroutine for the session to await.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from kurir.identity import is_within, plain_address
from kurir.identity.sasl import Challenge
from kurir.model import Cause, ObservationKind, Recipient, Reply
from kurir.net.ports import NetError
from kurir.smtp import events as e
from kurir.smtp.server import Server

from . import replies
from .authentication import Exchange, LoggedIn
from .desk import Desk
from .intake import Intake, Sender
from .observations import Notebook, verb
from .ports import ServerStream
from .settings import ListenerSettings, Role
from .submission import owns_reverse_path
from .transaction import Transaction, from_next_hop, outgrown
from .visitor import Visitor
from .xclient import introduction

Waiting = Coroutine[Any, Any, None]


class Dialogue:
    """The state of one conversation: the client (`visitor`), and the message under way.

    `intake` is the body in flight; `over` is set with the last event.
    """

    __slots__ = (
        "_admitted",
        "_desk",
        "_door",
        "_exchange",
        "_notebook",
        "_server",
        "_stream",
        "_transaction",
        "_visitor",
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
        self._visitor = Visitor(desk, listener, stream, host)
        self._exchange: Exchange | None = None
        self._transaction: Transaction | None = None
        self._admitted: str | None = None
        self.listener = listener
        self.intake: Intake | None = None
        self.over = False

    def answer(self, event: e.ServerEvent) -> Waiting | None:
        """Decide an event; what is returned must be awaited."""
        return self._HANDLERS[type(event)](self, event)

    async def admit(self) -> Reply | None:
        """Ask the brain whether the client is welcome; return the refusal."""
        host = self._visitor.host
        refusal = (await self._door.admit(host, self.listener.name)).refusal
        if refusal is None:
            self._admitted = host
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

    def _answer(self, reply: Reply) -> None:
        self._desk.counts.replies[reply.code // 100] += 1
        self._server.reply(reply)

    # -- who it is -----------------------------------------------------------------------------------------

    def _hello(self, event: e.Hello) -> None:
        self._visitor.greeted(event)
        self._notebook.helo = event.name
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
            self._desk.offer(self.listener, self._visitor.host, external=True) if shown else None
        )
        self._notebook.tls = stream.tls
        self._exchange = None
        self._visitor.secured()

    async def _auth(self, event: e.AuthStarted | e.AuthAnswered) -> None:
        if self._exchange is None:
            plus = "SCRAM-SHA-256-PLUS" in self.listener.mechanisms
            binding = self._stream.channel_binding("tls-server-end-point") if plus else None
            shown = self._stream.client_certificate if self.listener.client_certificates else None
            self._exchange = Exchange(self._desk, self._visitor.host, binding, shown)
        step = await self._exchange.step(event)
        if isinstance(step, Challenge):
            self._server.challenge(step.data)
        elif isinstance(step, LoggedIn):
            self._visitor.logged_in(step.account)
            self._notebook.note(ObservationKind.LOGIN, account=step.account.name, detail=step.how)
            self._desk.counts.replies[2] += 1
            more = None
            if step.account.urgent:
                more = self._desk.offer(self.listener, self._visitor.host, urgent=True)
            self._server.auth_succeeded(replies.LOGGED_IN, more)
        else:
            self._notebook.note(
                ObservationKind.FAILED_LOGIN, reply=step.reply, account=step.name, detail=step.reason
            )
            self._answer(step.reply)

    async def _xclient(self, event: e.Xclient) -> None:
        """A trusted front server says who the client is."""
        if not is_within(self._stream.peer.host, self.listener.xclient):
            self._answer(replies.NO_XCLIENT)
            return
        said = introduction(event.attributes)
        if said is None:
            self._answer(replies.BAD_XCLIENT)
            return
        moved = said.host is not None and said.host != self._visitor.host
        if moved:
            self.end()
        self._visitor.introduced(said)
        if moved:
            self._notebook.client = self._visitor.host
            refusal = await self.admit()
            if refusal is not None:
                self._server.close(refusal)
                return
        self._transaction = None
        self._exchange = None
        self._answer(Reply.of(220, None, f"{self._desk.settings.hostname} ESMTP Kurir"))

    # -- the envelope --------------------------------------------------------------------------------------

    def _mail(self, event: e.MailFrom) -> Waiting | None:
        said = self._refuse_sender(event) or self._door.ready(event.params.size, self._visitor.stranger)
        small = (event.params.size or 0) <= self._desk.roads.least
        if isinstance(said, Reply) or (said is None and (small or not self._visitor.insider)):
            self._mail_ruled(event, said)
            return None
        return self._mail_asked(event, said)

    async def _mail_asked(self, event: e.MailFrom, ready: Coroutine[Any, Any, Reply | None] | None) -> None:
        refusal = await ready if ready is not None else None
        if refusal is None and self._visitor.insider:
            refusal = await outgrown(self._desk.roads, event.reverse_path, event.params.size or 0)
        self._mail_ruled(event, refusal)

    def _mail_ruled(self, event: e.MailFrom, refusal: Reply | None) -> None:
        if refusal is not None:
            self._notebook.note(
                ObservationKind.REFUSED_SENDER,
                reply=refusal,
                cause=replies.cause_of_brake(refusal),
                sender=str(event.reverse_path or ""),
                account=self._visitor.name,
            )
            self._answer(refusal)
            return
        desk = self._desk
        self._transaction = Transaction(
            event,
            self._visitor.client,
            desk.directory,
            desk.settings,
            roads=desk.roads,
            here=literal_of(self._stream.local.host),
            srs=desk.srs,
            clock=desk.clock,
            barred=desk.barred,
        )
        self._answer(replies.SENDER_OK)

    def _refuse_sender(self, event: e.MailFrom) -> Reply | None:
        if self.listener.require_tls and self._stream.tls is None:
            return replies.TLS_FIRST
        account = self._visitor.account
        if account is None:
            return replies.LOGIN_FIRST if self.listener.role is Role.SUBMISSION else None
        separator = self._desk.directory.settings.separator
        owned = owns_reverse_path(account, event.reverse_path, separator)
        return None if owned else replies.NOT_YOUR_SENDER

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
            account=self._visitor.name,
        )
        self._answer(reply)

    # -- the message ---------------------------------------------------------------------------------------

    def _body_started(self, event: e.BodyStarted) -> None:
        assert self._transaction is not None
        visitor = self._visitor
        sender = Sender(
            visitor.origin,
            self.listener.role,
            visitor.account,
            visitor.insider,
            visitor.screener,
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
                account=self._visitor.name,
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
                kind, reply=event.reply, cause=replies.cause_of(event.reply) or Cause.CONNECTION_LOST
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


def literal_of(host: str) -> str:
    """Return an IP address as the domain of a mailbox (RFC 5321 section 4.1.3); "" for a unix socket."""
    address = plain_address(host)
    if address is None:
        return ""
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address.compressed}]"
