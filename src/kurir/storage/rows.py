"""Between values and rows: one function per direction and table, in the column order of ``facts.sql``.

Structured values (parameters, origin, events, reasons) are msgpack by msgspec.  Text that came from peers may
hold lone surrogates, which neither UTF-8 nor SQLite can carry; `mended` replaces them (rare, hence only when
an encoding failed).
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from kurir.model import Address, Event, Fate, MailParams, Notify, Origin, Recipient
from kurir.queue.asks import NoticeReason
from kurir.queue.ports import (
    Change,
    Mark,
    NewMessage,
    Notice,
    PaceRecord,
    RecipientState,
    RoadRecord,
    StoredLetter,
    StoredMessage,
)

from .database import Row

T = TypeVar("T")

encode = msgspec.msgpack.Encoder().encode
_params = msgspec.msgpack.Decoder(MailParams).decode
_origin = msgspec.msgpack.Decoder(Origin).decode
_event = msgspec.msgpack.Decoder(Event).decode
_reasons = msgspec.msgpack.Decoder(tuple[NoticeReason, ...]).decode
_FATES = {f.value: f for f in Fate}
_NO_PARAMS = encode(MailParams())

MESSAGE_COLUMNS = (
    "number, accepted_at, reverse_path, account, recipients, size, sha256, body_file, header_end,"
    " proven_sender, notice_of, message_id, subject, header_from, params, origin, trace_block"
)
RECIPIENT_COLUMNS = "number, idx, fate, next_at, attempts, held, leased, told, address, wanted, notify, orcpt"
EVENT_COLUMNS = "number, id, kind, recipient, fate, data"
NOTICE_COLUMNS = "id, number, address, held, open, met_by, reasons"
ROAD_COLUMNS = "road, site, at, broken, breaks, since, next_at, cause"


PACE_COLUMNS = (
    "key, at, signal, top, level, met, stride, moved_at,"
    " rate_top, rate_level, rate_met, rate_stride, rate_moved_at"
)
_NO_RATE = (None,) * 5


def marks(columns: str) -> str:
    """Return as many question marks as there are columns: ``"?, ?, ?"``."""
    return ", ".join("?" * (columns.count(",") + 1))


def address_text(address: Address) -> str:
    """Return ``local@domain`` without quotes: the last @ divides, since no domain holds one."""
    return f"{address.local}@{address.domain}"


def text_address(text: str) -> Address:
    """The inverse of `address_text`."""
    local, _, domain = text.rpartition("@")
    return Address(local, domain)


def message_row(m: NewMessage) -> Row:
    """Return the row of a message."""
    sender = m.reverse_path
    return (
        m.number,
        m.accepted_at,
        None if sender is None else f"{sender.local}@{sender.domain}",
        m.origin.account,
        len(m.recipients),
        m.size,
        m.sha256,
        m.body_file,
        m.header_end,
        m.proven_sender,
        m.notice_of,
        m.message_id,
        m.subject,
        m.header_from,
        encode(m.params),
        encode(m.origin),
        m.trace_block,
    )


def recipient_row(r: Recipient, s: RecipientState) -> Row:
    """Return the row of a recipient."""
    return (
        s.number,
        s.index,
        None if s.fate is None else s.fate.value,
        s.next_at,
        s.attempts,
        s.held,
        s.leased,
        s.told,
        f"{r.address.local}@{r.address.domain}",
        None if r.wanted is None else address_text(r.wanted),
        None if r.notify is None else int(r.notify),
        r.orcpt,
    )


def event_row(event: Event, number: int) -> Row:
    """Return the row of an event under event id `number`."""
    fate = event.fate
    return (
        event.number,
        number,
        event.kind.value,
        event.recipient,
        None if fate is None else fate.value,
        encode(event),
    )


def notice_row(n: Notice) -> Row:
    """Return the row of an open obligation."""
    return (n.id, n.number, address_text(n.to), n.held, 1, None, encode(n.reasons))


def road_row(r: RoadRecord) -> Row:
    """Return the row of how a road stands."""
    return (r.road, r.site, r.at, r.broken, r.breaks, r.since, r.next_at, r.cause)


def row_road(row: Row) -> RoadRecord:
    """Read a row of ROAD_COLUMNS."""
    road, site, at, broken, breaks, since, next_at, cause = row
    return RoadRecord(road, site, at, bool(broken), breaks, since, next_at, cause)


def pace_row(r: PaceRecord) -> Row:
    """Return the row of a pace."""
    return (r.key, r.at, r.signal, *r.connections, *(r.rate or _NO_RATE))


def row_pace(row: Row) -> PaceRecord:
    """Read a row of PACE_COLUMNS."""
    key, at, signal, *figures = row
    rate = Mark(*figures[5:]) if figures[5] is not None else None
    return PaceRecord(key, at, signal, Mark(*figures[:5]), rate)


def row_recipient(row: Row) -> tuple[Recipient, RecipientState]:
    """Read a row of RECIPIENT_COLUMNS."""
    number, index, fate, next_at, attempts, held, leased, told, address, wanted, notify, orcpt = row
    local, _, domain = address.rpartition("@")
    return (
        Recipient(
            Address(local, domain),
            None if notify is None else Notify(notify),
            orcpt,
            None if wanted is None else text_address(wanted),
        ),
        RecipientState(
            number,
            index,
            None if fate is None else _FATES[fate],
            next_at,
            attempts,
            held,
            leased,
            told,
        ),
    )


def row_event(data: bytes) -> Event:
    """Read the `data` of an event."""
    return _event(data)


def row_notice(row: Row) -> Notice:
    """Read a row of NOTICE_COLUMNS."""
    return Notice(
        id=row[0], number=row[1], to=text_address(row[2]), held=bool(row[3]), reasons=_reasons(row[6])
    )


def row_letter(row: Row, recipients: tuple[Recipient, ...]) -> StoredLetter:
    """Read a row of MESSAGE_COLUMNS with its recipients."""
    return StoredLetter(
        number=row[0],
        accepted_at=row[1],
        reverse_path=None if row[2] is None else text_address(row[2]),
        recipients=recipients,
        size=row[5],
        sha256=row[6],
        body_file=row[7],
        header_end=row[8],
        message_id=row[11],
        subject=row[12],
        params=_read_params(row[14]),
        origin=_origin(row[15]),
        trace_block=row[16],
    )


def _read_params(data: bytes) -> MailParams:
    return MailParams() if data == _NO_PARAMS else _params(data)


def row_waiting(row: Row, recipients: Sequence[tuple[Recipient, RecipientState]]) -> StoredMessage:
    """Read (number, accepted_at, reverse_path, size, account, proven_sender, params)."""
    return StoredMessage(
        number=row[0],
        accepted_at=row[1],
        reverse_path=None if row[2] is None else text_address(row[2]),
        size=row[3],
        account=row[4],
        proven_sender=bool(row[5]),
        recipients=tuple(recipients),
        urgency=_read_params(row[6]).urgency,
    )


class Batch:
    """All rows of one commit, gathered per table in the order in which the changes came."""

    __slots__ = (
        "bodies",
        "debits",
        "ended",
        "events",
        "messages",
        "notices",
        "notices_met",
        "numbers",
        "paces",
        "recipients",
        "roads",
        "states",
    )

    def __init__(self, changes: Iterable[Change], event_id: int) -> None:
        self.numbers: list[int] = []
        self.messages: list[Row] = []
        self.bodies: list[Row] = []
        self.recipients: list[Row] = []
        self.states: list[Row] = []
        self.events: list[Row] = []
        self.notices: list[Row] = []
        self.notices_met: list[Row] = []
        self.ended: list[Row] = []
        self.debits: list[Row] = []
        self.roads: list[Row] = []
        self.paces: list[Row] = []
        for change in changes:
            message = change.message
            if message is None:
                for s in change.recipients:
                    self.states.append(_state_row(s))
            else:
                self._add(message, change.recipients)
            for event in change.events:
                event_id += 1
                self.events.append(event_row(event, event_id))
            if change.debits:
                self.debits += [(d.key, d.at, d.units) for d in change.debits]
            if change.roads:
                self.roads += [road_row(r) for r in change.roads]
            if change.paces:
                self.paces += [pace_row(r) for r in change.paces]
            if change.notices or change.notices_met or change.finished:
                self._close(change)

    def _add(self, m: NewMessage, states: tuple[RecipientState, ...]) -> None:
        self.numbers.append(m.number)
        self.messages.append(message_row(m))
        if m.body is not None:
            self.bodies.append((m.number, m.body))
        by_index = {s.index: s for s in states if s.number == m.number}
        for index, recipient in enumerate(m.recipients):
            state = by_index.get(index) or RecipientState(m.number, index, None, m.accepted_at, 0)
            self.recipients.append(recipient_row(recipient, state))
        if len(by_index) != len(
            states
        ):  # the report that meets an obligation may end something of its original
            self.states += [_state_row(s) for s in states if s.number != m.number]

    def _close(self, change: Change) -> None:
        self.notices += [notice_row(n) for n in change.notices]
        if change.notices_met:
            met_by = change.message.number if change.message else change.events[-1].other
            self.notices_met += [(met_by, notice) for notice in change.notices_met]
        if change.finished:
            last = change.events[-1]
            number = change.message.number if change.message else last.number
            self.ended.append((number, last.at))


def _state_row(s: RecipientState) -> Row:
    """Bindings of the update: the new state, then the key."""
    return (
        None if s.fate is None else s.fate.value,
        s.next_at,
        s.attempts,
        s.held,
        s.leased,
        s.told,
        s.number,
        s.index,
    )


def mended(value: T) -> T:
    """Return `value` (a struct, or a tuple of them) with lone surrogates in its texts replaced by ``?``."""
    if isinstance(value, str) and type(value) is str:
        return value.encode("utf-8", "replace").decode()  # type: ignore[return-value]
    if isinstance(value, tuple):
        return tuple(mended(v) for v in value)  # type: ignore[return-value]
    if isinstance(value, msgspec.Struct):
        changed: dict[str, Any] = {}
        for name in value.__struct_fields__:
            before = getattr(value, name)
            after = mended(before)
            if after != before:
                changed[name] = after
        return msgspec.structs.replace(value, **changed) if changed else value
    return value
