"""Opening SQLite so that it keeps its promises: WAL, asserted synchronous level, durable creation.

A database is made in one transaction and its directory entry synced before anybody relies on it.
Schemas carry numbered migrations in a table of their own; a database from a newer Kurir is refused.
Readers of other processes (and of other users) open read-only; where the last writer is gone and nothing
is left to replay, the file is read as immutable, since WAL needs a writable folder otherwise.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import apsw

from kurir.model.told import told
from kurir.queue.ports import StoreError, StoreFull

FULL: Final = 2
NORMAL: Final = 1
LOCK_WAIT: Final = 5000
"""Milliseconds that a connection waits for locks of other processes."""
_LEVEL_NAME = {FULL: "FULL", NORMAL: "NORMAL"}

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """What a database is for, and the numbered steps that made it what it is (the first creates it)."""

    name: str
    steps: tuple[str, ...]

    @classmethod
    def of(cls, name: str, *names: str) -> "Schema":
        """Read the SQL of the steps from this package."""
        folder = files(__package__) / "sql"
        return cls(name, tuple((folder / f"{n}.sql").read_text("utf-8") for n in (names or (name,))))


class NoDatabase(Exception):
    """There is no such database (yet)."""


@contextmanager
def translated(connection: apsw.Connection | None, doing: str) -> Iterator[None]:
    """Turn errors of SQLite into `StoreFull` (no space) or `StoreError` (everything else)."""
    try:
        yield
    except apsw.FullError as e:
        raise StoreFull(told("no space left while {doing}: {why}", doing=doing, why=e)) from e
    except apsw.Error as e:
        if connection is not None and connection.system_errno in _NO_SPACE and isinstance(e, apsw.IOError):
            raise StoreFull(told("no space left while {doing}: {why}", doing=doing, why=e)) from e
        raise StoreError(
            told("{name} while {doing}: {why}", name=type(e).__name__, doing=doing, why=e)
        ) from e
    except OSError as e:
        kind = StoreFull if e.errno in _NO_SPACE else StoreError
        raise kind(f"{e} while {doing}") from e


def sync_directory(folder: Path) -> None:
    """Make the names in `folder` durable.  Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(folder: Path, mode: int = 0o750) -> None:
    """Make `folder` and its parents, durably.  Raises OSError."""
    if folder.is_dir():
        return
    make_directory(folder.parent, mode)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_directory(folder.parent)


