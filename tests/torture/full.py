"""(d) no space and no inodes: 452, mail that waits still goes out, and back to work by itself.

The state lies on a small tmpfs that is filled with a file, or with names.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .engine import KurirEngine
from .probe import Gate, send, until_accepted, within
from .rounds import Bench

RECOVER = 30.0  # seconds to take mail again once there is space


@contextmanager
def tmpfs(at: Path, options: str) -> Iterator[Path]:
    """Mount a small file system."""
    at.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def fill_space(at: Path, leave: int) -> Path:
    """Leave `leave` octets free."""
    filler = at / "filler"
    with filler.open("ab", buffering=0) as f, suppress(OSError):
        while True:
            info = os.statvfs(at)
            free = info.f_bavail * info.f_frsize - leave
            if free <= 0:
                break
            f.write(b"\0" * min(free, 1 << 20))
    return filler


def fill_inodes(at: Path) -> list[Path]:
    """Take every inode."""
    folder = at / "names"
    folder.mkdir()
    names: list[Path] = []
    with suppress(OSError):
        while True:
            path = folder / str(len(names))
            path.touch()
            names.append(path)
    return names


def disk(bench: Bench, at: Path, gate: Gate) -> tuple[list[float], list[str]]:
    """Fill to the low-water mark, then to the last octet."""
    problems = []
    engine = bench.engine
    assert isinstance(engine, KurirEngine)
    # No bounces here: a report that does not fit comes once there is room, and would count as late.
    bench.load.refused = False
    gate.shut = True
    for _ in range(12):
        if not send(bench, 3000).startswith(b"250"):
            problems.append("mail was refused while there was space")
    filler = fill_space(at, 700_000)  # below limits.disk_free, which the engine sets to 1,000,000
    if not within(15, lambda: send(bench, 3000).startswith(b"452")):
        problems.append("no 452 below the low-water mark")
    gate.shut = False
    if not within(30, engine.idle):
        problems.append("mail that waited was not sent while the disk was almost full")
    fill_space(at, 0)
    for size in (3000, 190_000):
        said = send(bench, size)
        if not said.startswith((b"452", b"451")):
            problems.append(f"full disk: {said!r}")
    time.sleep(1.5)
    filler.unlink()
    took = until_accepted(bench, RECOVER * 3)
    if took is None or took > RECOVER:
        problems.append(f"took {took} s to accept mail again after space came back")
    return [took or RECOVER * 3], problems


def inodes(bench: Bench, at: Path) -> tuple[list[float], list[str]]:
    """No name can be made."""
    problems = []
    bench.load.refused = False
    names = fill_inodes(at)
    said = send(bench, 190_000)
    if not said.startswith((b"452", b"451", b"250")):
        problems.append(f"no inodes: {said!r}")
    send(bench, 2000)
    time.sleep(1.0)
    for path in names:
        path.unlink()
    took = until_accepted(bench, RECOVER * 3, 190_000)
    if took is None or took > RECOVER:
        problems.append(f"took {took} s to accept mail again after inodes came back")
    return [took or RECOVER * 3], problems
