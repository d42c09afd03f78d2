"""``kurir user``: accounts."""

import sys

import click

from kurir.app.operate import operate
from kurir.app.reading import accounts
from kurir.cli.help import Command, Group, common, option
from kurir.cli.output import Failure, configuration, document, table, when
from kurir.cli.words import say
from kurir.identity import REPORTS


@click.group(cls=Group)
def command() -> None:
    """Keep accounts."""


def _password() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise Failure(say("error.password_empty"))
    return password


@command.command("add", cls=Command)
@click.argument("address")
@option("--password-stdin", is_flag=True, help="opt.password_stdin")
@option("--also", multiple=True, metavar="ADDRESS", help="opt.also")
@option("--relay", is_flag=True, help="opt.relay")
@option("--scram", is_flag=True, help="opt.scram")
@common
def add(
    address: str,
    password_stdin: bool,
    also: tuple[str, ...],
    relay: bool,
    scram: bool,
    config_file: str | None,
    as_json: bool,
) -> int:
    """Make an account."""
    _, config = configuration(config_file)
    password = _password() if password_stdin else None
    addresses = [*also, REPORTS] if relay else list(also)
    made = operate(config, "user.add", address=address, password=password, also=addresses, scram=scram)
    if as_json:
        document(made)
        return 0
    click.echo(say("user.added", name=made["name"]))
    if made.get("password"):
        click.echo(say("user.password", password=made["password"]))
    return 0


@command.command("list", cls=Command)
@common
def list_(config_file: str | None, as_json: bool) -> int:
    """List the accounts."""
    _, config = configuration(config_file)
    listed = accounts(config)
    if as_json:
        document(
            {
                "accounts": [
                    {"name": a.name, "addresses": list(a.addresses), "created_at": a.created_at}
                    for a in listed
                ]
            }
        )
    elif listed:
        columns = [say("label.account"), say("label.addresses"), say("label.made")]
        table(columns, [(a.name, " ".join(a.addresses), when(a.created_at)) for a in listed])
    else:
        click.echo(say("user.none"))
    return 0


@command.command("remove", cls=Command)
@click.argument("address")
@common
def remove(address: str, config_file: str | None, as_json: bool) -> int:
    """Remove an account."""
    _, config = configuration(config_file)
    done = operate(config, "user.remove", name=address)
    if as_json:
        document(done)
    else:
        click.echo(say("user.removed", name=done["name"]))
    return 0


@command.command("password", cls=Command)
@click.argument("address")
@option("--password-stdin", is_flag=True, help="opt.password_stdin")
@option("--scram", is_flag=True, help="opt.scram")
@common
def password(address: str, password_stdin: bool, scram: bool, config_file: str | None, as_json: bool) -> int:
    """Give an account a new password."""
    _, config = configuration(config_file)
    chosen = _password() if password_stdin else None
    done = operate(config, "user.password", name=address, password=chosen, scram=scram)
    if as_json:
        document(done)
        return 0
    click.echo(say("user.changed", name=done["name"]))
    if done.get("password"):
        click.echo(say("user.password", password=done["password"]))
    return 0
