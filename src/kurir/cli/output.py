"""How commands talk: tables and colour on a terminal, plain columns in a pipe, one JSON document on ``--json``."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from kurir.config import Config, ConfigError, find, load

from .words import has, say


class Failure(Exception):
    """The command could not do it; the text names the thing, the cause and the next step."""


class Option(click.Option):
    """An option whose help is a key of the words."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the record with its help in the current language."""
        record = super().get_help_record(ctx)
        if record is None or not self.help:
            return record
        return record[0], record[1].replace(self.help, say(self.help), 1)


class Command(click.Command):
    """A command whose help and examples are words: ``help.<key>`` and ``example.<key>``."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help in the current language."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(say(f"help.{_key(ctx)}"))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        key = f"example.{_key(ctx)}"
        if has(key):
            with formatter.section(say("help.examples")):
                for line in say(key).strip().splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

    def get_short_help_str(self, limit: int = 200) -> str:
        """Return the one line shown in a group's list."""
        return super().get_short_help_str(limit)


class Group(click.Group):
    """A group whose help and list of commands are words."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help in the current language."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(say(f"help.{_key(ctx)}"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their short texts."""
        prefix = _key(ctx)
        with formatter.section(say("help.commands")):
            formatter.write_dl([(n, say(f"short.{prefix}_{n}")) for n in self.list_commands(ctx)])


def _key(ctx: click.Context) -> str:
    return "_".join(ctx.command_path.split()[1:]).replace("-", "_")


def option(*names: str, help: str, **values: Any) -> Callable[[Any], Any]:
    """Declare an option; `help` is a key such as ``opt.json``."""
    return click.option(*names, cls=Option, help=help, **values)


def common(function: Any) -> Any:
    """Add what every command has: ``-c FILE``, ``--json``, ``--lang``."""
    function = option("--lang", type=click.Choice(["en", "id"]), expose_value=False, help="opt.lang")(
        function
    )
    function = option("--json", "as_json", is_flag=True, help="opt.json")(function)
    return option("-c", "--config", "config_file", metavar="FILE", help="opt.config")(function)


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


def _clean(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def when(at: float | None) -> str:
    """Return an instant as local time for a table, "-" for None."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else "-"


def size(octets: int) -> str:
    """Return a size for people: ``4.0 kB``."""
    value = float(octets)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def show_config_error(error: ConfigError) -> None:
    """Print every mistake of a configuration on standard error."""
    click.echo(say("error.config", file=error.source, count=len(error.mistakes)), err=True)
    for mistake in error.mistakes:
        click.echo(f"  {mistake}", err=True)
