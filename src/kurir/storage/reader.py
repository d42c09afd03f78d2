"""Read-only questions about mail: for the trace, the command line and the dashboard.

Three places are asked, newest first: the hot tables (scanned: they hold what waits, so they are small), the
day files (by their indexes, which the mover writes, so that accepting mail pays nothing for searching), and
the observations.  A day file is skipped once enough newer mail was found.  Opens what it needs per question
and closes it, so no read transaction outlives an answer.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw
import msgspec

from kurir.model import (
    Event,
    MailParams,
    Observation,
    ObservationKind,
    Origin,
    Recipient,
    decode_id,
    encode_id,
)
from kurir.queue.ports import Notice, RecipientState, StoredLetter

from .database import NoDatabase, Row, open_reader, rows, snapshot, translated
from .days import fold
from .layout import Layout
from .rows import (
    MESSAGE_COLUMNS,
    NOTICE_COLUMNS,
    RECIPIENT_COLUMNS,
    row_event,
    row_letter,
    row_notice,
    row_recipient,
)

_observation = msgspec.msgpack.Decoder(Observation).decode


class TraceQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for; every part that is given must fit.

    `message_id` with or without brackets; `address` a whole address (sender, recipient, what the sender
    typed, header From) or ``"@domain"``, in any case; `subject` any part of it, in any case; `since` and
    `until` bound the time of acceptance (epoch seconds, until excluded).
    """

    number: int | None = None
    message_id: str = ""
    address: str = ""
    subject: str = ""
    account: str = ""
    since: float | None = None
    until: float | None = None

    @classmethod
    def of(cls, text: str) -> "TraceQuery":
        """Guess what a person typed: a queue id, a Message-ID in brackets, an address (or Message-ID), a subject."""
        number = decode_id(text)
        if number is not None:
            return cls(number=number)
        text = text.strip()
        if text.startswith("<") and text.endswith(">"):
            return cls(message_id=text)
        return cls(address=text) if "@" in text else cls(subject=text)


class TraceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One message in a list.  `finished_at` is None while it waits; sender ``""`` is the null sender."""

    number: int
    id: str
    accepted_at: float
    finished_at: float | None
    sender: str
    account: str | None
    subject: str
    message_id: str
    size: int
    recipients: tuple[tuple[Recipient, RecipientState], ...]


class StoredTrace(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of one message.  `place` is ``"queue"`` or the day whose file holds it."""

    letter: StoredLetter
    id: str
    place: str
    finished_at: float | None
    header_from: str
    proven_sender: bool
    notice_of: str | None
    recipients: tuple[tuple[Recipient, RecipientState], ...]
    events: tuple[Event, ...]
    open_notices: tuple[Notice, ...]

    @property
    def number(self) -> int:
        """Its accept number."""
        return self.letter.number

    @property
    def origin(self) -> Origin:
        """Where it came from."""
        return self.letter.origin

    @property
    def params(self) -> MailParams:
        """What the sender asked for."""
        return self.letter.params


