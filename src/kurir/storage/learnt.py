"""`SqliteLearnt`: what other servers have told us of their limits, in a file of its own.

Each delivery process writes to it, rarely: SQLite's own lock is enough.  The newest lesson may be lost with the power: it will
be taught again.
"""

import threading
from collections.abc import Sequence
from typing import Final

from kurir.limits import Lesson, Per, Unit
from kurir.model import Clock

from .database import (
    NORMAL,
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

LEARNT: Final = Schema.of("learnt")
MAX_LESSONS = 20_000
"""What is beyond, the oldest first, is forgotten: a flood of hosts must not fill the disk."""
_DOING = "noting what other servers allow"


class SqliteLearnt:
    """Implements `kurir.limits.LessonStore`; thread-safe.  Raises `StoreFull`, `StoreError`.

    With `writable` False the file is opened read-only, and nothing can be noted; raises `NoDatabase` for a file that is not there.
    """

    def __init__(self, layout: Layout, clock: Clock, *, writable: bool = True) -> None:
        self._db = (
            open_writer(layout.learnt, LEARNT, clock.now, synchronous=NORMAL)
            if writable
            else open_reader(layout.learnt)
        )
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            finish(self._db)

    def changed(self, mark: int) -> int:
        """Return the number of the last change."""
        with self._lock, translated(self._db, _DOING):
            return int(one(self._db, "SELECT last FROM change")[0])

    def lessons(self) -> Sequence[Lesson]:
        """Return everything that was learnt."""
        with self._lock, translated(self._db, _DOING):
            found = rows(self._db, "SELECT subject, unit, per, value, at, words FROM lesson")
            return [Lesson(row[0], Unit(row[1]), Per(row[2]), *row[3:]) for row in found]

    def begun(self) -> dict[str, float]:
        """Return when each road that warms up by itself was first used."""
        with self._lock, translated(self._db, _DOING):
            return {row[0]: row[1] for row in rows(self._db, "SELECT road, at FROM begun")}

    def learn(self, lessons: Sequence[Lesson], before: float) -> None:
        """Keep lessons; forget those from before that time."""
        with self._lock, translated(self._db, _DOING), transaction(self._db):
            self._db.executemany(
                "INSERT OR REPLACE INTO lesson VALUES (?, ?, ?, ?, ?, ?)",
                [(x.subject, x.unit.value, x.per.value, x.value, x.at, x.words) for x in lessons],
            )
            self._db.execute("DELETE FROM lesson WHERE at < ?", (before,))
            excess = int(one(self._db, "SELECT count(*) FROM lesson")[0]) - MAX_LESSONS
            if excess > 0:
                self._db.execute(
                    "DELETE FROM lesson WHERE (subject, unit, per) IN"
                    " (SELECT subject, unit, per FROM lesson ORDER BY at LIMIT ?)",
                    (excess,),
                )
            self._next()
        self._checkpoint()

    def begin(self, road: str, at: float) -> None:
        """Note that a road is used for the first time."""
        with self._lock, translated(self._db, _DOING), transaction(self._db):
            self._db.execute("INSERT OR IGNORE INTO begun VALUES (?, ?)", (road, at))
            self._next()
        self._checkpoint()

    def forget(self, subject: str) -> int:
        """Forget what was learnt of one subject; return how many lessons that was."""
        with self._lock, translated(self._db, _DOING), transaction(self._db):
            self._db.execute("DELETE FROM lesson WHERE subject = ?", (subject,))
            count = self._db.changes()
            self._next()
        self._checkpoint()
        return count

    def _next(self) -> None:
        self._db.execute("UPDATE change SET last = last + 1")

    def _checkpoint(self) -> None:
        with self._lock, translated(self._db, _DOING):
            copy_log(self._db)
