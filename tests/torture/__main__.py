"""``scripts/torture``: see ``--help``.  Interrupt it when you like and start it again: it goes on.

Parts: kills, cuts, syscalls, full, descriptors, clock, order, jitter.  A part that cannot run here says so loudly.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.sink import Sink

from . import (
    clock,
    descriptors,
    full,
    jitter,
    kills,
    mutations,
    order,
    peers,
    peersyncs,
    powercut,
    report,
    syscalls,
)
from .engine import Engine, KurirEngine
from .ledger import Ledger
from .load import Load
from .probe import Gate
from .rounds import DRAIN_SECONDS, PEER_DRAIN_SECONDS, Bench, Progress

ROUND = 20  # cycles between two comparisons with the ledger
SHORT = {"kills": 12, "cuts": 6, "sites": 30, "ends": 5}
LONG = {"kills": 10_000, "cuts": 2_000, "sites": 0, "ends": 1_000}


def say(text: str) -> None:
    """One line to the person at the terminal."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def loudly(text: str) -> None:
    """What was not tested must not be overlooked."""
    bar = "=" * 78
    print(f"{bar}\nSKIPPED: {text}\n{bar}", file=sys.stderr, flush=True)


class Run:
    """What all parts share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.progress = Progress(options.state)
        self.work = Path(tempfile.mkdtemp(prefix="kurir-torture-"))
        self.draw = random.Random(options.seed)
        self.good = True
        self.skipped: list[str] = []

    def command(self, part: str) -> str:
        """Return the command that repeats a part."""
        o = self.options
        extra = f" --peer {o.peer}" if o.peer else ""
        return f"scripts/torture --only {part}{extra} --seed {o.seed}"

    def kurir(
        self, folder: Path, sink: int, workers: int = 0, env: dict[str, str] | None = None
    ) -> KurirEngine:
        """Return a Kurir."""
        return KurirEngine(folder, sink, self.work / "kurir.log", workers, env, self.options.source)

    def skip(self, text: str) -> None:
        """Say that something is not tested."""
        self.skipped.append(text)
        loudly(text)

    @contextmanager
    def bench(self, make: Callable[[int], Engine], gate: Gate | None = None) -> Iterator[Bench]:
        """A sink, an engine made for its port, senders and a ledger."""
        ledger = Ledger()
        with Sink(script=gate or Gate()) as sink:
            engine = make(sink.port)
            engine.make()
            peer = self.options.peer is not None
            hello = "client.test"
            with Load(engine.port, ledger, self.draw.getrandbits(32), threads=self.options.threads, rest=self.options.rest,
                      local=not peer, hello=hello) as load:  # fmt: skip
                try:
                    yield Bench(
                        engine,
                        sink,
                        load,
                        ledger,
                        self.draw,
                        say,
                        (
                            self.work / "kurir.log",
                            *(
                                self.work / n
                                for n in (f"{self.options.peer}.log", "exim-mainlog", "exim-paniclog")
                            ),
                        ),
                        PEER_DRAIN_SECONDS if peer else DRAIN_SECONDS,
                    )
                finally:
                    load.pause()
                    engine.kill_all()

    def rounds(self, engine: str, fault: str, part: str, wanted: int) -> Iterator[tuple[int, "report.Cell"]]:
        """Yield the sizes of the rounds that are still to be made; show how far it is."""
        cell = self.progress.cell(engine, fault, self.command(part))
        began, first = time.monotonic(), cell.cycles
        while cell.cycles < wanted and (not cell.problems or self.options.go_on):
            before = cell.cycles
            yield min(ROUND, wanted - cell.cycles), cell
            self.good &= cell.good
            done = cell.cycles - first
            left = (wanted - cell.cycles) * (time.monotonic() - began) / done if done else 0.0
            say(
                f"{engine}: {fault}: {cell.cycles}/{wanted}  accepted {cell.accepted} lost {cell.lost} "
                f"damaged {cell.damaged} duplicated {cell.duplicated}/{cell.open_at_crash}  {left:.0f} s left"
            )
            if cell.cycles == before:
                break
        self.good &= cell.good


def kill_part(run: Run) -> None:
    """(a)."""
    for workers in run.options.workers:
        fault = "kill -9"
        wanted = run.options.kills // len(run.options.workers)
        name = f"kurir workers={workers}"
        for size, cell in _limited(run, run.rounds(name, fault, "kills", wanted)):
            folder = run.work / f"kills{workers}-{cell.cycles}"
            with run.bench(lambda port, f=folder, w=workers: run.kurir(f, port, w)) as bench:
                kills.run_round(bench, cell, run.progress, size, folder)


def cut_part(run: Run) -> None:
    """(b)."""
    why = powercut.possible(run.work)
    if why:
        run.skip(f"power cuts: loop mounts or EXT4_IOC_SHUTDOWN do not work here ({why})")
        return
    for flag, fault in powercut.FLAGS.items():
        if run.options.flag not in (None, flag):
            continue
        for size, cell in _limited(run, run.rounds("kurir workers=0", fault, "cuts", run.options.cuts)):
            with powercut.Image(run.work / "disk.img", run.work / "disk") as image:
                folder = image.at / "k"
                with run.bench(lambda port, f=folder: run.kurir(f, port)) as bench:
                    powercut.run_round(bench, cell, run.progress, size, folder, image, flag)


def peer_part(run: Run) -> None:
    """The same kills and cuts against another engine."""
    name = run.options.peer
    missing = peers.missing(name)
    if missing:
        run.skip(f"{name}: {missing}")
        return
    only = run.options.only
    if only == "order":
        _peer_order(run, name)
        return
    faults: list[tuple[str, int, int]] = []
    if only in (None, "kills"):
        faults.append(("kill -9", 0, run.options.kills))
    if only in (None, "cuts"):
        faults += [(fault, flag, run.options.cuts) for flag, fault in powercut.FLAGS.items()]
    why = powercut.possible(run.work)
    for fault, flag, wanted in faults:
        if flag and why:
            run.skip(f"power cuts of {name}: {why}")
            continue
        part = "cuts" if flag else "kills"
        for size, cell in _limited(run, run.rounds(name, fault, part, wanted)):
            with powercut.Image(run.work / "disk.img", run.work / "disk") as image:
                with run.bench(lambda port, at=image.at: peers.make(name, at, run.work, port)) as bench:
                    if flag:
                        powercut.run_round(bench, cell, run.progress, size, run.work / "none", image, flag)
                    else:
                        kills.run_round(bench, cell, run.progress, size, run.work / "none")


def _peer_order(run: Run, name: str) -> None:
    """Show what it syncs before it says 250; whether that is enough is for the reader to judge."""
    why = syscalls.available()
    if why:
        run.skip(f"order of syncs of {name}: {why}")
        return
    at = run.work / "order"
    at.mkdir()
    with Sink() as sink:
        engine = peers.make(name, at, run.work, sink.port)
        engine.make()
        for size, found in zip(peersyncs.SIZES, peersyncs.look(engine, run.work / "order.log"), strict=True):
            print(f"{name}, {size} octets, between 354 and 250:")
            print("\n".join(f"  {step}" for step in found) or "  nothing is synced or moved")


def _limited(run: Run, rounds: Iterator[tuple[int, "report.Cell"]]) -> Iterator[tuple[int, "report.Cell"]]:
    """End when the time given is over."""
    for one in rounds:
        yield one
        if run.options.minutes and time.monotonic() - run.options.began > run.options.minutes * 60:
            say("the time given is over; start again to go on")
            return


Look = Callable[[Bench, Path, Gate], tuple[list[float], list[str]]]


def _once(
    run: Run, part: str, fault: str, folder: Path, look: Look, env: dict[str, str] | None = None
) -> None:
    """Do one thing to one server, drain, judge."""
    cell = run.progress.cell("kurir workers=0", fault, run.command(part))
    if cell.cycles and not cell.problems:
        return
    gate = Gate()
    began = time.monotonic()
    with run.bench(lambda port: run.kurir(folder, port, env=env), gate) as bench:
        bench.engine.start()
        recover, problems = look(bench, folder, gate)
        gate.shut = False
        bench.book(cell, run.progress, 1, recover, began, 0, problems, folder)
    run.good &= cell.good
    say(
        f"{fault}: accepted {cell.accepted} lost {cell.lost} duplicated {cell.duplicated} problems {cell.problems}"
    )


def syscall_part(run: Run) -> None:
    """(c)."""
    why = syscalls.available()
    if why:
        run.skip(f"failing system calls: {why}")
        return
    folder = run.work / "syscalls"
    log = run.work / "strace.log"

    def look(bench: Bench, _: Path, gate: Gate) -> tuple[list[float], list[str]]:
        recover: list[float] = []
        problems: list[str] = []
        todo = syscalls.chosen(syscalls.sites(bench, log), run.options.sites, run.draw)
        for n, site in enumerate(todo, 1):
            took, wrong = syscalls.fail(bench, site, log)
            problems += wrong
            recover += [took] if took is not None else []
            if n % 20 == 0 or wrong:
                say(f"system calls: {n}/{len(todo)} {wrong or ''}")
        for limit in (50_000, 150_000, 400_000):
            took, wrong = syscalls.short_write(bench, limit)
            problems += wrong
            recover += [took] if took is not None else []
        say(f"system calls: {len(todo)} sites and 3 short writes")
        run.progress.cell("kurir workers=0", FAILING, run.command("syscalls")).cycles += len(todo) + 2
        return recover, problems

    _once(run, "syscalls", FAILING, folder, look)


FAILING = "failing system calls"


def full_part(run: Run) -> None:
    """(d)."""
    if os.getuid() != 0:
        run.skip("full disk: mounting a tmpfs needs root")
        return
    with full.tmpfs(run.work / "small", "size=64m") as at:
        _once(run, "full", "full disk", at / "k", lambda b, _, g: full.disk(b, at, g))
    with full.tmpfs(run.work / "few", "size=200m,nr_inodes=300") as at:
        _once(run, "full", "no inodes", at / "k", lambda b, _, g: full.inodes(b, at))


def descriptor_part(run: Run) -> None:
    """(e)."""
    _once(run, "descriptors", "no descriptors", run.work / "few-fds", lambda b, _, g: descriptors.exhaust(b))


def clock_part(run: Run) -> None:
    """(f)."""
    if clock.preload() is None:
        run.skip("jumping clocks: libfaketime is not installed (Debian package faketime)")
        return
    dial = run.work / "dial"
    look: Look = lambda b, _, g: clock.jump(b, dial, g)  # noqa: E731
    _once(run, "clock", "clock +-400 days", run.work / "clock", look, clock.environment(dial))


def jitter_part(run: Run) -> None:
    """(g)."""
    rounds = run.rounds("kurir", "ends and reloads", "jitter", run.options.ends)
    for size, cell in _limited(run, rounds):
        folder = run.work / f"jitter-{cell.cycles}"
        with run.bench(lambda port, f=folder: run.kurir(f, port, env=jitter.ENVIRONMENT)) as bench:
            jitter.run_round(bench, cell, run.progress, size, folder)


def order_part(run: Run) -> None:
    """The order of syncs and acknowledgements, seen in a trace."""
    why = syscalls.available()
    if why:
        run.skip(f"order of syncs: {why}")
        return
    log = run.work / "order.log"
    _once(run, "order", "order of syncs", run.work / "order", lambda b, _, g: order.look(b, log))


PARTS: dict[str, Callable[[Run], None]] = {
    "order": order_part,
    "kills": kill_part,
    "cuts": cut_part,
    "full": full_part,
    "descriptors": descriptor_part,
    "clock": clock_part,
    "syscalls": syscall_part,
    "jitter": jitter_part,
}


def options(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    p = argparse.ArgumentParser(
        prog="scripts/torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--short", action="store_true", help="minutes instead of hours")
    p.add_argument("--kills", type=int, help="how many kills (half with workers=0, half with workers=1)")
    p.add_argument("--cuts", type=int, help="how many power cuts with each flag")
    p.add_argument("--sites", type=int, help="how many failing system calls (0: all)")
    p.add_argument("--ends", type=int, help="how many ends and reloads on a machine that stands still")
    p.add_argument("--only", choices=sorted(PARTS), help="one part")
    p.add_argument("--peer", choices=sorted(peers.PEERS), help="torture another engine (kills and cuts)")
    p.add_argument("--state", type=Path, help="folder of results, to go on with (default: a new one)")
    p.add_argument("--report", type=Path, help="write the table there (Markdown)")
    p.add_argument("--workers", type=int, action="append", help="kills: with so many workers (default: 0, 1)")
    p.add_argument("--flag", type=int, choices=(1, 2), help="cuts: only this kind")
    p.add_argument("--mutations", action="store_true", help="break copies of Kurir; each must be noticed")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--source", type=Path, help="another Kurir's source (src), for the mutation check")
    p.add_argument("--threads", type=int, default=3, help="senders")
    p.add_argument("--rest", type=float, default=0.01, help="mean seconds between two messages of a sender")
    p.add_argument("--minutes", type=float, default=0.0, help="stop after the round in which this is over")
    p.add_argument("--go-on", action="store_true", help="go on after a problem")
    o = p.parse_args(arguments)
    form = SHORT if o.short else LONG
    o.kills = form["kills"] if o.kills is None else o.kills
    o.cuts = form["cuts"] if o.cuts is None else o.cuts
    o.sites = form["sites"] if o.sites is None else o.sites
    o.ends = form["ends"] if o.ends is None else o.ends
    o.state = o.state or Path(tempfile.mkdtemp(prefix="kurir-torture-state-"))
    o.go_on = o.go_on or o.peer is not None  # what others lose is a figure, not a reason to stop
    o.workers = o.workers or [0, 1]
    o.began = time.monotonic()
    return o


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Run; 0 when nothing was lost."""
    chosen = options(arguments)
    if chosen.mutations:
        return mutations.main()
    run = Run(chosen)
    signal.signal(
        signal.SIGTERM, _interrupted
    )  # as the first process of a namespace nothing else would stop us
    try:
        if run.options.peer:
            peer_part(run)
        else:
            for name, part in PARTS.items():
                if run.options.only in (None, name):
                    part(run)
    except KeyboardInterrupt:
        say(f"interrupted; go on with --state {run.options.state}")
        return 130
    finally:
        if run.options.report:
            report.write(run.progress, run.options.report)
    print(report.render(run.progress))
    for text in run.skipped:
        loudly(text)
    return 0 if run.good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
