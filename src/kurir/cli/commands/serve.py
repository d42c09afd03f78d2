"""``kurir serve``: run the server in the foreground."""

import os

import click

from kurir.cli.help import Command, option
from kurir.config import find


@click.command(cls=Command)
@option("-c", "--config", "config_file", metavar="FILE", help="opt.config")
@option("--lang", type=click.Choice(["en", "id"]), expose_value=False, help="opt.lang")
def command(config_file: str | None) -> int:
    """Run until SIGTERM; SIGHUP reloads."""
    from kurir.app.serve import serve

    return serve(find(config_file, os.environ))
