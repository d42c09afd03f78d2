"""One connection to the sandbox: the protocol core does SMTP as always, the parts of the recipients spoil it.

A part that concerns the whole transaction (after RCPT) is not shared: another recipient of such a transaction is
told 452 4.5.3, which every client takes for "in a transaction of its own" (RFC 5321 section 4.5.3.1.10).
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from kurir.model import Address, Clock, Recipient, Reply
from kurir.net import SocketStream
from kurir.net.tls import ServerTls
from kurir.smtp import events as e
from kurir.smtp.server import Server
from kurir.smtp.settings import ServerSettings

from .bounces import Regretted
from .mishaps import GARBAGE, MISHAPS
from .roles import Act, Part, Step, part_of
from .settings import SandboxSettings
from .store import Capture, SandboxStore, Wrapping

OK_SENDER = Reply.of(250, "2.1.0", "Sender ok")
OK_RECIPIENT = Reply.of(250, "2.1.5", "Recipient ok")
START = Reply.of(354, None, "Go on, end with a dot on a line of its own")
READY = Reply.of(220, "2.0.0", "Go ahead")
VERIFY = Reply.of(252, "2.5.0", "Send some mail, and you will see")
ALONE = Reply.of(452, "4.5.3", "This recipient plays a part: send it in a transaction of its own")
NO_ROOM = Reply.of(452, "4.3.1", "The sandbox cannot write to its folder")

Sleep = Callable[[float], Awaitable[None]]


class Attempts:
    """How often a message was tried for a recipient, for ``defer-<N>``; bounded, the oldest are forgotten."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def count(self, message: str, recipient: str) -> int:
        """Return the number of this attempt, from 1."""
        key = (message, recipient)
        number = self._seen.pop(key, 0) + 1
        self._seen[key] = number
        while len(self._seen) > self._limit:
            self._seen.popitem(last=False)
        return number

    def forget(self, message: str, recipient: str) -> None:
        """The message was accepted."""
        self._seen.pop((message, recipient), None)


@dataclass(frozen=True, slots=True)
class Stage:
    """What all connections share.  `bounce(mail, seconds)` has a bounce sent later."""

    store: SandboxStore
    settings: SandboxSettings
    hostname: str
    tls: ServerTls | None
    clock: Clock
    sleep: Sleep
    bounce: Callable[[Regretted, float], None]
    attempts: Attempts


@dataclass(slots=True)
class Transaction:
    """The message under way."""

    sender: Address | None
    envid: str | None = None
    recipients: list[Recipient] = field(default_factory=list)
    parts: list[Part | None] = field(default_factory=list)
    capture: Capture | None = None

    @property
    def late(self) -> Part | None:
        """The part that concerns the whole transaction."""
        return next((part for part in self.parts if part is not None and part.late), None)


