"""``kurir limits`` of a road that is closed does not look as if mail went."""

import re
import time
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


LIMIT = {
    "id": "day", "unit": "messages", "value": 2000, "per": "day", "beyond": "refuse", "encoded": True,
    "source": "https://x.example", "seen": "2026-11-23", "confidence": "read", "note": "",
    "counted": True, "used": 1790, "stop": 1800, "reserve": 0, "free_at": 1795493832.0, "waiting": 0, "mails": [],
}  # fmt: skip


@pytest.mark.parametrize(("reserve", "used", "room"), [(0, 1790, True), (20, 1790, False), (0, 1800, False)])
def test_a_limit_says_what_is_used_where_we_stop_and_when_there_is_room(
    *, reserve: int, used: int, room: bool
) -> None:
    x = LIMIT | {"reserve": reserve, "used": used}
    *figures, free = limits._row(x)
    assert figures == ["2,000 messages a day", f"{used:,}", "1,800"]
    assert (free == "now") is room
    assert room or re.fullmatch(r"2026-11-2\d \d\d:\d\d \S+", free)
    kept = "The last 20 before 1,800 are kept for urgent mail."
    assert (kept in limits._details(x)) is bool(reserve)


def test_a_size_says_how_much_fits() -> None:
    size = LIMIT | {"unit": "octets", "value": 30_000_000, "per": "message", "counted": False}
    assert limits._row(size) == ["30.0 MB a message, as sent"]
    (said,) = limits._details(size)
    assert said.startswith(
        "About 21.9 MB of attachments fit. More is refused there. Source: https://x.example, "
    )


NOW = time.time()


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([(NOW, 3)], "recipients: all now."),
        ([(NOW + 3600, 3)], "recipients: all at 20"),
        ([(NOW, 2), (NOW + 3600, 1)], "recipients: the first 2 now, the last at 20"),
        ([(NOW + 60, 1), (NOW + 3600, 1)], "so late that it cannot be foreseen"),
        ([], "as soon as other deliveries end"),
    ],
)
def test_what_goes_later_is_not_said_to_go_now(steps: list[tuple[float, int]], words: str) -> None:
    road = {"forecast": [{"at": at, "recipients": n} for at, n in steps], "limits": [LIMIT]}
    assert words in limits._forecast(road, 3)
    waiting = road | {"limits": [LIMIT | {"waiting": 1}]}
    assert ("goes before" in limits._forecast(waiting, 3)) is bool(steps)
