"""``kurir trace``: what happened to a message, and why."""

import re
import shutil
import sys
import time
from datetime import datetime, tzinfo
from typing import Any

import click
import msgspec

from kurir.app.operating import reading, reportlook
from kurir.app.operating.operate import operate
from kurir.cli import reports
from kurir.cli.help import Command, ShowGroup, common, option
from kurir.cli.output import Failure, configuration, document, on_terminal, table, when
from kurir.cli.words import current, say
from kurir.config import Config
from kurir.model import Observation
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
                    {**timeline_json(s, lang), "limits": _limits(s), "complaints": _complaints(config, s)}
                    for s in stories
                    if s is not None
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
                for complaint in reportlook.complaints(config, number=message.number):
                    click.echo(f"  {reports.complaint_words(complaint)}")
    elif found:
        columns = [say(f"label.{c}") for c in ("id", "accepted", "sender", "subject", "state")]
        table(columns, [_line(config, m, zone) for m in found])
        click.echo(say("trace.more"))
    if seen:
        click.echo(("\n" if found else "") + say("trace.observed"))
        for o in seen:
            click.echo(f"  {when(o.at)}  {observation_text(o, current(), zone)}")


def _complaints(config: Config, story: Timeline) -> list[dict[str, Any]]:
    """Return what others complained about the message."""
    found = reportlook.complaints(config, number=story.message.number)
    return [reports.complaint_json(c) for c in found]


def _limits(story: Timeline) -> list[dict[str, Any]]:
    """Return the limits that recipients wait for."""
    waiting = [r.facts for r in story.recipients if r.facts.limit is not None]
    return [{"recipient": facts.index, **msgspec.to_builtins(facts.limit)} for facts in waiting]


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
