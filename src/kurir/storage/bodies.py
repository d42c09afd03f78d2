"""Large bodies in files: written while they stream in, swept at start.

Rule (DESIGN section 3): file synced, directory synced, only then the row that names it.  The file gets its
final name at once: until a row names it, it is garbage whatever it is called, and garbage is swept.
Reading is `reading.StoredBodies`.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from .database import make_directory, sync_directory
from .layout import Layout
from .settings import BodySettings


class FileBodies:
    """The folder of large bodies (implements `kurir.reception.ports.BodyFiles`).

    Several processes may write into the same folder: `token` draws names that do not repeat.
    """

    def __init__(
        self,
        layout: Layout,
        settings: BodySettings | None = None,
        token: Callable[[], str] = lambda: secrets.token_hex(12),
    ) -> None:
        self.folder = layout.bodies
        self._settings = settings or BodySettings()
        self._token = token
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}  # name -> (mtime and size, unchanged since)
        make_directory(self.folder)

    def create(self) -> "WritingBody":
        """Start a new file.  Raises OSError."""
        return WritingBody(self.folder, self._token(), self._settings.batch)

    def remove(self, name: str) -> None:
        """Remove the body of a settled message; harmless where it is gone."""
        with suppress(FileNotFoundError):
            (self.folder / name).unlink()

    def sweep(self, known: Callable[[], Collection[str]], now: float) -> int:
        """Remove files that no row names; return how many.

        `known` returns all names that rows hold; it is asked after the folder was listed.  `now` is monotonic.
        Files that sweeps have not seen unchanged for `BodySettings.unclaimed_for` seconds are spared: a reception
        may still be at them.  (Their dates prove nothing: a wall clock that jumps makes every file look old.)
        """
        seen = {}
        for entry in os.scandir(self.folder):
            with suppress(FileNotFoundError):
                stat = entry.stat()
                looks = (stat.st_mtime_ns, stat.st_size)
                before = self._seen.get(entry.name)
                same = before is not None and before[0] == looks
                seen[entry.name] = before if before is not None and same else (looks, now)
        self._seen = seen
        old = [name for name, (_, since) in seen.items() if now - since > self._settings.unclaimed_for]
        named = set(known()) if old else set()
        garbage = [name for name in old if name not in named]
        for name in garbage:
            self.remove(name)
        if garbage:
            sync_directory(self.folder)
        return len(garbage)


_OPEN, _DONE, _DEAD = "open", "done", "discarded"


class WritingBody:
    """One large body being written (implements `kurir.reception.ports.BodyFile`): write*, then finish or discard.

    Holds at most one batch in memory.  All blocking calls run in threads.
    """

    def __init__(self, folder: Path, name: str, batch: int) -> None:
        self._path = folder / name
        self._batch = batch
        self._pending: list[bytes] = []
        self._size = 0
        self._lock = threading.Lock()
        self._busy = False
        self._state = _OPEN
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    async def write(self, data: bytes) -> None:
        """Append; returns at once while less than a batch is gathered.  Raises OSError."""
        self._pending.append(data)
        self._size += len(data)
        if self._size >= self._batch:
            await asyncio.to_thread(self._flush, self._take())

    async def finish(self) -> str:
        """Sync file and directory; return its name.  Raises OSError."""
        await asyncio.to_thread(self._flush, self._take(), last=True)
        return self._path.name

    def discard(self) -> None:
        """Remove it; at once, or as soon as the thread that is writing comes back."""
        with self._lock:
            self._state = _DEAD
            if not self._busy:
                self._bury()

    def _take(self) -> list[bytes]:
        data, self._pending, self._size = self._pending, [], 0
        return data

    def _flush(self, data: list[bytes], *, last: bool = False) -> None:
        with self._lock:
            if self._state != _OPEN:
                raise OSError(f"the body is {self._state}")
            self._busy = True
        try:
            _write_all(self._fd, data)
            if last:
                os.fsync(self._fd)
                sync_directory(self._path.parent)
        finally:
            with self._lock:
                self._busy = False
                if self._state == _DEAD:
                    self._bury()
                elif last:
                    self._state = _DONE
                    self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _bury(self) -> None:
        self._close()
        with suppress(OSError):
            self._path.unlink()


_PIECES = 512  # below IOV_MAX of every system


def _write_all(fd: int, data: list[bytes]) -> None:
    for i in range(0, len(data), _PIECES):
        pieces = data[i : i + _PIECES]
        total = sum(map(len, pieces))
        done = os.writev(fd, pieces)
        if done < total:  # a short write: say why, or finish it
            rest = memoryview(b"".join(pieces))[done:]
            while rest:
                rest = rest[os.write(fd, rest) :]
