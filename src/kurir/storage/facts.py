"""`SqliteFacts`: the store of facts behind the brain.  One transaction and one sync per batch.

Rules: the commit path never checkpoints and never retries; what failed for lack of space may be tried again
later, any other failure closes this object for writing, because after a failed fsync nobody knows what the
disk holds (a restart reads it back).  The store checks what it is told: numbers are dense, and a recipient
that has ended stays as it ended.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import apsw

from kurir.model import Clock, EventKind, Outcome, Recipient
from kurir.model.told import told
from kurir.queue.ports import (
    Change,
    Debit,
    Notice,
    PaceRecord,
    RecipientState,
    RoadRecord,
    StoredLetter,
    StoredMessage,
    StoreError,
    StoreFull,
)

from .database import (
    NoDatabase,
    Schema,
    one,
    open_reader,
    open_writer,
    rewrite_log,
    transaction,
    translated,
)
from .layout import Layout
from .rows import (
    EVENT_COLUMNS,
    MESSAGE_COLUMNS,
    NOTICE_COLUMNS,
    PACE_COLUMNS,
    RECIPIENT_COLUMNS,
    ROAD_COLUMNS,
    Batch,
    marks,
    mended,
    row_event,
    row_letter,
    row_notice,
    row_pace,
    row_recipient,
    row_road,
    row_waiting,
)
from .settings import FactsSettings

FACTS: Final = Schema.of("facts", "facts", "facts-2", "facts-3", "facts-4", "facts-5")

_ADD_MESSAGE = f"INSERT INTO message ({MESSAGE_COLUMNS}) VALUES ({marks(MESSAGE_COLUMNS)})"
_ADD_BODY = "INSERT INTO body (number, data) VALUES (?, ?)"
_ADD_RECIPIENT = f"INSERT INTO recipient ({RECIPIENT_COLUMNS}) VALUES ({marks(RECIPIENT_COLUMNS)})"
_SET_STATE = (
    "UPDATE recipient SET fate=?, next_at=?, attempts=?, held=?, leased=?, told=?"
    " WHERE number=? AND idx=? AND fate IS NULL"
)
_ADD_EVENT = f"INSERT INTO event ({EVENT_COLUMNS}) VALUES ({marks(EVENT_COLUMNS)})"
_ADD_NOTICE = f"INSERT OR IGNORE INTO notice ({NOTICE_COLUMNS}) VALUES ({marks(NOTICE_COLUMNS)})"
_MEET_NOTICE = "UPDATE notice SET open=0, met_by=? WHERE id=? AND open=1"
_ADD_SETTLED = "INSERT OR IGNORE INTO settled (number, at) VALUES (?, ?)"
_ADD_DEBIT = (
    "INSERT INTO debit (key, at, units) VALUES (?, ?, ?)"
    " ON CONFLICT (key, at) DO UPDATE SET units = units + excluded.units"
)
_SET_ROAD = f"INSERT OR REPLACE INTO road ({ROAD_COLUMNS}) VALUES ({marks(ROAD_COLUMNS)})"
_SET_PACE = f"INSERT OR REPLACE INTO pace ({PACE_COLUMNS}) VALUES ({marks(PACE_COLUMNS)})"
_COUNT = "UPDATE ledger SET messages=messages+?, recipients=recipients+?, events=events+?"

_WAITING = """
SELECT r.number, r.idx, r.fate, r.next_at, r.attempts, r.held, r.leased, r.told,
       r.address, r.wanted, r.notify, r.orcpt,
       m.accepted_at, m.reverse_path, m.size, m.account, m.proven_sender, m.params
