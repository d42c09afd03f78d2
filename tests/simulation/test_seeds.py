"""The simulation in the suite: what once failed or is rare, fresh seeds, and the simulator's own promises."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .__main__ import corpus
from .world import Options, run

ROOT = Path(__file__).resolve().parents[2]
FRESH = 60
SECONDS = 60.0
FULL = 1000
CHUNK = 20


def _first() -> int:
    """Fresh seeds differ from day to day; KURIR_SEED pins them."""
    return int(os.environ.get("KURIR_SEED", time.time() // 86400 * 100_000))


def _check(seed: int) -> None:
    result = run(seed)
    tail = "\n  ".join(result.tail[-40:])
    assert not result.broken, (
        f"{result.broken[:5]}\n  {tail}\n  again: scripts/simulate --seed {seed}   (keep it: --keep)"
    )


@pytest.mark.parametrize("seed", corpus())
def test_what_once_failed_or_is_rare(seed: int) -> None:
    _check(seed)


@pytest.mark.parametrize("part", range(FRESH // CHUNK))
def test_fresh_seeds(part: int) -> None:
    first = _first() + part * CHUNK
    end = time.monotonic() + SECONDS / (FRESH // CHUNK)
    for i in range(CHUNK):
        _check(first + i)
        if i >= CHUNK // 4 and time.monotonic() > end:  # a slow machine runs fewer, never none
            break


@pytest.mark.full
@pytest.mark.parametrize("part", range(FULL // CHUNK))
def test_many_seeds(part: int) -> None:
    for i in range(CHUNK):
        _check(_first() + 10_000 + part * CHUNK + i)


@pytest.mark.parametrize("seed", [7, 20, 24])
def test_a_seed_is_one_story(seed: int) -> None:
    first, second = run(seed), run(seed)
    assert first.tail == second.tail
    assert first.trace_hash == second.trace_hash


@pytest.mark.parametrize("hash_seed", ["1", "4711"])
def test_a_seed_is_one_story_in_every_process(hash_seed: str) -> None:
    code = "from tests.simulation.world import run; print(*(run(s).trace_hash for s in (7, 20, 24)))"
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == [run(s).trace_hash for s in (7, 20, 24)], done.stderr


def test_seeds_differ() -> None:
    assert len({run(s, Options(messages=3)).trace_hash for s in range(5)}) == 5
