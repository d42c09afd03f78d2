"""``docs/decisions/README.md``: the list of decisions, by the headings of their files."""

from pathlib import Path

from markdown import page as whole
from markdown import table


def page(root: Path) -> str:
    """Return the page."""
    intro = "What was decided, why, and what would change our mind. One file each, never rewritten: a later decision replaces an earlier one by name."
    rows = []
    for file in sorted((root / "docs" / "decisions").glob("[0-9]*.md")):
        number, _, title = file.read_text("utf-8").splitlines()[0].removeprefix("# ").partition(" ")
        rows.append((number, f"[{title}]({file.name})"))
    return whole("Decisions", intro, table(("", "decision"), rows))
