"""``kurir status``: the running server at a glance."""

import click

from kurir.app.operating import control
from kurir.app.wiring import settings
from kurir.cli.help import Command, common
from kurir.cli.output import configuration, document, table, when
from kurir.cli.words import current, say
from kurir.model import Cause
from kurir.trace import Catalogue


@click.command(cls=Command)
@common
def command(config_file: str | None, as_json: bool) -> int:
    """Show the running server; exit 1 when it does not run or does not take mail."""
    _, config = configuration(config_file)
    status = control.call(config.server.state / settings.CONTROL_SOCKET, "status")
    if as_json:
        document(status)
        return 0 if status["ready"] else 1
    click.echo(
        say(
            "status.running",
            version=status["version"],
            domain=status["hostname"],
            since=when(status["since"]),
        )
    )
    click.echo(say("status.ready") if status["ready"] else say("status.not_ready", why=status["why"]))
    figures = status["figures"]
    click.echo(say("queue.total", messages=figures["messages"], recipients=figures["waiting"]))
    sites = [s for s in status["sites"] if s["waiting"] or s["open"] or s["paused_until"]]
    if sites:
        columns = [say(f"label.{c}") for c in ("destination", "waiting", "open", "next")]
        rows = [(s["site"], str(s["waiting"]), str(s["open"]), when(s.get("next_at"))) for s in sites]
        table(columns, rows)
    for road in status["roads"]:
        if road["health"] != "sound":
            cause = Catalogue.load().label(Cause(road["cause"] or "unknown"), current())
            click.echo(say("status.road_closed", road=road["road"], since=when(road["since"]), cause=cause))
    return 0 if status["ready"] else 1
