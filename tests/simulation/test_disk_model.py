"""The simulated disk against ext4: random programs, a real power cut after a drawn step, and what is found is judged.

A program is one thread, and done when the cut comes: nothing is on its way while the ioctl works (`tests.torture.powercut`
says why that matters).  Below are `filesystem`'s rules, above them the rules of `disk` itself, for which the
real store and the real body files stand on the same image.
"""

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from kurir.queue.asks import Lease
from kurir.queue.ports import Change
from kurir.storage.bodies import FileBodies, WritingBody
from kurir.storage.database import make_directory
from kurir.storage.facts import SqliteFacts
from kurir.storage.layout import Layout
from kurir.storage.reading import StoredBodies
from kurir.storage.settings import BodySettings
from tests.torture import powercut
from tests.unit.storage.mail import StandingClock, accept, lease

from .filesystem import FileSystem, Inode, Step, program, torn

FOLDERS = ("a", "b")
SIZE = "24M"
SHORT_SECONDS, SHORT_PROGRAMS = 5.0, 400
FULL_SECONDS = 120.0


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[powercut.Image]:
    folder = tmp_path_factory.mktemp("power")
    with ExitStack() as stack:
        try:
            stack.enter_context(powercut.own_mounts())
            why = powercut.possible(folder)
        except OSError as e:
            why = str(e)
        if why:
            pytest.skip(f"NOT TESTED: loop mounts or EXT4_IOC_SHUTDOWN do not work here ({why})")
        yield stack.enter_context(powercut.Image(folder / "disk.img", folder / "disk", SIZE))


def test_nobody_else_has_the_file_system_and_keeps_it_alive(image: powercut.Image) -> None:
    assert str(image.at) in Path("/proc/self/mounts").read_text()
    assert str(image.at) not in Path(f"/proc/{os.getppid()}/mounts").read_text()  # what they would copy


def cut_and_look(image: powercut.Image, flag: int) -> None:
    """Power off and on again."""
    image.cut(flag)
    image.unmount()
    image.mount()


def write_back(path: Path) -> None:
    """Let the kernel begin to write dirty pages; it waits for none and promises nothing."""
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