class Session:
    """Serves one connection; `door` is the part that everybody meets at this door, None at the main one."""

    def __init__(self, stage: Stage, stream: SocketStream, door: Part | None) -> None:
        self._stage = stage
        self._stream = stream
        self._door = door
        offer = stage.tls is not None and not (door and door.act is Act.NO_TLS)
        self._server = Server(
            ServerSettings(
                hostname=stage.hostname,
                max_size=stage.settings.max_size,
                offer_starttls=offer,
                offer_requiretls=True,
                max_text_line=0,
            )
        )
        self._helo = ""
        self._transaction: Transaction | None = None
        self._over = False

    async def run(self) -> None:
        """Serve until the end.  Raises `NetError` when the connection breaks."""
        try:
            greeting = await self._play(self._door, Step.CONNECT, None)
            if not self._over:
                self._server.greet(greeting)
                await self._converse()
        finally:
            self._forget()

    async def _converse(self) -> None:
        while not self._over:
            event = self._server.next_event()
            if event is None:
                await self._flush()
                self._server.receive(await self._stream.read(self._stage.settings.idle))
                continue
            handler = self._HANDLERS.get(type(event))
            if handler is not None:
                await handler(self, event)

    async def _flush(self) -> None:
        output = self._server.take_output()
        if output:
            self._stream.write(output)
            await self._stream.drain(self._stage.settings.idle)

    async def _play(self, part: Part | None, step: Step, usual: Reply | None) -> Reply | None:
        """Return the reply to give at `step`: the usual one, or the part's.  A mishap ends the session."""
        if part is None or part.step is not step:
            return usual
        if part.act is Act.ANSWER:
            return part.reply
        if part.act is Act.SLOW:
            await self._flush()
            await self._stage.sleep(part.seconds)
        elif part.act in MISHAPS:
            await self._flush()
            self._over = True
            await MISHAPS[part.act](self._stream, self._stage.settings.hang)
        return usual

    def _reply(self, reply: Reply | None) -> None:
        if not self._over and reply is not None:
            self._server.reply(reply)

    def _forget(self) -> None:
        if self._transaction is not None and self._transaction.capture is not None:
            self._transaction.capture.discard()
        self._transaction = None

    # -- commands ---------------------------------------------------------------------------------

    async def _hello(self, event: e.Hello) -> None:
        self._helo = event.name
        self._server.accept_hello()

    async def _start_tls(self, _: e.StartTls) -> None:
        assert self._stage.tls is not None
        early = self._server.buffered > 0  # the core refuses that by itself
        self._reply(READY)
        await self._flush()
        if early:
            return
        if self._door is not None and self._door.act is Act.BROKEN_TLS:
            self._over = True
            await self._stream.read(self._stage.settings.idle)  # the ClientHello
            self._stream.write(GARBAGE)
            await self._stream.close()
            return
        await self._stream.upgrade_server(self._stage.tls)
        self._server.tls_started()

    async def _mail(self, event: e.MailFrom) -> None:
        reply = await self._play(self._door, Step.MAIL, OK_SENDER)
        if reply is OK_SENDER:
            self._transaction = Transaction(event.reverse_path, event.params.envid)
        self._reply(reply)

    async def _rcpt(self, event: e.RcptTo) -> None:
        assert self._transaction is not None
        address = event.recipient.address
        part = part_of(address)
        if part is not None and part.early:
            brought = self._brought_forward(part)
            if brought is None:
                self._reply(_too_late(part))
                return
            part = brought
        late = self._transaction.late
        if self._transaction.recipients and (late or (part and part.late)):
            self._reply(ALONE)
            return
        reply = await self._play(part, Step.RCPT, OK_RECIPIENT)
        if reply is OK_RECIPIENT:
            self._transaction.recipients.append(event.recipient)
            self._transaction.parts.append(part)
        self._reply(reply)

    def _brought_forward(self, part: Part) -> Part | None:
        """An early part met only now: played at RCPT where that is possible.  Its own door has played it before."""
        if self._door is not None and self._door.name == part.name:
            return Part(part.name, Act.ANSWER, Step.RCPT, OK_RECIPIENT)
        if part.act in (Act.NO_TLS, Act.BROKEN_TLS):
            return None
        return Part(part.name, part.act, Step.RCPT, part.reply, seconds=part.seconds)

    # -- the message ------------------------------------------------------------------------------

    async def _body_started(self, event: e.BodyStarted) -> None:
        transaction = self._transaction
        assert transaction is not None
        try:
            if transaction.capture is None:
                transaction.capture = self._stage.store.open()
        except OSError:
            self._reply(NO_ROOM)
            return
        reply = await self._play(transaction.late, Step.DATA, START)
        if reply is START and event.chunking and not self._over:
            self._server.go_on()
        else:
            self._reply(reply)

    async def _body_chunk(self, event: e.BodyChunk) -> None:
        if self._transaction is not None and self._transaction.capture is not None:
            try:
                self._transaction.capture.write(event.data)
            except OSError:
                self._transaction.capture.discard()
                self._transaction.capture = None

    async def _body_ended(self, event: e.BodyEnded) -> None:
        transaction = self._transaction
        assert transaction is not None
        if event.problem is not None or transaction.capture is None:
            self._forget()
            self._reply(event.problem or NO_ROOM)
            return
        part = transaction.late
        if part is not None and (part.act is Act.ANSWER or (part.act is Act.DEFER and self._deferred(part))):
            self._forget()
            self._reply(part.reply)
            return
        head = transaction.capture.head
        try:
            entry = transaction.capture.finish(self._wrapping(transaction), self._stage.clock.now())
        except OSError:
            self._reply(NO_ROOM)
            return
        finally:
            transaction.capture = None
            self._transaction = None
        if part is not None and part.act is Act.BOUNCE and transaction.sender is not None:
            mail = Regretted(head, transaction.sender, transaction.recipients[0], transaction.envid)
            if mail.wanted:
                self._stage.bounce(mail, part.seconds)
        # A mishap behind the final dot loses the reply, not the message (RFC 1047).
        self._reply(await self._play(part, Step.BODY, Reply.of(250, "2.0.0", f"Captured as {entry.id}")))

    def _deferred(self, part: Part) -> bool:
        """Count the attempt; True where it is still one of those to be put off."""
        transaction = self._transaction
        assert transaction is not None
        assert transaction.capture is not None
        recipient = transaction.recipients[0].address.key
        message = transaction.capture.message_id or f"{transaction.sender}"
        if self._stage.attempts.count(message, recipient) <= part.count:
            return True
        self._stage.attempts.forget(message, recipient)
        return False

    def _wrapping(self, transaction: Transaction) -> Wrapping:
        return Wrapping(
            sender=str(transaction.sender or ""),
            recipients=tuple(str(r.address) for r in transaction.recipients),
            parts=tuple(part.name if part else "" for part in transaction.parts),
            helo=self._helo,
            peer=self._stream.peer.host,
            tls=self._stream.tls,
        )

    async def _verify(self, _: e.Verify) -> None:
        self._reply(VERIFY)

    async def _reset(self, _: e.TransactionReset) -> None:
        self._forget()

    async def _closing(self, _: e.Closing) -> None:
        self._over = True
        await self._flush()
        await self._stream.close()

    _HANDLERS: ClassVar[dict[type, Callable[[Any, Any], Awaitable[None]]]] = {
        e.Hello: _hello,
        e.StartTls: _start_tls,
        e.MailFrom: _mail,
        e.RcptTo: _rcpt,
        e.BodyStarted: _body_started,
        e.BodyChunk: _body_chunk,
        e.BodyEnded: _body_ended,
        e.Verify: _verify,
        e.TransactionReset: _reset,
        e.Closing: _closing,
    }


def _too_late(part: Part) -> Reply:
    return Reply.of(
        550, "5.1.3", f"The part {part.name} begins before RCPT: use any address at {part.name}.test"
    )
