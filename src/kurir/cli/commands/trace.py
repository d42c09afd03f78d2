"""``kurir trace``: what happened to a message, and why."""

import re
import shutil
import sys
import time
from datetime import datetime, tzinfo
from typing import Any

import click

from kurir.app import control, reading, settings
from kurir.app.control import ControlError
from kurir.app.operate import operate
from kurir.cli.commands.limits import source, words
from kurir.cli.help import Command, ShowGroup, common, option
from kurir.cli.output import Failure, configuration, document, on_terminal, table, when
from kurir.cli.words import current, say
from kurir.config import Config
from kurir.model import Observation, encode_id
from kurir.storage import TraceSummary
from kurir.trace import Timeline, observation_json, observation_text, render_text, summary
from kurir.trace import as_json as timeline_json

COUNTED = 1000  # messages and observations that are counted before an erasure is confirmed


@click.group(cls=ShowGroup)
def command() -> None:
    """Look into the trace."""


@command.command("show", cls=Command)
@click.argument("what", nargs=-1, required=True)
@option("--since", metavar="WHEN", default=None, help="opt.since")
@option("--limit", type=click.IntRange(1), default=20, help="opt.limit")
@option("--full", is_flag=True, help="opt.full")
@common
def show(
    what: tuple[str, ...], since: str | None, limit: int, full: bool, config_file: str | None, as_json: bool
) -> int:
    """Show what happened."""
    _, config = configuration(config_file)
    text = reading.typed(" ".join(what))
    start = _since(since)
    found = reading.search(config, text, since=start, limit=limit)
    seen = reading.observed(config, text, since=start, limit=limit)
    if as_json:
        stories = [reading.story(config, m.number) for m in found]
        lang = current()
        document(
            {
                "query": text,
                "messages": [
                    {**timeline_json(s, lang), "limits": _limits(config, s)} for s in stories if s is not None
                ],
                "observations": [observation_json(o, lang) for o in seen],
            }
        )
        return 0 if found or seen else 1
    if not found and not seen:
        raise Failure(say("error.no_message", what=text))
    _print(config, found, seen, full=full)
    return 0


def _print(config: Config, found: list[TraceSummary], seen: list[Observation], *, full: bool) -> None:
    zone = _zone()
    if len(found) == 1 or full:
        width = min(shutil.get_terminal_size((88, 24)).columns, 110)
        for i, message in enumerate(found):
            story = reading.story(config, message.number)
            if story is not None:
                sys.stdout.write(
                    ("\n" if i else "")
                    + render_text(story, current(), width, colour=on_terminal(), zone=zone)
                )
                _print_limits(config, story)
    elif found:
        columns = [say(f"label.{c}") for c in ("id", "accepted", "sender", "subject", "state")]
        table(columns, [_line(config, m, zone) for m in found])
        click.echo(say("trace.more"))
    if seen:
        click.echo(("\n" if found else "") + say("trace.observed"))
        for o in seen:
            click.echo(f"  {when(o.at)}  {observation_text(o, current(), zone)}")


def _limits(config: Config, story: Timeline) -> list[dict[str, Any]]:
    """Return the limits that recipients wait for; only the running server knows them."""
    if all(r.facts.fate is not None for r in story.recipients):
        return []
    id = encode_id(story.message.number)
    try:
        waits: list[dict[str, Any]] = control.call(
            config.server.state / settings.CONTROL_SOCKET, "limits.waits", id=id
        )
    except ControlError:
        return []
    return waits


def _print_limits(config: Config, story: Timeline) -> None:
    for w in _limits(config, story):
        recipient = story.message.recipients[w["recipient"]].address
        until = when(w["free_at"]) if w["free_at"] else say("limits.on_landing")
        if w["limit"] is None:
            click.echo("  " + say("limits.pace_trace", recipient=recipient, who=w["label"], until=until))
            continue
        limit = words(w["limit"])
        text = say(
            "limits.trace",
            recipient=recipient,
            limit=limit,
            label=w["label"],
            source=source(w["limit"]),
            until=until,
        )
        click.echo(f"  {text}")


def _line(config: Config, message: TraceSummary, zone: tzinfo) -> list[str]:
    story = reading.story(config, message.number)
    words = " ".join(summary(story, current(), zone)) if story is not None else ""
    return [message.id, when(message.accepted_at), message.sender or "<>", message.subject, words]


def _zone() -> tzinfo:
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    return zone


_AGO = re.compile(r"(\d+)([mhdw])")
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def _since(text: str | None) -> float | None:
    if text is None:
        return None
    m = _AGO.fullmatch(text.strip().lower())
    if m:
        return time.time() - int(m[1]) * _UNITS[m[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        raise Failure(say("error.bad_since", text=text)) from None


def _amount(config: Config, address: str) -> str:
    """Say how many messages and observations have to do with an address, as far as they are counted."""
    messages = len(reading.search(config, address, limit=COUNTED))
    observations = len(reading.observed(config, address, limit=COUNTED))
    more = "+" if max(messages, observations) == COUNTED else ""
    return say("trace.amount", messages=f"{messages}{more}", observations=f"{observations}{more}")


@command.command("erase", cls=Command)
@click.argument("address")
@option("--yes", is_flag=True, help="opt.yes")
@common
def erase(address: str, yes: bool, config_file: str | None, as_json: bool) -> int:
    """Erase a person's data."""
    _, config = configuration(config_file)
    if sys.stdin.isatty() and not yes and not as_json:
        click.confirm(say("trace.confirm_erase", address=address, found=_amount(config, address)), abort=True)
    done = operate(config, "trace.erase", address=address)
    if as_json:
        document(done)
    else:
        click.echo(say("trace.erased", messages=done["messages"], observations=done["observations"]))
        if done["waiting"]:
            click.echo(say("trace.still_waiting", ids=" ".join(done["waiting"])))
    return 0
