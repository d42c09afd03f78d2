"""`SqliteReports`: counts for DMARC reports of ours, and the reports of others, in a file of their own.

Receptions count into it, control sends from it, deliveries put reports of others into it: seldom enough for SQLite's
own lock.  Every table is bounded, in rows and in days.
"""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from kurir.model import Clock
from kurir.reports.ports import (
    AggregateReport,
    Complaint,
    DmarcSeen,
    Feedback,
    KeptAggregate,
    KeptTls,
    Row,
    SentReport,
    TlsReport,
)

from .database import Schema, copy_log, finish, one, open_reader, open_writer, rows, transaction, translated
from .days import fold
from .layout import Layout

REPORTS: Final = Schema.of("reports")
KEEP_COUNTS_DAYS = 10  # of mail that is reported the day after
KEEP_DAYS = 180  # of reports of others
KNOWN_DAYS = 180  # without a proof a domain is forgotten
REST_DAYS = 30  # of an address that refused a report
MAX_SEEN = 200_000  # rows of all days
MAX_SEEN_OF_ONE = 4_000  # rows of one domain and day
MAX_KNOWN = 100_000
MAX_ROWS = 5_000  # of one report of others; those with most messages stay
MAX_REPORTS = 20_000  # of others, of each kind

_encode = msgspec.json.encode
_row = msgspec.json.Decoder(Row).decode
_aggregate = msgspec.json.Decoder(AggregateReport).decode
_tls = msgspec.json.Decoder(TlsReport).decode
_feedback = msgspec.json.Decoder(Feedback).decode


