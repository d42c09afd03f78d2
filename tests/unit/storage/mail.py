"""Made-up mail for the tests of storage: changes as the brain makes them, a clock that stands, a state folder."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from kurir.model import (
    Address,
    Body,
    Cause,
    Check,
    Event,
    EventKind,
    Fate,
    MailParams,
    Notify,
    Origin,
    Outcome,
    OutcomeKind,
    Recipient,
    Reply,
    Stage,
    TlsFacts,
)
from kurir.queue.asks import Lease, NoticeReason, NoticeWork, Road, Work
from kurir.queue.ports import Change, NewMessage, Notice, RecipientState, Store
from kurir.storage.audit import AuditReport, audit
from kurir.storage.bodies import FileBodies
from kurir.storage.days import DayMover
from kurir.storage.facts import SqliteFacts
from kurir.storage.layout import Layout
from kurir.storage.settings import BodySettings

NOON = 1_795_435_200.0  # 2026-11-23T12:00:00Z
DAY = "2026-11-23"
ORIGIN = Origin(
    "ESMTPSA",
    "submission",
    "192.0.2.1",
    4711,
    "client.example",
    "alice@example.com",
    TlsFacts("TLSv1.3", "AES"),
)
ALICE = Address("alice", "example.com")


class StandingClock:
    """Both clocks stand until they are set."""

    def __init__(self, at: float = NOON) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def body_of(number: int, size: int = 60) -> bytes:
    return (f"Subject: mail {number}\r\n\r\n".encode() + b"x" * size)[: max(size, 30)]


def accept(
    number: int,
    *to: str,
    at: float = NOON,
    body: bytes | None = None,
    body_file: str | None = None,
    sender: Address | None = ALICE,
    subject: str = "",
    message_id: str = "",
    notice_of: str | None = None,
    held: str | None = None,
    origin: Origin = ORIGIN,
    checks: tuple[Check, ...] = (),
) -> Change:
    data = body_of(number) if body is None else body
    recipients = tuple(
        Recipient(Address(local, domain), Notify.FAILURE if i else None, f"rfc822;{t}" if i else None)
        for i, t in enumerate(to or (f"user{number}@example.org",))
        for local, domain in [t.rsplit("@", 1)]
    )
    message = NewMessage(
        number=number,
        accepted_at=at,
        reverse_path=sender,
        params=MailParams(Body.EIGHT, size=len(data)),
        origin=origin,
        recipients=recipients,
        trace_block=b"Received: from client.example\r\n",
        size=len(data),
        sha256=hashlib.sha256(data).digest(),
        body=None if body_file else data,
        body_file=body_file,
        header_end=12,
        message_id=message_id or f"<m{number}@example.com>",
        subject=subject or f"mail {number}",
        header_from="alice@example.com" if sender else "",
        proven_sender=True,
        notice_of=notice_of,
    )
    return Change(
        events=(Event(number=number, kind=EventKind.ACCEPTED, at=at, origin=origin, checks=checks),),
        message=message,
        recipients=tuple(RecipientState(number, i, None, at, 0, held) for i in range(len(recipients))),
        notices_met=(notice_of,) if notice_of else (),
    )


def outcome(kind: OutcomeKind = OutcomeKind.HANDED_OVER, text: str = "ok", at: float = NOON) -> Outcome:
    code = 250 if kind is OutcomeKind.HANDED_OVER else 550
    return Outcome(
        kind=kind,
        cause=Cause.OK,
        at=at,
        stage=Stage.BODY,
        road="mx",
        host="mx.example.org[192.0.2.9]:25",
        reply=Reply(code, None, (text,)),
    )


def end(
    number: int,
    index: int = 0,
    fate: Fate = Fate.HANDED_OVER,
    *,
    at: float = NOON,
    finished: bool = True,
    notice: str | None = None,
    text: str = "ok",
) -> Change:
    event = Event(
        number=number, kind=EventKind.ATTEMPTED, at=at, recipient=index, outcome=outcome(text=text), fate=fate
    )
    owed = ()
    if notice:
        owed = (Notice(id=notice, number=number, to=ALICE, reasons=(reason(),)),)
    due = Event(number=number, kind=EventKind.NOTICE_DUE, at=at, recipient=index)
    return Change(
        events=(event, due) if notice else (event,),
        recipients=(RecipientState(number, index, fate, 0.0, 1),),
        finished=finished,
        notices=owed,
    )


def reason(to: str = "bob@example.org") -> NoticeReason:
    local, domain = to.rsplit("@", 1)
    return NoticeReason(Recipient(Address(local, domain)), "failed", outcome(OutcomeKind.FAILED), NOON)


def wait(number: int, index: int = 0, next_at: float = NOON + 300) -> Change:
    event = Event(number=number, kind=EventKind.ATTEMPTED, at=NOON, recipient=index, next_at=next_at)
    return Change(events=(event,), recipients=(RecipientState(number, index, None, next_at, 1),))


def lease(number: int, data: bytes, *, body: bytes | None = None, body_file: str | None = None) -> Lease:
    return Lease(
        epoch=1,
        id=1,
        number=number,
        road=Road("mx", "mx"),
        reverse_path=ALICE,
        params=MailParams(),
        work=(Work(0, Recipient(ALICE), 0),),
        trace_block=b"",
        size=len(data),
        sha256=hashlib.sha256(data).digest(),
        body=body,
        body_file=body_file,
    )


def notice_work(number: int, data: bytes, *, body_file: str | None = None) -> NoticeWork:
    from kurir.model import Envelope

    return NoticeWork(
        id=f"{number}-failed-1",
        epoch=1,
        number=number,
        to=ALICE,
        original=Envelope(ALICE, ()),
        reasons=(),
        accepted_at=NOON,
        trace_block=b"",
        size=len(data),
        body_file=body_file,
    )


@dataclass
class State:
    """A state folder with its writers."""

    layout: Layout
    clock: StandingClock
    facts: SqliteFacts
    bodies: FileBodies
    mover: DayMover

    @classmethod
    def at(cls, folder: Path, clock: StandingClock | None = None, **hooks: object) -> "State":
        layout = Layout(folder)
        clock = clock or StandingClock()
        facts = SqliteFacts(layout, clock)
        bodies = FileBodies(layout, BodySettings(batch=1000))
        return cls(layout, clock, facts, bodies, DayMover(facts, bodies.remove, **hooks))  # type: ignore[arg-type]

    def close(self) -> None:
        self.mover.close()
        self.facts.close()

    def audit(self) -> AuditReport:
        return audit(self.layout)


def fill(store: Store, count: int, *, settled: int = 0, at: float = NOON) -> None:
    """Accept `count` messages, the first `settled` of which end at once."""
    first = store.next_number()
    store.commit([accept(n, at=at) for n in range(first, first + count)])
    if settled:
        store.commit([end(n, at=at) for n in range(first, first + settled)])
