"""The disk: what is synced survives, what is not may or may not, and a sync can fail, be slow, or find no room.

Facts are `kurir.storage.MemoryFacts` under a model of group commit, not SQLite under a VFS of our own: WAL through a
Python VFS runs in exclusive mode only (another file layout than the real one), costs some 100 times more a commit, and
what it would test is SQLite.  Real WAL, real ext4 and real power cuts are `scripts/torture`'s.  Rules:

1. A commit takes time.  Killed before its sync the batch is *in doubt*: the next start finds it whole or not at all
   (a WAL frame counts with its commit record or not).
2. After a failed sync the batch is in doubt too, and nothing may be committed by that brain any more.
3. A body file that was not finished is torn by a crash of its writer: as `filesystem` allows it after a power cut, so
   with zeros in it, short, or gone.  A finished one stays until it is removed.

`test_disk_model` holds these rules against the real store on ext4 under real power cuts.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from kurir.model import Clock
from kurir.queue.asks import Lease, NoticeWork
from kurir.queue.ports import Change, StoreError, StoreFull
from kurir.storage import MemoryBodies, MemoryFacts
from kurir.storage.settings import BodySettings

from .filesystem import torn
from .loop import Process, SimLoop, current_process

GIB = 1 << 30


@dataclass(slots=True)
class Mood:
    """What the disk does now.  `fail_syncs` counts down; `sync_seconds` is how long a sync may take."""

    full: bool = False
    nearly_full: bool = False
    fail_syncs: int = 0
    fail_files: float = 0.0
    sync_seconds: float = 0.002


class Disk:
    """One machine's disk: it outlives every process."""

    def __init__(self, loop: SimLoop, random: Random, clock: Clock, trace: Callable[..., None]) -> None:
        self.loop, self.random, self.clock, self.trace = loop, random, clock, trace
        self.mood = Mood()
        self.facts = MemoryFacts()
        self.files = MemoryBodies(self.facts)
        self.touched: dict[str, float] = {}  # name of a file -> its mtime, by the wall clock
        self._seen: dict[str, tuple[float, float]] = {}
        self.in_doubt: list[Change] = []
        self.violations: list[str] = []
        self.moment: Callable[[str], None] = lambda _: None

    def open(self) -> "DiskStore":
        """What a new brain finds."""
        self._seen.clear()  # its housekeeping has seen nothing yet
        if self.in_doubt:
            batch, self.in_doubt = self.in_doubt, []
            found = self.random.random() < 0.5
            self.trace("disk", "in-doubt", "found" if found else "gone", len(batch))
            if found:
                self._apply(batch)
        return DiskStore(self)

    def _apply(self, changes: Sequence[Change]) -> None:
        try:
            self.facts.commit(changes)
        except StoreError as error:
            self.violations.append(f"the store was told nonsense: {error}")
            raise

    def free(self) -> int:
        return 0 if self.mood.full or self.mood.nearly_full else 10 * GIB

    def seconds(self) -> float:
        """How long the next sync takes."""
        return self.random.choice((0.1, 1.0, 1.0)) * self.mood.sync_seconds

    def fails(self) -> bool:
        if self.mood.fail_syncs > 0:
            self.mood.fail_syncs -= 1
            return True
        return False

    def sweep(self) -> None:
        """What housekeeping does every ten minutes (the rule of `kurir.storage.FileBodies.sweep`)."""
        now, before = self.clock.monotonic(), self._seen
        self._seen = {
            n: before[n] if n in before and before[n][0] == at else (at, now)
            for n, at in self.touched.items()
        }
        old = [n for n, (_, since) in self._seen.items() if now - since > BodySettings().unclaimed_for]
        named = {m.body_file for m in self.facts.messages.values()}
        for name in old:
            if name not in named:
                self.trace("disk", "swept", name)
                self.files.remove(name)
                del self.touched[name]


