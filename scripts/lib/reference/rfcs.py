"""``docs/reference/rfc.md`` from ``rfc/index.toml``."""

import tomllib
from pathlib import Path
from typing import Any

from markdown import code, table
from markdown import page as whole

_STATUS = {"yes": "yes", "partial": "partial", "no": "not yet"}


def load(root: Path) -> dict[str, Any]:
    """Return the index: number -> entry."""
    with (root / "rfc" / "index.toml").open("rb") as file:
        return dict(tomllib.load(file)["rfc"])


def page(root: Path) -> str:
    """Return the page."""
    index = load(root)
    intro = (
        "Which standards Kurir obeys, which parts, and where in `src/kurir` to look. A test insists that every RFC named in the source is in this table, "
        "that every file named here exists, and that it cites the RFC."
    )
    rows = []
    for number, entry in sorted(index.items(), key=lambda item: int(item[0])):
        link = f"[{number}](https://www.rfc-editor.org/rfc/rfc{number})"
        where = ", ".join(code(place) for place in entry.get("where", ()))
        rows.append(
            (link, entry["title"], _STATUS[entry["status"]], entry["parts"], where, entry.get("note", ""))
        )
    return whole("RFCs", intro, table(("RFC", "title", "status", "parts", "where", "note"), rows))
