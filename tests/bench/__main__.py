"""The command behind `scripts/bench`."""

import argparse
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.parts import PARTS, compare
from tests.bench.peers import PEERS
from tests.bench.report import chart, table


def say(line: str) -> None:
    """Report progress."""
    print(line, file=sys.stderr, flush=True)


def about(rounds: int, scale: float) -> str:
    """Say where and how it was measured."""
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )  # fmt: skip
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model}), Linux {platform.release()}, Python "
        f"{platform.python_version()}; load tools, servers and sink share the machine; {rounds} rounds"
        f"{'' if scale == 1 else f', sizes times {scale:g}'}."
    )


def main() -> int:
    """Measure what was asked for; write table.md, chart.svg and figures.json."""
    p = argparse.ArgumentParser(prog="scripts/bench", description="Measure Kurir beside other mail servers.")
    p.add_argument(
        "--parts", default="all", help=f"comma-separated: {', '.join(PARTS)}; all: but for growth and soak"
    )
    p.add_argument("--peers", default="kurir,postfix", help=f"comma-separated: {', '.join(PEERS)}")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument(
        "--quick", action="store_true", help="a quarter of the work, 2 rounds: a look, not a result"
    )
    p.add_argument("--out", type=Path, default=Path("bench-results"))
    a = p.parse_args()
    scale, rounds = (0.25, min(a.rounds, 2)) if a.quick else (1.0, a.rounds)
    parts = [p.name for p in PARTS.values() if not p.long] if a.parts == "all" else a.parts.split(",")
    names = a.peers.split(",")
    unknown = [name for name in parts if name not in PARTS] + [name for name in names if name not in PEERS]
    if unknown:
        p.error(f"there is no {', '.join(unknown)}")
    peers = []
    for name in names:
        missing = PEERS[name].missing()
        if missing:
            say(f"NOT MEASURED: {name} {missing}")
        else:
            peers.append(PEERS[name])
    taken = {}
    a.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kurir-bench-") as folder:
        work = Path(folder)
        work.chmod(0o755)  # other servers read it as their own users
        for name in parts:
            taken[name] = compare(PARTS[name], peers, work, rounds=rounds, scale=scale, say=say)
            (a.out / "figures.json").write_text(json.dumps(taken, indent=1))
            (a.out / "table.md").write_text(table(taken, about(rounds, scale)))
            (a.out / "chart.svg").write_text(chart(taken))
    print((a.out / "table.md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
