"""``kurir road``: the ways out; another one is tested, then written into the configuration."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from kurir.app.operating import control, roadlook
from kurir.app.wiring import settings
from kurir.app.wiring.setup import examined
from kurir.cli.commands.limits import state_words
from kurir.cli.commands.route import obstacle
from kurir.cli.help import Command, ShowGroup, common, option
from kurir.cli.output import Failure, configuration, document, size, table
from kurir.cli.roadplan import NewRoad, ask, choose_service, what_it_takes
from kurir.cli.words import current, say
from kurir.config import Config
from kurir.config.road_schema import DIRECT
from kurir.config.roadfile import NoSuchRoad, replace_file, with_road
from kurir.delivery import Route
from kurir.model import AddressError, parse_address
from kurir.model.told import of_error
from kurir.queue import Obstacle
from kurir.trace import Catalogue, say_noted, say_told


@click.group(cls=ShowGroup)
def command() -> None:
    """Ways out."""


@command.command("list", cls=Command)
@common
def list_(config_file: str | None, as_json: bool) -> int:
    """List the roads; exit 1 where one is closed."""
    _, config = configuration(config_file)
    known, states = roadlook.routes(config), roadlook.states(config)
    if as_json:
        document({"roads": [_plain(r, states.get(r.name)) for r in known]})
    else:
        columns = [say(f"label.{c}") for c in ("road", "destination", "fallback", "state")]
        rows = [_row(r, states.get(r.name)) for r in known]
        table(
            columns, list(map(list, dict.fromkeys(map(tuple, rows))))
        )  # a playground's road has many patterns
    return 1 if any(s["health"] == "broken" for s in states.values()) else 0


def _plain(route: Route, state: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "road": route.name,
        "kind": route.kind.value,
        "to": _to(route),
        "senders": list(route.senders),
        "recipients": list(route.recipients),
        "fallback": list(route.fallback),
        "only_fallback": route.only_fallback,
        "source": list(route.source),
        "state": state,
    }


def _to(route: Route) -> str:
    hop = route.next_hop
    return f"{hop.host}:{hop.port}" if hop is not None and hop.host else route.kind.value


def _row(route: Route, state: dict[str, Any] | None) -> list[str]:
    return [
        route.name,
        _to(route) + (f" ({say('road.only_fallback')})" if route.only_fallback else ""),
        ", ".join(route.fallback) or "-",
        state_words(state),
    ]


@command.command("test", cls=Command)
@click.argument("name")
@option("--to", metavar="ADDRESS", help="opt.test_to")
@option("--from", "sender", metavar="ADDRESS", help="opt.from")
@common
def test(name: str, to: str | None, sender: str | None, config_file: str | None, as_json: bool) -> int:
    """Test a road; exit 1 where it does not work."""
    path, _ = configuration(config_file)
    config = examined(path)
    result = asyncio.run(
        roadlook.tested(config, roadlook.route(config, name), letter(config, name, sender, to))
    )
    if as_json:
        document(shown(result))
    else:
        click.echo("\n".join(said(result)))
    return 0 if result.good else 1


def letter(config: Config, name: str, sender: str | None, to: str | None) -> roadlook.Letter | None:
    """Return the mail to try a road with, None where nobody is to get one."""
    if to is None:
        return None
    try:
        who = parse_address(sender) if sender else settings.postmaster(config)
        return roadlook.Letter(
            who, parse_address(to), say("road.test_subject", road=name), say("road.test_text", road=name)
        )
    except AddressError as e:
        raise Failure(say_told(of_error(e), current())) from None


def shown(result: roadlook.RoadTest) -> dict[str, Any]:
    """Return a test as plain data."""
    trouble, mail = result.trouble, result.mail
    return {
        "good": result.good,
        "host": result.host,
        "tls": result.tls,
        "logged_in": result.logged_in,
        "size": result.size,
        "trouble": {"cause": trouble.cause.value, "words": str(trouble.reply or trouble.detail)}
        if trouble
        else None,
        "hint": result.hint,
        "mail": {
            "outcome": mail.kind.value,
            "cause": mail.cause.value,
            "words": str(mail.reply or mail.detail),
        }
        if mail
        else None,
    }


def said(result: roadlook.RoadTest) -> list[str]:
    """Return a test in words."""
    catalogue, lang = Catalogue.load(), current()
    if result.trouble is not None:
        t = result.trouble
        key = "road.test_refused" if t.reply else "road.test_failed"
        words = str(t.reply) if t.reply else say_noted(t.detail, lang)
        line = say(key, host=result.host, cause=catalogue.label(t.cause, lang), words=words)
        return [line, say(f"road.hint_{result.hint}")] if result.hint else [line]
    lines = [say("road.test_reached", host=result.host)]
    version, _, proof = result.tls.partition(", ")
    lines.append(
        say("road.test_tls", version=version, proof=say(f"road.proof_{proof}"))
        if version
        else say("road.test_clear")
    )
    if result.logged_in:
        lines.append(say("road.test_login"))
    lines.append(say("road.test_size", size=size(result.size)) if result.size else say("road.test_no_size"))
    if result.mail is not None:
        key = "road.test_sent" if result.good else "road.test_not_sent"
        words = str(result.mail.reply or say_noted(result.mail.detail, lang))
        lines.append(say(key, words=words))
    return lines


@command.command("add", cls=Command)
@click.argument("provider", required=False)
@option("--provider", "named", metavar="PROVIDER", help="opt.road_provider")
@option("--url", metavar="URL", help="opt.road_url")
@option("--name", metavar="NAME", help="opt.road_name")
@option("--username", metavar="USER", help="opt.road_username")
@option("--password-file", type=click.Path(path_type=Path), metavar="FILE", help="opt.road_password_file")
@option("--plan", metavar="PLAN", default="", help="opt.road_plan")
@option("--fallback-of", metavar="ROAD", help="opt.fallback_of")
@option("--to", metavar="ADDRESS", help="opt.test_to")
@option("--from", "sender", metavar="ADDRESS", help="opt.from")
@option("--yes", is_flag=True, help="opt.yes")
@common
def add(
    provider: str | None,
    named: str | None,
    url: str | None,
    name: str | None,
    username: str | None,
    password_file: Path | None,
    plan: str,
    fallback_of: str | None,
    to: str | None,
    sender: str | None,
    yes: bool,
    config_file: str | None,
    as_json: bool,
) -> int:
    """Choose a service, test it, and write it into the configuration as a road; exit 1 where the test fails."""
    path, config = configuration(config_file)
    talk = not (yes or as_json)
    service = choose_service(config, provider or named, url, username or "", talk=talk)
    new = ask(
        config,
        NewRoad(name or "", url or "", username or "", password_file, plan, fallback_of or "", service),
        talk=talk,
    )
    code = 1
    try:
        code = _tried(path, config, new, sender, to, talk=talk, as_json=as_json)
    finally:
        if code and password_file is None and new.password_file is not None:
            new.password_file.unlink(missing_ok=True)  # no password stays that nobody uses
    return code


def _tried(
    path: Path, config: Config, new: NewRoad, sender: str | None, to: str | None, *, talk: bool, as_json: bool
) -> int:
    """Test a new road and write it; 1 where the test fails, or who was asked does not want it."""
    if not as_json:
        click.echo("\n".join(what_it_takes(new)) + "\n")
    if talk and not click.confirm(say("road.confirm_test")):
        return 1
    text = _written(path, config, new)
    checked = examined_text(path, text)
    result = asyncio.run(
        roadlook.tested(checked, roadlook.route(checked, new.name), letter(checked, new.name, sender, to))
    )
    if not as_json:
        click.echo("\n".join(said(result)))
    barred = asyncio.run(roadlook.forged(checked, roadlook.route(checked, new.name))) if result.good else []
    if not as_json:
        click.echo("".join(f"{_not_for(found)}\n" for found in barred), nl=False)
    if not result.good:
        if as_json:
            document({"written": False, "road": new.name, "test": shown(result)})
        else:
            click.echo(say("road.not_written", file=path))
        return 1
    if talk and not click.confirm(say("road.confirm_write", file=path)):
        return 1
    backup = replace_file(path, text, datetime.now().astimezone())
    if as_json:
        document(
            {
                "written": True,
                "road": new.name,
                "file": str(path),
                "backup": str(backup),
                "test": shown(result),
                "forged": [found.values["sender"] for found in barred],
            }
        )
    else:
        click.echo(say("road.written", road=new.name, file=path, backup=backup))
        click.echo(say("road.reload", command=_reload(config)))
    return 0


def _not_for(found: Obstacle) -> str:
    """Return for whom a road cannot stand in yet, and what to do."""
    why = obstacle(found.kind.value, found.values, None)
    return say("road.not_for", sender=found.values["sender"], why=why)


def _written(path: Path, config: Config, new: NewRoad) -> str:
    text, main = path.read_text("utf-8"), new.fallback_of
    direct = main == DIRECT and DIRECT not in {r.name for r in config.roads}
    if direct:  # the road that needs no line gets one, to name its fallback
        text, main = with_road(text, {"name": DIRECT, "url": "mx:", "fallback": [new.name]}), ""
    try:
        return with_road(text, new.values(), fallback_of=main)
    except NoSuchRoad as e:
        raise Failure(say("road.no_such", road=e, file=path)) from None


def examined_text(path: Path, text: str) -> Config:
    """Return the configuration that `text` would be at `path`, with its secrets.  Raises `ConfigError`."""
    trial = path.with_name(f".{path.name}.trial")
    try:
        trial.touch(0o600)
        trial.write_text(text, "utf-8")
        return examined(trial)
    finally:
        trial.unlink(missing_ok=True)


def _reload(config: Config) -> str:
    try:
        pid = control.call(config.server.state / settings.CONTROL_SOCKET, "status")["pid"]
    except control.ControlError:
        return "kurir serve"
    return f"kill -HUP {_supervisor(int(pid))}"


def _supervisor(pid: int) -> int:
    """Return the process that is asked to reload: the parent of the brain, or the one process that does everything."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        parent = int(fields[1])
        title = Path(f"/proc/{parent}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return pid
    return parent if b"kurir" in title else pid
