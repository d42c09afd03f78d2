"""One message from its first octet to the promise: body in, header looked at once, sender checked, handed to the brain.

The header decides while the body still streams: too large, a loop, or (from our own people) not theirs.
What failed is remembered, the rest of the body is read and dropped, and the reply goes out at its end.
"""

import asyncio
import errno
from dataclasses import dataclass

from msgspec import structs

from kurir.identity import Account
from kurir.message.facts import MessageFacts, facts_of
from kurir.message.headers import Problem, scan
from kurir.message.limits import HeaderLimits
from kurir.message.received import HopLimits, loop_reason, received_field
from kurir.message.sealed import SEAL_FIELD, seal_of
from kurir.message.submission import Edits, Fault
from kurir.message.urgency import said_mt_priority, said_urgency, says_anything
from kurir.model import Cause, Origin, Reply, Urgency
from kurir.queue.asks import ID_MARK, Accepted, Incoming
from kurir.senderauth.screening import Screener

from . import replies
from .body import BodyCollector
from .desk import Desk
from .screening import Screened, StrangersMail, without_posing
from .settings import Role
from .submission import complete
from .transaction import Transaction
from .urgency import Asked, decide


@dataclass(frozen=True, slots=True)
class Sender:
    """Who hands the message in: facts for its origin, whether it is one of ours (`insider`), and who checks strangers."""

    origin: Origin
    role: Role
    account: Account | None
    insider: bool
    screener: Screener | None = None
    urgent_door: bool = False

    @property
    def may_be_urgent(self) -> bool | None:
        """Whether it may say that its mail is urgent: an account by its permission, this machine and trusted networks always."""
        return self.account.urgent if self.account is not None else self.insider