def open_writer(
    path: Path,
    schema: Schema,
    now: Callable[[], float],
    *,
    synchronous: int = FULL,
    page_size: int = 4096,
    cache: int = 4 * 1024 * 1024,
    mode: int = 0o640,
) -> apsw.Connection:
    """Open `path` for writing, making or migrating it.  Raises `StoreFull`, `StoreError`.

    The connection never checkpoints by itself, waits up to 5 s for locks of other processes, and is proven
    to be in WAL mode at the wanted synchronous level.
    """
    with translated(None, f"opening {path}"):
        make_directory(path.parent)
        if not path.exists():
            _create(path, schema, now, page_size, mode)
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=128)
    try:
        with translated(connection, f"opening {path}"):
            _prepare(connection, path, synchronous, cache)
            _migrate(connection, path, schema, now)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path, schema: Schema, now: Callable[[], float], page_size: int, mode: int) -> None:
    """Make the database under another name, sync it, then give it its name: nobody ever sees half of one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    remove_database(draft)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    connection = apsw.Connection(str(draft), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.pragma("page_size", page_size)
        _prepare(connection, draft, FULL, 1024 * 1024)
        _migrate(connection, path, schema, now)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()
    with suppress(FileExistsError):  # another process was faster
        os.link(draft, path)
    remove_database(draft)
    sync_directory(path.parent)


def remove_database(path: Path) -> None:
    """Remove a database with what belongs to it, if it is there."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _prepare(connection: apsw.Connection, path: Path, synchronous: int, cache: int) -> None:
    connection.set_busy_timeout(LOCK_WAIT)
    connection.wal_autocheckpoint(0)
    journal = connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", synchronous)
    connection.pragma("cache_size", -cache // 1024)
    connection.pragma("temp_store", 2)
    level = connection.pragma("synchronous")
    if journal != "wal" or level != synchronous:
        raise StoreError(
            told(
                "{path}: journal mode is {journal} and synchronous {level}, but wal and {level_name} are needed for mail to survive a power cut",
                path=path,
                journal=journal,
                level=level,
                level_name=_LEVEL_NAME[synchronous],
            )
        )


def _migrate(connection: apsw.Connection, path: Path, schema: Schema, now: Callable[[], float]) -> None:
    if connection.table_exists(None, "migration") and _version(connection) == len(schema.steps):
        return
    with transaction(connection):
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration ("
            "number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at REAL NOT NULL) STRICT"
        )
        have = _version(connection)
        if have > len(schema.steps):
            raise StoreError(
                told(
                    "{path} was written by a newer Kurir (schema {have}, this one knows {len}): start the newer version, or restore a copy made before the upgrade",
                    path=path,
                    have=have,
                    len=len(schema.steps),
                )
            )
        for number, step in enumerate(schema.steps[have:], have + 1):
            connection.execute(step)
            connection.execute("INSERT INTO migration VALUES (?, ?, ?)", (number, schema.name, now()))


def _version(connection: apsw.Connection) -> int:
    return int(one(connection, "SELECT coalesce(max(number), 0) FROM migration")[0])


@contextmanager
def transaction(connection: apsw.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """One write transaction, rolled back on any error (SQLite may have rolled back by itself).

    ``BEGIN IMMEDIATE`` locks attached databases too; plain ``BEGIN`` only what is written.
    """
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def one(connection: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> Row:
    """Return the first row of a query that always has one."""
    row = connection.execute(sql, bindings).fetchone()
    assert row is not None
    return tuple(row)


def rows(connection: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> Iterator[Row]:
    """Run a query and return its rows, one after the other."""
    found: Iterator[Row] = connection.execute(sql, bindings)
    return found


def rewrite_log(path: Path, piece: int = 1024 * 1024) -> None:
    """Write the log that an earlier process left once more, in place and synced; only before the first writer opens.

    After a failed fsync the kernel may hold pages as clean that never reached the disk.  A recovery from such
    pages would go on behind a gap, and the next power cut would end the log there, with acknowledged mail
    behind it.  The same octets in the same places are harmless to readers.  Raises `StoreFull`, `StoreError`.
    """
    with translated(None, f"rewriting the log of {path}"):
        try:
            fd = os.open(path.with_name(path.name + "-wal"), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            at = 0
            while data := os.pread(fd, piece, at):
                at += os.pwrite(fd, data, at)
            if at:
                os.fsync(fd)
        finally:
            os.close(fd)


def open_reader(path: Path, *, patience: float = 2.0) -> apsw.Connection:
    """Open `path` read-only, beside a running writer or after it.  Raises `NoDatabase`, `StoreError`."""
    if not path.exists():
        raise NoDatabase(f"{path} does not exist")
    try:
        return _probed(f"file:{quote(str(path))}?mode=ro", patience)
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.IOError) as e:
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise StoreError(
                told(
                    "{path} cannot be read: {why}; its last writer left a log that only its owner may replay (run this as the user of the server, or start the server once)",
                    path=path,
                    why=e,
                )
            ) from e
    except apsw.Error as e:
        raise StoreError(told("{path} cannot be read: {why}", path=path, why=e)) from e
    with translated(None, f"reading {path}"):
        return _probed(f"file:{quote(str(path))}?immutable=1", patience)


def _probed(uri: str, patience: float) -> apsw.Connection:
    """Open and read once: SQLite looks at the file only at the first query."""
    connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        connection.set_busy_timeout(round(patience * 1000))
        connection.pragma("temp_store", 2)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Let all queries inside see one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def copy_log(connection: apsw.Connection) -> None:
    """Copy the WAL into the database, as far as nobody is in the way; another process that copies it will do."""
    with suppress(apsw.BusyError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


def finish(connection: apsw.Connection) -> None:
    """Close a connection; one that may write copies the WAL first."""
    if not connection.readonly("main"):
        copy_log(connection)
    connection.close()
