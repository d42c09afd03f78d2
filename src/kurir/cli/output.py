"""How commands talk: tables and colour on a terminal, plain columns in a pipe, one JSON document on ``--json``."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from kurir.config import Config, ConfigError, Mistake, find, load
from kurir.trace import Catalogue, say_told
from kurir.trace.explain import units

from .words import current, say

WIDEST = 110
"""Longer lines are hard to read, however wide the terminal is."""


class Failure(Exception):
    """The command could not do it; the text names the thing, the cause and the next step."""


def configuration(config_file: str | None) -> tuple[Path, Config]:
    """Find and load the configuration.  Raises `ConfigError`."""
    path = find(config_file, os.environ)
    return path, load(path)


def document(value: object) -> None:
    """Print one JSON document."""
    data = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    sys.stdout.write(data.decode() + "\n")


def on_terminal() -> bool:
    """Whether colours and boxes make sense."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows: a rich table on a terminal, aligned plain columns (headings included) in a pipe."""
    listed = [[_clean(c) for c in row] for row in rows]
    if on_terminal():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        shown = Table(*columns, box=None, header_style="bold", pad_edge=False)
        for row in listed:
            shown.add_row(*(Text(c) for c in row))
        Console(highlight=False).print(shown)
        return
    widths = [max([len(c), *(len(r[i]) for r in listed)]) for i, c in enumerate(columns)]
    for row in [list(columns), *listed]:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())


def heading(text: str) -> str:
    """Return the headings of columns: bold on a terminal."""
    return click.style(text, bold=True) if on_terminal() else text


def prose(text: str) -> None:
    """Print a line: on a terminal wrapped between words under its first word, in a pipe as it is."""
    margin = text[: len(text) - len(text.lstrip())]
    width = max(min(shutil.get_terminal_size().columns, WIDEST), 40)
    if on_terminal() and len(text) > width:
        wrapped = textwrap.wrap(
            text, width, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
        )
        text = "\n".join(wrapped)
    click.echo(text)


def _clean(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def when(at: float | None) -> str:
    """Return an instant as local time for a table, "-" for None."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else "-"


def moment(at: float | None) -> str:
    """Return an instant as local time with its zone, for a sentence: ``2026-11-25 04:02 UTC``; "-" for None."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z") if at else "-"


def number(count: int) -> str:
    """Return a count in the language's spelling: ``2,000``, ``2.000``."""
    return units.number(Catalogue.load(), current(), count)


def size(octets: int) -> str:
    """Return a size for people in their language: ``4.0 kB``, ``4,0 kB``."""
    return units.size(Catalogue.load(), current(), octets)


def show_config_error(error: ConfigError) -> None:
    """Print every mistake of a configuration on standard error, by the file that it stands in."""
    files: dict[str, list[Mistake]] = {}
    for m in error.mistakes:
        files.setdefault(m.file or error.source, []).append(m)
    lang = current()
    for file, mistakes in files.items():
        click.echo(say("error.config", file=file, count=len(mistakes)), err=True)
        for m in mistakes:
            hint = f" ({say_told(m.hint, lang)})" if m.hint else ""
            click.echo(f"  {m.where}: {say_told(m.what, lang)}{hint}", err=True)
