"""(c) each file-system call on the accept, deliver and bounce paths made to fail, one after the other, with strace.

A scenario (a small message to a mailbox, the sink and a refused recipient, and a large one) is run once to
count the calls of each thread; then once for each call and fault: the process killed in it, EIO, ENOSPC.  Short
writes are made by a limit on file sizes (RLIMIT_FSIZE), which really stops in the middle.  After each fault the
server must take mail again by itself, lose nothing, and a failed fsync must not be tried again nor followed
by a 250 where it stood under a commit.
"""

import random
import re
import resource
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .engine import KurirEngine
from .load import LOCAL, REFUSED, RELAYED, reply
from .probe import until_accepted, within
from .rounds import RECOVER_SECONDS, Bench

CALLS = (
    "openat",
    "write",
    "writev",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "mkdir",
    "ftruncate",
    "link",
)
FAULTS = ("signal=KILL", "error=EIO", "error=ENOSPC")
_LINE = re.compile(r"^(\d+) +([\d.]+) (\w+)\((.*)$")
_SYNC = re.compile(r"^(\d+) +([\d.]+) (?:fsync|fdatasync)\((\d+)<([^>]*)>\) += (-?\d+)(.*)$")
_ANEW = re.compile(r'^\d+ +[\d.]+ (?:unlink\(|openat\([^"]*)"([^"]*)"(?:\)|.*O_(?:TRUNC|EXCL)).* = \d')


@dataclass(frozen=True, slots=True)
class Site:
    """The `nth` time that a thread makes a call, and what happens then."""

    call: str
    nth: int
    fault: str

    def __str__(self) -> str:
        return f"{self.call} #{self.nth} {self.fault}"


