"""Settled mail leaves the hot tables for day files, so that the queue stays small and old days go whole.

A transaction over attached files is not crash-atomic in WAL mode, hence three steps that may each be
repeated: copy into the day file (replacing what an earlier, killed copy left), sync; delete from the hot
tables and count up the books of the day, one transaction, sync; remove body files.  Killed anywhere, a
message is in the hot tables, or in both (and will be copied again), or in the day file: never in neither.

A message belongs to the day on which its last recipient ended.  It stays hot while a report is owed for it.
Where its day is closed already (the report came late, the clock was set back), it goes to the next open one.
"""

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import apsw

from kurir.queue.ports import StoreError

from .database import (
    Schema,
    copy_log,
    one,
    open_writer,
    remove_database,
    sync_directory,
    transaction,
    translated,
)
from .facts import SqliteFacts
from .rows import EVENT_COLUMNS, MESSAGE_COLUMNS, NOTICE_COLUMNS, RECIPIENT_COLUMNS
from .settings import DaySettings
from .totals import (
    BOOK_COLUMNS,
    DayBook,
    added,
    count_fates,
    count_file,
    day_of,
    days_before,
    next_day,
    pack_runs,
    read_book,
)

DAY: Final = Schema.of("day")

_READY = """
SELECT s.number, s.at FROM settled s
WHERE NOT EXISTS (SELECT 1 FROM notice n WHERE n.number = s.number AND n.open = 1)
  AND NOT EXISTS (SELECT 1 FROM recipient r WHERE r.number = s.number AND r.fate IS NULL)
ORDER BY s.number LIMIT ?"""

_THESE = "number IN (SELECT value FROM json_each(?1))"
_COPIES = (
    *(
        f"DELETE FROM main.{table} WHERE {_THESE}"
        for table in ("message", "recipient", "event", "notice", "person")
    ),
    (
        f"INSERT INTO main.message ({MESSAGE_COLUMNS}, finished_at) SELECT {MESSAGE_COLUMNS}, at"
        f" FROM facts.message JOIN facts.settled USING (number) WHERE {_THESE}"
    ),
    f"INSERT INTO main.recipient ({RECIPIENT_COLUMNS}) SELECT {RECIPIENT_COLUMNS} FROM facts.recipient WHERE {_THESE}",
    f"INSERT INTO main.event ({EVENT_COLUMNS}) SELECT {EVENT_COLUMNS} FROM facts.event WHERE {_THESE}",
    f"INSERT INTO main.notice ({NOTICE_COLUMNS}) SELECT {NOTICE_COLUMNS} FROM facts.notice WHERE {_THESE}",
    *(
        # ASCII is lowered by SQLite itself: `fold` would need the interpreter's lock for each address.
        f"INSERT OR IGNORE INTO main.person (address, number) SELECT"
        f" iif({column} GLOB '*[^ -~]*', fold({column}), lower({column})), number"
        f" FROM main.{table} WHERE {_THESE} AND {column} <> ''"
        for table, column in (
            ("message", "reverse_path"),
            ("message", "header_from"),
            ("recipient", "address"),
            ("recipient", "wanted"),
        )
    ),
)
_DELETES = tuple(
    f"DELETE FROM {table} WHERE {_THESE}"
    for table in ("message", "body", "recipient", "event", "notice", "settled")
)
_UPDATE_BOOK = (
    "INSERT INTO day (day, messages, recipients, events, fates) VALUES (?1, ?2, ?3, ?4, ?5)"
    " ON CONFLICT (day) DO UPDATE SET messages=?2, recipients=?3, events=?4, fates=?5"
)
_CLOSE_BOOK = "UPDATE day SET numbers=?, seal=?, closed_at=? WHERE day=?"


def fold(*texts: Any) -> str:
    """Lower case as addresses and subjects are compared in searching; a function of SQL."""
    return "".join(texts).lower()


