"""``kurir route`` says what becomes of a mail that no road takes now: whether it waits, or can never go."""

from typing import Any

import pytest

from kurir.cli.commands.route import _lines

SIZE = ("size", {"size": "1000000", "limit": "100000"})
FORGED = ("authenticity", {"sender": "a.test", "spf": "unknown", "include": ""})
BROKEN = ("broken", {"cause": "unreachable", "seconds": "60"})
BUDGET = ("budget", {"limit": "x", "seconds": "600"})


def told(*obstacles: list[tuple[str, dict[str, str]]]) -> str:
    roads: list[dict[str, Any]] = [
        {"road": f"r{i}", "site": f"s{i}", "obstacles": found, "taken": not i, "probe": False, "limit": None, "free_at": None}
        for i, found in enumerate(obstacles)
    ]  # fmt: skip
    return _lines("you@a.test", "b@far.test", 1_000_000, roads)[0]


@pytest.mark.parametrize(
    ("obstacles", "words"),
    [
        (([SIZE], [SIZE]), "is too large for every road"),
        (([SIZE], [FORGED], [SIZE, BUDGET]), "can go by no road"),
        (([SIZE], [FORGED], [BUDGET]), "has to wait now"),
        (([BROKEN], [FORGED]), "has to wait now"),
    ],
)
def test_what_never_passes_is_not_told_as_waiting(
    monkeypatch: pytest.MonkeyPatch, obstacles: tuple[Any, ...], words: str
) -> None:
    monkeypatch.setenv("KURIR_LANG", "en")
    assert words in told(*obstacles)


def test_where_a_road_sends_from_may_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    road = {
        "road": "r",
        "site": "s",
        "obstacles": [FORGED],
        "taken": True,
        "probe": False,
        "limit": None,
        "free_at": None,
    }
    for lang, words in (("en", "(it is not known from which"), ("id", "(tidak diketahui dari alamat mana")):
        monkeypatch.setenv("KURIR_LANG", lang)
        assert words in _lines("you@a.test", "b@far.test", 0, [road])[-1]
