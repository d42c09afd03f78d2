"""`SqliteSuppressions`: addresses that mail is not sent to, in a file of its own.

Each delivery process and `kurir suppress` write to it, rarely; ``PRAGMA data_version`` tells the others.
"""

import threading
from collections.abc import Sequence
from typing import Final

from kurir.model import Cause, Clock
from kurir.suppression.entry import Entry, Report, Strike, day_of

from .database import (
    Row,
    Schema,
    copy_log,
    finish,
    one,
    open_reader,
    open_writer,
    rows,
    transaction,
    translated,
)
from .layout import Layout

SUPPRESSIONS: Final = Schema.of("suppressions")

_ENTRY = "address, cause, words, source, by, since, until"
_REPORT = "number, recipient, bounce, at, cause, final, host, words"


class SqliteSuppressions:
    """Implements `kurir.suppression.SuppressionStore`; thread-safe.  Raises `StoreFull`, `StoreError`.

    With `writable` False the file is opened read-only and must exist (`NoDatabase`).
    """

    def __init__(self, layout: Layout, clock: Clock, *, writable: bool = True) -> None:
        path = layout.suppressions
        self._db = open_writer(path, SUPPRESSIONS, clock.now) if writable else open_reader(path)
        self._lock = threading.Lock()
        self._own = 0  # changes by this connection, which data_version does not tell of

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            finish(self._db)

    def version(self) -> int:
        """Return a number that changes when anybody has written to the list."""
        with self._lock, translated(self._db, "reading the suppression list"):
            return int(self._db.pragma("data_version")) + self._own

    def entries(self) -> list[Entry]:
        """Return the list, expired entries too, the newest first."""
        with self._lock, translated(self._db, "reading the suppression list"):
            found = rows(self._db, f"SELECT {_ENTRY} FROM entry ORDER BY since DESC, address")
            return [_entry(row) for row in found]

    def put(self, entry: Entry) -> None:
        """Add or replace an entry; durable when it returns."""
        row = (
            entry.address, entry.cause.value, entry.words, entry.source, entry.by, entry.since, entry.until
        )  # fmt: skip
        self._write(f"INSERT OR REPLACE INTO entry ({_ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def remove(self, address: str) -> bool:
        """Take an address off the list, and forget its strikes; False where it was not on it."""
        self._write("DELETE FROM strike WHERE address = ?", (address,))
        return self._write("DELETE FROM entry WHERE address = ?", (address,)) > 0

    def strike(self, strike: Strike, since: str) -> int:
        """Note a strike (one a day counts); return how many days of strikes there are from the day `since` on."""
        row = (strike.address, strike.day, strike.cause.value, strike.words, strike.number, strike.at)
        self._write("INSERT OR IGNORE INTO strike VALUES (?, ?, ?, ?, ?, ?)", row)
        with self._lock, translated(self._db, "reading the suppression list"):
            sql = "SELECT count(*) FROM strike WHERE address = ? AND day >= ?"
            return int(one(self._db, sql, (strike.address, since))[0])

    def report(self, report: Report) -> bool:
        """Note what came back; False where it is known already."""
        row = (
            report.number, report.recipient, report.bounce, report.at, report.cause.value, int(report.final),
            report.host, report.words,
        )  # fmt: skip
        return (
            self._write(f"INSERT OR IGNORE INTO report ({_REPORT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row) > 0
        )

    def reports(self, number: int) -> Sequence[Report]:
        """Return what came back for a message, the oldest first."""
        with self._lock, translated(self._db, "reading returned mail"):
            found = rows(self._db, f"SELECT {_REPORT} FROM report WHERE number = ? ORDER BY at", (number,))
            return [_report(row) for row in found]

    def forget(self, before: float) -> None:
        """Remove what is older: expired entries, strikes, reports."""
        self._write("DELETE FROM entry WHERE until < ?", (before,))
        self._write("DELETE FROM strike WHERE day < ?", (day_of(before),))
        self._write("DELETE FROM report WHERE at < ?", (before,))

    def erase(self, address: str) -> None:
        """Remove a person's address wherever it stands, what was said of it included."""
        self.remove(address)
        for table in ("strike", "report", "entry"):
            self._write(f"DELETE FROM {table} WHERE instr(lower(words), ?)", (address,))

    def _write(self, sql: str, row: Row) -> int:
        with self._lock, translated(self._db, "writing the suppression list"):
            with transaction(self._db):
                self._db.execute(sql, row)
                changed = self._db.changes()
            self._own += 1
            copy_log(self._db)
            return changed


def _report(row: Row) -> Report:
    number, recipient, bounce, at, cause, final, host, words = row
    return Report(number, recipient, bounce, at, Cause(cause), bool(final), host, words)


def _entry(row: Row) -> Entry:
    return Entry(
        address=row[0],
        cause=Cause(row[1]),
        words=row[2],
        source=row[3],
        by=row[4],
        since=row[5],
        until=row[6],
    )
