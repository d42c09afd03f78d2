"""(f) a clock that jumps by 400 days, while the server runs and while it is off: nothing expires, nothing storms."""

import time
from pathlib import Path

from .engine import KurirEngine
from .probe import Gate, send, within
from .rounds import Bench

LIBRARIES = tuple(
    Path(p)
    for p in (
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib64/faketime/libfaketimeMT.so.1",
        "/usr/lib/faketime/libfaketimeMT.so.1",
    )
)


def preload() -> Path | None:
    """Return libfaketime where it is installed."""
    return next((p for p in LIBRARIES if p.exists()), None)


def environment(dial: Path) -> dict[str, str]:
    """Return what makes a process read its wall clock from `dial`; time that only counts on is left alone."""
    dial.write_text("+0d\n")
    return {
        "LD_PRELOAD": str(preload()), "FAKETIME_TIMESTAMP_FILE": str(dial), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip


def jump(bench: Bench, dial: Path, gate: Gate) -> tuple[list[float], list[str]]:
    """Jump, look, jump back, look; then the same over restarts."""
    problems: list[str] = []
    engine = bench.engine
    assert isinstance(engine, KurirEngine)

    def wrongful() -> float:
        names = ('kurir_fates_total{fate="expired"}', 'kurir_attempts_total{outcome="deferred"}')
        expired, tried = (engine.gauge(n.replace("{", r"\{").replace("}", r"\}")) for n in names)
        if expired > 0:
            problems.append(f"{expired:g} recipients expired because the clock jumped")
        return tried

    for days, restart in (
        ("+400d", False),
        ("-400d", False),
        ("+0d", False),
        ("+400d", True),
        ("-400d", True),
        ("+0d", True),
    ):
        gate.shut = True
        for _ in range(5):
            said = send(bench, 2000)
            if not said.startswith(b"250"):
                problems.append(f"before the jump to {days}: {said!r}")
        if restart:
            engine.stop()
            dial.write_text(f"{days}\n")
            engine.start()
        else:
            dial.write_text(f"{days}\n")
        first = wrongful()
        time.sleep(3)
        tries = wrongful() - first
        if tries > 200:
            problems.append(f"{tries:g} tries in three seconds after the jump to {days}")
        gate.shut = False
        if not within(30, engine.idle):
            problems.append(f"what waited was not sent after the jump to {days} (restart: {restart})")
        if not send(bench, 2000).startswith(b"250"):
            problems.append(f"no mail accepted after the jump to {days}")
    return [], problems
