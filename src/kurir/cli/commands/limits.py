"""``kurir limits``: what providers and receivers allow, how much of it is used, and what waits for it."""

from typing import Any

import click

from kurir.app.operating import roadlook
from kurir.app.operating.operate import operate
from kurir.cli.acting import act
from kurir.cli.help import Command, ListGroup, common, option
from kurir.cli.output import configuration, document, size, table, when
from kurir.cli.words import current, say
from kurir.model import Cause
from kurir.trace import Catalogue, learnt_words, limit_words, say_noted

COLUMNS = ("limit", "used", "free", "waiting", "beyond", "source")


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
        click.echo(say("limits.none"))
        return 0
    for i, road in enumerate(found["roads"]):
        click.echo(
            ("\n" if i else "") + say("limits.road", **{k: road[k] for k in ("road", "label", "account")})
        )
        state = states.get(road["road"])
        if state is not None and state["health"] != "sound":
            click.echo(state_words(state))
        _show(road)
        if recipients:
            click.echo(_forecast(road["forecast"], recipients))
        if road["plan"]:
            click.echo(say("limits.plan", plan=road["plan"], plans=", ".join(road["plans"])))
        elif road["plans"]:
            click.echo(say("limits.which_plan", road=road["road"], plans=", ".join(road["plans"])))
    for receiver in found["receivers"]:
        click.echo("\n" + say("limits.receiver", label=receiver["label"]))
        _show(receiver)
    if any(x["used"] for entry in (*found["roads"], *found["receivers"]) for x in entry["limits"]):
        click.echo("\n" + say("limits.used_means"))
    click.echo("\n" + say("limits.override"))
    return 0


def _show_paces(paces: list[dict[str, Any]]) -> None:
    if not paces:
        return
    click.echo(say("limits.paces"))
    for pace in paces:
        values = {k: pace[k] for k in ("who", "connections", "most", "waiting")}
        click.echo(
            "  "
            + say(
                "limits.pace",
                **values,
                rate=say("limits.pace_rate", rate=pace["per_minute"]) if pace["rate"] else "",
                since=when(pace["since"]),
                signal=say(f"signal.{pace['signal']}"),
                why=f": {say_noted(pace['why'], current())}" if pace["why"] else "",
            )
        )
    click.echo()


def _show(entry: dict[str, Any]) -> None:
    if not entry["limits"]:
        click.echo("  " + say("limits.unknown"))
        return
    table([say(f"label.{c}") for c in COLUMNS], [_row(x) for x in entry["limits"]])
    for x in entry["limits"]:
        if x["waiting"]:
            click.echo(say("limits.waiting", count=x["waiting"], limit=words(x), mails=" ".join(x["mails"])))


def _forecast(steps: list[dict[str, Any]], recipients: int) -> str:
    """Say when a message to so many recipients would have gone."""
    first = steps[0]["recipients"] if steps else 0
    if first == recipients:
        return say("limits.forecast_now", recipients=recipients)
    if sum(s["recipients"] for s in steps) < recipients:
        return say(
            "limits.forecast_long",
            recipients=recipients,
            first=first,
            at=when(steps[0]["at"] if steps else None),
        )
    values = {
        "first": first,
        "at": when(steps[0]["at"]),
        "rest": recipients - first,
        "done": when(steps[-1]["at"]),
    }
    return say("limits.forecast", recipients=recipients, **values)


def _row(x: dict[str, Any]) -> list[str]:
    return [
        words(x),
        _used(x),
        _free(x),
        str(x["waiting"]) if x["waiting"] else "-",
        say(f"beyond.{x['beyond']}"),
        _source(x),
    ]


def _used(x: dict[str, Any]) -> str:
    if not x["counted"]:
        return "-"
    key = "limits.used_reserve" if x["reserve"] else "limits.used"
    return say(key, used=x["used"], stop=x["stop"], reserve=x["reserve"])


def _free(x: dict[str, Any]) -> str:
    if not x["counted"]:
        return "-"
    if x["used"] < x["stop"] - x["reserve"]:
        return say("limits.now")
    return when(x["free_at"]) if x["free_at"] else say("limits.on_landing")


def state_words(state: dict[str, Any] | None) -> str:
    """Return how a road is: open, closed since when and why, or being tried."""
    if state is None or state["health"] == "sound":
        return say("road.sound")
    cause = Catalogue.load().label(Cause(state["cause"] or "unknown"), current())
    return say(
        f"road.{state['health']}", since=when(state["since"]), next=when(state["next_at"]), cause=cause
    )


def _source(x: dict[str, Any]) -> str:
    """Return who says so, and since when."""
    if x["id"] == "warm-up":
        return say("limits.warm_source", road=x["source"], seen=x["seen"])
    if x["confidence"] != "learnt":
        source = say(
            "limits.source",
            source=say_noted(x["source"], current()),
            seen=x["seen"],
            sure=say(f"sure.{x['confidence']}"),
        )
        return "; ".join(filter(None, (source, note_of(x["note"], x["note_id"]))))
    said = learnt_words(Catalogue.load(), current(), x)
    if not x["note"]:
        return said
    instead = size(int(x["note"])) if x["unit"] == "octets" else x["note"]
    return said + say("limits.learnt_instead", instead=instead)


def note_of(note: str, in_indonesian: str) -> str:
    """Return what else there is to know of a limit or a service in the reader's language; as it is, where it is not there in that."""
    return (in_indonesian if current() == "id" else "") or note


def words(x: dict[str, Any]) -> str:
    """Return a limit as people say it: ``2,000 mails a day``."""
    return limit_words(Catalogue.load(), current(), x)
