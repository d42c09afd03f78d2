"""The pages that are made from the code are those that lie in ``docs/``, and links between pages lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def test_the_generated_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/lib/reference"), "--check"],
        capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


def test_every_page_can_be_found_from_the_map() -> None:
    listed = {
        (ROOT / "docs" / t.partition("#")[0]).resolve()
        for t in _LINK.findall((ROOT / "docs/README.md").read_text("utf-8"))
    }
    unlisted = [
        p for p in ROOT.glob("docs/*/*.md") if p.resolve() not in listed and "decisions" not in p.parts
    ]
    assert not unlisted


def test_what_exists_in_english_exists_in_indonesian() -> None:
    wanted = [
        "README.md",
        *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/tutorial/*.md") if not p.stem.endswith(".id")),
    ]
    for name in wanted:
        english, indonesian = ROOT / name, ROOT / name.replace(".md", ".id.md")
        assert indonesian.is_file(), f"{name} has no Indonesian twin"
        count = len(re.findall(r"^#+ ", english.read_text("utf-8"), re.MULTILINE))
        assert count == len(re.findall(r"^#+ ", indonesian.read_text("utf-8"), re.MULTILINE)), (
            f"{name}: other headings"
        )


def test_pages_that_the_source_names_exist() -> None:
    named = re.compile(r"docs/[a-z-]+/[a-z0-9.-]+\.md")
    files = [
        *ROOT.glob("src/**/*.py"),
        *ROOT.glob("src/**/*.toml"),
        *ROOT.glob("scripts/*"),
        ROOT / "SECURITY.md",
        ROOT / "CONTRIBUTING.md",
    ]
    missing = {
        f"{page} (named in {file.relative_to(ROOT)})"
        for file in files if file.is_file()
        for page in named.findall(file.read_text("utf-8"))
        if not (ROOT / page).exists()
    }  # fmt: skip
    assert not missing


def test_files_that_security_points_at_exist() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    for place in re.findall(r"`(kurir/[\w/.]+)`", text):
        assert (ROOT / "src" / place).exists(), f"SECURITY.md points at {place}"
