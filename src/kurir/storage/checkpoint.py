"""Checkpoints: what was committed goes from the WAL into the database, beside the commits and seldom in their way.

The bulk is copied without holding anybody up.  A WAL that has grown is then written from its start again, over what is
there, since a file that does not grow is synced in half the time; one beyond all measure is emptied.
"""

import threading
from dataclasses import dataclass
from typing import Final

import apsw

from .database import LOCK_WAIT, translated
from .settings import FactsSettings

_FRAME_HEADER: Final = 24  # octets before each page in a WAL (SQLite file format, section 4.1)


@dataclass(frozen=True, slots=True)
class CheckpointReport:
    """What a checkpoint came to: octets still in use in the WAL; `blocked` by a reader that would not go."""

    wal: int
    blocked: bool


class Checkpointer:
    """Writes checkpoints through a connection of its own; `writing` is the lock that all writers take."""

    def __init__(self, connection: apsw.Connection, writing: threading.Lock, settings: FactsSettings) -> None:
        self._db = connection
        self._writing = writing
        self._settings = settings

    def close(self) -> None:
        """Close the connection.  Harmless when called twice."""
        self._db.close()

    def write(self) -> CheckpointReport:
        """Copy the WAL into the database.

        With more than `wal_soft` in the WAL it is then written from its start again, if no reader is in the way.
        Above `wal_hard` readers are waited for and the file is emptied.  Raises `StoreFull`, `StoreError`.
        """
        db, s = self._db, self._settings
        with translated(db, "writing a checkpoint"):
            frames, _ = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            used = frames * (s.page_size + _FRAME_HEADER)
            if used <= s.wal_soft:
                return CheckpointReport(used, blocked=False)
            hard = used > s.wal_hard
            with self._writing:
                db.set_busy_timeout(round(s.wal_patience * 1000) if hard else 0)
                try:
                    db.wal_checkpoint(
                        mode=apsw.SQLITE_CHECKPOINT_TRUNCATE if hard else apsw.SQLITE_CHECKPOINT_RESTART
                    )
                except apsw.BusyError:
                    return CheckpointReport(used, blocked=True)
                finally:
                    db.set_busy_timeout(LOCK_WAIT)
        return CheckpointReport(0, blocked=False)
