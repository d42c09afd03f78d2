"""``kurir why``: an SMTP reply or a bounce, explained."""

import sys

import click

from kurir.cli.help import Command, option
from kurir.cli.output import Failure, document
from kurir.cli.words import current, say
from kurir.trace.why import explain

MAX_INPUT = 256 * 1024


@click.command(cls=Command)
@click.argument("text", nargs=-1)
@option("--json", "as_json", is_flag=True, help="opt.json")
@option("--lang", type=click.Choice(["en", "id"]), expose_value=False, help="opt.lang")
@option("-c", "--config", "config_file", metavar="FILE", expose_value=False, help="opt.config")
def command(text: tuple[str, ...], as_json: bool) -> int:
    """Explain a reply."""
    said = " ".join(text) if text else sys.stdin.buffer.read(MAX_INPUT).decode("utf-8", "replace")
    if not said.strip():
        raise Failure(say("error.empty"))
    why = explain(said, current())
    if as_json:
        document(why)
    else:
        click.echo(why.text)
    return 0