class SqliteReports:
    """Implements `kurir.reports.ports.SeenStore` and `ReceivedReports`; thread-safe.  Raises `StoreFull`, `StoreError`.

    With `writable` False the file is opened read-only and must exist (`NoDatabase`).
    """

    def __init__(self, layout: Layout, clock: Clock, *, writable: bool = True) -> None:
        self._clock = clock
        path = layout.reports
        self._db = open_writer(path, REPORTS, clock.now) if writable else open_reader(path)
        self._db.pragma("secure_delete", True)  # what is erased is overwritten, not only unlinked
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            finish(self._db)

    # -- for reception ------------------------------------------------------------------------

    def count(self, seen: Sequence[tuple[DmarcSeen, int]]) -> None:
        """Add to the counts, and remember which domains proved themselves."""
        with self._writing("counting for DMARC reports"):
            room = MAX_SEEN - int(one(self._db, "SELECT count(*) FROM seen")[0])
            if room > 0:
                self._db.executemany(_COUNT, [_seen_row(key, n) for key, n in seen[:room]])
            if one(self._db, "SELECT count(*) FROM known")[0] < MAX_KNOWN:
                proven = {(key.domain, key.day) for key, _ in seen if key.proven}
                self._db.executemany(_KNOWN, [(domain, day, day) for domain, day in sorted(proven)])

    # -- for the sender of reports ----------------------------------------------------------------

    def due(self, before: str) -> list[tuple[str, str]]:
        """Return (day, domain) of what was counted before that day and is not dealt with, the oldest first."""
        sql = (
            "SELECT DISTINCT day, domain FROM seen WHERE day < ? AND NOT EXISTS ("
            "SELECT 1 FROM dealt d WHERE d.day = seen.day AND d.domain = seen.domain) ORDER BY day, domain"
        )
        with self._reading():
            return [(day, domain) for day, domain in rows(self._db, sql, (before,))]

    def seen(self, day: str, domain: str) -> list[tuple[DmarcSeen, int]]:
        """Return what was counted for a domain on a day."""
        sql = "SELECT method, policy, row, count FROM seen WHERE day = ? AND domain = ?"
        with self._reading():
            return [
                (DmarcSeen(day, domain, method, policy, _row(row)), count)
                for method, policy, row, count in rows(self._db, sql, (day, domain))
            ]

    def known_since(self, domain: str) -> str | None:
        """Return the day of the first proof of a domain, None where it never proved itself."""
        with self._reading():
            found = next(rows(self._db, "SELECT since FROM known WHERE domain = ?", (domain,)), None)
        return None if found is None else str(found[0])

    def dealt(self, day: str, domain: str, outcome: str) -> None:
        """Note what became of a report; counts and notes that are old go."""
        now = self._clock.now()
        with self._writing("noting a DMARC report"):
            self._db.execute("INSERT OR REPLACE INTO dealt VALUES (?, ?, ?, ?)", (day, domain, outcome, now))
            for table in ("seen", "dealt"):
                self._db.execute(f"DELETE FROM {table} WHERE day < ?", (_day(now, KEEP_COUNTS_DAYS),))
            self._db.execute("DELETE FROM known WHERE last < ?", (_day(now, KNOWN_DAYS),))

    def sent(self, report: SentReport) -> None:
        """Note a report that is under way."""
        r = report
        with self._writing("noting a DMARC report"):
            self._db.execute(
                "INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?, ?, 1)",
                (r.message_id, r.day, r.domain, r.address, r.number, r.at),
            )
            self._db.execute("DELETE FROM sent WHERE at < ?", (self._clock.now() - REST_DAYS * 86_400,))

    def sent_about(self, day: str, domain: str) -> set[str]:
        """Return the Message-IDs of the reports about a domain and day that went out."""
        with self._reading():
            found = rows(self._db, "SELECT message_id FROM sent WHERE day = ? AND domain = ?", (day, domain))
            return {row[0] for row in found}

    def sent_since(self, since: float) -> list[SentReport]:
        """Return the reports that went out since then."""
        return self._sent("at >= ?", since)

    def under_way(self) -> list[SentReport]:
        """Return the reports of which nobody knows yet what became of them."""
        return self._sent("open = ?", 1)

    def arrived(self, message_id: str) -> None:
        """Note that a report was taken."""
        with self._writing("noting a DMARC report"):
            self._db.execute("UPDATE sent SET open = 0 WHERE message_id = ?", (message_id,))

    def refused(self, message_id: str, why: str) -> str:
        """Note that a report was refused: its address rests.  Return the address, "" where no such report is known."""
        now = self._clock.now()
        with self._writing("noting a DMARC report"):
            found = list(
                rows(
                    self._db,
                    "UPDATE sent SET open = 0 WHERE message_id = ? RETURNING address",
                    (message_id,),
                )
            )
            self._db.execute("DELETE FROM resting WHERE until < ?", (now,))
            for (address,) in found:
                until = now + REST_DAYS * 86_400
                self._db.execute(
                    "INSERT OR REPLACE INTO resting VALUES (?, ?, ?)", (address, until, why[:300])
                )
        return found[0][0] if found else ""

    def resting(self) -> dict[str, float]:
        """Return the addresses that get no reports, and until when."""
        with self._reading():
            found = rows(self._db, "SELECT address, until FROM resting WHERE until > ?", (self._clock.now(),))
            return dict(found)

    # -- reports of others ------------------------------------------------------------------------

    def keep_aggregate(self, kept: KeptAggregate) -> bool:
        """Keep a DMARC report; False where it is there already."""
        kept = _bounded(kept)
        r = kept.report
        values = (
            r.policy.domain,
            r.org_name,
            r.report_id,
            r.end,
            kept.at,
            kept.sender,
            kept.proven,
            kept.left_out,
        )
        columns = "domain, org, report_id, ended, at, sender, proven, left_out, report"
        return self._keep("aggregate", columns, (*values, _encode(r).decode()))

    def keep_tls(self, kept: KeptTls) -> bool:
        """Keep a TLS report; False where it is there already."""
        r = kept.report
        values = (r.org_name, r.report_id, kept.at, kept.sender, kept.proven, _encode(r).decode())
        return self._keep("tls", "org, report_id, at, sender, proven, report", values)

    def keep_complaint(self, complaint: Complaint) -> bool:
        """Keep feedback about a message; False where it is there already."""
        c = complaint
        text = _encode(c.feedback)
        digest = hashlib.sha256(c.sender.encode() + b"\0" + text).hexdigest()
        values = (digest, c.at, c.sender, c.proven, c.number, c.account, text.decode())
        return self._keep("complaint", "digest, at, sender, proven, number, account, feedback", values)

    def bounced(self, message_ids: Sequence[str]) -> str:
        """A report of ours with one of these Message-IDs came back: rest its address, and return it ("" none)."""
        return next((a for a in (self.refused(m, "it came back") for m in message_ids) if a), "")

    def aggregates(self, since: float, domain: str = "") -> list[KeptAggregate]:
        """Return DMARC reports that tell of times since then, the oldest first; `domain` "" for all."""
        sql = (
            "SELECT report, at, sender, proven, left_out FROM aggregate"
            " WHERE ended >= ?1 AND ?2 IN ('', domain) ORDER BY ended, id"
        )
        with self._reading():
            found = list(rows(self._db, sql, (int(since), domain)))
        return [KeptAggregate(_aggregate(r[0]), r[1], r[2], bool(r[3]), r[4]) for r in found]

    def tls_reports(self, since: float) -> list[KeptTls]:
        """Return TLS reports that came since then, the oldest first."""
        sql = "SELECT report, at, sender, proven FROM tls WHERE at >= ? ORDER BY id"
        with self._reading():
            found = list(rows(self._db, sql, (since,)))
        return [KeptTls(_tls(r[0]), r[1], r[2], bool(r[3])) for r in found]

    def complaints(self, since: float = 0.0, number: int | None = None) -> list[Complaint]:
        """Return feedback that came since then, the oldest first; `number` only about that message of ours."""
        sql = (
            "SELECT feedback, at, sender, proven, number, account FROM complaint"
            " WHERE at >= ?1 AND (?2 IS NULL OR number = ?2) ORDER BY id"
        )
        with self._reading():
            found = list(rows(self._db, sql, (since, number)))
        return [Complaint(_feedback(r[0]), r[1], r[2], bool(r[3]), r[4], r[5]) for r in found]

    def erase(self, address: str) -> int:
        """Remove complaints that name an address (in any case); return how many."""
        key = fold(address)
        with self._reading():
            found = list(rows(self._db, "SELECT id, account, feedback FROM complaint"))
        named = [(i,) for i, account, text in found if key in fold(account) or key in fold(text)]
        with self._writing("erasing complaints"):
            self._db.executemany("DELETE FROM complaint WHERE id = ?", named)
        return len(named)

    # -- inside -------------------------------------------------------------------------------

    def _sent(self, condition: str, value: object) -> list[SentReport]:
        sql = f"SELECT day, domain, address, number, message_id, at FROM sent WHERE {condition} ORDER BY at"
        with self._reading():
            return [SentReport(*row) for row in rows(self._db, sql, (value,))]

    def _keep(self, table: str, columns: str, values: tuple[Any, ...]) -> bool:
        marks = ", ".join("?" * len(values))
        oldest = self._clock.now() - KEEP_DAYS * 86_400
        with self._writing("keeping a report"):
            self._db.execute(f"DELETE FROM {table} WHERE at < ?", (oldest,))
            if one(self._db, f"SELECT count(*) FROM {table}")[0] >= MAX_REPORTS:
                return False
            self._db.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", values)
            return self._db.changes() > 0

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, translated(self._db, "reading reports"):
            yield

    @contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        with self._lock, translated(self._db, doing):
            with transaction(self._db):
                yield
            copy_log(self._db)


