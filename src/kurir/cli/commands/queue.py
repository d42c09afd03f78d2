"""``kurir queue``: what waits, and what a person can do about it."""

import sys
from typing import Any

import click

from kurir.app.operating.operate import operate
from kurir.app.operating.queuelook import QueueEntry, head_of, queue, queue_entry
from kurir.cli.help import Command, Group, common, option
from kurir.cli.output import Failure, configuration, document, size, table, when
from kurir.cli.words import current, say
from kurir.config import Config


@click.group(cls=Group)
def command() -> None:
    """Look at the queue and change it."""


@command.command("list", cls=Command)
@option("--to", "to_filter", metavar="TEXT", default="", help="opt.to_filter")
@option("--held", is_flag=True, help="opt.held")
@option("--limit", type=click.IntRange(1), default=1000, help="opt.limit")
@common
def list_(to_filter: str, held: bool, limit: int, config_file: str | None, as_json: bool) -> int:
    """List what waits or is held."""
    _, config = configuration(config_file)
    found = queue(config, to=to_filter, held=held, limit=limit, lang=current())
    if as_json:
        document(
            {
                "messages": [e.as_json() for e in found.entries],
                "total": found.messages,
                "recipients": found.recipients,
            }
        )
        return 0
    if not found.entries:
        click.echo(say("queue.empty"))
        return 0
    columns = [
        say(f"label.{c}")
        for c in ("id", "size", "accepted", "sender", "recipient", "state", "next", "reason")
    ]
    table(columns, [row for e in found.entries for row in _rows(e)])
    click.echo(say("queue.total", messages=found.messages, recipients=found.recipients))
    return 0


def _rows(entry: QueueEntry) -> list[list[str]]:
    rows = []
    for i, r in enumerate(entry.recipients):
        first = (
            [entry.id, size(entry.size), when(entry.accepted_at), entry.sender or "<>"]
            if i == 0
            else [""] * 4
        )
        rows.append([*first, r.address, say(f"state.{r.state}"), when(r.next_at), r.reason])
    return rows


@command.command("show", cls=Command)
@click.argument("id")
@common
def show(id: str, config_file: str | None, as_json: bool) -> int:
    """Show one message."""
    _, config = configuration(config_file)
    entry = queue_entry(config, id, current())
    if entry is None:
        raise Failure(say("error.no_message", what=id))
    head = head_of(config, entry.number).decode("utf-8", "replace")
    if as_json:
        document({**entry.as_json(), "head": head})
        return 0
    columns = [
        say(f"label.{c}")
        for c in ("id", "size", "accepted", "sender", "recipient", "state", "next", "reason")
    ]
    table(columns, _rows(entry))
    click.echo()
    click.echo(head.replace("\r\n", "\n").rstrip())
    return 0


def _verb(name: str, done: str, *, asks: bool = False) -> click.Command:
    """Make the command for one verb of the operator."""

    @command.command(name, cls=Command)
    @click.argument("ids", nargs=-1, required=True, metavar="ID...")
    @option("--recipient", metavar="ADDRESS", default=None, help="opt.recipient")
    @option("--reason", metavar="TEXT", default="", help="opt.reason")
    @option("--yes", is_flag=True, help="opt.yes")
    @common
    def run(
        ids: tuple[str, ...],
        recipient: str | None,
        reason: str,
        yes: bool,
        config_file: str | None,
        as_json: bool,
    ) -> int:
        _, config = configuration(config_file)
        results = [
            _change(config, name, i, recipient, reason, ask=asks and not yes and not as_json) for i in ids
        ]
        if as_json:
            document({"changed": results})
        else:
            for r in results:
                click.echo(
                    say("queue.done", count=len(r["recipients"]), id=r["id"], verb=say(f"queue.{done}"))
                )
        return 0

    made: click.Command = run
    return made


def _change(
    config: Config, verb: str, id: str, recipient: str | None, reason: str, *, ask: bool
) -> dict[str, Any]:
    if ask and sys.stdin.isatty():
        click.confirm(say("queue.confirm", id=id), abort=True)
    result: dict[str, Any] = operate(config, f"queue.{verb}", id=id, recipient=recipient, reason=reason)
    return result


hold = _verb("hold", "held")
release = _verb("release", "released")
retry = _verb("retry", "retried")
drop = _verb("drop", "dropped", asks=True)
