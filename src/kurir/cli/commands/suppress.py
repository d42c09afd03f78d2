"""``kurir suppress``: addresses that mail is not sent to, why, and lifting that."""

import time
from typing import Any

import click

from kurir.app.operating.reading import suppression_json, suppressions
from kurir.cli.acting import act
from kurir.cli.help import Command, Group, common, option
from kurir.cli.output import Failure, configuration, document, table, when
from kurir.cli.words import current, say
from kurir.model import Cause, encode_id
from kurir.suppression import Entry, key_of
from kurir.trace import Catalogue

DAY = 86_400
DAYS = 30


@click.group(cls=Group)
def command() -> None:
    """Addresses that mail is not sent to."""


@command.command("list", cls=Command)
@common
def list_(config_file: str | None, as_json: bool) -> int:
    """List them."""
    _, config = configuration(config_file)
    found = suppressions(config)
    if as_json:
        document({"addresses": [suppression_json(entry) for entry in found]})
    elif not found:
        click.echo(say("suppress.none"))
    else:
        heads = [say(f"suppress.{head}") for head in ("address", "why", "since", "until")]
        rows = [(e.address, _label(e), when(e.since), _until(e.until)) for e in found]
        table(heads, rows)
    return 0


@command.command("show", cls=Command)
@click.argument("address")
@common
def show(address: str, config_file: str | None, as_json: bool) -> int:
    """Show one; exit 1 where mail to it is sent as usual."""
    _, config = configuration(config_file)
    entry = next((e for e in suppressions(config) if e.address == key_of(address)), None)
    if entry is None:
        raise Failure(say("suppress.not_there", address=address))
    if as_json:
        document(suppression_json(entry))
    else:
        click.echo("\n".join(_story(entry)))
    return 0


@command.command("add", cls=Command)
@click.argument("address")
@option("--reason", metavar="TEXT", required=True, help="opt.suppress_reason")
@option("--days", type=click.IntRange(0, 3650), default=DAYS, help="opt.suppress_days")
@common
def add(address: str, reason: str, days: int, config_file: str | None, as_json: bool) -> int:
    """Put an address on the list."""
    until = time.time() + days * DAY if days else None
    return act(config_file, as_json, "suppress.add", _added, address=address, reason=reason, until=until)


@command.command("remove", cls=Command)
@click.argument("address")
@common
def remove(address: str, config_file: str | None, as_json: bool) -> int:
    """Take an address off the list."""
    return act(config_file, as_json, "suppress.remove", "suppress.removed", address=address)


def _added(done: dict[str, Any]) -> str:
    """Say until when the address is on the list, and what stood there before."""
    lines = [
        say("suppress.added", address=done["address"]),
        say("suppress.ends", until=_until(done["until"])),
    ]
    if (before := done["replaced"]) is not None:
        lines.append(say("suppress.replaced", words=before["words"], until=_until(before["until"])))
    return "\n".join(lines)


def _label(entry: Entry) -> str:
    if entry.cause is Cause.SUPPRESSED:
        return say("suppress.by_person", by=entry.by, words=entry.words)
    return Catalogue.load().label(entry.cause, current())


def _until(until: float | None) -> str:
    return say("suppress.for_good") if until is None else when(until)


def _story(entry: Entry) -> list[str]:
    person = entry.cause is Cause.SUPPRESSED
    key = "person" if person else entry.by
    lines = [
        say(
            f"suppress.because_{key}",
            address=entry.address,
            by=entry.by,
            since=when(entry.since),
            why=_label(entry),
        ),
        say("suppress.reason" if person else "suppress.said", words=entry.words),
    ]
    if entry.source is not None:
        lines.append(say("suppress.source", id=encode_id(entry.source)))
    lines.append(say("suppress.ends", until=_until(entry.until)))
    lines.append(say("suppress.lift", address=entry.address))
    return lines
