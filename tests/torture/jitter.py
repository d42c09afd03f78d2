"""(g) ends and reloads on a machine that stands still now and then: nothing lost, nothing doubled, nothing hangs.

Processes are stopped (SIGSTOP) for moments while the server is reloaded, with the same and with another number of
processes, while it is ended and while it is started: races show where one of two is slow.
"""

import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.harness.kurir import Kurir

from .engine import KurirEngine
from .rounds import Bench, Cell, Progress

STILL = 0.8  # seconds at most that a process is stopped
END_SECONDS = 120.0  # for all that ends or is replaced; more is a hang
SHAPES = (0, 1, 2)  # numbers of workers
ENVIRONMENT = {"KURIR_SERVER__DRAIN": "5"}


def run_round(bench: Bench, cell: Cell, progress: Progress, cycles: int, folder: Path) -> bool:
    """Do `cycles` of `_ACTS`, drain, judge; what comes twice is a problem too, since nobody was killed."""
    engine = bench.engine
    assert isinstance(engine, KurirEngine)
    began, recover, problems = time.monotonic(), list[float](), list[str]()
    _reshape(engine.kurir, 'workers = "auto"', bench.draw.choice(SHAPES))
    engine.start()
    with _standing_still(engine.kurir, random.Random(bench.draw.getrandbits(32))):
        bench.load.resume()
        for _ in range(cycles):
            name = bench.draw.choice(list(_ACTS))
            since = time.monotonic()
            try:
                _ACTS[name](engine.kurir, bench.draw)
            except AssertionError as e:
                problems.append(f"{name}: {str(e)[:300]}")
                break
            took = bench.recovered(since)
            bench.collect()
            if took is None:
                problems.append(f"no mail was accepted after: {name}")
                break
            recover.append(took)
    doubled = cell.duplicated
    good = bench.book(cell, progress, len(recover), recover, began, 0, problems, folder)
    if cell.duplicated > doubled:
        cell.problems.append(f"{cell.duplicated - doubled} came twice")
    if "Traceback" in engine.kurir.said():
        cell.problems.append("a traceback in the log")
    engine.kill_all()
    return good


@contextmanager
def _standing_still(kurir: Kurir, draw: random.Random) -> Iterator[None]:
    """Stop one or two of the processes for a moment, again and again."""
    end = threading.Event()

    def run() -> None:
        while not end.is_set():
            with suppress(OSError, AttributeError, AssertionError):  # it has just ended
                pids = list(kurir.pids().values())
                some = draw.sample(pids, min(len(pids), draw.choice((1, 1, 2))))
                _signal(some, signal.SIGSTOP)
                end.wait(draw.random() ** 2 * STILL)
                _signal(some, signal.SIGCONT)
            end.wait(draw.random() * STILL / 2)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _reshape(kurir: Kurir, old: str, workers: int) -> None:
    kurir.env.pop("KURIR_WORKERS", None)
    text, found = re.subn(f"(?m)^{old}$", f"workers = {workers}", kurir.config.read_text())
    assert found == 1
    kurir.config.write_text(text)


def _reload(kurir: Kurir, _: random.Random) -> None:
    before = set(_roles(kurir).values())
    assert kurir.process is not None
    said = kurir.said().count('"reloaded"')
    kurir.process.send_signal(signal.SIGHUP)
    kurir.wait("the reload", lambda: kurir.said().count('"reloaded"') > said, END_SECONDS)
    kurir.wait("the old processes to end", lambda: not before & set(_roles(kurir).values()), END_SECONDS)


def _reload_otherwise(kurir: Kurir, draw: random.Random) -> None:
    _reshape(kurir, r"workers = \d", draw.choice(SHAPES))
    _reload(kurir, draw)


def _reload_twice(kurir: Kurir, draw: random.Random) -> None:
    assert kurir.process is not None
    kurir.process.send_signal(signal.SIGHUP)
    time.sleep(draw.random())
    _reload_otherwise(kurir, draw)


def _end(kurir: Kurir, _: random.Random) -> None:
    code = kurir.stop(timeout=END_SECONDS)
    assert code == 0, f"exit code {code}"
    kurir.start()


def _end_amidst(kurir: Kurir, draw: random.Random) -> None:
    assert kurir.process is not None
    kurir.process.send_signal(signal.SIGHUP)
    time.sleep(2 * draw.random())
    _end(kurir, draw)


def _roles(kurir: Kurir) -> dict[str, int]:
    return {name: pid for name, pid in kurir.pids().items() if name != "supervisor"}


_ACTS: Mapping[str, Callable[[Kurir, random.Random], None]] = {
    "reload": _reload,
    "reload with other processes": _reload_otherwise,
    "two reloads": _reload_twice,
    "end": _end,
    "end amidst a reload": _end_amidst,
}
