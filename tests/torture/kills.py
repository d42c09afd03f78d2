"""(a) kill -9 of every process role at random moments under load.

After each kill the time is taken until a message sent later is accepted.  One process at a time is killed,
or all at once; after a few single ones everything goes, so that restarts of a role stay quick.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from .engine import Engine, KurirEngine
from .rounds import Bench, Cell, Progress

SINGLES = 3  # single roles killed in the life of one supervisor


def run_round(bench: Bench, cell: Cell, progress: Progress, cycles: int, folder: Path) -> bool:
    """Kill `cycles` times, drain, judge.  Leaves the server running."""
    began = time.monotonic()
    recover: list[float] = []
    problems: list[str] = []
    opened = singles = 0
    bench.engine.start()
    bench.load.resume()
    if bench.recovered(began) is None:
        problems.append("no mail was accepted after the start")
    done = 0
    while done < cycles and not problems:
        time.sleep(bench.draw.uniform(0.0, 0.5))
        victims = bench.engine.victims()
        roles = [*sorted(victims), "everything"] if singles < SINGLES else ["everything", "supervisor"]
        role = bench.draw.choice([r for r in roles if r == "everything" or r in victims])
        whole = role in ("everything", "supervisor")  # nothing runs after it: counted then
        frozen = [] if whole else list(victims.values())
        _signal(frozen, signal.SIGSTOP)  # so that what is open can be counted exactly
        opened += 0 if whole else bench.opened()
        at = time.monotonic()
        if _kill(bench.engine, role, victims):
            singles = 0
            opened += bench.opened()
            at = time.monotonic()  # counting is not recovering
            bench.engine.start()
        else:
            singles += 1
            if bench.engine.ended():
                bench.engine.kill_all()
                bench.engine.start()
        took = bench.recovered(at)
        if took is None:
            problems.append(f"no mail was accepted after killing {role}")
        else:
            recover.append(took)
        bench.collect()
        done += 1
    good = bench.book(cell, progress, done, recover, began, opened, problems, folder)
    bench.engine.kill_all()
    return good


def _kill(engine: Engine, role: str, victims: dict[str, int]) -> bool:
    """Kill; returns whether nothing is left, so that a start is needed."""
    if role == "everything":
        engine.kill_all()
        return True
    _signal([victims[role]], signal.SIGKILL)  # one of a peer may have ended just now
    _signal(list(victims.values()), signal.SIGCONT)
    if role != "supervisor":
        return False
    if isinstance(engine, KurirEngine):
        engine.died()
    else:
        engine.kill_all()
    return True


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
