"""``kurir dmarc``: who sends as our domains, and does it pass; a report at hand; complaints about our mail."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from kurir.app.operating import reportlook
from kurir.cli import reports
from kurir.cli.help import Command, ListGroup, common, option
from kurir.cli.output import Failure, configuration, document, table, when
from kurir.cli.words import current, say
from kurir.model import AddressError, encode_id, normalise_domain
from kurir.model.told import of_error
from kurir.reports import Complaint, Digest, KeptAggregate, KeptTls, Standing, digest
from kurir.trace import say_told

DAY = 86_400.0


@click.group(cls=ListGroup)
def command() -> None:
    """Reports about mail in our name."""


@command.command("show", cls=Command)
@click.argument("domain", required=False)
@option("--days", type=click.IntRange(1, 180), default=30, help="opt.days")
@option("--unproven", is_flag=True, help="opt.unproven")
@option("--no-dns", is_flag=True, help="opt.no_dns")
@common
def show(
    domain: str | None, days: int, unproven: bool, no_dns: bool, config_file: str | None, as_json: bool
) -> int:
    """Show who sends as us; exit 1 where mail of our own fails."""
    _, config = configuration(config_file)
    kept = reportlook.aggregates(config, _domain(domain), time.time() - days * DAY)
    digests = digest(kept, unproven_too=unproven)
    names = {} if no_dns else asyncio.run(reportlook.judged(config, digests))
    if as_json:
        document({"days": days, "domains": [reports.digest_json(d, names) for d in digests]})
    elif not digests:
        click.echo(say("dmarc.none", days=days, domain=domain or next(iter(config.domains), "example.org")))
    else:
        _print(digests, names)
    return _code(digests)


def _domain(text: str | None) -> str:
    if not text:
        return ""
    try:
        return normalise_domain(text.rpartition("@")[2])
    except AddressError as e:
        raise Failure(say_told(of_error(e), current())) from None


def _print(digests: Sequence[Digest], names: dict[str, str]) -> None:
    for i, found in enumerate(digests):
        if i:
            click.echo()
        reports.show_digest(found, names)


def _code(digests: Sequence[Digest]) -> int:
    return 1 if any(s.standing is Standing.FAILING for d in digests for s in d.sources) else 0


@command.command("read", cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@option("--no-dns", is_flag=True, help="opt.no_dns")
@common
def read(file: Path, no_dns: bool, config_file: str | None, as_json: bool) -> int:
    """Read one report: a file, packed or not, or the mail that it came in."""
    kept = reportlook.of_report(reportlook.read_file(file), time.time())
    if isinstance(kept, KeptTls):
        if as_json:
            document(reports.tls_json(kept))
        else:
            reports.show_tls(kept)
        return 0
    if isinstance(kept, Complaint):
        if as_json:
            document(reports.complaint_json(kept))
        else:
            _show_complaint(kept)
        return 0
    return _read_aggregate(kept, config_file, no_dns=no_dns, as_json=as_json)


def _read_aggregate(kept: KeptAggregate, config_file: str | None, *, no_dns: bool, as_json: bool) -> int:
    digests = digest([kept])
    names: dict[str, str] = {}
    if not no_dns:
        _, config = configuration(config_file)
        names = asyncio.run(reportlook.judged(config, digests))
    if as_json:
        faults = {"faults": list(kept.report.faults), "errors": list(kept.report.errors)}
        document({**reports.digest_json(digests[0], names), **faults})
        return _code(digests)
    _print(digests, names)
    for fault in (*kept.report.faults, *kept.report.errors):
        click.echo(say("dmarc.fault", fault=fault))
    return _code(digests)


@command.command("complaints", cls=Command)
@option("--days", type=click.IntRange(1, 180), default=30, help="opt.days")
@common
def complaints(days: int, config_file: str | None, as_json: bool) -> int:
    """List what readers and servers complained about, by account."""
    _, config = configuration(config_file)
    found = reportlook.complaints(config, time.time() - days * DAY)
    by_account = Counter(c.account for c in found if c.account)
    if as_json:
        shown = [reports.complaint_json(c) for c in found]
        document({"days": days, "accounts": dict(by_account.most_common()), "complaints": shown})
    elif not found:
        click.echo(say("complaint.none", days=days))
    else:
        columns = [say(f"complaint.column_{c}") for c in ("time", "type", "who", "account", "id", "subject")]
        table(columns, [_complaint_row(c) for c in reversed(found)])
        for account, count in by_account.most_common():
            click.echo(say("complaint.account", account=account, count=count))
    return 0


def _complaint_row(c: Complaint) -> list[str]:
    number = encode_id(c.number) if c.number is not None else "-"
    return [when(c.at), c.feedback.type, c.sender, c.account or "-", number, c.feedback.subject]


def _show_complaint(complaint: Complaint) -> None:
    click.echo(reports.complaint_words(complaint))
    f = complaint.feedback
    for name in ("message_id", "subject", "author", "recipient", "source_ip", "domain"):
        if value := getattr(f, name):
            click.echo("  " + say(f"complaint.{name}", value=value))
