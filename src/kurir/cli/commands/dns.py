"""``kurir dns``: the records that a domain needs, and whether they are there."""

import asyncio
import ipaddress
from dataclasses import asdict

import click

from kurir.app.operating.dnsfacts import facts
from kurir.app.process.clock import SystemClock
from kurir.app.wiring import settings
from kurir.cli.help import Command, ShowGroup, common, option
from kurir.cli.output import Failure, configuration, document, table
from kurir.cli.words import current, say
from kurir.config import Config
from kurir.doctor import DomainFacts, Record, check_records, expected, form_fields, sts_policy, zone_line
from kurir.model import AddressError, Severity, normalise_domain
from kurir.model.told import of_error
from kurir.net import CachingResolver, ClientTlsFactory, TlsLevel, WebClient
from kurir.trace import Catalogue


@click.group(cls=ShowGroup)
def command() -> None:
    """Look at the DNS."""


def _facts(config: Config, domain: str, addresses: tuple[str, ...]) -> DomainFacts:
    try:
        domain = normalise_domain(domain)
        for address in addresses:
            ipaddress.ip_address(address)
    except (AddressError, ValueError) as e:
        raise Failure(of_error(e)) from None
    if domain not in config.domains:
        raise Failure(say("dns.unknown", domain=domain, known=", ".join(config.domains)))
    try:
        return facts(config, domain, addresses)
    except (OSError, ValueError) as e:
        raise Failure(say("dns.no_keys", why=e)) from None


@command.command("show", cls=Command)
@click.argument("domain")
@option("--form", is_flag=True, help="opt.form")
@option("--address", "addresses", multiple=True, metavar="ADDRESS", help="opt.address")
@common
def show(domain: str, form: bool, addresses: tuple[str, ...], config_file: str | None, as_json: bool) -> int:
    """Print the records."""
    _, config = configuration(config_file)
    known = _facts(config, domain, addresses)
    records = expected(known)
    policy = sts_policy(known.hostname, known.sts_mode) if _has_policy(known) else None
    if as_json:
        listed = [{**asdict(r), "value": r.value or None, "why": _why(r, known)} for r in records]
        document({"domain": known.domain, "records": listed, "mta_sts_policy": policy})
        return 0
    if form:
        columns = [say(f"label.{c}") for c in ("type", "name", "priority", "value", "ttl")]
        table(columns, [form_fields(r, known.domain) for r in records if r.value])
        return 0
    click.echo("; " + say("dns.title", domain=known.domain))
    last = ""
    for record in records:
        why = _why(record, known)
        if why != last:
            last = why
            click.echo(f"\n; {why}" + ("" if record.needed else f" ({say('dns.optional')})"))
        click.echo(zone_line(record))
    if policy is not None:
        click.echo("\n; " + say("dns.policy", domain=known.domain))
        click.echo("".join(f";   {line}\n" for line in policy.splitlines()), nl=False)
        if known.sts_mode == "testing":
            click.echo("; " + say("dns.policy_testing"))
    elif not known.public_certificate:
        click.echo("\n; " + say("dns.no_certificate"))
    return 0


def _has_policy(known: DomainFacts) -> bool:
    return known.public_certificate and known.sts_mode != "off"


def _why(record: Record, known: DomainFacts) -> str:
    if record.why == "spf" and known.others_send:
        return say("dns.spf_others")
    return say("dns.address_unknown" if not record.value else f"dns.{record.why}")


@command.command("check", cls=Command)
@click.argument("domain")
@option("--address", "addresses", multiple=True, metavar="ADDRESS", help="opt.address")
@common
def check(domain: str, addresses: tuple[str, ...], config_file: str | None, as_json: bool) -> int:
    """Compare the records with the DNS; exit 1 when a needed one is missing, wrong or could not be looked up."""
    _, config = configuration(config_file)
    known = _facts(config, domain, addresses)
    records = expected(known)

    async def look() -> list[tuple[Record, Severity, str]]:
        clock = SystemClock()
        resolver = CachingResolver(settings.resolver(config), clock=clock.monotonic)
        tls = ClientTlsFactory(settings.client_tls(config), now=clock.now).level(TlsLevel.VERIFIED)
        fetch = WebClient(resolver, tls, settings.web(config)).fetch
        found = await check_records(records, known.hostname, resolver, fetch)
        texts = Catalogue.load()
        return [
            (r, f.severity, texts.text(current(), f"finding.{f.key}", **f.values))
            for r, f in zip(records, found, strict=True)
        ]

    seen = asyncio.run(look())
    bad = [r for r, severity, _ in seen if r.needed and severity in (Severity.RED, Severity.GREY)]
    if as_json:
        listed = [
            {"name": r.name, "type": r.type, "value": r.value or None, "needed": r.needed,
             "severity": severity.value, "text": text}
            for r, severity, text in seen
        ]  # fmt: skip
        document({"domain": known.domain, "ok": not bad, "records": listed})
    else:
        columns = ["", say("label.type"), say("label.finding")]
        table(columns, [(say(f"severity.{severity.value}"), r.type, text) for r, severity, text in seen])
        key = "dns.bad" if bad else "dns.good"
        click.echo(say(key, count=len(bad), domain=known.domain) if bad else say(key, domain=known.domain))
    return 1 if bad else 0
