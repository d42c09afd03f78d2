"""The order of syncs, seen in a trace of system calls; what a power cut shows by luck, this shows every time.

1. A body file: written, fsync, its folder fsync, then the commit (fdatasync of the log), then the 250.
2. A Maildir copy: fsync in ``tmp``, rename into ``new``, fsync of ``new``, and only then the commit that
   settles it.
3. Each 250 after a message comes behind a sync of the log that began when the message was complete.
"""

import re
import time
from pathlib import Path

from . import syscalls
from .engine import KurirEngine
from .probe import within
from .rounds import Bench

_PATHS = re.compile(r"<(/[^>]*)>|\"(/[^\"]*)\"")
_TAKEN = re.compile(r'"250 2\.[06]\.0 ')  # said to a message, not to MAIL or RCPT
_CALL = re.compile(r"^\d+ +[\d.]+ (?:<\.\.\. )?(\w+)")


def steps(trace: str) -> list[tuple[str, str]]:
    """Return (what, path) in order: sync of a file or folder, rename to a path, 250 said."""
    found: list[tuple[str, str]] = []
    pending: dict[str, tuple[str, str]] = {}
    for line in trace.splitlines():
        thread = line.split(" ", 1)[0]
        m = _CALL.match(line)
        if m is None:
            continue
        call = m[1]
        if "resumed>" in line:
            if thread in pending:
                found.append(pending.pop(thread))
            continue
        paths = [a or b for a, b in _PATHS.findall(line)]
        step: tuple[str, str] | None = None
        if call in ("fsync", "fdatasync") and paths:
            step = ("sync", paths[0])
        elif call == "rename" and len(paths) >= 2:
            step = ("rename", paths[-1])
        elif call in ("write", "writev", "sendto", "sendmsg") and _TAKEN.search(line):
            step = ("250", "")
        if step is None:
            continue
        if "<unfinished" in line:
            pending[thread] = step
        else:
            found.append(step)
    return found


def judge(found: list[tuple[str, str]], folder: Path) -> list[str]:
    """Return what is out of order."""
    problems = []
    bodies = str(folder / "bodies")
    log = str(folder / "facts.db-wal")
    commits = [i for i, (what, path) in enumerate(found) if what == "sync" and path == log]
    files = [i for i, (what, path) in enumerate(found) if what == "sync" and path.startswith(bodies + "/")]
    if not files:
        problems.append("no body file was synced")
    for i in files:
        # up to its own 250; commits of other messages may lie in between
        until = next((n for n in range(i, len(found)) if found[n][0] == "250"), len(found))
        folder_synced = next((n for n in range(i, until) if found[n] == ("sync", bodies)), until)
        if not any(folder_synced < c < until for c in commits):
            problems.append("a body file was acknowledged before its folder and then the log were synced")
    moved = [i for i, (what, path) in enumerate(found) if what == "rename" and "/new/" in path]
    if not moved:
        problems.append("nothing was delivered to a Maildir")
    for i in moved:
        path = found[i][1]
        tmp = path.replace("/new/", "/tmp/")
        if ("sync", tmp) not in found[:i]:
            problems.append("a Maildir copy was moved to new before it was synced")
        if ("sync", str(Path(path).parent)) not in found[i:]:
            problems.append("the folder new was not synced after a delivery")
    if not commits:
        problems.append("the log was never synced")
    said = [i for i, (what, _) in enumerate(found) if what == "250"]
    if len(said) < 2:
        problems.append(f"{len(said)} of two messages were acknowledged in the trace")
    for before, i in zip([0, *said], said, strict=False):
        if not any(before <= c < i for c in commits):
            problems.append("a 250 was said before the log was synced")
    if len(commits) < 3:
        problems.append(f"only {len(commits)} syncs of the log for two messages and their deliveries")
    return problems


def look(bench: Bench, log: Path) -> tuple[list[float], list[str]]:
    """Trace one small and one large message."""
    engine = bench.engine
    assert isinstance(engine, KurirEngine)
    strace = syscalls.Strace(
        engine.victims()["all"], log, "-e", "trace=fsync,fdatasync,rename,write,writev,sendto,sendmsg"
    )
    syscalls.scenario(bench)
    within(15, engine.idle)
    time.sleep(0.3)
    return [], judge(steps(strace.end()), engine.folder)
