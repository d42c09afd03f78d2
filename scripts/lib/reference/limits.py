"""``docs/reference/limits.md`` from ``kurir/smtp/limits.py``: names, values, and the comments that give their sections."""

import ast
import re
from pathlib import Path

from markdown import code, table
from markdown import page as whole

from kurir.smtp import limits

_LINE = re.compile(r"(?P<name>[A-Z_]+) = (?P<value>[^#]+?)(?:\s*#\s*(?P<why>.*))?$")
_HEADING = re.compile(r"# -- (?P<title>.*?) -+$")


def page() -> str:
    """Return the page."""
    intro = (
        "Every limit of the SMTP core, with the section of the RFC that sets or allows it; octets unless said otherwise. Limits that an operator "
        "changes (message size, recipients, connections) are in [the configuration](configuration.md)."
    )
    parts: list[str | list[str]] = [intro]
    rows: list[tuple[str, str, str]] = []
    source = Path(limits.__file__).read_text("utf-8")
    assert ast.get_docstring(ast.parse(source))
    for line in source.splitlines():
        heading, limit = _HEADING.match(line), _LINE.match(line)
        if heading:
            if rows:
                parts.append(table(("limit", "value", "why"), rows))
                rows = []
            parts.append(f"## {heading['title'].capitalize()}")
        elif limit:
            rows.append((code(limit["name"]), f"{getattr(limits, limit['name']):,}", limit["why"] or ""))
    parts.append(table(("limit", "value", "why"), rows))
    return whole("Limits of the protocol", *parts)
