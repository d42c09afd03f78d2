"""Catalogue D, 61: by the clock, an unknown user and a wrong password look the same.

Pairs of logins are interleaved, so that whatever else the machine does falls on both alike; their times are compared
by rank (Mann and Whitney), which does not care about outliers.
"""

import math
import statistics
import time
from base64 import b64encode
from collections.abc import Iterator

import pytest

from .cases import Transport
from .stage import Stage

PER_NAME = 18  # failures of one name before the brake slows it down
Z = 4.0  # standard deviations: a chance of one in 16,000 with a fair server
GAP = 0.10  # of the median; the promise is 0.02


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("timing") / "k")
    yield made
    made.close()


def _try(stage: Stage, name: str) -> tuple[float, str]:
    """Log in once with a wrong password; return how long the answer took, and the answer."""
    proof = b64encode(f"\0{name}\0wrong-password".encode())
    with stage.player.connect(Transport.TLS, login=False) as client:
        begun = time.perf_counter()
        client.send((b"AUTH PLAIN " + proof + b"\r\n",))
        said = client.reply() or ""
        return time.perf_counter() - begun, said


def _rank_test(a: list[float], b: list[float]) -> float:
    """The z of the Mann-Whitney U test."""
    ranked = sorted((value, side) for side, values in enumerate((a, b)) for value in values)
    ranks = sum(i for i, (_, side) in enumerate(ranked, 1) if side == 0)
    n, m = len(a), len(b)
    u = ranks - n * (n + 1) / 2
    return (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def _compare(stage: Stage, pairs: int) -> None:
    people = [f"person{pairs}-{i}" for i in range(math.ceil(pairs / PER_NAME))]
    for person in people:
        stage.server.user(person)
    for _ in range(3):
        _try(stage, "warm-up@example.test")
    known, unknown, words = [], [], set()
    for i in range(pairs):
        person = people[i % len(people)]
        names = (f"{person}@example.test", f"nobody{pairs}-{i % len(people)}@example.test")
        for real, name in ((True, names[0]), (False, names[1]))[:: 1 if i % 2 else -1]:
            took, said = _try(stage, name)
            (known if real else unknown).append(took)
            words.add(said)
    assert words == {"535 5.7.8 Authentication credentials invalid"}
    z = _rank_test(known, unknown)
    middle, other = statistics.median(known), statistics.median(unknown)
    gap = abs(middle - other) / middle
    print(
        f"{pairs} pairs: wrong password {middle * 1000:.2f} ms, unknown user {other * 1000:.2f} ms, gap {gap:.1%}, z {z:+.2f}"
    )
    assert abs(z) < Z or gap < GAP / 5
    assert gap < GAP


def test_unknown_user_and_wrong_password_take_as_long(stage: Stage) -> None:
    _compare(stage, 100)


@pytest.mark.full
def test_they_take_as_long_in_a_thousand_pairs(stage: Stage) -> None:
    _compare(stage, 1000)
