"""(b) power cuts: the state on a loop-mounted ext4 image that is shut down under load.

``EXT4_IOC_SHUTDOWN`` flag 1 commits the journal but not the data (files that are short or empty); flag 2
drops everything that was not synced.  The processes are stopped first, in whatever call they are: a machine
without power sends no 250, but while the ioctl works an fsync on its way may return success for what is not
there.  (One process that appends and syncs, no server at all: 15 such syncs in 160 cuts; stopped first, none in
2,545.)  Then all processes are killed, the image is unmounted, mounted again (which replays its journal) and the
server is started without any help.
"""

import array
import ctypes
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .rounds import Bench, Cell, Progress

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
FLAGS = {1: "cut: journal flushed, data not", 2: "cut: nothing unsynced survives"}
IMAGE_MB = 384
_CLONE_NEWNS = 0x00020000  # sched.h


class Image:
    """An ext4 file system in a file, mounted at `at`."""

    def __init__(self, file: Path, at: Path, size: str = f"{IMAGE_MB}M") -> None:
        self.file = file
        self.at = at
        self.size = size

    def make(self) -> None:
        """Make an empty file system (in place of an earlier one)."""
        self.file.unlink(missing_ok=True)
        _run("truncate", "-s", self.size, str(self.file))
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", str(self.file))
        self.at.mkdir(parents=True, exist_ok=True)

    def mount(self) -> None:
        """Mount."""
        _run("mount", "-o", "loop", str(self.file), str(self.at))

    def unmount(self) -> None:
        """Unmount; waits for processes that are just ending."""
        for attempt in range(60):
            if subprocess.run(["umount", str(self.at)], capture_output=True).returncode == 0:
                return
            time.sleep(0.02 * (attempt + 1))
        _run("umount", str(self.at))

    def cut(self, flag: int) -> None:
        """Power off."""
        fd = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, array.array("I", [flag]))
        finally:
            os.close(fd)

    def __enter__(self) -> "Image":
        self.make()
        self.mount()
        return self

    def __exit__(self, *exc: object) -> None:
        if os.path.ismount(self.at):
            self.unmount()
        self.file.unlink(missing_ok=True)


@contextmanager
def own_mounts() -> Iterator[None]:
    """Mount where nobody else sees it.  Raises OSError where that is not allowed.

    Whoever makes a namespace of his own copies all mounts that he sees, and a copy keeps a file system that was cut
    alive: mounted again it is still the cut one, and each access fails with EIO.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.getcwd()
    with open("/proc/self/ns/mnt") as before:
        if libc.unshare(_CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        try:
            _run("mount", "--make-rprivate", "/")
            yield
        finally:
            libc.setns(before.fileno(), _CLONE_NEWNS)
            os.chdir(here)  # setns(2) leaves it at the root


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.decode().strip()}")


def possible(folder: Path) -> str:
    """Return why power cuts cannot be made here, or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    at = folder / "probe"
    try:
        with Image(folder / "probe.img", at, "16M") as image:
            (at / "unsynced").write_bytes(b"x" * 100)
            image.cut(2)
            image.unmount()
            image.mount()
            return "a file that was never synced survived the cut" if (at / "unsynced").exists() else ""
    except OSError as e:
        return str(e)
    finally:
        with suppress(OSError):
            at.rmdir()


def run_round(
    bench: Bench, cell: Cell, progress: Progress, cycles: int, folder: Path, image: Image, flag: int
) -> bool:
    """Cut `cycles` times, drain, judge.  Leaves nothing running."""
    began = time.monotonic()
    recover: list[float] = []
    problems: list[str] = []
    opened = done = 0
    bench.engine.start()
    bench.load.resume()
    if bench.recovered(began) is None:
        problems.append("no mail was accepted after the start")
    while done < cycles and not problems:
        time.sleep(bench.draw.uniform(0.0, 0.9))
        bench.engine.freeze()
        image.cut(flag)
        bench.engine.kill_all()
        image.unmount()
        image.mount()
        opened += bench.opened()
        done += 1
        at = time.monotonic()
        try:
            bench.engine.start()
        except (RuntimeError, TimeoutError) as e:
            problems.append(f"does not start after a cut: {e}"[:1500])
            break
        took = bench.recovered(at)
        if took is None:
            problems.append("no mail was accepted after a cut")
        else:
            recover.append(took)
        bench.collect()
    good = bench.book(cell, progress, done, recover, began, opened, problems, folder)
    bench.engine.kill_all()
    return good