class TraceReader:
    """Questions to a state folder; works beside a running server, also for another user who may read the files.

    Raises `StoreError` for a file that cannot be read; what does not exist yet holds nothing.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def trace(self, number: int) -> StoredTrace | None:
        """Return everything about one message, or None where it is not (or no longer) known."""
        for place, path in self._places():
            query = f"SELECT {MESSAGE_COLUMNS}, {_FINISHED[place == QUEUE]} FROM message m WHERE number = ?"
            with suppress(NoDatabase), asked(path) as connection:
                row = next(rows(connection, query, (number,)), None)
                if row is not None:
                    return whole_trace(connection, place, row)
        return None

    def traces(self, query: TraceQuery, limit: int) -> list[StoredTrace]:
        """Return everything about messages that fit, the newest first.  For a day of one account, not for all."""
        found: dict[int, StoredTrace] = {}
        for place, path in self._places():
            with suppress(NoDatabase), asked(path) as connection:
                for row in _matching(connection, query, limit, 0, in_queue=place == QUEUE):
                    columns = f"SELECT {MESSAGE_COLUMNS}, {_FINISHED[place == QUEUE]} FROM message m WHERE number = ?"
                    whole = next(rows(connection, columns, (row[0],)))
                    found.setdefault(row[0], whole_trace(connection, place, whole))
        return [found[n] for n in sorted(found, reverse=True)[:limit]]

    def search(self, query: TraceQuery, limit: int = 50) -> list[TraceSummary]:
        """Return messages that fit, the newest first."""
        found: dict[int, TraceSummary] = {}
        for place, path in self._places():
            floor = sorted(found, reverse=True)[limit - 1] if len(found) >= limit else 0
            with suppress(NoDatabase), asked(path) as connection:
                if floor and _highest(connection) < floor:
                    continue
                for row in _matching(connection, query, limit, floor, in_queue=place == QUEUE):
                    found.setdefault(row[0], _summary(connection, row))
        return [found[n] for n in sorted(found, reverse=True)[:limit]]

    def observations(
        self,
        *,
        kinds: Sequence[ObservationKind] = (),
        address: str = "",
        client: str = "",
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
    ) -> list[tuple[Observation, float]]:
        """Return observations, the newest first, each with the time it was last seen.

        `address` fits the sender, the recipient or the account, in any case; ``"@domain"`` all of a domain.
        """
        where, values = ["1"], list[object]()
        if kinds:
            where.append(f"kind IN ({', '.join('?' * len(kinds))})")
            values += [k.value for k in kinds]
        if address:
            fits, key = _fitting(address)
            where.append(f"({' OR '.join(f'fold({c}) {fits}' for c in _PERSON_OBSERVED)})")
            values += [key] * len(_PERSON_OBSERVED)
        for condition, value in (("client = ?", client or None), ("last_at >= ?", since), ("at < ?", until)):
            if value is not None:
                where.append(condition)
                values.append(value)
        sql = f"SELECT data, count, last_at FROM observation WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
        try:
            with asked(self._layout.observations) as connection:
                return [
                    (msgspec.structs.replace(_observation(data), count=count), last_at)
                    for data, count, last_at in rows(connection, sql, (*values, limit))
                ]
        except NoDatabase:
            return []

    def _places(self) -> Iterator[tuple[str, Path]]:
        """Yield the hot tables, then the day files that exist by then, the newest first.

        In that order, since mail moves that way: what left the first is found in the second.
        """
        yield QUEUE, self._layout.facts
        yield from reversed(self._layout.day_files().items())


QUEUE = "queue"
_FINISHED = {True: "(SELECT at FROM settled s WHERE s.number = m.number)", False: "m.finished_at"}
_SUMMARY = "m.number, m.accepted_at, m.reverse_path, m.account, m.subject, m.message_id, m.size"


@contextmanager
def asked(path: Path) -> Iterator[apsw.Connection]:
    """Open a database for one question, with the function `fold`."""
    with closing(open_reader(path)) as connection, translated(connection, f"reading {path.name}"):
        connection.create_scalar_function("fold", fold, 1, deterministic=True)
        with snapshot(connection):
            yield connection


def _highest(connection: apsw.Connection) -> int:
    return int(next(rows(connection, "SELECT coalesce(max(number), 0) FROM message"))[0])


def _matching(
    connection: apsw.Connection, query: TraceQuery, limit: int, floor: int, *, in_queue: bool
) -> Iterator[Row]:
    where, values = _conditions(query, in_queue=in_queue)
    if floor:
        where.append("m.number > ?")
        values.append(floor)
    sql = (
        f"SELECT {_SUMMARY}, {_FINISHED[in_queue]} FROM message m"
        f" WHERE {' AND '.join(where) or '1'} ORDER BY m.number DESC LIMIT ?"
    )
    return iter(list(rows(connection, sql, (*values, limit))))


def _conditions(query: TraceQuery, *, in_queue: bool) -> tuple[list[str], list[object]]:
    """Turn a query into conditions on ``message m`` and their values."""
    where: list[str] = []
    values: list[object] = []
    plain: tuple[tuple[str, object], ...] = (
        ("m.number = ?", query.number),
        ("m.accepted_at >= ?", query.since),
        ("m.accepted_at < ?", query.until),
        ("fold(coalesce(m.account, '')) = ?", query.account.lower() or None),
        ("instr(fold(m.subject), ?) > 0", query.subject.lower() or None),
    )
    for condition, value in plain:
        if value is not None:
            where.append(condition)
            values.append(value)
    if query.message_id:
        bare = query.message_id.strip().removeprefix("<").removesuffix(">")
        where.append("m.message_id IN (?, ?)")
        values += [bare, f"<{bare}>"]
    if query.address:
        fits, value = _fitting(query.address)
        if in_queue:
            where.append(_PERSON_IN_QUEUE.format(fits=fits))
            values += [value] * 4
        else:
            where.append(f"m.number IN (SELECT number FROM person WHERE address {fits})")
            values.append(value)
    return where, values


def _fitting(address: str) -> tuple[str, str]:
    """Return the condition that fits an address, or all of ``"@domain"``, and its value."""
    key = address.strip().lower()
    return ("LIKE ? ESCAPE '\\'", f"%{escaped(key)}") if key.startswith("@") else ("= ?", key)


_PERSON_OBSERVED = ("coalesce(sender, '')", "recipient", "account")
_PERSON_IN_QUEUE = (
    "(fold(coalesce(m.reverse_path, '')) {fits} OR fold(m.header_from) {fits} OR m.number IN (SELECT number"
    " FROM recipient WHERE fold(address) {fits} OR (wanted IS NOT NULL AND fold(wanted) {fits})))"
)


def escaped(text: str) -> str:
    """Return `text` so that LIKE takes it literally (with ESCAPE backslash)."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _recipients(connection: apsw.Connection, number: int) -> tuple[tuple[Recipient, RecipientState], ...]:
    sql = f"SELECT {RECIPIENT_COLUMNS} FROM recipient WHERE number = ? ORDER BY idx"
    return tuple(row_recipient(row) for row in rows(connection, sql, (number,)))


def _summary(connection: apsw.Connection, row: Row) -> TraceSummary:
    return TraceSummary(
        number=row[0],
        id=encode_id(row[0]),
        accepted_at=row[1],
        sender=row[2] or "",
        account=row[3],
        subject=row[4],
        message_id=row[5],
        size=row[6],
        finished_at=row[7],
        recipients=_recipients(connection, row[0]),
    )


def whole_trace(connection: apsw.Connection, place: str, row: Row) -> StoredTrace:
    """Return everything about the message in `row` (the columns of a message and when it finished)."""
    number = row[0]
    pairs = _recipients(connection, number)
    events = rows(connection, "SELECT data FROM event WHERE number = ? ORDER BY id", (number,))
    notices = rows(
        connection, f"SELECT {NOTICE_COLUMNS} FROM notice WHERE number = ? AND open = 1", (number,)
    )
    return StoredTrace(
        letter=row_letter(row[:17], tuple(r for r, _ in pairs)),
        id=encode_id(number),
        place=place,
        finished_at=row[17],
        header_from=row[13],
        proven_sender=bool(row[9]),
        notice_of=row[10],
        recipients=pairs,
        events=tuple(row_event(data) for (data,) in events),
        open_notices=tuple(row_notice(n) for n in notices),
    )
