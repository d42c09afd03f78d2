"""The few pieces of Markdown that the generated pages are made of."""

from collections.abc import Iterable, Sequence

GENERATED = "<!-- Written by scripts/docs; do not edit. -->"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; cells may hold anything but line ends."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(c) for c in row) + " |" for row in rows]
    return lines


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def page(title: str, *parts: Sequence[str] | str) -> str:
    """Return a whole page; each part is a paragraph or a list of lines."""
    blocks = [part if isinstance(part, str) else "\n".join(part) for part in parts]
    return "\n\n".join([f"# {title}", GENERATED, *blocks]) + "\n"


def code(text: str) -> str:
    """Return `text` as code inside a line; "" stays empty."""
    return f"`{text}`" if text else ""
