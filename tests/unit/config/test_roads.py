"""Roads beside each other, and writing one into the file."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kurir.app.wiring import roads
from kurir.config import ConfigError, load
from kurir.config.roadfile import NoSuchRoad, replace_file, with_road

BASE = '[server]\nhostname = "a.example"\n'


def road(name: str, more: str = "", url: str = "smtp://relay.example") -> str:
    return f'[[roads]]\nname = "{name}"\nurl = "{url}"\n{more}\n'


def written(tmp_path: Path, *sections: str) -> Path:
    path = tmp_path / "kurir.toml"
    path.write_text(BASE + "\n".join(sections))
    return path


@pytest.mark.parametrize(
    ("sections", "mistakes"),
    [
        ([road("a", 'fallback = ["b"]'), road("b")], []),
        ([road("a", 'fallback = ["mx"]')], []),
        ([road("a", 'fallback = ["a"]')], ["'a' cannot be its own fallback"]),
        ([road("a", 'fallback = ["c"]'), road("b", 'senders = ["x.example"]')], ["names the fallback 'c', but there is no such road (b, mx)", "'b' can never be taken"]),
        ([road("a", 'fallback = ["b", "b"]'), road("b")], ["'b' twice"]),
        ([road("a"), road("b")], ["'b' can never be taken"]),
        ([road("a", 'senders = ["*.x.example"]'), road("b", 'senders = ["y.x.example"]'), road("c")], ["'a' before it fits all of its mail"]),
        ([road("a", 'fallback = ["b"]\nsenders = ["x.example"]'), road("b", 'fallback = ["a"]')], []),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, sections: list[str], mistakes: list[str]) -> None:
    try:
        load(written(tmp_path, *sections), {})
        found = []
    except ConfigError as e:
        found = [str(m) for m in e.mistakes]
    assert len(found) == len(mistakes), found
    for said, wanted in zip(found, mistakes, strict=True):
        assert wanted in said


@pytest.mark.parametrize(
    ("sections", "shown"),
    [
        ([road("a", 'fallback = ["b"]'), road("b")], [("a", False), ("b", True)]),
        ([road("a", 'fallback = ["mx"]')], [("a", False), ("mx", True)]),
        ([road("a", 'recipients = ["x.example"]\nfallback = ["b"]'), road("b")], [("a", False), ("b", True), ("mx", False)]),
        ([road("a", 'fallback = ["b"]'), road("b", 'recipients = ["x.example"]')], [("a", False), ("b", False)]),
    ],
)  # fmt: skip
def test_who_is_only_a_fallback(tmp_path: Path, sections: list[str], shown: list[tuple[str, bool]]) -> None:
    found = roads.delivery(load(written(tmp_path, *sections), {})).routes
    assert [(r.name, r.only_fallback) for r in found] == shown


TEXT = """# mine
[[roads]]
name = "main"   # by hand
url = "smtp://relay.example"
# behind

[limits]
margin = 0.9
"""


def test_a_road_is_written_without_touching_anything_else() -> None:
    new = with_road(TEXT, {"name": "b", "url": "mx:", "plan": ""}, fallback_of="main")
    assert (
        new
        == TEXT.replace("# by hand\n", '# by hand\nfallback = ["b"]\n')
        + '\n[[roads]]\nname = "b"\nurl = "mx:"\n'
    )
    again = with_road(new, {"name": "c", "url": "mx:"}, fallback_of="main")
    assert 'fallback = ["b", "c"]' in again
    with pytest.raises(NoSuchRoad):
        with_road(TEXT, {"name": "b"}, fallback_of="gone")


def test_text_that_is_no_configuration_replaces_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, road("a"))
    before = path.read_text()
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    with pytest.raises(ConfigError):
        replace_file(path, before + road("a"), now)
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["kurir.toml"]
    backup = replace_file(path, before + "# more\n", now)
    assert backup.name == "kurir.toml.20261123-090000.bak"
    assert (backup.read_text(), path.read_text()) == (before, before + "# more\n")
