"""``kurir sandbox``: captured mail, and the addresses that play difficult recipients."""

import contextlib
import sys

import click
import msgspec

from kurir.app.operating.reading import sandbox_store
from kurir.cli.help import Command, Group, common, option
from kurir.cli.output import Failure, configuration, document, size, table, when
from kurir.cli.words import current, say
from kurir.model import AddressError, parse_address
from kurir.sandbox import Captured, near_part, roles_help
from kurir.trace.explain.catalogue import printable


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
    meant = {c.id: _meant(c) for c in captured}
    if as_json:
        shown = [{**msgspec.to_builtins(c), "did_you_mean": list(meant[c.id].values())} for c in captured]
        document({"messages": shown})
    elif captured:
        columns = [say(f"label.{c}") for c in ("id", "size", "accepted", "sender", "recipient", "subject")]
        rows = [
            (c.id, size(c.size), when(c.at), c.sender or "<>", " ".join(c.recipients), c.subject)
            for c in captured
        ]
        table(columns, rows)
        for id, near in meant.items():
            for address, part in near.items():
                click.echo(say("sandbox.misspelt", id=id, address=printable(address), part=printable(part)))
    else:
        click.echo(say("sandbox.empty"))
    return 0


def _meant(captured: Captured) -> dict[str, str]:
    """Return the recipients that were captured but look like misspelt parts, each with the part."""
    found = {}
    for text in captured.recipients:
        with contextlib.suppress(AddressError):
            near = near_part(parse_address(text))
            if near is not None:
                found[text] = str(near)
    return found


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