class Runner:
    """Does the steps for real.  One descriptor per file, as a program would have."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def do(self, step: Step) -> None:
        path = self.root / step.name
        if step.what == "create":
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        elif step.what == "rename":
            os.rename(path, self.root / step.other)
        elif step.what == "link":
            os.link(path, self.root / step.other)
        elif step.what == "unlink":
            os.unlink(path)
        elif step.what == "write back":
            write_back(path)
        else:
            self._open(step, path)

    def _open(self, step: Step, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            if step.data:
                assert os.pwrite(fd, step.data, step.at) == len(step.data)
            elif step.what == "fdatasync":
                os.fdatasync(fd)
            else:
                os.fsync(fd)
        finally:
            os.close(fd)


def fresh(root: Path) -> None:
    """Empty folders that are safe."""
    for folder in FOLDERS:
        (root / folder).mkdir(exist_ok=True)
        for file in (root / folder).iterdir():
            file.unlink()
    os.sync()


def found_below(root: Path) -> dict[str, bytes]:
    return {f"{f}/{p.name}": p.read_bytes() for f in FOLDERS for p in (root / f).iterdir()}


def try_program(image: powercut.Image, seed: int, trusting: str = "") -> tuple[list[str], Counter[str]]:
    """Run one; return the objections, with the story, and figures."""
    random = Random(seed)
    flag = random.choice(list(powercut.FLAGS))
    steps = program(random, FOLDERS, random.choice((4, 10, 25)))
    steps = steps[: random.randint(1, len(steps))]
    fresh(image.at)
    model, runner = FileSystem(FOLDERS, trusting), Runner(image.at)
    for step in steps:
        runner.do(step)
        model.do(step)
    cut_and_look(image, flag)
    found = found_below(image.at)
    objections = list(model.objections(found))
    kept, free = model.stricter(found)
    figures = Counter({f"flag {flag}: kept": kept, f"flag {flag}: free": free, f"flag {flag}: programs": 1})
    if objections:
        story = [f"{s.what} {s.name} {s.other} {s.at}+{len(s.data)}" for s in steps]
        objections.append(f"seed {seed}, flag {flag}: {'; '.join(story)}")
    return objections, figures


def _many(image: powercut.Image, first: int, seconds: float, most: int) -> Counter[str]:
    figures: Counter[str] = Counter()
    end = time.monotonic() + seconds
    for seed in range(first, first + most):
        objections, more = try_program(image, seed)
        assert not objections, objections
        figures += more
        if time.monotonic() > end:
            break
    return figures


def _tell(figures: Counter[str]) -> str:
    return "; ".join(
        f"flag {f}: {figures[f'flag {f}: programs']} programs, the model was stricter than ext4 in "
        f"{figures[f'flag {f}: kept']} of {figures[f'flag {f}: free']} unsynced names"
        for f in powercut.FLAGS
    )


def test_the_model_promises_no_more_than_ext4_keeps(
    image: powercut.Image, record_property: Callable[[str, object], None]
) -> None:
    first = int(os.environ.get("KURIR_SEED", time.time() // 86400 * 100_000))
    figures = _many(image, first, SHORT_SECONDS, SHORT_PROGRAMS)
    print(_tell(figures))
    record_property("disk model", _tell(figures))
    # Each flag was tried, and each dropped something that the model had left free: else nothing was cut at all.
    for flag in powercut.FLAGS:
        assert figures[f"flag {flag}: kept"] < figures[f"flag {flag}: free"], _tell(figures)


@pytest.mark.full
def test_the_model_promises_no_more_than_ext4_keeps_longer(image: powercut.Image) -> None:
    print(_tell(_many(image, int(time.time()) * 1000, FULL_SECONDS, 1_000_000)))


@pytest.mark.parametrize("trusting", ["unsynced data", "unsynced names"])
def test_a_model_that_promises_more_is_refuted(image: powercut.Image, trusting: str) -> None:
    assert any(try_program(image, seed, trusting)[0] for seed in range(60))


# -- the rules of `disk` itself, held against the real store and the real body files ---------------


class State:
    """A state folder on the image, its store and its body files; `begin` starts a brain on it."""

    def __init__(self, image: powercut.Image) -> None:
        self.image = image
        self.layout = Layout(image.at / "state")
        shutil.rmtree(self.layout.folder, ignore_errors=True)
        make_directory(self.layout.folder)
        self.open: list[WritingBody] = []
        self.begin()
        os.sync()  # that a state folder is made durably is not asked here

    def begin(self) -> None:
        self.facts = SqliteFacts(self.layout, StandingClock())
        self.bodies = FileBodies(self.layout, BodySettings(batch=4096))

    def power_cut(self, flag: int) -> None:
        """Power off with everything open, and on again."""
        self.image.cut(flag)
        self.end()
        self.image.unmount()
        self.image.mount()
        self.begin()

    async def body(self, data: bytes, finish: bool) -> str:
        """Write a body file in pieces; return its name."""
        file = self.bodies.create()
        self.open.append(file)
        for at in range(0, len(data), 3000):
            await file.write(data[at : at + 3000])
        return await file.finish() if finish else file._path.name

    def end(self) -> None:
        """Let go of the image, whatever happened."""
        for file in self.open:
            file._close()
        self.facts.close()

    def found(self, data: Mapping[int, bytes]) -> dict[int, bytes]:
        """Return the bodies of all waiting messages, read as a hand reads them; `data` says what to check against."""
        reader = StoredBodies(self.layout)
        numbers = [m.number for m in self.facts.waiting()]
        try:
            return {
                n: b"".join(asyncio.run(self._read(reader, lease(n, data[n], body_file=letter.body_file))))
                for n, letter in self.facts.letters(numbers).items()
            }
        finally:
            reader.close()

    async def _read(self, reader: StoredBodies, work: Lease) -> list[bytes]:
        return [piece async for piece in reader.chunks(work)]


@pytest.fixture
def state(image: powercut.Image) -> Iterator[State]:
    state = State(image)
    yield state
    state.end()


@pytest.mark.parametrize("seed", range(24))
def test_what_the_simulated_disk_calls_durable_is_there(state: State, seed: int) -> None:
    random = Random(seed)
    promised: dict[int, bytes] = {}

    def batch() -> tuple[list[Change], dict[int, bytes]]:
        changes, bodies = [], {}
        for number in range(state.facts.next_number(), state.facts.next_number() + random.randint(1, 3)):
            data = random.randbytes(random.choice((40, 3000, 50_000)))
            name = asyncio.run(state.body(data, finish=True)) if random.random() < 0.3 else None
            changes.append(accept(number, body=data, body_file=name))
            bodies[number] = data
        return changes, bodies

    for _ in range(random.randint(0, 5)):
        changes, bodies = batch()
        state.facts.commit(changes)
        promised |= bodies
        if random.random() < 0.2:
            state.facts.checkpoint()
    in_doubt: dict[int, bytes] = {}
    if random.random() < 0.8:  # written, and the power goes before the sync (rule 1)
        changes, in_doubt = batch()
        state.facts._writer.pragma("synchronous", 0)
        state.facts.commit(changes)
        if random.random() < 0.5:
            write_back(state.layout.facts.with_name("facts.db-wal"))
    file = Inode()
    file.write(0, random.randbytes(random.choice((2000, 9000, 120_000))))
    name = asyncio.run(state.body(file.now, finish=False))
    if random.random() < 0.5:
        write_back(state.layout.bodies / name)
    state.power_cut(random.choice(list(powercut.FLAGS)))
    found = state.found(promised | in_doubt)
    assert found in (promised, promised | in_doubt)
    assert state.facts.next_number() == len(found) + 1
    left = state.layout.bodies / name
    assert not left.exists() or file.allows(left.read_bytes())  # rule 3: not even a prefix is sure


@pytest.mark.parametrize("seed", range(200))
def test_what_the_simulated_disk_tears_is_what_the_rules_allow(seed: int) -> None:
    data = Random(seed).randbytes(seed * 37)
    file = Inode()
    file.write(0, data)
    left = torn(data, Random(seed))
    assert left is None or file.allows(left)
