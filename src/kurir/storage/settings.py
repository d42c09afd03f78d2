"""Settings of the storage room: sizes in octets, times in seconds."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class FactsSettings:
    """How facts are kept.

    `page_size` applies to a new database only.  `cache` is how much of it a connection keeps in memory; the mover sees
    each page of a body once, to give it back, and would fill any cache with what is gone.  A WAL with more than `wal_soft` in it is written from its start
    again at the next chance (up to four times that stays on disk); above `wal_hard` the checkpoint waits up to
    `wal_patience` for readers (commits wait with it) and empties the file.
    """

    page_size: int = 4096
    cache: int = 16 * MIB
    mover_cache: int = 2 * MIB
    wal_soft: int = 16 * MIB
    wal_hard: int = 256 * MIB
    wal_patience: float = 2.0


@dataclass(frozen=True, slots=True)
class BodySettings:
    """How bodies are kept.

    A body up to `in_row` octets stands in the row (one sync makes envelope and body safe), a larger one in
    a file.  `batch` is how much is gathered before a thread writes it; `piece` how much is read at once.
    A file that no row names is garbage once it has not changed for `unclaimed_for` seconds.
    """

    in_row: int = 128 * KIB
    batch: int = 256 * KIB
    piece: int = 256 * KIB
    unclaimed_for: float = 3600.0


@dataclass(frozen=True, slots=True)
class DaySettings:
    """How settled mail is kept: `keep_days` day files; `zone_offset` moves the border of days away from UTC."""

    keep_days: int = 90
    zone_offset: float = 0.0


@dataclass(frozen=True, slots=True)
class ObservationSettings:
    """How observations are kept.

    Equal ones within `window` are counted together; beyond `distinct` different ones of one kind from one
    client within a window, the rest are counted in one row.  The oldest rows above `rows` are dropped, and
    whatever is older than `keep_days`.  Texts are cut to `text` characters.
    """

    rows: int = 200_000
    window: float = 60.0
    distinct: int = 100
    keep_days: int = 90
    text: int = 1000