class Intake:
    """Takes one body.  `add` and, where `flush_due`, `flush`; then `accept` or `discard`."""

    __slots__ = (
        "_body",
        "_desk",
        "_facts",
        "_handed_over",
        "_message_id",
        "_prefix",
        "_said",
        "_sender",
        "_stranger",
        "_transaction",
        "_unsure",
        "cause",
        "claimed",
        "detail",
        "octets",
        "refusal",
    )

    def __init__(self, desk: Desk, transaction: Transaction, sender: Sender) -> None:
        self._desk = desk
        self._transaction = transaction
        self._sender = sender
        s = desk.settings
        self._body = BodyCollector(desk.body_files, self._settle, in_memory=s.in_memory, hold=s.head)
        self._facts: MessageFacts | None = None
        self._prefix = b""
        self._said: tuple[Urgency | None, int | None] = (None, None)  # by its header: urgency, MT-Priority
        self._message_id = ""
        self._stranger: StrangersMail | None = None
        self._handed_over = False
        self._unsure = ""
        self.octets = 0
        self.refusal: Reply | None = None
        self.cause: Cause | None = None  # of the refusal, where the reply alone does not say it
        self.detail = ""  # likewise, in few words
        self.claimed = ""  # the author it claims and may not have

    def add(self, data: bytes) -> None:
        """Take a piece of the body.  Never waits."""
        self.octets += len(data)
        if self.refusal is None:
            self._body.add(data)

    @property
    def flush_due(self) -> bool:
        """Whether `flush` should be awaited before more is read."""
        return self._body.flush_due

    async def flush(self) -> None:
        """Move what was gathered to the file; a failure becomes the refusal."""
        try:
            await self._body.flush()
        except OSError as e:
            self.refuse(_disk_reply(e))
        else:
            if self.refusal is not None:
                self._body.discard()

    def refuse(self, reply: Reply) -> None:
        """Decide against the message; what was stored is dropped."""
        self.refusal = reply
        self._body.discard()

    def discard(self) -> None:
        """Forget the body, unless the brain was told of it.

        Then only the brain knows whether a row names the file, whatever becomes of this session.  A file that
        no row names is removed after a while.
        """
        if not self._handed_over:
            self._body.discard()

    def _settle(self, data: bytes) -> bytes:
        """Look at the header, once; return the body as it is to be kept."""
        s = self._desk.settings
        limits = HeaderLimits(octets=s.head)
        facts = self._facts = facts_of(data, limits)
        problems = facts.problems
        if problems and (
            problems & Problem.TOO_LONG or (problems & Problem.UNFINISHED and len(data) > s.head)
        ):
            self.refusal = replies.HEADER_TOO_LARGE
            return data
        # It would continue the last field that we put in front.
        if problems and data.startswith((b" ", b"\t")):
            self.refusal = replies.HEADER_CONTINUES
            return data
        own = HopLimits(received=s.hops)
        if facts.received_count > min(own.own, own.received):
            why = loop_reason(scan(data, limits), s.hostname, limits=own)
            if why is not None:
                self.refusal = replies.looping(why)
                self.cause = Cause.LOOP
                return data
        if self._sender.account is not None or self._sender.role is Role.LOCAL:
            return self._complete(data, limits)
        self._message_id = facts.message_id
        if self._sender.screener is not None:
            self._stranger = StrangersMail(
                self._sender.screener,
                scan(data, limits),
                self._sender.origin,
                self._transaction.reverse_path,
                self._desk.clock.now(),
            )
            self._body.listener = self._stranger.listener
        if self._sender.insider:
            return self._unsealed(data, limits)
        return data if self._sender.role is Role.LMTP else self._cleaned(data, limits)

    def _unsealed(self, data: bytes, limits: HeaderLimits) -> bytes:
        """A server of ours hands on mail as it is, except for what it asks of this one."""
        assert self._facts is not None
        if SEAL_FIELD not in data[: self._facts.header_end].lower():
            return data
        head = scan(data, limits)
        seal = seal_of(head)
        if seal is None:
            self.refusal = Edits(fault=Fault.BAD_SEAL).reply
            return data
        self._transaction.seal(seal)
        clean = Edits(cuts=tuple((f.start, f.end) for f in head.named(SEAL_FIELD))).apply(data)
        self._facts = facts_of(clean, limits)
        return clean

    def _cleaned(self, data: bytes, limits: HeaderLimits) -> bytes:
        """Cut out results that pose as ours: from here on the body never changes."""
        assert self._facts is not None
        clean = without_posing(data, self._desk.settings.results_ids, self._facts.header_end)
        if clean is not data:
            self._facts = facts_of(clean, limits)
        return clean

    def _complete(self, data: bytes, limits: HeaderLimits) -> bytes:
        desk = self._desk
        facts = self._facts
        assert facts is not None
        self._message_id = facts.message_id or f"<{desk.random(16).hex()}@{desk.settings.hostname}>"
        headers = scan(data, limits)
        edits = complete(
            headers,
            account=self._sender.account,
            reverse_path=self._transaction.reverse_path,
            smtputf8=self._transaction.params.smtputf8,
            at=desk.clock.now(),
            message_id=self._message_id,
            separator=desk.directory.settings.separator,
        )
        self.refusal = edits.reply
        if self.refusal is not None:
            self.cause = edits.fault.cause if edits.fault is not None else None
            self.claimed = edits.detail if edits.fault is Fault.NOT_YOURS else ""
            return data
        if says_anything(data[: facts.header_end]):
            self._said = said_urgency(headers), said_mt_priority(headers)
        self._prefix = edits.prefix
        if edits.seal:
            self._transaction.seal(edits.seal)
        if edits.cuts:
            data = edits.apply(data)
            self._facts = facts_of(data, limits)
        return data if self._sender.account is None else self._cleaned(data, limits)

    async def accept(self) -> Reply:
        """Hand the message to the brain; return the reply to the end of data."""
        try:
            body, body_file = await self._body.finish() if self.refusal is None else (None, None)
        except OSError as e:
            self.refuse(_disk_reply(e))
        if self.refusal is None:  # the size was not announced, or not truly
            targets = (recipient.address for recipient in self._transaction.recipients)
            self.refusal = self._transaction.too_large(self._body.size, targets)
        if self.refusal is None and self._sender.insider and self._transaction.params.demands_tls:
            await self._foresee()
        if self.refusal is not None:
            self._body.discard()
            return self.refusal
        desk = self._desk
        screened = await self._screen()
        if screened is not None and screened.refusal is not None:
            self._count(screened)
            self.refuse(screened.refusal)
            return screened.refusal
        incoming = self._incoming(body, body_file, screened)
        self._handed_over = True
        try:
            answer = await desk.door.accept(incoming)
        except (ConnectionError, TimeoutError):
            # Committed or not: nobody knows, so the client tries again (a possible duplicate, never a loss).
            self.refusal = replies.STORAGE_FAILED
            return self.refusal
        if isinstance(answer, Accepted):
            desk.counts.accepted[self._sender.origin.listener] += 1
            desk.counts.octets += incoming.size
            if screened is not None:
                self._count(screened)
            wait = answer.waits and self._sender.insider and desk.roads.counted
            forecasts = await desk.door.foresee(answer.number) if wait else ()
            return replies.accepted(
                answer.id, forecasts, len(incoming.envelope.recipients), unsure=self._unsure
            )
        if answer.in_doubt:
            self.refusal = answer.reply
            return self.refusal
        self._handed_over = False
        self.refuse(answer.reply)
        return answer.reply

    async def _foresee(self) -> None:
        """Answer the sender's demand of protection now, while somebody waits who can do something else."""
        foresight, transaction = self._desk.foresight, self._transaction
        if foresight is None:
            return
        if transaction.reverse_path is None and not transaction.params.sealed:
            return  # a report goes as well protected as it can, but it goes (RFC 8689 section 5)
        sender = transaction.reverse_path.domain if transaction.reverse_path is not None else ""
        domains = dict.fromkeys(recipient.address.domain for recipient in transaction.recipients)
        strict = transaction.params.require_tls
        prospects = await asyncio.gather(*(foresight.prospect(sender, d, strict=strict) for d in domains))
        refusals = [prospect.refusal for prospect in prospects if prospect.refusal is not None]
        if refusals:
            self.refusal = replies.not_sealed(refusals)
            self.cause, self.detail = Cause.TLS_REQUIRED, self.refusal.text
        self._unsure = "; ".join(prospect.unsure for prospect in prospects if prospect.unsure)

    async def _screen(self) -> Screened | None:
        """Put mail of a stranger to the checks of senders."""
        if self._stranger is None:
            return None
        screened = await self._stranger.judge(
            self._desk.settings.treatment, smtputf8=self._transaction.params.smtputf8
        )
        self._desk.counts.screened[screened.action.value] += 1
        self.cause, self.detail = screened.cause, screened.detail
        return screened

    def _count(self, screened: Screened) -> None:
        """Count for the owner of the author's domain: what is taken or refused, not what will come again."""
        if screened.seen is not None and self._desk.seen is not None:
            self._desk.seen.add(screened.seen)

    def _weigh(self) -> None:
        """Decide how urgent the message is: only of our own people what they say counts."""
        sender, transaction = self._sender, self._transaction
        params, (header, level) = transaction.params, self._said
        level = level if params.mt_priority is None else params.mt_priority
        named = self._desk.settings.urgent
        if not (named or sender.urgent_door or header is not None or level is not None):
            return
        may = sender.may_be_urgent
        account = sender.account.name if sender.account is not None else ""
        urgency, by = decide(
            Asked(
                named=account in named or str(transaction.reverse_path) in named,
                door=sender.urgent_door,
                may=may,
                mt_priority=level,
                header=header,
            )
        )
        transaction.params = structs.replace(
            params, mt_priority=level if may else None, urgency=urgency, urgency_by=by
        )

    def _incoming(self, body: bytes | None, body_file: str | None, screened: Screened | None) -> Incoming:
        desk, transaction, facts = self._desk, self._transaction, self._facts
        assert facts is not None
        now = desk.clock.now()
        if self._sender.insider:
            self._weigh()
        field = received_field(
            self._sender.origin,
            by=desk.settings.hostname,
            queue_id=ID_MARK.decode(),
            at=now,
            recipients=transaction.typed if len(transaction.typed) == 1 else (),
            hide_client=desk.settings.hide_client and self._sender.account is not None,
            client_name=screened.client_name if screened else "",
        )
        above = screened.fields if screened else b""
        return Incoming(
            envelope=transaction.envelope(),
            received_at=now,
            origin=self._sender.origin,
            trace_block=above + field + self._prefix,
            size=self._body.size,
            sha256=self._body.sha256,
            body=body,
            body_file=body_file,
            header_end=facts.header_end,
            message_id=self._message_id,
            subject=facts.subject,
            header_from=facts.header_from,
            proven_sender=screened.proven if screened else self._sender.insider,
            hold=screened.hold if screened else None,
            hold_cause=screened.cause if screened else None,
            checks=screened.checks if screened else (),
        )


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _disk_reply(error: OSError) -> Reply:
    return replies.DISK_FULL if error.errno in _FULL else replies.STORAGE_FAILED