class DiskStore:
    """`kurir.queue.ports.Store` as one brain sees it."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._failed = False

    def __getattr__(self, name: str) -> Any:
        """What only reads, and the epoch, goes to the facts as they are."""
        return getattr(self._disk.facts, name)

    def note_gap(self, below: int, seconds: float, at: float) -> None:
        self._disk.trace("disk", "gap", below, round(seconds))
        if self._disk.mood.full:
            raise StoreFull("no space left on device")
        if self._disk.fails():
            self._failed = True
            raise StoreError("fsync: input/output error")
        self._disk.facts.note_gap(below, seconds, at)

    def commit(self, changes: Sequence[Change]) -> None:
        disk = self._disk
        if self._failed:
            disk.violations.append("a commit after a failed sync")
        if disk.mood.full and (any(c.message for c in changes) or disk.random.random() < 0.5):
            disk.trace("disk", "full", len(changes))
            raise StoreFull("no space left on device")
        if disk.fails():
            disk.trace("disk", "sync-failed", len(changes))
            self._failed = True
            disk.in_doubt = list(changes)
            raise StoreError("fsync: input/output error")
        disk._apply(changes)
        accepted = [c.message.number for c in changes if c.message]
        disk.trace("disk", "synced", len(changes), *accepted)
        disk.moment("synced")


class SlowThread:
    """Stands in for the brain's commit thread: its jobs take virtual time, and a crash catches them half done."""

    def __init__(self, disk: Disk, process: Process, *, writes: bool) -> None:
        self._disk, self._process, self._writes = disk, process, writes
        self._job: Callable[[], None] | None = None

    def run(self, job: Callable[[], None]) -> None:
        self._job = job
        if self._writes:
            self._disk.moment("committing")
            self._process.on_kill.append(self._killed)
        delay = self._disk.seconds() if self._writes else 0.001
        self._disk.loop.in_process(self._process, delay, self._done)

    def _done(self) -> None:
        job, self._job = self._job, None
        if self._writes and self._killed in self._process.on_kill:
            self._process.on_kill.remove(self._killed)
        if job is not None:
            job()

    def _killed(self) -> None:
        """The power of `kill`: the sync was just done, or was not."""
        job, self._job = self._job, None
        if job is not None and self._disk.random.random() < 0.5:
            job()

    def close(self) -> None:
        return


class SimBodies:
    """`kurir.reception.ports.BodyFiles` and `kurir.delivery.ports.Bodies` on the disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def create(self) -> "SimBody":
        if self._disk.mood.full:
            raise OSError(errno.ENOSPC, "no space left on device")
        return SimBody(self._disk)

    async def whole(self, work: Lease | NoticeWork) -> bytes:
        await asyncio.sleep(0.001)
        return await self._disk.files.whole(work)

    async def chunks(self, work: Lease | NoticeWork) -> AsyncIterator[bytes]:
        async for chunk in self._disk.files.chunks(work):
            for i in range(0, len(chunk), 3000):
                await asyncio.sleep(0.0005)
                yield chunk[i : i + 3000]

    async def head(self, work: Lease | NoticeWork, limit: int) -> bytes:
        await asyncio.sleep(0.001)
        return await self._disk.files.head(work, limit)


class SimBody:
    """One body file being written."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._file = disk.files.create()
        self.name: str = self._file._name
        self._data = bytearray()
        self._process = current_process()
        self._process.on_kill.append(self._torn)
        disk.touched[self.name] = disk.clock.now()

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(0.001)
        self._check()
        self._data += data
        self._disk.touched[self.name] = self._disk.clock.now()

    async def finish(self) -> str:
        await asyncio.sleep(self._disk.seconds())
        self._check()
        if self._disk.fails():
            raise OSError(errno.EIO, "input/output error")
        if self.name in self._disk.touched:  # else the sweep has unlinked it meanwhile
            self._disk.files.files[self.name] = bytes(self._data)
        self._forget()
        self._disk.moment("body-finished")
        return self.name

    def _check(self) -> None:
        mood = self._disk.mood
        if mood.full:
            raise OSError(errno.ENOSPC, "no space left on device")
        if self._disk.random.random() < mood.fail_files:
            raise OSError(errno.EIO, "input/output error")

    def discard(self) -> None:
        self._forget()
        self._disk.files.remove(self.name)
        self._disk.touched.pop(self.name, None)

    def _torn(self) -> None:
        # One draw, whatever comes of it: a seed keeps its story when the rules of tearing change.
        left = torn(bytes(self._data), Random(self._disk.random.randrange(len(self._data) + 1)))
        if left is None:
            self._disk.files.remove(self.name)
            self._disk.touched.pop(self.name, None)
        else:
            self._disk.files.files[self.name] = left

    def _forget(self) -> None:
        if self._torn in self._process.on_kill:
            self._process.on_kill.remove(self._torn)
