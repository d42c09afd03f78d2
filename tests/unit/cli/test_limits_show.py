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


@pytest.mark.parametrize("used", [0, 2, None])
def test_what_counts_as_used_is_said_where_anything_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: int | None
) -> None:
    file = tmp_path / "kurir.toml"
    file.write_text('[server]\nhostname = "our.test"\nstate = "."\n[domains."our.test"]\n')
    day = {
        "id": "day", "unit": "messages", "value": 3, "per": "day", "beyond": "refuse", "source": "s", "seen": "2026-11-23",
        "confidence": "read", "note": "", "counted": used is not None, "used": used, "stop": 3, "reserve": 0, "waiting": 0,
    }  # fmt: skip
    answers = {"limits": {"roads": [ROAD | {"limits": [day]}], "receivers": [], "paces": []}, "roads": []}
    for module in (limits, limits.roadlook):
        monkeypatch.setattr(module, "operate", lambda _, verb, **__: answers[verb])
    done = CliRunner().invoke(limits.command, ["show", "-c", str(file)])
    assert "3 messages a day" in done.output
    assert ("also what was refused" in done.output) is bool(used)


@pytest.mark.parametrize(
    ("reserve", "words"), [(0, "33 of 36"), (3, "33 of 36, 3 of them for urgent mail only")]
)
def test_what_is_kept_for_urgent_mail_is_said(reserve: int, words: str) -> None:
    assert limits._used({"counted": True, "used": 33, "stop": 36, "reserve": reserve}) == words
