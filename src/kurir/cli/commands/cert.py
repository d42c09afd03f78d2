"""``kurir cert``: our certificate, and having a new one from an authority."""

from typing import Any

import click

from kurir.app.keys import acme
from kurir.app.operating import control
from kurir.app.process.clock import SystemClock
from kurir.app.wiring import settings
from kurir.cli.help import Command, ShowGroup, common
from kurir.cli.output import Failure, configuration, document, when
from kurir.cli.words import current, say
from kurir.config import Config
from kurir.storage import CertificateFolder
from kurir.trace import say_told

SOON_DAYS = 14


class StatusGroup(ShowGroup):
    """``kurir cert`` alone is ``kurir cert status``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take nothing, or options alone, as a question for the status."""
        alone = not args or (args[0].startswith("-") and args[0] not in ("-h", "--help"))
        return click.Group.parse_args(self, ctx, ["status", *args] if alone else args)


@click.group(cls=StatusGroup)
def command() -> None:
    """Look after the certificate."""


@command.command("status", cls=Command)
@common
def status(config_file: str | None, as_json: bool) -> int:
    """Show the certificate; exit 1 where it is not one that others trust, expires soon, or could not be renewed."""
    _, config = configuration(config_file)
    found = _status(config)
    if as_json:
        document(found)
    else:
        click.echo("\n".join(_lines(found)))
    healthy = found["names"] and not found["self_made"] and not found["failures"]
    return 0 if healthy and found["days_left"] > SOON_DAYS else 1


def _status(config: Config) -> dict[str, Any]:
    if config.tls.certificate is not None:
        raise Failure(say("cert.in_files", file=config.tls.certificate))
    folder = CertificateFolder(settings.layout(config))
    try:
        return acme.shown(folder, SystemClock().now(), managed=config.tls.acme is not None)
    except (OSError, ValueError) as e:
        raise Failure(say("dns.no_keys", why=e)) from None


def _lines(found: dict[str, Any]) -> list[str]:
    if not found["names"]:
        return [say("cert.none")]
    lines = [say("cert.names", names=", ".join(found["names"]))]
    lines.append(say("cert.self_made") if found["self_made"] else say("cert.issuer", issuer=found["issuer"]))
    lines.append(say("cert.until", time=when(found["until"]), days=f"{found['days_left']:.0f}"))
    if not found["managed"]:
        lines.append(say("cert.unmanaged"))
    elif found["renew_at"]:
        lines.append(say("cert.renewed", time=when(found["renew_at"])))
    if found["failures"]:
        why = say_told(found["why"] or "", current())
        lines.append(say("cert.failed", count=found["failures"], time=when(found["failed_at"]), why=why))
        lines.append(say("cert.retry", time=when(found["retry_at"])))
    lines.append(say("cert.tlsa", record=found["tlsa"]))
    if found["next_tlsa"]:
        key = "cert.next_seen" if found["next_seen_since"] else "cert.next"
        lines.append(say(key, record=found["next_tlsa"], time=when(found["next_seen_since"])))
    return lines


def _ordering(name: str, *, force: bool) -> None:
    """Make the command for ``renew`` (what is due) and ``order`` (now, whatever the age)."""

    @command.command(name, cls=Command)
    @common
    def run(config_file: str | None, as_json: bool) -> int:
        _, config = configuration(config_file)
        place = config.server.state / settings.CONTROL_SOCKET
        found = control.call(place, "cert.order", force=force, again=False)
        while found["working"]:
            click.echo(say("cert.working"), err=True)
            found = control.call(place, "cert.order", force=force, again=True)
        if as_json:
            document({k: v for k, v in found.items() if k != "working"})
            return 0
        click.echo(say("cert.ordered") if found["ordered"] else say("cert.not_due"))
        click.echo("\n".join(_lines(found)))
        return 0


_ordering("renew", force=False)
_ordering("order", force=True)


@command.command("roll", cls=Command)
@common
def roll(config_file: str | None, as_json: bool) -> int:
    """Prepare the next key; it takes over when its TLSA record has been seen."""
    _, config = configuration(config_file)
    found = control.call(config.server.state / settings.CONTROL_SOCKET, "cert.roll")
    if as_json:
        document(found)
        return 0
    click.echo(say("cert.rolled", name=f"_25._tcp.{config.server.hostname}", record=found["next_tlsa"]))
    return 0
