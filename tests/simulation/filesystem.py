"""What a power cut may leave of files and folders: the assumptions under `disk`, as small as they can be made.

`FileSystem` is told each operation of a program and says afterwards whether what a real disk shows is one of the
outcomes that it allows.  It promises only what POSIX makes of a sync, nothing that ext4 does beyond it:

1. `fsync` and `fdatasync` of a file keep its octets and its length, not its name.
2. `fsync` of a folder keeps its names (each to its file), not what is in the files.
3. Whatever was not synced may be there or not, each sector (512 octets) and each name for itself, in any order: a sector
   is any of its versions since the last sync (or zeros, if it never had one), a length any of the lengths since then,
   a name any file that it stood for since then, or none if it stood for none for a while.
4. Nothing else is ever found: no octets of strangers, no name that was never made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

SECTOR = 512
ABSENT = -1


class Inode:
    """One file, whatever it is called: the contents since its last sync, the synced one first."""

    def __init__(self) -> None:
        self.versions = [b""]

    @property
    def now(self) -> bytes:
        return self.versions[-1]

    def write(self, at: int, data: bytes) -> None:
        old = self.now.ljust(at, b"\0")
        self.versions.append(old[:at] + data + old[at + len(data) :])

    def sync(self) -> None:
        self.versions = [self.now]

    def allows(self, found: bytes) -> bool:
        """Return whether a cut may leave this content."""
        lengths = [len(v) for v in self.versions]
        if not min(lengths) <= len(found) <= max(lengths):
            return False
        synced = self.versions[0]
        for at in range(0, len(found), SECTOR):
            have = found[at : at + SECTOR]
            candidates = [v[at : at + SECTOR] for v in self.versions]
            if at >= len(synced):
                candidates.append(b"")
            if not any(c[: len(have)].ljust(len(have), b"\0") == have for c in candidates):
                return False
        return True


def torn(data: bytes, random: Random) -> bytes | None:
    """Return what a cut may leave of a new file that was never synced; None: not even its name."""
    if random.random() < 0.25:
        return None
    kept = random.choice((0.0, 0.5, 1.0))
    left = b"".join(
        data[at : at + SECTOR] if random.random() < kept else bytes(len(data[at : at + SECTOR]))
        for at in range(0, len(data), SECTOR)
    )
    return left[: random.randrange(len(data) + 1)]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: `what` on `name` (folder/file, or a folder), with a second name or octets where it needs them."""

    what: str
    name: str
    other: str = ""
    at: int = 0
    data: bytes = b""


@dataclass(slots=True)
class FileSystem:
    """The model.  `trusting` leaves out a rule on purpose (`unsynced data`, `unsynced names`): to see it refuted."""

    folders: tuple[str, ...]
    trusting: str = ""
    inodes: list[Inode] = field(default_factory=list)
    names: dict[str, list[int]] = field(
        default_factory=dict
    )  # name -> what it stood for since its folder's sync

    def now(self, name: str) -> int:
        return self.names.get(name, [ABSENT])[-1]

    def living(self) -> list[str]:
        """Return the names that are there now."""
        return [n for n in self.names if self.now(n) != ABSENT]

    def _stands_for(self, name: str, inode: int) -> None:
        self.names.setdefault(name, [ABSENT]).append(inode)
        if self.trusting == "unsynced names":
            self._keep(name)

    def _keep(self, name: str) -> None:
        self.names[name] = self.names[name][-1:]

    def do(self, step: Step) -> None:
        """Take note of an operation that succeeded."""
        inode = self.now(step.name)
        if step.what == "create":
            self.inodes.append(Inode())
            self._stands_for(step.name, len(self.inodes) - 1)
        elif step.what in ("append", "overwrite"):
            self.inodes[inode].write(step.at, step.data)
            if self.trusting == "unsynced data":
                self.inodes[inode].sync()
        elif step.what in ("fsync", "fdatasync"):
            self.inodes[inode].sync()
        elif step.what == "rename":
            if inode != self.now(step.other):  # between two names of one file a rename does nothing
                self._stands_for(step.other, inode)
                self._stands_for(step.name, ABSENT)
        elif step.what == "link":
            self._stands_for(step.other, inode)
        elif step.what == "unlink":
            self._stands_for(step.name, ABSENT)
        elif step.what == "fsync folder":
            for name in self.names:
                if name.startswith(step.name + "/"):
                    self._keep(name)

    def objections(self, found: Mapping[str, bytes]) -> Iterator[str]:
        """Yield what a real disk shows and the model does not allow: none, if the model is right."""
        for name in sorted(set(self.names) | set(found)):
            candidates = self.names.get(name, [ABSENT])
            if name not in found:
                if ABSENT not in candidates:
                    yield f"{name} is gone"
            elif candidates == [ABSENT]:
                yield f"{name} is there ({len(found[name])} octets)"
            elif not any(i != ABSENT and self.inodes[i].allows(found[name]) for i in candidates):
                lengths = [[len(v) for v in self.inodes[i].versions] for i in candidates if i != ABSENT]
                yield f"{name} has {len(found[name])} octets that no rule explains (lengths allowed: {lengths})"

    def stricter(self, found: Mapping[str, bytes]) -> tuple[int, int]:
        """Return how often the disk kept the newest state of a name without being asked to, and how often it could have dropped it."""
        kept = free = 0
        for name, candidates in self.names.items():
            inode = candidates[-1]
            if len(candidates) > 1 or (inode != ABSENT and len(self.inodes[inode].versions) > 1):
                free += 1
                kept += found.get(name) == (None if inode == ABSENT else self.inodes[inode].now)
        return kept, free


WEIGHTS = {"create": 5, "append": 6, "overwrite": 3, "fsync": 3, "fdatasync": 2, "fsync folder": 3, "rename": 3, "link": 2,
           "unlink": 2, "write back": 2}  # fmt: skip


def program(random: Random, folders: tuple[str, ...], steps: int) -> list[Step]:
    """Draw a program: each step is possible where it stands."""
    model = FileSystem(folders)
    names = [f"{f}/{n}" for f in folders for n in ("p", "q", "r")]
    found = []
    while len(found) < steps:
        step = _draw(random, model, names)
        if step is not None:
            model.do(step)
            found.append(step)
    return found


def _draw(random: Random, model: FileSystem, names: list[str]) -> Step | None:
    what = random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    living = model.living()
    missing = [n for n in names if n not in living]
    if what == "fsync folder":
        return Step(what, random.choice(model.folders))
    if what == "create":
        return Step(what, random.choice(missing)) if missing else None
    if not living:
        return None
    name = random.choice(living)
    if what == "link":
        return Step(what, name, random.choice(missing)) if missing else None
    if what == "rename":
        return Step(what, name, random.choice([n for n in names if n != name]))
    if what in ("append", "overwrite"):
        length = len(model.inodes[model.now(name)].now)
        at = length if what == "append" else random.randrange(length + 1)
        size = random.choice((1, 100, 511, 512, 3000, 4096, 20_000, 70_000))
        return Step(what, name, at=at, data=random.randbytes(size))
    return Step(what, name)
