"""Taking messages: is there room, which number, and what a new message changes.

Rule: nothing is said to be accepted before its commit.  Below `disk_low` octets of free space nothing is
taken until there are `disk_high` again (452 4.3.1, RFC 5321 section 4.2.3), while sending goes on.
"""

from collections.abc import Callable

from kurir.model import Address, Event, EventKind, Recipient, Reply, encode_id
from kurir.queue.asks import ID_MARK, Accepted, Incoming, Refused
from kurir.queue.ports import Change, NewMessage, Notice, RecipientState
from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.book import Book
from kurir.queue.waiting.state import NOT_SAID, Errand, Mail, State, shared

from .commit import Committer, Denial

FULL = Reply(452, "4.3.1", ("The disk of this server is nearly full, try again later",))
BROKEN = Reply(451, "4.3.0", ("The storage of this server failed, try again later",))
DRAINING = Reply(421, "4.3.2", ("This server is shutting down, try again later",))
EMPTY = Reply(554, "5.5.1", ("No valid recipients",))

Done = Callable[[Accepted | Refused], None]
_DENIALS = {Denial.FULL: FULL, Denial.BROKEN: BROKEN, Denial.IN_DOUBT: BROKEN}


def errand_of(mail: Mail, index: int, recipient: Recipient) -> Errand:
    """Return the record of one recipient."""
    notify = NOT_SAID if recipient.notify is None else int(recipient.notify)
    return Errand(mail, index, shared(recipient.address.domain), notify)


def sender_domain(reverse_path: Address | None) -> str:
    """Return the domain plans are asked by."""
    return "" if reverse_path is None else shared(reverse_path.domain)


class Intake:
    """The door for messages.  `arrived(mail)` puts it in line, and returns whether it may have to wait."""

    def __init__(
        self,
        settings: QueueSettings,
        book: Book,
        committer: Committer,
        free_space: Callable[[], int],
        arrived: Callable[[Mail], bool],
    ) -> None:
        self._settings = settings
        self._book = book
        self._committer = committer
        self._free_space = free_space
        self._arrived = arrived
        self._probed_at = float("-inf")
        self._free = 0
        self.full = False
        self.closed: Reply | None = None  # draining or failed

    def ready(self, size: int) -> Reply | None:
        """Return the reply that refuses a message of `size` octets now, or None."""
        refusal = self.refusal(size)
        if refusal is FULL:
            self._book.counters.refused_full += 1
        return refusal

    def refusal(self, size: int) -> Reply | None:
        """As `ready`, but nobody is being refused: only a look."""
        if self.closed is not None:
            return self.closed
        settings = self._settings
        now = self._book.steady.now()
        if now - self._probed_at >= settings.disk_interval:
            self._probed_at = now
            self._free = self._free_space()
        if self.full:
            self.full = self._free < settings.disk_high
        elif self._free < settings.disk_low:
            self.full = True
        full = self.full or self._free - size < settings.disk_low or self._committer.stalled
        return FULL if full else None

    def take(self, incoming: Incoming, done: Done, notice: "NoticeClaim | None" = None) -> None:
        """Commit the message, then `done`; `notice` is the obligation that it fulfils."""
        refusal = self.ready(incoming.size)
        if refusal is None and not incoming.envelope.recipients:
            refusal = EMPTY
        if refusal is not None:
            if notice is not None:
                notice.failed(refusal)
            done(Refused(refusal))
            return
        self._committer.accept(_Arrival(self._book, incoming, done, notice, self._arrived))


class NoticeClaim:
    """An obligation that is about to be met, and whom to tell how that ended."""

    __slots__ = ("failed", "met", "notice")

    def __init__(self, notice: Notice, met: Callable[[int], None], failed: Callable[[Reply], None]) -> None:
        self.notice = notice
        self.met = met
        self.failed = failed