class DayMover:
    """Moves settled mail, closes and drops days.  Its methods block: call them in a thread, one at a time.

    `remove_body` removes a body file by name.  `fault` is called with the name of each step as it ends
    (``copied``, ``deleted``, ``removed``, ``closed``, ``marked``, ``dropped``); tests kill the process in it.
    All methods raise `StoreFull`, `StoreError`; nothing is half done then.
    """

    def __init__(
        self,
        facts: SqliteFacts,
        remove_body: Callable[[str], None],
        settings: DaySettings | None = None,
        fault: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.facts = facts
        self.layout = facts.layout
        self.settings = settings or DaySettings()
        self._remove_body = remove_body
        self._fault = fault
        self._db = facts.connect(facts.settings.mover_cache)
        self._open: tuple[str, apsw.Connection] | None = None
        self.busy = threading.Lock()

    def close(self) -> None:
        """Close the files."""
        self.release()
        self._db.close()

    def today(self) -> str:
        """Return the day by the clock."""
        return day_of(self.facts.clock.now(), self.settings.zone_offset)

    def move_settled(self, limit: int = 500) -> int:
        """Move up to `limit` settled messages; return how many (0: nothing is ready)."""
        with self.busy:
            by_day: dict[str, list[int]] = {}
            with translated(self._db, "looking for settled mail"):
                closed = {
                    row[0] for row in self._db.execute("SELECT day FROM day WHERE closed_at IS NOT NULL")
                }
                for number, at in self._db.execute(_READY, (limit,)):
                    day = day_of(at, self.settings.zone_offset)
                    while day in closed:
                        day = next_day(day)
                    by_day.setdefault(day, []).append(number)
            for day, numbers in by_day.items():
                self._move(day, numbers)
            return sum(map(len, by_day.values()))

    def close_days(self, today: str | None = None) -> list[str]:
        """Move what is ready, then close the books of all days before `today`; return the days closed.

        A day whose file does not agree with its books stays open: the audit names what is wrong.
        """
        today = today or self.today()
        while self.move_settled():
            pass
        closed = []
        with self.busy, translated(self._db, "closing days"):
            self.release()
            query = f"SELECT {BOOK_COLUMNS} FROM day WHERE closed_at IS NULL AND day < ? ORDER BY day"
            for book in [read_book(row) for row in self._db.execute(query, (today,))]:
                if self._close_book(book):
                    closed.append(book.day)
                self._fault("closed")
        return closed

    def expire(self, before: str | None = None) -> list[str]:
        """Drop the files of closed days before `before` (default: `keep_days` ago); return the days dropped."""
        before = before or days_before(self.today(), self.settings.keep_days)
        with self.busy, translated(self._db, "dropping old days"):
            self.release()
            query = "SELECT day FROM day WHERE closed_at IS NOT NULL AND dropped_at IS NULL AND day < ? ORDER BY day"
            due = [row[0] for row in self._db.execute(query, (before,))]
            if due:
                with self.facts.writing, transaction(self._db):
                    marks = [(self.facts.clock.now(), day) for day in due]
                    self._db.executemany("UPDATE day SET dropped_at=? WHERE day=?", marks)
            self._fault("marked")
            self._remove_dropped()
            self._fault("dropped")
        return due

    # moving

    def _move(self, day: str, numbers: Sequence[int]) -> None:
        these = (json.dumps(numbers),)
        connection = self._day(day)
        with translated(connection, f"writing {self.layout.day(day)}"):
            with transaction(connection, "BEGIN"):
                for statement in _COPIES:
                    connection.execute(statement, these)
            self._fault("copied")
            copy_log(connection)
        with translated(self._db, "removing settled mail from the queue"):
            query = f"SELECT body_file FROM message WHERE {_THESE} AND body_file IS NOT NULL"
            files = [row[0] for row in self._db.execute(query, these)]
            with self.facts.writing, transaction(self._db):
                self._count(day, these)
                for statement in _DELETES:
                    self._db.execute(statement, these)
        self._fault("deleted")
        for name in files:
            self._remove_body(name)
        self._fault("removed")

    def _count(self, day: str, these: tuple[str]) -> None:
        db = self._db
        row = db.execute(f"SELECT {BOOK_COLUMNS} FROM day WHERE day = ?", (day,)).fetchone()
        book = read_book(row) if row else DayBook(day=day, messages=0, recipients=0, events=0, fates={})
        messages = one(db, f"SELECT count(*) FROM message WHERE {_THESE}", these)[0]
        events = one(db, f"SELECT count(*) FROM event WHERE {_THESE}", these)[0]
        fates = count_fates(
            db.execute(f"SELECT fate, count(*) FROM recipient WHERE {_THESE} GROUP BY fate", these)
        )
        counts = (
            day,
            book.messages + messages,
            book.recipients + sum(fates.values()),
            book.events + events,
            json.dumps(added(book.fates, fates)),
        )
        db.execute(_UPDATE_BOOK, counts)

    # day files

    def _day(self, day: str) -> apsw.Connection:
        """Return the connection to a day file with the facts attached for reading; one is kept open."""
        if self._open and self._open[0] == day:
            return self._open[1]
        self.release()
        connection = open_day(self.layout.day(day), self.facts.clock.now)
        try:
            with translated(connection, f"opening {self.layout.day(day)}"):
                connection.execute("ATTACH ? AS facts", (str(self.layout.facts),))
        except StoreError:
            connection.close()
            raise
        self._open = (day, connection)
        return connection

    def release(self) -> None:
        """Let go of the day file that is kept open (the caller holds `busy`)."""
        if self._open:
            self._open[1].close()
            self._open = None

    # closing

    def _close_book(self, book: DayBook) -> bool:
        path = self.layout.day(book.day)
        if not path.exists():
            return False
        connection = open_day(path, self.facts.clock.now)
        try:
            found = count_file(connection, book.day)
            if found.counts() != book.counts():
                return False
            row = (pack_runs(found.numbers or ()), found.sealing(), self.facts.clock.now(), book.day)
            with self.facts.writing, transaction(self._db):
                self._db.execute(_CLOSE_BOOK, row)
            rest(connection)
        finally:
            connection.close()
        return True

    def _remove_dropped(self) -> None:
        dropped = {row[0] for row in self._db.execute("SELECT day FROM day WHERE dropped_at IS NOT NULL")}
        removed = [day for day in self.layout.day_files() if day in dropped]
        for day in removed:
            remove_database(self.layout.day(day))
        if removed:
            sync_directory(self.layout.days)


def open_day(path: Path, now: Callable[[], float]) -> apsw.Connection:
    """Open a day file for writing, with the function `fold`.  Raises `StoreFull`, `StoreError`."""
    connection = open_writer(path, DAY, now)
    connection.create_scalar_function("fold", fold, 1, deterministic=True)
    return connection


def rest(connection: apsw.Connection) -> None:
    """Make a day file one plain file again, readable without write permission; where a reader is in the way, later."""
    with suppress(apsw.BusyError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.pragma("journal_mode", "delete")
