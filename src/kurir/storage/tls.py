"""`SqliteTls`: memories, policies, acceptances and counts of TLS towards other servers, in a file of its own.

Each delivery process writes to it, rarely: SQLite's own lock is enough.  Every row carries the number of its change,
so that a process asks only for what others have written since it last looked.
"""

import json
import threading
from collections.abc import Sequence
from typing import Final

from kurir.delivery.tlspolicy import (
    Acceptance,
    KeptPolicy,
    Remembered,
    ResultKey,
    Shelf,
    Strength,
    StsFacts,
    StsMode,
)
from kurir.model import Clock

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

TLS: Final = Schema.of("tls")
MAX_RESULTS = 200_000  # rows; a flood of hosts must not fill the disk

_MEMORY = "host, best, since, seen, lost, lost_since, alarmed"
_POLICY = "domain, id, mode, mx, max_age, lines, fetched_at, until"
_ACCEPTANCE = "name, until, by, at"
_RESULT = "day, domain, policy, strings, patterns, result, sending_ip, mx_host, receiving_ip, reason"


class SqliteTls:
    """Implements `kurir.delivery.tlspolicy.TlsStore`; thread-safe.  Raises `StoreFull`, `StoreError`.

    With `writable` False the file is opened read-only and must exist (`NoDatabase`).
    """

    def __init__(self, layout: Layout, clock: Clock, *, writable: bool = True) -> None:
        self._clock = clock
        self._db = open_writer(layout.tls, TLS, clock.now) if writable else open_reader(layout.tls)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            finish(self._db)

    # -- for delivery -------------------------------------------------------------------------

    def changes(self, mark: int) -> Shelf:
        """Return what was written since `mark`."""
        with self._lock, translated(self._db, "reading what is known about TLS"):
            last = int(one(self._db, "SELECT last FROM change")[0])
            if last == mark:
                return Shelf(mark)
            memories = rows(self._db, f"SELECT {_MEMORY} FROM memory WHERE change > ?", (mark,))
            policies = rows(self._db, f"SELECT {_POLICY} FROM policy WHERE change > ?", (mark,))
            accepted = rows(self._db, f"SELECT {_ACCEPTANCE} FROM acceptance WHERE change > ?", (mark,))
            return Shelf(
                last,
                tuple(_memory(row) for row in memories),
                tuple(_policy(row) for row in policies),
                tuple(Acceptance(*row) for row in accepted),
            )

    def remember(self, memories: Sequence[Remembered]) -> None:
        """Keep memories."""
        with self._lock, translated(self._db, "noting TLS"), transaction(self._db):
            change = self._next()
            self._db.executemany(
                f"INSERT OR REPLACE INTO memory ({_MEMORY}, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (m.host, int(m.best), m.since, m.seen, m.lost, m.lost_since, m.alarmed, change)
                    for m in memories
                ],
            )
        self._checkpoint()

    def keep(self, policy: KeptPolicy) -> None:
        """Keep a policy."""
        f = policy.facts
        row = (
            policy.domain, f.id, f.mode.value, json.dumps(f.mx), f.max_age, json.dumps(f.lines), policy.at, policy.until
        )  # fmt: skip
        with self._lock, translated(self._db, "keeping an MTA-STS policy"), transaction(self._db):
            self._db.execute("DELETE FROM policy WHERE until < ?", (self._clock.now(),))
            self._db.execute(
                f"INSERT OR REPLACE INTO policy ({_POLICY}, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, self._next()),
            )
        self._checkpoint()

    def count(self, results: Sequence[tuple[ResultKey, int]]) -> None:
        """Add to the counts."""
        with self._lock, translated(self._db, "counting TLS sessions"), transaction(self._db):
            if one(self._db, "SELECT count(*) FROM result")[0] > MAX_RESULTS:
                return
            self._db.executemany(
                f"INSERT INTO result ({_RESULT}, count) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                f" ON CONFLICT ({_RESULT}) DO UPDATE SET count = count + excluded.count",
                [(*_result_row(key), n) for key, n in results],
            )
        self._checkpoint()

    # -- for the operator ---------------------------------------------------------------------

    def accept(self, acceptance: Acceptance) -> None:
        """Accept that a domain or host is protected worse than before; durable when it returns."""
        with self._lock, translated(self._db, "accepting"), transaction(self._db):
            self._db.execute(
                f"INSERT OR REPLACE INTO acceptance ({_ACCEPTANCE}, change) VALUES (?, ?, ?, ?, ?)",
                (acceptance.name, acceptance.until, acceptance.by, acceptance.at, self._next()),
            )
        self._checkpoint()

    def domains_by(self, host: str) -> list[str]:
        """Return the domains whose mail was lately tried by this host, as far as that is counted."""
        with self._lock, translated(self._db, "reading counts of TLS sessions"):
            return [
                row[0]
                for row in rows(self._db, "SELECT DISTINCT domain FROM result WHERE mx_host = ?", (host,))
            ]

    # -- for TLS-RPT --------------------------------------------------------------------------

    def results(self, day: str, domain: str) -> list[tuple[ResultKey, int]]:
        """Return what was counted for a domain on a day."""
        sql = f"SELECT {_RESULT}, count FROM result WHERE day = ? AND domain = ?"
        with self._lock, translated(self._db, "reading counts of TLS sessions"):
            return [(_key(row), row[10]) for row in rows(self._db, sql, (day, domain))]

    def unreported(self, before: str) -> list[tuple[str, str]]:
        """Return (day, domain) of what was counted before that day and is not reported yet, the oldest first."""
        sql = (
            "SELECT DISTINCT day, domain FROM result WHERE day < ? AND NOT EXISTS ("
            "SELECT 1 FROM reported r WHERE r.day = result.day AND r.domain = result.domain) ORDER BY day, domain"
        )
        with self._lock, translated(self._db, "reading counts of TLS sessions"):
            return [(row[0], row[1]) for row in rows(self._db, sql, (before,))]

    def reported(self, day: str, domain: str, outcome: str, oldest: str) -> None:
        """Note that a report was dealt with; forgets what is older than the day `oldest`."""
        with self._lock, translated(self._db, "noting a TLS report"), transaction(self._db):
            self._db.execute(
                "INSERT OR REPLACE INTO reported VALUES (?, ?, ?, ?)",
                (day, domain, self._clock.now(), outcome),
            )
            for table in ("result", "reported"):
                self._db.execute(f"DELETE FROM {table} WHERE day < ?", (oldest,))
        self._checkpoint()

    # -- inside -------------------------------------------------------------------------------

    def _next(self) -> int:
        return int(one(self._db, "UPDATE change SET last = last + 1 RETURNING last")[0])

    def _checkpoint(self) -> None:
        with self._lock, translated(self._db, "noting TLS"):
            copy_log(self._db)


def _memory(row: Row) -> Remembered:
    return Remembered(row[0], Strength(row[1]), *row[2:7])


def _policy(row: Row) -> KeptPolicy:
    facts = StsFacts(
        mode=StsMode(row[2]),
        mx=tuple(json.loads(row[3])),
        max_age=row[4],
        id=row[1],
        lines=tuple(json.loads(row[5])),
    )
    return KeptPolicy(row[0], facts, row[6], row[7])


def _result_row(key: ResultKey) -> Row:
    return (
        key.day, key.domain, key.policy, json.dumps(key.strings), json.dumps(key.patterns), key.result,
        key.sending_ip, key.mx_host, key.receiving_ip, key.reason,
    )  # fmt: skip


def _key(row: Row) -> ResultKey:
    return ResultKey(row[0], row[1], row[2], tuple(json.loads(row[3])), tuple(json.loads(row[4])), *row[5:10])
