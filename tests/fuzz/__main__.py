"""Looks for inputs that break a target: guided by coverage with atheris, else with hypothesis for long.

    python -m tests.fuzz [TARGET ...] [--seconds N] [--list]

What is found is kept in tests/fuzz/corpus/TARGET and replayed by the tests.  Exit 1 when anything was found.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_MOST = 4096  # octets of an input
_CHILD = "--child"
_SLOW = 0.25  # CPU seconds that an input of that size may take, with the fuzzer's own bookkeeping


def main(arguments: list[str]) -> int:
    """Fuzz what is named, or everything."""
    if arguments[:1] == [_CHILD]:
        return _child(arguments[1], arguments[2:])
    parser = argparse.ArgumentParser("scripts/fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target (60)")
    parser.add_argument("--list", action="store_true", help="say what there is and what must hold")
    asked = parser.parse_args(arguments)
    from .targets import TARGETS

    if asked.list:
        for target in TARGETS.values():
            print(f"{target.name:14} {target.invariant}")
        return 0
    unknown = sorted(set(asked.targets) - set(TARGETS))
    if unknown:
        parser.error(f"there is no target {unknown[0]!r}; see --list")
    guided = _has_atheris()
    print(
        f"{'guided by coverage (atheris)' if guided else 'atheris is not here: hypothesis, for long'}",
        flush=True,
    )
    found = {}
    for name in asked.targets or TARGETS:
        begun = time.monotonic()
        runs, kept = (_guided if guided else _unguided)(name, asked.seconds)
        state = "holds" if not kept else f"BROKEN by {', '.join(kept)}"
        print(f"{name:14} {runs:>9} inputs in {time.monotonic() - begun:4.0f} s: {state}", flush=True)
        if kept:
            found[name] = kept
    return 1 if found else 0


def _has_atheris() -> bool:
    try:
        import atheris  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        return False
    return True


def _guided(name: str, seconds: float) -> tuple[str, list[str]]:
    from .targets import TARGETS

    target = TARGETS[name]
    work = Path(os.environ.get("KURIR_FUZZ", _ROOT / ".fuzz")) / name
    work.mkdir(parents=True, exist_ok=True)
    target.corpus.mkdir(parents=True, exist_ok=True)
    before = set(target.kept())
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as words:
        words.write(
            "".join('"' + "".join(f"\\x{b:02x}" for b in w) + '"\n' for w in target.words if len(w) < 64)
        )
        words.flush()
        command = [
            sys.executable, "-m", "tests.fuzz", _CHILD, name, str(work), str(target.corpus),
            f"-max_total_time={max(1, int(seconds))}", f"-max_len={_MOST}", "-timeout=10", "-rss_limit_mb=1024",
            f"-dict={words.name}", f"-artifact_prefix={target.corpus}/", "-print_final_stats=1", "-verbosity=0",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, timeout=seconds + 300)
    said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    runs = said.partition("stat::number_of_executed_units:")[2].split("\n")[0].strip() or "?"
    kept = sorted(p.name for p in set(target.kept()) - before)
    if done.returncode and not kept:
        kept = ["(no input)"]
    if kept:
        print(said[-3000:], file=sys.stderr)
    if not any(target.corpus.iterdir()):
        target.corpus.rmdir()
    return runs, kept


def _child(name: str, flags: list[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["kurir"]):
        from .targets import TARGETS
    run: Callable[[bytes], None] = TARGETS[name].run

    def one(octets: bytes) -> None:
        begun = time.process_time()
        run(octets)
        assert time.process_time() - begun < _SLOW * 4, "slow"

    atheris.Setup([sys.argv[0], *flags], one)
    atheris.Fuzz()
    return 0


def _unguided(name: str, seconds: float) -> tuple[str, list[str]]:
    from hypothesis import HealthCheck, Phase, given, settings

    from .targets import TARGETS
    from .test_targets import inputs

    target = TARGETS[name]
    runs = 0
    broken: list[Any] = []
    end = time.monotonic() + seconds

    @settings(
        max_examples=2000, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(inputs(target))
    def holds(octets: bytes) -> None:
        nonlocal runs
        runs += 1
        try:
            target.run(octets)
        except BaseException:
            broken[:] = [octets]
            raise

    while time.monotonic() < end and not broken:
        try:
            holds()
        except Exception as e:
            print(f"{name}: {type(e).__name__}: {e}", file=sys.stderr)
    return str(runs), [_keep(target.corpus, octets) for octets in broken]


def _keep(corpus: Path, octets: bytes) -> str:
    corpus.mkdir(parents=True, exist_ok=True)
    name = "found-" + hashlib.sha1(octets, usedforsecurity=False).hexdigest()
    (corpus / name).write_bytes(octets)
    return name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
