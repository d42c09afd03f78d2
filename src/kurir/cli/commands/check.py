"""``kurir check``: is the configuration right?"""

import os
from pathlib import Path

import click

from kurir.app.wiring.setup import examined
from kurir.cli.help import Command, common
from kurir.cli.output import document, show_config_error, stands_at
from kurir.cli.words import say
from kurir.config import ConfigError, Mistake, find


@click.command(cls=Command)
@click.argument("file", required=False)
@common
def command(file: str | None, config_file: str | None, as_json: bool) -> int:
    """Check the configuration file; exit 1 when anything is wrong with it."""
    mistakes: list[Mistake] = []
    source = file or config_file or "kurir.toml"
    try:
        path: Path = find(file or config_file, os.environ)
        source = str(path)
        examined(path)
        error = ConfigError(source, mistakes)
    except ConfigError as e:
        error, mistakes = e, e.mistakes
    if as_json:
        found = [
            {
                "file": m.file or source,
                "line": stands_at(m, m.file or source),
                "where": m.where,
                "what": m.what,
                "hint": m.hint,
            }
            for m in mistakes
        ]
        document({"file": source, "ok": not mistakes, "mistakes": found})
    elif mistakes:
        show_config_error(error)
    else:
        click.echo(say("check.ok", file=source))
    return 1 if mistakes else 0
