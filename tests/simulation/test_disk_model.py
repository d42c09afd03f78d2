"""The simulated disk against ext4: random programs, a real power cut after a drawn step, and what is found is judged.

A program is one thread, and done when the cut comes: nothing is on its way while the ioctl works (`tests.torture.powercut`
says why that matters).  Below are `filesystem`'s rules, above them the rules of `disk` itself, for which the
real store and the real body files stand on the same image.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.torture import powercut

from .filesystem import FileSystem, Step, program

FOLDERS = ("a", "b")
SIZE = "24M"
SHORT_SECONDS, SHORT_PROGRAMS = 5.0, 400
FULL_SECONDS = 120.0


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[powercut.Image]:
    folder = tmp_path_factory.mktemp("power")
    why = powercut.possible(folder)
    if why:
        pytest.skip(f"NOT TESTED: loop mounts or EXT4_IOC_SHUTDOWN do not work here ({why})")
    with powercut.Image(folder / "disk.img", folder / "disk", SIZE) as image:
        yield image


def cut_and_look(image: powercut.Image, flag: int) -> None:
    """Power off and on again."""
    image.cut(flag)
    image.unmount()
    image.mount()


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
        else:
            self._open(step, path)

    def _open(self, step: Step, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            if step.data:
                assert os.pwrite(fd, step.data, step.at) == len(step.data)
            elif step.what == "write back":  # begins to write dirty pages, waits for none, promises nothing
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
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
