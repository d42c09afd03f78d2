"""Asking the next hop whether it takes a recipient, before we take the mail (relayed domains).

A refusal that is learnt here needs no bounce later.  Answers are remembered, refusals and silence for a short
time only (a next hop that was mended must not look broken for long, and a reload forgets them all); equal
questions at the same time are asked once; whoever cannot be asked within the time limit gives 451, which loses
nothing.
"""

import asyncio
from collections import OrderedDict

from kurir.delivery.connecting.opening import Opener, Wish
from kurir.delivery.connecting.session import Session, Trouble
from kurir.delivery.routing.plan import Planner
from kurir.delivery.settings import DeliverySettings
from kurir.model import Address, Cause, Clock, Outcome, OutcomeKind, Reply
from kurir.net.ports import NetError
from kurir.smtp.reply_reader import Garbage, ReplyReader

_CANNOT_ASK = Reply.of(
    451, "4.4.1", "The next server cannot be asked about this recipient now; try again later"
)


class NextHopVerifier:
    """Implements `kurir.reception.ports.RecipientVerifier`."""

    def __init__(self, settings: DeliverySettings, planner: Planner, opener: Opener, clock: Clock) -> None:
        self._settings = settings
        self._planner = planner
        self._opener = opener
        self._clock = clock
        self._answers: OrderedDict[Address, tuple[float, Reply]] = OrderedDict()
        self._asking: dict[Address, asyncio.Task[Reply]] = {}

    async def verify(self, sender: Address | None, recipient: Address) -> Reply:
        """Return the next hop's reply to RCPT; 451 where it cannot be asked.  Never raises."""
        known = self._answers.get(recipient)
        if known is not None and known[0] > self._clock.monotonic():
            return known[1]
        task = self._asking.get(recipient)
        if task is None:
            job = self._ask_in_time(sender.domain if sender else "", recipient)
            task = self._asking[recipient] = asyncio.get_running_loop().create_task(job)
            task.add_done_callback(lambda _: self._asking.pop(recipient, None))
        return await asyncio.shield(task)

    async def _ask_in_time(self, sender: str, recipient: Address) -> Reply:
        try:
            async with asyncio.timeout(self._settings.verify_timeout):
                reply = await self._ask(sender, recipient)
        except (TimeoutError, NetError, Garbage):
            reply = _CANNOT_ASK
        self._remember(recipient, reply)
        return reply

    async def _ask(self, sender: str, recipient: Address) -> Reply:
        found = await self._planner.towards(sender, recipient)
        if isinstance(found, Outcome):
            return _as_reply(found.kind, found.cause, found.detail)
        if not found.hosts:
            return Reply.of(250, "2.1.5", "A store on this machine takes it")
        opened = await self._opener.open(found, Wish(domain=recipient.domain))
        if isinstance(opened, Trouble):
            return _as_reply(opened.kind, opened.cause, opened.detail)
        try:
            return await self._probe(opened, recipient)
        finally:
            opened.abort()

    async def _probe(self, session: Session, recipient: Address) -> Reply:
        """MAIL FROM:<>, RCPT, QUIT in lock-step: no DATA may follow, whatever the answers are."""
        if not recipient.is_ascii and not session.offer.smtputf8:
            return Reply.of(553, "5.6.7", "The next server does not take addresses that are not ASCII")
        parameter = "" if recipient.is_ascii else " SMTPUTF8"
        replies = ReplyReader()
        reply = await self._exchange(session, replies, f"MAIL FROM:<>{parameter}\r\n")
        if reply.klass == 2:
            reply = await self._exchange(session, replies, f"RCPT TO:<{recipient}>\r\n")
        else:
            # It does not take the null sender: that says nothing about the recipient.
            reply = _CANNOT_ASK
        session.stream.write(b"QUIT\r\n")
        await session.stream.drain(self._settings.timeouts.quit)
        return reply if reply.klass in (2, 4, 5) else _CANNOT_ASK

    async def _exchange(self, session: Session, replies: ReplyReader, command: str) -> Reply:
        session.stream.write(command.encode())
        while (reply := replies.next()) is None:
            data = await session.stream.read(self._settings.verify_timeout)
            if not data:
                raise NetError("lost", "the other side closed the connection")
            replies.add(data)
        return reply

    def _remember(self, recipient: Address, reply: Reply) -> None:
        s = self._settings
        ttl = {2: s.verify_ttl, 5: s.verify_ttl_refused}.get(reply.klass, s.verify_ttl_unsure)
        self._answers[recipient] = (self._clock.monotonic() + ttl, reply)
        self._answers.move_to_end(recipient)
        while len(self._answers) > s.verify_memory:
            self._answers.popitem(last=False)


# What we found out without the next hop's words; only what is proven is final.
_FINAL = {
    Cause.UNKNOWN_DOMAIN: (550, "5.1.2"),
    Cause.NULL_MX: (556, "5.1.10"),
    Cause.LOOP: (554, "5.4.6"),
}


def _as_reply(kind: OutcomeKind, cause: Cause, detail: str) -> Reply:
    if kind is OutcomeKind.FAILED and cause in _FINAL:
        code, enhanced = _FINAL[cause]
        return Reply.of(code, enhanced, detail)
    return _CANNOT_ASK
