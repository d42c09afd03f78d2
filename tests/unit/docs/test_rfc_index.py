"""``rfc/index.toml`` and the source say the same about which RFC is obeyed where."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "kurir"
_CITED = re.compile(r"RFCs? ?(\d{3,5}(?:(?:,| and) \d{4,5}\b)*)")


def index() -> dict[str, Any]:
    with (ROOT / "rfc" / "index.toml").open("rb") as file:
        return tomllib.load(file)["rfc"]


def cited(file: Path) -> set[str]:
    """The numbers a file cites; "RFC 1870, 3461" cites two."""
    return {n for group in _CITED.findall(file.read_text("utf-8")) for n in re.findall(r"\d+", group)}


def test_every_rfc_that_the_source_cites_is_in_the_index() -> None:
    known = index()
    missing = {}
    for file in SOURCE.rglob("*"):
        if file.suffix in {".py", ".toml", ".sql"} and (unknown := cited(file) - known.keys()):
            missing[str(file.relative_to(SOURCE))] = sorted(unknown)
    assert not missing


@pytest.mark.parametrize("number", sorted(index(), key=int))
def test_an_entry_is_whole_and_true(number: str) -> None:
    entry = index()[number]
    assert entry["status"] in {"yes", "partial", "no"}
    assert entry["title"]
    assert entry.keys() <= {"title", "status", "parts", "where", "note"}
    for place in entry.get("where", ()):
        file = SOURCE / place
        assert file.is_file(), f"RFC {number}: there is no src/kurir/{place}"
        assert number in cited(file), f"RFC {number} is not cited in src/kurir/{place}"
    if entry["status"] != "no":
        assert entry["parts"], "say which parts"
        assert entry.get("where") or entry.get("note"), "name a module, or say why there is none"
