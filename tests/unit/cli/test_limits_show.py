"""``kurir limits`` of a road that is closed does not look as if mail went."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kurir.cli.commands import limits

ROAD = {
    "road": "main",
    "label": "Main Mail",
    "account": "me",
    "plan": "",
    "plans": [],
    "limits": [],
    "forecast": [],
}


@pytest.mark.parametrize(
    ("health", "words"), [("sound", ""), ("broken", "CLOSED since"), ("probing", "being tried")]
)
def test_a_closed_road_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, health: str, words: str
) -> None:
    file = tmp_path / "kurir.toml"
    file.write_text('[server]\nhostname = "our.test"\nstate = "."\n[domains."our.test"]\n')
    state = {"road": "main", "health": health, "cause": "unreachable", "since": 1e9, "next_at": 1e9 + 60}
    answers: dict[str, Any] = {
        "limits": {"roads": [ROAD], "receivers": [], "paces": []},
        "roads": [state],
    }
    for module in (limits, limits.roadlook):
        monkeypatch.setattr(module, "operate", lambda _, verb, **__: answers[verb])
    done = CliRunner().invoke(limits.command, ["show", "-c", str(file)])
    assert "Road main: Main Mail, account me" in done.output
    assert words in done.output
    assert ("server not reachable" in done.output) is bool(words)


@pytest.mark.parametrize(
    ("reserve", "words"), [(0, "33 of 36"), (3, "33 of 36, 3 of them for urgent mail only")]
)
def test_what_is_kept_for_urgent_mail_is_said(reserve: int, words: str) -> None:
    assert limits._used({"counted": True, "used": 33, "stop": 36, "reserve": reserve}) == words


def test_large_figures_are_read_in_thousands() -> None:
    assert limits._used({"counted": True, "used": 5, "stop": 102_400, "reserve": 0}) == "5 of 102,400"
