"""Writes the pages of ``docs/`` that are generated, or checks that they are current.

Each page has one function that returns its text; `PAGES` says which file it is.  A page is never edited by hand: change
the code (descriptions, help texts, catalogue, limits, ``rfc/index.toml``) and run ``scripts/docs``.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import atlas
import commands
import configuration
import decisions
import limits
import rfcs
import texts

ROOT = Path(__file__).resolve().parents[3]

PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/configuration.md": configuration.page,
    "docs/reference/commands.md": partial(commands.page, "en"),
    "docs/reference/commands.id.md": partial(commands.page, "id"),
    "docs/reference/fates-and-causes.md": partial(texts.fates, "en"),
    "docs/reference/fates-and-causes.id.md": partial(texts.fates, "id"),
    "docs/reference/sandbox-roles.md": partial(texts.roles, "en"),
    "docs/reference/sandbox-roles.id.md": partial(texts.roles, "id"),
    "docs/reference/metrics.md": texts.metrics,
    "docs/reference/limits.md": limits.page,
    "docs/reference/atlas.md": atlas.whole,
    "docs/reference/rfc.md": partial(rfcs.page, ROOT),
    "docs/decisions/README.md": partial(decisions.page, ROOT),
}


def main() -> int:
    """Write the pages; with ``--check`` only name those that are out of date and return 1."""
    check = "--check" in sys.argv[1:]
    stale = []
    os.environ["COLUMNS"] = "80"  # help texts are wrapped for this width
    for name, make in PAGES.items():
        file, text = ROOT / name, make()
        if file.is_file() and file.read_text("utf-8") == text:
            continue
        stale.append(name)
        if not check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    verb = "out of date (run scripts/docs)" if check else "written"
    for name in stale:
        sys.stdout.write(f"{name}: {verb}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
