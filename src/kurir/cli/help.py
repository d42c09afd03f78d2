"""Help in the current language: click's commands, groups and options with every text taken from the words."""

from collections.abc import Callable
from typing import Any

import click

from .words import has, say


def key_of(ctx: click.Context) -> str:
    """Return the key of a command's texts: ``queue_list`` for ``kurir queue list``, ``kurir`` for the root."""
    return "_".join(ctx.command_path.split()[1:]).replace("-", "_") or "kurir"


class Worded(click.Command):
    """Everything of a help page that click would say in English."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage line."""
        pieces = self.collect_usage_pieces(ctx)
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=say("help.usage") + " ")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(say(f"help.{key_of(ctx)}"))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        records = [p.get_help_record(ctx) for p in self.get_params(ctx) if isinstance(p, click.Option)]
        own = {"Show this message and exit.": "opt.help", "Show the version and exit.": "opt.version"}
        rows = [(names, say(own[text]) if text in own else text) for names, text in (r for r in records if r)]
        with formatter.section(say("help.options")):
            formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        key = f"example.{key_of(ctx)}"
        if has(key):
            with formatter.section(say("help.examples")):
                for line in say(key).strip().splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class Command(Worded):
    """A command whose help and examples are words: ``help.<key>`` and ``example.<key>``."""


class Group(Worded, click.Group):
    """A group whose help and list of commands are words; ``--lang`` may stand before the verb, too."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params.append(_lang())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, with a suggestion where the name is misspelt."""
        known = self.list_commands(ctx)
        if args and args[0] not in known:
            import difflib

            close = difflib.get_close_matches(args[0], known, 1)
            hint = " " + say("error.did_you_mean", name=close[0]) if close else ""
            raise click.UsageError(say("error.no_command", name=args[0]) + hint, ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        Worded.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the words alone, without importing any."""
        prefix = key_of(ctx)
        prefix = "" if prefix == "kurir" else prefix + "_"
        with formatter.section(say("help.commands")):
            formatter.write_dl([(n, say(f"short.{prefix}{n}")) for n in self.list_commands(ctx)])


class ShowGroup(Group):
    """A group whose first verb needs not be said: ``kurir trace ID`` is ``kurir trace show ID``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take an unknown first word as what to show."""
        if args and args[0] not in self.commands:
            args = ["show", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let options stand before what is looked for."""
        at = _after_lang(args)
        return super().parse_args(ctx, [*args[:at], *self.completed(args[at:])])

    def completed(self, args: list[str]) -> list[str]:
        """Return the words with the verb that may be left out."""
        leaves_out = args and args[0].startswith("-") and args[0] not in ("-h", "--help")
        return ["show", *args] if leaves_out else args


class ListGroup(ShowGroup):
    """A group whose first verb needs not be said, even where nothing is said at all: it shows everything."""

    def completed(self, args: list[str]) -> list[str]:
        """Take no words for "show"."""
        return super().completed(args or ["show"])


class Option(click.Option):
    """An option whose help is a key of the words."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the record with its help in the current language."""
        record = super().get_help_record(ctx)
        if record is None or not self.help:
            return record
        return record[0], record[1].replace(self.help, say(self.help), 1)


def option(*names: str, help: str, **values: Any) -> Callable[[Any], Any]:
    """Declare an option; `help` is a key such as ``opt.json``."""
    return click.option(*names, cls=Option, help=help, **values)


def _lang() -> Option:
    """The language; its value is not handed on, because the words look for it themselves."""
    return Option(["--lang"], type=click.Choice(["en", "id"]), expose_value=False, help="opt.lang")


def _after_lang(args: list[str]) -> int:
    """Return how many of the first words say the language."""
    first = args[0] if args else ""
    return 2 if first == "--lang" else 1 if first.startswith("--lang=") else 0


def common(function: Any) -> Any:
    """Add what every command has: ``-c FILE``, ``--json``, ``--lang``."""
    function = option("--lang", type=click.Choice(["en", "id"]), expose_value=False, help="opt.lang")(
        function
    )
    function = option("--json", "as_json", is_flag=True, help="opt.json")(function)
    return option("-c", "--config", "config_file", metavar="FILE", help="opt.config")(function)
