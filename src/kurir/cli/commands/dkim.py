"""``kurir dkim``: the keys that mail is signed with."""

from typing import Any

import click

from kurir.app.keys import dkim
from kurir.app.operating.operate import operate
from kurir.app.wiring import settings
from kurir.cli.acting import act
from kurir.cli.help import Command, Group, common, option
from kurir.cli.output import Failure, configuration, document, table, when
from kurir.cli.words import say
from kurir.storage import KeyFolder


@click.group(cls=Group)
def command() -> None:
    """Look after signing keys."""


@command.command("list", cls=Command)
@click.argument("domain", required=False)
@common
def list_(domain: str | None, config_file: str | None, as_json: bool) -> int:
    """List the keys."""
    _, config = configuration(config_file)
    rules = settings.keys(config).selectors
    try:
        states = KeyFolder(settings.layout(config)).selectors()
    except (OSError, ValueError) as e:
        raise Failure(say("dns.no_keys", why=e)) from None
    shown = [dkim.shown(d, s, rules) for d, some in states.items() for s in some if domain in (None, d)]
    if as_json:
        document({"keys": shown})
    elif shown:
        columns = [say(f"label.{c}") for c in ("domain", "selector", "algorithm", "state", "since", "does")]
        table(columns, [_row(k) for k in shown])
    else:
        click.echo(say("dkim.none"))
    return 0


def _row(key: dict[str, Any]) -> list[str]:
    return [key["domain"], key["selector"], key["algorithm"], key["state"], when(key["since"]), _does(key)]


def _does(key: dict[str, Any]) -> str:
    if key["until"]:
        return say("dkim.retiring", time=when(key["until"]))
    if key["state"] == "pending" and key["seen_since"] is not None:
        return say("dkim.seen", time=when(key["seen_since"]))
    return say(f"dkim.{key['state']}")


@command.command("rotate", cls=Command)
@click.argument("domain")
@option("--kind", "kinds", type=click.Choice(list(dkim.KINDS)), multiple=True, help="opt.kind")
@common
def rotate(domain: str, kinds: tuple[str, ...], config_file: str | None, as_json: bool) -> int:
    """Make keys, which take over from those in use when they are seen."""
    _, config = configuration(config_file)
    made = operate(config, "dkim.rotate", domain=domain, kinds=list(kinds))
    if as_json:
        document(made)
        return 0
    waiting = False
    for key in made["keys"]:
        used = key["state"] == "active"
        waiting |= not used
        click.echo(say("dkim.in_use" if used else "dkim.made", name=key["name"], domain=key["domain"]))
    if waiting:
        click.echo(say("dkim.takes_over"))
    return 0


@command.command("retire", cls=Command)
@click.argument("domain")
@click.argument("selector")
@common
def retire(domain: str, selector: str, config_file: str | None, as_json: bool) -> int:
    """Take a key out of use."""
    return act(config_file, as_json, "dkim.retire", _retired, domain=domain, selector=selector)


def _retired(key: dict[str, Any]) -> str:
    if key["until"]:
        return say("dkim.is_retiring", name=key["name"], time=when(key["until"]))
    return say("dkim.is_retired", name=key["name"])
