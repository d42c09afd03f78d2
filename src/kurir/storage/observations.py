"""`SqliteObservations`: what was seen at the door and left no message.

Own file, ``synchronous=NORMAL``: losing the last second of it in a power cut is fair, slowing the queue is
not.  A flood cannot fill it: equal observations within a window are one row with a count, too many different
ones of one kind from one client share a row, and the oldest rows go when the cap is reached.
"""

import threading
from collections.abc import Sequence
from typing import Final, NamedTuple

import apsw
import msgspec

from kurir.model import Clock, Observation, Reply

from .database import NORMAL, Row, Schema, copy_log, finish, one, open_writer, transaction, translated
from .layout import Layout
from .rows import encode, mended
from .settings import ObservationSettings

OBSERVATIONS: Final = Schema.of("observations")
AND_OTHERS = "and others"
_REMEMBERED = 50_000

_ADD = (
    "INSERT INTO observation (at, last_at, kind, client, account, sender, recipient, count, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
)
_COUNT = "UPDATE observation SET count=count+?, last_at=max(last_at, ?) WHERE id=?"


class _Key(NamedTuple):
    window: int
    kind: str
    client: str
    what: Row


class SqliteObservations:
    """Observations, kept within limits; thread-safe.  Raises `StoreFull`, `StoreError` (the caller may drop them)."""

    def __init__(self, layout: Layout, clock: Clock, settings: ObservationSettings | None = None) -> None:
        self._settings = settings or ObservationSettings()
        self._clock = clock
        self._db = open_writer(layout.observations, OBSERVATIONS, clock.now, synchronous=NORMAL)
        self._lock = threading.Lock()
        self._rows: dict[_Key, int] = {}
        self._different: dict[tuple[int, str, str], int] = {}

    @property
    def lock(self) -> threading.Lock:
        """What everybody takes who writes to this file."""
        return self._lock

    @property
    def connection(self) -> apsw.Connection:
        """The writing connection, for `erase`."""
        return self._db

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            finish(self._db)

    def add(self, batch: Sequence[Observation]) -> None:
        """Note them in one transaction."""
        with self._lock, translated(self._db, "noting observations"):
            if len(self._rows) > _REMEMBERED:
                self.forget()
            with transaction(self._db):
                for observation in batch:
                    try:
                        self._note(self._cut(observation))
                    except UnicodeEncodeError:
                        self._note(mended(self._cut(observation)))
                self._trim()
            copy_log(self._db)

    def forget(self) -> None:
        """Forget which rows equal observations would be counted in (they get new rows)."""
        self._rows.clear()
        self._different.clear()

    def _note(self, o: Observation) -> None:
        window = int(o.at // self._settings.window)
        what = (o.listener, o.helo, o.account, o.sender, o.recipient, o.reply, o.cause, o.detail, o.tls)
        key = _Key(window, o.kind.value, o.client, what)
        known = self._rows.get(key)
        if known is None:
            crowd = (window, o.kind.value, o.client)
            seen = self._different.get(crowd, 0)
            if seen >= self._settings.distinct:
                o = msgspec.structs.replace(
                    o, account="", sender=None, recipient="", helo="", detail=AND_OTHERS
                )
                key = _Key(window, o.kind.value, o.client, (AND_OTHERS,))
                known = self._rows.get(key)
            else:
                self._different[crowd] = seen + 1
        if known is not None:
            self._db.execute(_COUNT, (o.count, o.at, known))
            return
        row = (o.at, o.at, o.kind.value, o.client, o.account, o.sender, o.recipient, o.count, encode(o))
        self._rows[key] = int(one(self._db, _ADD, row)[0])

    def _trim(self) -> None:
        last = one(self._db, "SELECT coalesce(max(id), 0) FROM observation")[0]
        self._db.execute("DELETE FROM observation WHERE id <= ?", (last - self._settings.rows,))
        oldest = self._clock.now() - self._settings.keep_days * 86400
        # Rows are dropped from the oldest on, so only the head of the table is looked at.
        self._db.execute(
            "DELETE FROM observation WHERE id IN (SELECT id FROM observation ORDER BY id LIMIT 100) AND last_at < ?",
            (oldest,),
        )

    def _cut(self, o: Observation) -> Observation:
        """Shorten what a peer could have made endless."""
        limit = self._settings.text
        long = {
            name: value[:limit]
            for name in ("helo", "account", "sender", "recipient", "detail", "client", "listener")
            if (value := getattr(o, name)) and len(value) > limit
        }
        if o.reply and len(o.reply.text) > limit:
            long["reply"] = Reply(o.reply.code, o.reply.enhanced, (o.reply.text[:limit],))
        return msgspec.structs.replace(o, **long) if long else o
