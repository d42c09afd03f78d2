"""``kurir limits``: what providers and receivers allow, how much of it is used, and what waits for it."""

import time
from collections.abc import Iterator
from typing import Any

import click

from kurir.app.operating import roadlook
from kurir.app.operating.operate import operate
from kurir.cli.acting import act
from kurir.cli.help import Command, ListGroup, common, option
from kurir.cli.output import configuration, document, heading, moment, number, prose, size
from kurir.cli.words import current, say
from kurir.limits import unencoded
from kurir.model import Cause
from kurir.trace import Catalogue, learnt_words, limit_words, say_noted

COLUMNS = ("limit", "used", "stop", "free")


@click.group(cls=ListGroup)
def command() -> None:
    """Look at the limits of others."""


@command.command("forget", cls=Command)
@click.argument("name", required=False)
@option("--all", "everything", is_flag=True, help="opt.forget_all")
@common
def forget(name: str | None, everything: bool, config_file: str | None, as_json: bool) -> int:
    """Forget what was learnt."""
    if (name is None) != everything:
        raise click.UsageError(say("limits.forget_what"))
    return act(
        config_file,
        as_json,
        "limits.forget",
        lambda done: say("limits.forgotten", count=done["forgotten"]),
        name=name,
    )


@command.command("show", cls=Command)
@option("--for", "recipients", type=click.IntRange(1), default=None, metavar="N", help="opt.forecast")
@common
def show(recipients: int | None, config_file: str | None, as_json: bool) -> int:
    """Show the limits of others."""
    _, config = configuration(config_file)
    found = operate(config, "limits", recipients=recipients or 0)
    if as_json:
        document(found)
        return 0
    states = roadlook.states(config)
    _show_paces(found["paces"])
    if not found["roads"] and not found["receivers"]:
        prose(say("limits.none"))
        return 0
    for i, road in enumerate(found["roads"]):
        key = "limits.road" if road["account"] == road["road"] else "limits.road_account"
        click.echo(("\n" if i else "") + say(key, **{k: road[k] for k in ("road", "label", "account")}))
        state = states.get(road["road"])
        if state is not None and state["health"] != "sound":
            prose("  " + state_words(state))
        _show(road)
        if recipients:
            prose("  " + _forecast(road, recipients))
        if road["plan"]:
            prose("  " + say("limits.plan", plan=road["plan"], plans=", ".join(road["plans"])))
        elif road["plans"]:
            prose("  " + say("limits.which_plan", road=road["road"], plans=", ".join(road["plans"])))
    for receiver in found["receivers"]:
        click.echo("\n" + say("limits.receiver", label=receiver["label"]))
        _show(receiver)
    click.echo()
    prose(say("limits.override"))
    return 0


def _show_paces(paces: list[dict[str, Any]]) -> None:
    if not paces:
        return
    prose(say("limits.paces"))
    for pace in paces:
        values = {k: pace[k] for k in ("who", "connections", "most")}
        said = say(
            "limits.pace",
            **values,
            rate=say("limits.pace_rate", rate=pace["per_minute"]) if pace["rate"] else "",
            since=moment(pace["since"]),
            signal=say(f"signal.{pace['signal']}"),
            why=f" ({say_noted(pace['why'], current())})" if pace["why"] else "",
            waiting=say("limits.pace_waiting", count=pace["waiting"]) if pace["waiting"] else "",
        )
        prose("  " + said)
    click.echo()


def _show(entry: dict[str, Any]) -> None:
    """Print each limit on a line of the table, and below it in words what else is to be said of it."""
    if not entry["limits"]:
        click.echo("  " + say("limits.unknown"))
        return
    rows = [_row(x) for x in entry["limits"]]
    headings = [say(f"label.{c}") for c in COLUMNS]
    counted = [headings, *(row for row in rows if len(row) > 1)]
    widths = [max(len(row[i]) for row in counted) for i in range(len(COLUMNS))]
    if len(counted) > 1:
        click.echo(
            heading("  " + "  ".join(c.ljust(w) for c, w in zip(headings, widths, strict=True)).rstrip())
        )
    for x, row in zip(entry["limits"], rows, strict=True):
        click.echo("  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip())
        for line in _details(x):
            prose("      " + line)


def _row(x: dict[str, Any]) -> list[str]:
    """Return the cells of a limit; what is not counted over time (a size) has the first one only."""
    return [words(x), number(x["used"]), number(x["stop"]), _free(x)] if x["counted"] else [words(x)]


def _free(x: dict[str, Any]) -> str:
    """Return when there is room for one more."""
    if x["used"] < x["stop"] - x["reserve"]:
        return say("limits.now")
    return moment(x["free_at"]) if x["free_at"] else say("limits.on_landing")


def _details(x: dict[str, Any]) -> Iterator[str]:
    if x["waiting"]:
        more = ("...",) if x["waiting"] > len(x["mails"]) else ()  # only the first messages are named
        yield say("limits.waiting", count=number(x["waiting"]), mails=" ".join((*x["mails"], *more)))
    if x["reserve"]:
        yield say("limits.reserve", reserve=number(x["reserve"]), stop=number(x["stop"]))
    fits = ""
    if x["unit"] == "octets" and x["encoded"]:
        fits = say("limits.fits", size=size(unencoded(x["value"]))) + " "
    yield fits + say("limits.detail", beyond=say(f"beyond.{x['beyond']}"), source=_source(x))


def _forecast(road: dict[str, Any], recipients: int) -> str:
    """Say when a message to so many recipients would have gone by `road`."""
    steps = road["forecast"]
    if not steps:
        return say("limits.forecast_unknown", recipients=recipients)
    first, at = steps[0]["recipients"], steps[0]["at"]
    now = at < time.time() + 1
    values = {"first": first, "at": say("limits.now") if now else say("limits.forecast_at", at=moment(at))}
    if first == recipients:
        key = "limits.forecast_all"
    elif sum(s["recipients"] for s in steps) == recipients:
        key, values["done"] = "limits.forecast", moment(steps[-1]["at"])
    else:
        key = "limits.forecast_long"
    said = say(key, recipients=recipients, **values)
    return f"{said} {say('limits.forecast_waiting')}" if any(x["waiting"] for x in road["limits"]) else said


def state_words(state: dict[str, Any] | None) -> str:
    """Return how a road is: open, closed since when and why, or being tried."""
    if state is None or state["health"] == "sound":
        return say("road.sound")
    cause = Catalogue.load().label(Cause(state["cause"] or "unknown"), current())
    return say(
        f"road.{state['health']}", since=moment(state["since"]), next=moment(state["next_at"]), cause=cause
    )


def _source(x: dict[str, Any]) -> str:
    """Return who says so, and since when."""
    if x["id"] == "warm-up":
        return say("limits.warm_source", road=x["source"], seen=x["seen"])
    if x["confidence"] != "learnt":
        return say(
            "limits.source",
            source=say_noted(x["source"], current()),
            seen=x["seen"],
            sure=say(f"sure.{x['confidence']}"),
        )
    said = learnt_words(Catalogue.load(), current(), x)
    if not x["note"]:
        return said
    instead = size(int(x["note"])) if x["unit"] == "octets" else x["note"]
    return said + say("limits.learnt_instead", instead=instead)


def words(x: dict[str, Any]) -> str:
    """Return a limit as people say it: ``2,000 mails a day``."""
    return limit_words(Catalogue.load(), current(), x)
