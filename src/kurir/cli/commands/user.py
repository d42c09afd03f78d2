"""``kurir user``: accounts."""

import sys
import time
from datetime import datetime
from pathlib import Path

import click

from kurir.app.operating.operate import operate
from kurir.app.operating.reading import account, accounts, shown_app_password, shown_certificate
from kurir.cli.acting import act
from kurir.cli.help import Command, Group, common, option
from kurir.cli.output import Failure, configuration, document, table, when
from kurir.cli.words import say
from kurir.config.units import seconds
from kurir.identity import REPORTS

URGENT = {"allow": True, "never": False, "default": None}


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
@option("--urgent", type=click.Choice(["allow", "never"]), help="opt.urgent")
@common
def add(
    address: str,
    password_stdin: bool,
    also: tuple[str, ...],
    relay: bool,
    scram: bool,
    urgent: str | None,
    config_file: str | None,
    as_json: bool,
) -> int:
    """Make an account."""
    _, config = configuration(config_file)
    password = _password() if password_stdin else None
    addresses = [*also, REPORTS] if relay else list(also)
    made = operate(
        config, "user.add", address=address, password=password, also=addresses, scram=scram,
        urgent=URGENT[urgent or "default"],
    )  # fmt: skip
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
                    {
                        "name": a.name,
                        "addresses": list(a.addresses),
                        "created_at": a.created_at,
                        "urgent": a.urgent,
                        "summary": a.summary,
                        "app_passwords": [p.label for p in a.app_passwords],
                        "certificates": [c.label for c in a.certificates],
                    }
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
    return act(config_file, as_json, "user.remove", "user.removed", name=address)


@command.command("urgent", cls=Command)
@click.argument("address")
@click.argument("rule", type=click.Choice(["allow", "never", "default"]))
@common
def urgent(address: str, rule: str, config_file: str | None, as_json: bool) -> int:
    """Say whether the mail of an account may be urgent."""
    return act(config_file, as_json, "user.urgent", f"user.urgent_{rule}", name=address, urgent=URGENT[rule])


class _Passwords(Group):
    """``kurir user password ADDRESS`` is short for ``kurir user password set ADDRESS``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Group`."""
        if args and args[0] != "--help" and args[0] not in self.commands:
            args = ["set", *args]
        return super().parse_args(ctx, args)


@command.group("password", cls=_Passwords)
def password() -> None:
    """Change the password of an account; make, list and revoke its app passwords."""


@password.command("set", cls=Command)
@click.argument("address")
@option("--password-stdin", is_flag=True, help="opt.password_stdin")
@option("--scram", is_flag=True, help="opt.scram")
@common
def set_(address: str, password_stdin: bool, scram: bool, config_file: str | None, as_json: bool) -> int:
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


@password.command("add", cls=Command)
@click.argument("address")
@click.argument("label")
@option("--sender", "senders", multiple=True, metavar="ADDRESS", help="opt.app_sender")
@option("--network", "networks", multiple=True, metavar="CIDR", help="opt.app_network")
@option("--expires", metavar="WHEN", help="opt.app_expires")
@common
def app_add(
    address: str,
    label: str,
    senders: tuple[str, ...],
    networks: tuple[str, ...],
    expires: str | None,
    config_file: str | None,
    as_json: bool,
) -> int:
    """Make an app password."""
    _, config = configuration(config_file)
    expires_at = _instant(expires) if expires else None
    made = operate(
        config, "user.app.add", name=address, label=label, senders=list(senders), networks=list(networks),
        expires_at=expires_at,
    )  # fmt: skip
    if as_json:
        document(made)
        return 0
    click.echo(say("user.app_added", label=made["label"], name=made["name"]))
    click.echo(say("user.password", password=made["password"]))
    return 0


def _instant(text: str) -> float:
    """Return when that is: ``90d`` from now, or the beginning of ``2027-01-31`` here."""
    try:
        if "-" in text:
            return datetime.fromisoformat(text).astimezone().timestamp()
        length = seconds(text)
        assert isinstance(length, float)
        return time.time() + length
    except ValueError:
        raise Failure(say("error.bad_expires", text=text)) from None


@password.command("list", cls=Command)
@click.argument("address")
@common
def app_list(address: str, config_file: str | None, as_json: bool) -> int:
    """List the app passwords of an account."""
    _, config = configuration(config_file)
    one = account(config, address)
    listed = [shown_app_password(p) for p in one.app_passwords]
    if as_json:
        document({"name": one.name, "app_passwords": listed})
    elif listed:
        labels = ("app_password", "addresses", "networks", "expires", "made")
        rows = [
            (p["label"], " ".join(p["senders"]) or "*", " ".join(p["networks"]) or "*", when(p["expires_at"]),
             when(p["created_at"]))
            for p in listed
        ]  # fmt: skip
        table([say(f"label.{label}") for label in labels], rows)
    else:
        click.echo(say("user.app_none", name=one.name))
    return 0


@password.command("revoke", cls=Command)
@click.argument("address")
@click.argument("label")
@common
def app_revoke(address: str, label: str, config_file: str | None, as_json: bool) -> int:
    """Revoke an app password."""
    return act(config_file, as_json, "user.app.revoke", "user.app_revoked", name=address, label=label)


@command.group("cert", cls=Group)
def cert() -> None:
    """Keep the client certificates of accounts."""


@cert.command("add", cls=Command)
@click.argument("address")
@click.argument("file", type=click.Path(path_type=Path))
@option("--label", default="", help="opt.cert_label")
@common
def cert_add(address: str, file: Path, label: str, config_file: str | None, as_json: bool) -> int:
    """Register a certificate."""
    _, config = configuration(config_file)
    try:
        pem = file.read_text("ascii", "replace")
    except OSError as e:
        raise Failure(f"{file}: {e.strerror}") from None
    made = operate(config, "user.cert.add", name=address, pem=pem, label=label)
    if as_json:
        document(made)
        return 0
    click.echo(say("user.cert_added", label=made["label"], name=made["name"], key=made["key"]))
    if not made["asked"]:
        click.echo(say("user.cert_not_asked"))
    return 0


@cert.command("list", cls=Command)
@click.argument("address")
@common
def cert_list(address: str, config_file: str | None, as_json: bool) -> int:
    """List the certificates of an account."""
    _, config = configuration(config_file)
    one = account(config, address)
    listed = [shown_certificate(c) for c in one.certificates]
    if as_json:
        document({"name": one.name, "certificates": listed})
    elif listed:
        columns = [say("label.certificate"), say("label.key"), say("label.made")]
        table(columns, [(c["label"], c["key"], when(c["added_at"])) for c in listed])
    else:
        click.echo(say("user.cert_none", name=one.name))
    return 0


@cert.command("remove", cls=Command)
@click.argument("address")
@click.argument("certificate")
@common
def cert_remove(address: str, certificate: str, config_file: str | None, as_json: bool) -> int:
    """Remove a certificate."""
    return act(
        config_file, as_json, "user.cert.remove", "user.cert_removed", name=address, certificate=certificate
    )
