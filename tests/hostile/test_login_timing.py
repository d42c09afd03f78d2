"""Catalogue D, 61: by the clock, an unknown user and a wrong password look the same.

Pairs of logins are interleaved, so that whatever else the machine does falls on both alike; their times are compared
by rank (Mann and Whitney), which does not care about outliers.
"""

import math
import statistics
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator

import pytest

from .cases import Transport
from .stage import Stage

PER_NAME = 18  # failures of one name before the brake slows it down
Z = 4.0  # standard deviations: a chance of one in 16,000 with a fair server
GAP = 0.02  # of the median: what differs by less is no oracle, however sure


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("timing") / "k")
    yield made
    made.close()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """SCRAM is offered where each account has a key for it: those with chosen passwords go."""
    made = Stage(tmp_path_factory.mktemp("keyed") / "k")
    for name in ("user", "box"):
        made.server.cli("user", "remove", f"{name}@example.test")
    yield made
    made.close()


def _lines(mechanism: str, name: str) -> Iterator[bytes]:
    """Yield what a client says; what the server answered is sent in."""
    if mechanism == "PLAIN":
        yield b"AUTH PLAIN " + b64encode(f"\0{name}\0wrong-password".encode())
    elif mechanism == "LOGIN":
        yield b"AUTH LOGIN"
        yield b64encode(name.encode())
        yield b64encode(b"wrong-password")
    else:
        first = yield b"AUTH SCRAM-SHA-256 " + b64encode(f"n,,n={name},r=abcdefgh".encode())  # type: ignore[misc]
        assert isinstance(first, str)
        nonce = b64decode(first[4:]).split(b",")[0]
        yield b64encode(b"c=biws," + nonce + b",p=" + b64encode(bytes(32)))


def _try(stage: Stage, name: str, mechanism: str = "PLAIN") -> tuple[float, str]:
    """Log in once with a wrong password; return how long the answers took, and the last of them."""
    lines = _lines(mechanism, name)
    line: bytes | None = next(lines)
    with stage.player.connect(Transport.TLS, login=False) as client:
        begun = time.perf_counter()
        said = ""
        while line is not None:
            client.send((line + b"\r\n",))
            said = client.reply() or ""
            try:
                line = lines.send(said)  # type: ignore[attr-defined]
            except StopIteration:
                line = None
        return time.perf_counter() - begun, said


def _rank_test(a: list[float], b: list[float]) -> float:
    """The z of the Mann-Whitney U test."""
    ranked = sorted((value, side) for side, values in enumerate((a, b)) for value in values)
    ranks = sum(i for i, (_, side) in enumerate(ranked, 1) if side == 0)
    n, m = len(a), len(b)
    u = ranks - n * (n + 1) / 2
    return (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def _compare(stage: Stage, pairs: int, mechanism: str = "PLAIN") -> None:
    people = [f"{mechanism[:5].lower()}{pairs}-{i}" for i in range(math.ceil(pairs / PER_NAME))]
    for i, person in enumerate(people):  # with a SCRAM key (generated) and without (chosen)
        if i % 2 and mechanism != "SCRAM":
            stage.server.user(person, "chosen-by-a-person")
        else:
            code, _, errors = stage.server.inside("user", "add", f"{person}@example.test")
            assert code == 0, errors
    for _ in range(3):
        _try(stage, "warm-up@example.test", mechanism)
    known, unknown, words = [], [], set()
    for i in range(pairs):
        person = people[i % len(people)]
        names = (f"{person}@example.test", f"no-{person}@example.test")
        for real, name in ((True, names[0]), (False, names[1]))[:: 1 if i % 2 else -1]:
            took, said = _try(stage, name, mechanism)
            (known if real else unknown).append(took)
            words.add(said)
    assert words == {"535 5.7.8 Authentication credentials invalid"}
    z = _rank_test(known, unknown)
    middle, other = statistics.median(known), statistics.median(unknown)
    gap = abs(middle - other) / middle
    print(
        f"{mechanism}, {pairs} pairs: wrong password {middle * 1000:.2f} ms, unknown user {other * 1000:.2f} ms, gap {gap:.1%}, z {z:+.2f}"
    )
    assert abs(z) < Z or gap < GAP


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_unknown_user_and_wrong_password_take_as_long(stage: Stage, mechanism: str) -> None:
    _compare(stage, 60, mechanism)


def test_scram_takes_as_long_without_a_slow_hash(keyed: Stage) -> None:
    _compare(keyed, 360, "SCRAM")


@pytest.mark.full
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_they_take_as_long_in_a_thousand_pairs(stage: Stage, mechanism: str) -> None:
    _compare(stage, 1000, mechanism)