class _Arrival:
    """One message on its way into the store."""

    __slots__ = ("_arrived", "_book", "_done", "_id", "_incoming", "_message", "_notice")

    def __init__(
        self,
        book: Book,
        incoming: Incoming,
        done: Done,
        notice: NoticeClaim | None,
        arrived: Callable[[Mail], bool],
    ) -> None:
        self._book = book
        self._incoming = incoming
        self._done = done
        self._notice = notice
        self._arrived = arrived
        self._message: NewMessage | None = None
        self._id = ""

    def change(self, number: int) -> Change:
        incoming = self._incoming
        envelope = incoming.envelope
        now = self._book.steady.wall()
        claim = self._notice
        self._id = encode_id(number)
        self._message = NewMessage(
            number=number,
            accepted_at=now,
            reverse_path=envelope.reverse_path,
            params=envelope.params,
            origin=incoming.origin,
            recipients=envelope.recipients,
            trace_block=incoming.trace_block.replace(ID_MARK, self._id.encode()),
            size=incoming.size,
            sha256=incoming.sha256,
            body=incoming.body,
            body_file=incoming.body_file,
            header_end=incoming.header_end,
            message_id=incoming.message_id,
            subject=incoming.subject,
            header_from=incoming.header_from,
            proven_sender=incoming.proven_sender,
            notice_of=incoming.notice_of,
        )
        hold = incoming.hold
        events = [
            Event(
                number=number, kind=EventKind.ACCEPTED, at=now, origin=incoming.origin, checks=incoming.checks
            )
        ]
        if hold is not None:
            events.append(
                Event(number=number, kind=EventKind.HELD, at=now, cause=incoming.hold_cause, reason=hold)
            )
        if claim is not None:
            events += _told(claim.notice, number, now)
        return Change(
            events=tuple(events),
            message=self._message,
            recipients=tuple(
                RecipientState(number, i, None, now, 0, hold) for i in range(len(envelope.recipients))
            ),
            notices_met=(claim.notice.id,) if claim is not None else (),
        )

    def committed(self, number: int) -> None:
        message = self._message
        assert message is not None
        book = self._book
        now = book.steady.now()
        counters = book.counters
        counters.accepted_messages += 1
        counters.accepted_recipients += len(message.recipients)
        mail = mail_of(message, now)
        book.mails[number] = mail
        hold = self._incoming.hold
        if hold is None:
            if message.body_file is None:
                book.fresh.keep(mail, message)
            book.watch(mail, now)
        else:
            for errand in mail.errands:
                errand.state = State.HELD
                errand.held = hold
        self._done(Accepted(number, self._id, hold is None and self._arrived(mail)))
        if self._notice is not None:
            self._notice.met(number)

    def denied(self, denial: Denial) -> None:
        reply = _DENIALS[denial]
        if denial is Denial.FULL:
            self._book.counters.refused_full += 1
        if self._notice is not None:
            self._notice.failed(reply)
        self._done(Refused(reply, denial is Denial.IN_DOUBT))


def _told(notice: Notice, number: int, now: float) -> list[Event]:
    """The message is a notice: one event for each recipient that it tells of; the others have nothing to do with it."""
    return [
        Event(
            number=notice.number,
            recipient=reason.index,
            kind=EventKind.NOTICE_SENT,
            at=now,
            by=notice.told,
            other=number,
        )
        for reason in notice.reasons
    ]


def mail_of(message: NewMessage, born: float) -> Mail:
    """Return the record of a message that was just accepted."""
    account = message.origin.account
    mail = Mail(
        message.number,
        born,
        sender_domain(message.reverse_path),
        null=message.reverse_path is None,
        proven=message.proven_sender,
        account=account is not None,
        owner=shared(account) if account else "",
        urgency=message.params.urgency,
        size=message.size,
    )
    mail.errands = tuple(errand_of(mail, i, r) for i, r in enumerate(message.recipients))
    mail.open = len(mail.errands)
    return mail
