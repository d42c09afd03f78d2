"""``kurir sandbox``: captured mail, and the addresses that play difficult recipients."""

import sys

import click

from kurir.app.reading import sandbox_store
from kurir.cli.help import Command, Group, common, option
from kurir.cli.output import Failure, configuration, document, size, table, when
from kurir.cli.words import current, say
from kurir.sandbox import roles_help


@click.group(cls=Group)
def command() -> None:
    """Look at captured mail."""


@command.command("list", cls=Command)
@option("--limit", type=click.IntRange(1), default=100, help="opt.limit")
@common
def list_(limit: int, config_file: str | None, as_json: bool) -> int:
    """List captured messages."""
    _, config = configuration(config_file)
    captured = sandbox_store(config).list()[:limit]
    if as_json:
        document({"messages": captured})
    elif captured:
        columns = [say(f"label.{c}") for c in ("id", "size", "accepted", "sender", "recipient", "subject")]
        rows = [
            (c.id, size(c.size), when(c.at), c.sender or "<>", " ".join(c.recipients), c.subject)
            for c in captured
        ]
        table(columns, rows)
    else:
        click.echo(say("sandbox.empty"))
    return 0


@command.command("show", cls=Command)
@click.argument("id")
@common
def show(id: str, config_file: str | None, as_json: bool) -> int:
    """Print a captured message."""
    _, config = configuration(config_file)
    store = sandbox_store(config)
    entry = store.get(id)
    if entry is None:
        raise Failure(say("error.no_captured", id=id))
    message = store.message(id)
    if as_json:
        document({"envelope": entry, "message": message.decode("utf-8", "replace")})
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(message)
        sys.stdout.buffer.flush()
    return 0


@command.command("clear", cls=Command)
@common
def clear(config_file: str | None, as_json: bool) -> int:
    """Remove all captured messages."""
    _, config = configuration(config_file)
    count = sandbox_store(config).clear()
    if as_json:
        document({"removed": count})
    else:
        click.echo(say("sandbox.cleared", count=count))
    return 0


@command.command("roles", cls=Command)
@common
def roles(config_file: str | None, as_json: bool) -> int:  # noqa: ARG001 - they are the same in every server
    """List the difficult addresses."""
    listed = roles_help(current())
    if as_json:
        document({"roles": [{"example": example, "does": does} for example, does in listed]})
    else:
        table([say("label.address"), say("label.does")], listed)
    return 0