class Strace:
    """strace on a running process."""

    def __init__(self, pid: int, log: Path, *options: str) -> None:
        self.log = log
        log.unlink(missing_ok=True)
        calls = ",".join(CALLS)
        self._process = subprocess.Popen(
            ["strace", "-f", "-qq", "-ttt", "-y", "-o", str(log), "-e", f"trace={calls}", *options, "-p", str(pid)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        within(5, lambda: _traced(pid))

    def end(self) -> str:
        """Detach; return the log."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:  # seen after an injected KILL; what it traced goes on or is gone
            self._process.kill()
            self._process.wait()
        return self.log.read_text(errors="replace")


def _traced(pid: int) -> bool:
    try:
        tasks = [t.read_text() for t in Path(f"/proc/{pid}/task").glob("*/status")]
    except OSError:
        return True
    return bool(tasks) and all("TracerPid:\t0" not in t for t in tasks)


def scenario(bench: Bench) -> None:
    """Accept, deliver here, relay, bounce; then a body that is too large for a row."""
    import socket

    for size, rcpts in (
        (3000, (LOCAL[0], RELAYED[0], REFUSED[0])),
        (190_000, (LOCAL[1], RELAYED[1])),
    ):
        with suppress(OSError), socket.create_connection(("127.0.0.1", bench.engine.port), 5) as s:
            s.settimeout(10)
            with s.makefile("rb") as lines:
                reply(lines)
                s.sendall(b"EHLO client.test\r\n")
                reply(lines)
                message, _ = bench.load.compose(bench.draw, size)
                bench.load.submit(s, lines, message, rcpts)


def sites(bench: Bench, log: Path) -> list[Site]:
    """Run the scenario once and return every call and fault."""
    engine = bench.engine
    assert isinstance(engine, KurirEngine)
    strace = Strace(engine.victims()["all"], log)
    scenario(bench)
    within(15, engine.idle)
    time.sleep(1.2)  # the housekeeper moves settled mail
    text = strace.end()
    counts: Counter[tuple[str, str]] = Counter()
    for line in text.splitlines():
        if m := _LINE.match(line):
            counts[m[1], m[3]] += 1
    most: dict[str, int] = {}
    for (_, call), n in counts.items():
        most[call] = max(most.get(call, 0), min(n, 40))
    return [Site(call, n + 1, fault) for call in CALLS for n in range(most.get(call, 0)) for fault in FAULTS]


def fail(bench: Bench, site: Site, log: Path) -> tuple[float | None, list[str]]:
    """Run the scenario with one fault; return the seconds to recover and what is wrong."""
    engine = bench.engine
    assert isinstance(engine, KurirEngine)
    pid = engine.victims()["all"]
    to_wall = time.time() - time.monotonic()
    strace = Strace(pid, log, "-e", f"inject={site.call}:{site.fault}:when={site.nth}")
    scenario(bench)
    within(2.0, lambda: engine.idle() or engine.victims().get("all") != pid)
    text = strace.end()
    began = time.monotonic()
    took = until_accepted(bench, RECOVER_SECONDS)
    problems = [f"{site}: no mail accepted within {RECOVER_SECONDS:g} s"] if took is None else []
    problems += [f"{site}: {p}" for p in judge(text, [s.ended + to_wall for s in bench.ledger.sent.values()])]
    if engine.victims().get("all") != pid:  # so that the supervisor's patience starts anew
        engine.kill_all()
        engine.start()
    return (time.monotonic() - began) if took is not None else None, problems


def judge(trace: str, acknowledged: list[float]) -> list[str]:
    """Look for failed syncs that were tried again, and for a 250 after a failed sync of the log.

    A database file is exempt: a checkpoint that failed writes its pages again before it syncs again.
    """
    failed: dict[tuple[str, str], float] = {}
    problems = []
    for line in trace.splitlines():
        m = _SYNC.match(line)
        if m is None:
            if m := _ANEW.match(line):  # a file removed, or made anew and written again, is another file
                failed = {key: at for key, at in failed.items() if key[1] != m[1]}
            continue
        at, fd, path, result = float(m[2]), m[3], m[4], int(m[5])
        if Path(path).is_dir() or path.endswith(".db"):
            continue
        if result < 0:
            failed[fd, path] = at
        elif (fd, path) in failed:
            problems.append(f"fsync of {Path(path).name} was tried again after it had failed")
    for (_, path), at in failed.items():
        if path.endswith("facts.db-wal"):
            end = max((float(m[2]) for m in map(_LINE.match, trace.splitlines()) if m), default=at)
            late = [a for a in acknowledged if at + 0.02 < a < end]
            if late:
                problems.append(f"{len(late)} messages were acknowledged after the log's fsync had failed")
    return problems


def short_write(bench: Bench, limit: int) -> tuple[float | None, list[str]]:
    """Let no file grow beyond `limit`: writes stop in the middle."""
    engine = bench.engine
    assert isinstance(engine, KurirEngine)
    pid = engine.victims()["all"]
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, before[1]))
    scenario(bench)
    time.sleep(0.3)
    with suppress(OSError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    took = until_accepted(bench, RECOVER_SECONDS)
    if engine.victims().get("all") != pid:
        engine.kill_all()
        engine.start()
    return took, [] if took is not None else [
        f"short writes at {limit}: no mail accepted within {RECOVER_SECONDS:g} s"
    ]


def chosen(all_sites: list[Site], count: int, draw: random.Random) -> list[Site]:
    """Return `count` sites, every fsync first; all of them where `count` is 0."""
    if not count or count >= len(all_sites):
        return all_sites
    first = [s for s in all_sites if s.call in ("fsync", "fdatasync") and s.fault == "error=EIO"][
        : count // 3
    ]
    rest = [s for s in all_sites if s not in first]
    return first + draw.sample(rest, count - len(first))


def available() -> str:
    """Return why strace cannot be used here, or nothing."""
    try:
        done = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, timeout=10)
    except OSError as e:
        return f"strace is not there: {e}"
    return "" if done.returncode == 0 else done.stderr.decode()[:200]
