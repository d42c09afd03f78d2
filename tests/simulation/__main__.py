"""The command behind scripts/simulate: many seeds with progress, or one with its story."""

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Semaphore

from .week.pace import Pace
from .week.traffic import Size
from .week.world import run as play
from .world import Options, Result, run

CORPUS = Path(__file__).with_name("corpus.txt")
DAY = 86400.0
TAIL = 60


def corpus() -> list[int]:
    """Return the seeds that are always run: those that once failed, and those that reach rare paths."""
    lines = CORPUS.read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/simulate")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--first", type=int, help="begin here instead of at a random seed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--messages", type=int)
    parser.add_argument("--together", choices=("yes", "no"))
    parser.add_argument("--shuffle", choices=("yes", "no"))
    parser.add_argument("--without", default="")
    parser.add_argument("--tail", type=int, default=TAIL)
    parser.add_argument("--week", action="store_true")
    parser.add_argument("--part", type=float, default=0.05)
    return parser.parse_args()


def _options(args: argparse.Namespace) -> Options:
    flags = {"yes": True, "no": False, None: None}
    without = frozenset(w for w in args.without.split(",") if w)
    return Options(args.messages, flags[args.together], flags[args.shuffle], without)


def _seeds(args: argparse.Namespace) -> Iterator[int]:
    first = args.first if args.first is not None else random.randrange(1_000_000, 1 << 40)
    end = time.monotonic() + args.minutes * 60 if args.minutes else None
    count = 0
    while time.monotonic() < end if end else count < args.seeds:
        yield first + count
        count += 1


def _fed(seeds: Iterator[int], how: Options | Size, room: Semaphore) -> Iterator[tuple[int, Options | Size]]:
    """Yield jobs as there is `room`: a pool takes all that there are, however many that is."""
    for seed in seeds:
        room.acquire()
        yield seed, how


def _one(job: tuple[int, Options | Size]) -> Result:
    seed, how = job
    return play(seed, how) if isinstance(how, Size) else run(seed, how)


def _tell(result: Result, options: Options | Size, tail: int) -> None:
    print(f"\nseed {result.seed}  {options}  hash {result.trace_hash[:16]}")
    for line in result.tail[-tail:] if tail else ():
        print(f"  {line[:220]}")
    for line in result.broken[:10]:
        print(f"  BROKEN {line}")
    week = f" --week --part {options.readers / Size().readers:g}" if isinstance(options, Size) else ""
    print(f"  again: scripts/simulate{week} --seed {result.seed}")


def main() -> int:
    """Run, show progress, tell what failed; 1 when something did."""
    args = _arguments()
    options = Size().scaled(args.part) if args.week else _options(args)
    pace = Pace()
    if args.seed is not None:
        result = _one((args.seed, options))
        _tell(result, options, args.tail)
        print(f"  {result.virtual_seconds / DAY:.2f} virtual days, {result.steps} steps")
        pace.add(result)
        for line in pace.lines() if args.week else ():
            print(f"  {line}")
        return int(bool(result.broken))
    started, done, days, steps, failed = time.monotonic(), 0, 0.0, 0, []
    room = Semaphore(2 * args.jobs)
    with multiprocessing.get_context("fork").Pool(args.jobs) as pool:
        for result in pool.imap_unordered(_one, _fed(_seeds(args), options, room)):
            room.release()
            done += 1
            pace.add(result)
            days += result.virtual_seconds / DAY
            steps += result.steps
            if result.broken:
                failed.append(result.seed)
                _tell(result, options, args.tail)
                if args.keep and not args.week:
                    with CORPUS.open("a") as f:
                        f.write(f"{result.seed}  # {result.broken[0][:100]}\n")
            if sys.stderr.isatty():
                print(
                    f"\r{done} seeds, {days:.0f} virtual days, {len(failed)} failed ", end="", file=sys.stderr
                )
    seconds = time.monotonic() - started
    print(
        f"{done} seeds, {days:.1f} virtual days, {steps} steps in {seconds:.0f} s; failed: {failed or 'none'}"
    )
    for line in pace.lines() if args.week else ():
        print(line)
    return int(bool(failed))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