_COUNT = (
    "INSERT INTO seen (day, domain, method, policy, row, count) SELECT ?1, ?2, ?3, ?4, ?5, ?6"
    " WHERE (SELECT count(*) FROM seen WHERE day = ?1 AND domain = ?2) < ?7"
    " OR EXISTS (SELECT 1 FROM seen WHERE (day, domain, method, policy, row) = (?1, ?2, ?3, ?4, ?5))"
    " ON CONFLICT (day, domain, method, policy, row) DO UPDATE SET count = count + excluded.count"
)
_KNOWN = (
    "INSERT INTO known VALUES (?, ?, ?) ON CONFLICT (domain) DO UPDATE"
    " SET since = min(since, excluded.since), last = max(last, excluded.last)"
)


def _seen_row(key: DmarcSeen, count: int) -> tuple[object, ...]:
    row = _encode(key.row).decode()
    return key.day, key.domain, key.method, key.policy, row, count, MAX_SEEN_OF_ONE


def _bounded(kept: KeptAggregate) -> KeptAggregate:
    """Return the report with the rows that are kept."""
    report = kept.report
    if len(report.rows) <= MAX_ROWS:
        return kept
    most = tuple(sorted(report.rows, key=lambda row: -row.count)[:MAX_ROWS])
    left_out = report.messages - sum(row.count for row in most)
    return replace(kept, report=replace(report, rows=most), left_out=left_out)


def _day(now: float, days_ago: int) -> str:
    return (datetime.fromtimestamp(now, UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%d")
