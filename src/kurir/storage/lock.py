"""One writer, provably: an exclusive lock on the state folder.

``flock`` belongs to the open file and goes with the process however it ends, so a stale lock does not
exist; the process id in the file is only there to be told to a person.
"""

import fcntl
import os
from types import TracebackType
from typing import Self

from kurir.model.told import told

from .database import make_directory
from .layout import Layout


class StateLocked(Exception):
    """Another process works on this state folder.  `pid` is its process id, or None where it is not known."""

    def __init__(self, text: str, pid: int | None) -> None:
        super().__init__(text)
        self.pid = pid


class StateLock:
    """The lock, held from the making of this object until `release` (or the end of the process).

    Children inherit nothing: the file is closed on exec, and a forked child that keeps it open keeps the lock.
    Raises `StateLocked`, OSError.
    """

    def __init__(self, layout: Layout) -> None:
        make_directory(layout.folder)
        self._fd = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid(os.pread(self._fd, 32, 0))
            os.close(self._fd)
            who = f"process {pid}" if pid else "another process"
            raise StateLocked(
                told(
                    "{folder} is in use by {who}: stop that server first, or let it do the work (commands reach it through its control socket)",
                    folder=layout.folder,
                    who=who,
                ),
                pid,
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go.  Harmless when called twice."""
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.release()


def _pid(text: bytes) -> int | None:
    return int(text) if text.strip().isdigit() else None
