"""What another engine syncs between ``354`` and ``250``: the facts under the published table, read from a trace.

Every way to make octets safe is traced: fsync, fdatasync, sync_file_range, sync, syncfs, msync, io_uring, aio, and files
that are opened with O_SYNC or O_DSYNC.
"""

import re
import smtplib
import time
from pathlib import Path

from .peers import HOST, PeerEngine

SYNCS = ("fsync", "fdatasync", "sync_file_range", "sync", "syncfs", "msync", "io_uring_enter", "io_submit")
MOVES = ("rename", "renameat", "renameat2", "link", "linkat")
OPENS = ("open", "openat", "creat")
SAYS = ("write", "writev", "sendto", "sendmsg")
SIZES = (500, 300_000)

_LINE = re.compile(r"^(\d+) +[\d.:]+ (?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$")
_NAMED = re.compile(r"<(/[^>]*)>")
_QUOTED = re.compile(r'"(/[^"]*|[^"]*)"')


def command(log: Path) -> list[str]:
    """Return what stands in front of an engine's command."""
    calls = ",".join((*SYNCS, *MOVES, *OPENS, *SAYS))
    return ["strace", "-f", "-qq", "-y", "-tt", "-s", "80", "-e", f"trace={calls}", "-o", str(log)]


def steps(trace: str) -> list[list[str]]:
    """Return for each message what was synced, moved, and opened for synced writing between 354 and 250, in order."""
    found: list[list[str]] = []
    open_: list[str] | None = None
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        m = _LINE.match(line)
        if m is None:
            continue
        process, resumed, call, rest = m[1], m[2], m[3] or m[2], m[4]
        if rest.endswith("<unfinished ...>") and call not in SAYS:
            begun[process] = rest
            continue
        if resumed:
            rest = begun.pop(process, "") + rest
        if call in SAYS and '"354' in rest:
            open_ = []
            found.append(open_)
        elif call in SAYS and '"250' in rest:
            open_ = None
        elif open_ is not None and (step := _step(call, rest)):
            open_.append(step)
    return found


def _step(call: str, rest: str) -> str:
    if " = -1 " in rest:
        return ""
    if call in SYNCS:
        return f"{call} {''.join(_NAMED.findall(rest)[:1])}".strip()
    names = _QUOTED.findall(rest)
    if call in MOVES:
        return f"{call} {' -> '.join(names)}"
    if call in OPENS and re.search(r"O_D?SYNC", rest):
        return f"{call} with O_SYNC {names[0]}"
    return ""


def look(engine: PeerEngine, log: Path) -> list[list[str]]:
    """Start an engine under strace, hand in a small and a large message, end it; return the steps of each."""
    log.unlink(missing_ok=True)
    engine.under = command(log)
    engine.start()
    try:
        for size in SIZES:
            with smtplib.SMTP(HOST, engine.port, "client.test", timeout=60) as s:
                text = b"Subject: order\r\n\r\n" + (b"y" * 70 + b"\r\n") * (size // 72)
                s.sendmail("a@client.test", ["r1@sink.test", "r2@sink.test"], text)
        time.sleep(0.5)
    finally:
        engine.kill_all()
        engine.under = []
    return steps(log.read_text(errors="replace"))