FROM recipient r JOIN message m ON m.number = r.number
WHERE r.fate IS NULL ORDER BY r.number, r.idx"""


# A field that is false is not stored, so that its name says enough to leave all others unread.
_LOST_REPLIES = """
SELECT e.data FROM recipient r JOIN event e ON e.number = r.number AND e.recipient = r.idx
WHERE r.fate IS NULL AND r.attempts > 0 AND e.kind = ?
AND instr(e.data, CAST('possibly_delivered' AS BLOB)) > 0 ORDER BY e.number, e.id"""


@dataclass(frozen=True, slots=True)
class CheckpointReport:
    """What a checkpoint came to: octets still in use in the WAL; `blocked` by a reader that would not go."""

    wal: int
    blocked: bool


class SqliteFacts:
    """Facts in ``facts.db`` (implements `kurir.queue.ports.Store`).

    `commit` belongs to one thread; `letters`, `checkpoint` and the mover (`days.DayMover`) may run beside it
    in others.  `writing` is the lock that all writers of this process take.  Raises `StoreError` where the
    file cannot be opened with the guarantees that mail needs.
    """

    def __init__(self, layout: Layout, clock: Clock, settings: FactsSettings | None = None) -> None:
        self.layout = layout
        self.clock = clock
        self.settings = settings or FactsSettings()
        self.writing = threading.Lock()
        self._failure: StoreError | None = None
        rewrite_log(layout.facts)
        self._writer = self.connect()
        self._checkpointer = self.connect()
        self._reader = open_reader(layout.facts)
        self._reading = threading.Lock()
        ledger = one(self._writer, "SELECT messages, recipients, events FROM ledger")
        self._messages, self._events = int(ledger[0]), int(ledger[2])

    def connect(self, cache: int | None = None) -> apsw.Connection:
        """Open one more writing connection to the facts (for the mover); the caller takes `writing` around it."""
        s = self.settings
        connection = open_writer(
            self.layout.facts,
            FACTS,
            self.clock.now,
            page_size=s.page_size,
            cache=s.cache if cache is None else cache,
        )
        connection.pragma("journal_size_limit", 4 * s.wal_soft)
        return connection

    def close(self) -> None:
        """Checkpoint and close.  Harmless when called twice."""
        with suppress(apsw.Error, StoreError):
            self.checkpoint()
        for connection in (self._reader, self._checkpointer, self._writer):
            connection.close()

    # numbers

    def next_number(self) -> int:
        """Return the accept number that follows the highest ever used."""
        return self._messages + 1

    def begin_epoch(self) -> int:
        """Count this start of the brain; durable before it returns."""
        with self.writing, translated(self._writer, "starting an epoch"), transaction(self._writer):
            number = int(one(self._writer, "SELECT coalesce(max(number), 0) + 1 FROM epoch")[0])
            self._writer.execute("INSERT INTO epoch VALUES (?, ?)", (number, self.clock.now()))
        return number

    @property
    def events(self) -> int:
        """How many events were ever written."""
        return self._events

    # ages

    def note_gap(self, below: int, seconds: float, at: float) -> None:
        """Note wall time that does not age the messages with numbers below `below`; durable before it returns."""
        with self.writing, translated(self._writer, "noting a gap"), transaction(self._writer):
            self._writer.execute("INSERT INTO gap VALUES (?, ?, ?)", (below, seconds, at))

    def gaps(self) -> Sequence[tuple[int, float, float]]:
        """Return the gaps noted so far, oldest first."""
        with self.writing, translated(self._writer, "reading gaps"):
            rows = self._writer.execute("SELECT below, seconds, noted_at FROM gap ORDER BY rowid").fetchall()
        return cast("list[tuple[int, float, float]]", rows)

    # budgets

    def debits(self, since: int) -> Sequence[Debit]:
        """Return what is used of budgets since that moment, and what is in the air; forget the rest."""
        with self.writing, translated(self._writer, "reading debits"), transaction(self._writer):
            self._writer.execute("DELETE FROM debit WHERE units = 0 OR at BETWEEN 0 AND ?", (since - 1,))
            rows = self._writer.execute("SELECT key, at, units FROM debit ORDER BY key, at").fetchall()
        return [
            Debit(str(key), int(at), int(units))
            for key, at, units in cast("list[tuple[str, int, int]]", rows)
        ]

    # roads and paces

    def roads(self, since: float) -> Sequence[RoadRecord]:
        """Return the newest record of each road at each site; forget those from before `since`."""
        with self.writing, translated(self._writer, "reading roads"), transaction(self._writer):
            self._writer.execute("DELETE FROM road WHERE at < ?", (since,))
            rows = self._writer.execute(f"SELECT {ROAD_COLUMNS} FROM road ORDER BY road, site").fetchall()
        return [row_road(row) for row in rows]

    def paces(self, since: float) -> Sequence[PaceRecord]:
        """Return the newest record of each pace; forget those from before `since`, and those that are over."""
        with self.writing, translated(self._writer, "reading paces"), transaction(self._writer):
            self._writer.execute("DELETE FROM pace WHERE at < ? OR signal = ''", (since,))
            rows = self._writer.execute(f"SELECT {PACE_COLUMNS} FROM pace ORDER BY key").fetchall()
        return [row_pace(row) for row in rows]

    # writing

    def commit(self, changes: Sequence[Change]) -> None:
        """Make all changes durable in one transaction, one sync.  Raises `StoreFull` or `StoreError`.

        After a `StoreError` that is no `StoreFull`, every further commit fails with the same words.
        """
        if self._failure is not None:
            raise self._failure
        if not changes:
            return
        try:
            try:
                batch = self._commit(changes)
            except UnicodeEncodeError:
                batch = self._commit(mended(tuple(changes)))
        except StoreFull:
            raise
        except StoreError as e:
            self._failure = e
            raise
        self._messages += len(batch.numbers)
        self._events += len(batch.events)

    def _commit(self, changes: Sequence[Change]) -> Batch:
        batch = Batch(changes, self._events)
        self._check_dense(batch.numbers)
        with self.writing, translated(self._writer, "committing mail"), transaction(self._writer):
            self._write(batch)
        return batch

    def _check_dense(self, numbers: Sequence[int]) -> None:
        first = self._messages + 1
        if numbers and sorted(numbers) != list(range(first, first + len(numbers))):
            raise StoreError(
                told(
                    "accept numbers are dense: {first} comes next, but got {value}",
                    first=first,
                    value=sorted(numbers)[:5],
                )
            )

    def _write(self, batch: Batch) -> None:
        write = self._writer.executemany
        if batch.messages:
            write(_ADD_MESSAGE, batch.messages)
            if batch.bodies:
                write(_ADD_BODY, batch.bodies)
            write(_ADD_RECIPIENT, batch.recipients)
        if batch.states:
            self._set_states(batch)
        write(_ADD_EVENT, batch.events)
        if batch.notices:
            write(_ADD_NOTICE, batch.notices)
        if batch.notices_met:
            write(_MEET_NOTICE, batch.notices_met)
        if batch.ended:
            write(_ADD_SETTLED, batch.ended)
        if batch.debits:
            write(_ADD_DEBIT, batch.debits)
        if batch.roads:
            write(_SET_ROAD, batch.roads)
        if batch.paces:
            write(_SET_PACE, batch.paces)
        self._writer.execute(_COUNT, (len(batch.messages), len(batch.recipients), len(batch.events)))

    def _set_states(self, batch: Batch) -> None:
        before = self._writer.total_changes()
        self._writer.executemany(_SET_STATE, batch.states)
        changed = self._writer.total_changes() - before
        if changed != len(batch.states):
            wrong = len(batch.states) - changed
            raise StoreError(
                told(
                    "{wrong} of {len} recipients are unknown or have ended already",
                    wrong=wrong,
                    len=len(batch.states),
                )
            )

    # reading

    def waiting(self) -> Iterator[StoredMessage]:
        """Yield every message with waiting recipients, in order of number (start-up only)."""
        connection = open_reader(self.layout.facts)
        try:
            with translated(connection, "reading the queue"):
                yield from _grouped(connection)
        finally:
            connection.close()

    def open_notices(self) -> Iterator[Notice]:
        """Yield every obligation not met yet, in order of message number."""
        query = f"SELECT {NOTICE_COLUMNS} FROM notice WHERE open = 1 ORDER BY number, id"
        with self._reading, translated(self._reader, "reading open notices"):
            rows = self._reader.execute(query).fetchall()
        return iter([row_notice(row) for row in rows])

    def letters(self, numbers: Sequence[int]) -> dict[int, StoredLetter]:
        """Read what leases need; missing numbers are left out.  Thread-safe beside `commit`."""
        found: dict[int, StoredLetter] = {}
        with self._reading, translated(self._reader, "reading letters"):
            for number in numbers:
                row = self._reader.execute(_ONE_MESSAGE, (number,)).fetchone()
                if row is not None:
                    rows = self._reader.execute(_ITS_RECIPIENTS, (number,)).fetchall()
                    found[number] = row_letter(row, tuple(row_recipient(r)[0] for r in rows))
        return found

    def last_outcomes(self, number: int) -> dict[int, Outcome]:
        """Return what the latest attempt on each recipient came to, by index.  Thread-safe beside `commit`."""
        query = "SELECT data FROM event WHERE number = ? AND kind = ? ORDER BY id"
        with self._reading, translated(self._reader, "reading attempts"):
            rows: list[Any] = self._reader.execute(query, (number, EventKind.ATTEMPTED.value)).fetchall()
        events = [row_event(data) for (data,) in rows]
        return {e.recipient: e.outcome for e in events if e.outcome is not None}

    def lost_replies(self) -> Iterator[tuple[int, int, str]]:
        """Yield (number, index, road) of waiting recipients that may have been delivered (start-up only)."""
        with self._reading, translated(self._reader, "reading lost replies"):
            rows: list[Any] = self._reader.execute(_LOST_REPLIES, (EventKind.ATTEMPTED.value,)).fetchall()
        for event in (row_event(data) for (data,) in rows):
            if event.outcome is not None and event.outcome.possibly_delivered:
                yield event.number, event.recipient, event.outcome.road

    def notice_number(self, notice_id: str) -> int | None:
        """Return the number of the message that fulfilled the obligation, or None.

        Looks into day files too: a report may be handed in again long after its original was settled.
        """
        query = "SELECT met_by FROM notice WHERE id = ?"
        with self._reading, translated(self._reader, "reading a notice"):
            row = self._reader.execute(query, (notice_id,)).fetchone()
        if row is not None:
            return None if row[0] is None else int(row[0])
        for path in reversed(self.layout.day_files().values()):
            with suppress(NoDatabase):
                connection = open_reader(path)
                try:
                    with translated(connection, f"reading {path}"):
                        row = connection.execute(query, (notice_id,)).fetchone()
                finally:
                    connection.close()
                if row is not None:
                    return None if row[0] is None else int(row[0])
        return None

    def body_files(self) -> set[str]:
        """Return the names of all body files that a row names (for `bodies.sweep`)."""
        with self._reading, translated(self._reader, "reading names of bodies"):
            query = "SELECT body_file FROM message WHERE body_file IS NOT NULL"
            return {row[0] for row in self._reader.execute(query)}

    # checkpoints

    def wal_size(self) -> int:
        """Return the octets of the WAL on disk."""
        wal = self.layout.facts.with_name(self.layout.facts.name + "-wal")
        try:
            return wal.stat().st_size
        except FileNotFoundError:
            return 0

    def checkpoint(self) -> CheckpointReport:
        """Copy the WAL into the database; call it every second or so from a thread of its own.

        The bulk is copied without holding anybody up.  With more than `wal_soft` in the WAL it is then written
        from its start again, if no reader is in the way: over what is there, since a file that does not grow
        is synced in half the time.  Above `wal_hard` readers are waited for and the file is emptied.
        Raises `StoreFull`, `StoreError`.
        """
        db, s = self._checkpointer, self.settings
        with translated(db, "writing a checkpoint"):
            frames, _ = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            used = frames * (s.page_size + _FRAME_HEADER)
            if used <= s.wal_soft:
                return CheckpointReport(used, blocked=False)
            hard = used > s.wal_hard
            with self.writing:
                db.set_busy_timeout(round(s.wal_patience * 1000) if hard else 0)
                try:
                    db.wal_checkpoint(
                        mode=apsw.SQLITE_CHECKPOINT_TRUNCATE if hard else apsw.SQLITE_CHECKPOINT_RESTART
                    )
                except apsw.BusyError:
                    return CheckpointReport(used, blocked=True)
                finally:
                    db.set_busy_timeout(5000)
        return CheckpointReport(0, blocked=False)


_FRAME_HEADER: Final = 24
_ONE_MESSAGE = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE number = ?"
_ITS_RECIPIENTS = f"SELECT {RECIPIENT_COLUMNS} FROM recipient WHERE number = ? ORDER BY idx"


def _grouped(connection: apsw.Connection) -> Iterator[StoredMessage]:
    """Put the rows of `_WAITING` together: one message after the other, its recipients in order."""
    head: tuple[object, ...] | None = None
    recipients: list[tuple[Recipient, RecipientState]] = []
    for row in connection.execute(_WAITING):
        if head is None or row[0] != head[0]:
            if head is not None:
                yield row_waiting(head, recipients)
            head = (row[0], *row[12:])
            recipients = []
        recipients.append(row_recipient(row[:12]))
    if head is not None:
        yield row_waiting(head, recipients)
