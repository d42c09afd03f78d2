"""``kurir tls``: how well mail to a domain is protected, and accepting that it is protected worse than before."""

import asyncio
import re
import time
from datetime import datetime
from typing import Any

import click

from kurir.app.operating import reportlook, tlslook
from kurir.cli import reports
from kurir.cli.acting import act
from kurir.cli.help import Command, ShowGroup, common, option
from kurir.cli.output import Failure, configuration, document, when
from kurir.cli.words import current, say
from kurir.delivery import DomainExam, HostExam
from kurir.delivery.tlspolicy import DaneState, StsMode
from kurir.model import AddressError, normalise_domain
from kurir.model.told import of_error
from kurir.trace import Catalogue, Teller, say_noted, say_told

STRENGTHS = {-1: "unreached", 0: "clear", 1: "encrypted", 2: "name", 3: "dane"}
_SPAN = re.compile(r"(\d{1,4})([hdw])")
_SECONDS = {"h": 3600, "d": 86_400, "w": 604_800}


@click.group(cls=ShowGroup)
def command() -> None:
    """TLS towards other servers."""


@command.command("show", cls=Command)
@click.argument("domain")
@common
def show(domain: str, config_file: str | None, as_json: bool) -> int:
    """Look at a domain; exit 1 where mail to it would travel without encryption, or not be sent."""
    _, config = configuration(config_file)
    try:
        domain = normalise_domain(domain.rpartition("@")[2])
    except AddressError as e:
        raise Failure(say_told(of_error(e), current())) from None
    exam = asyncio.run(tlslook.look(config, domain))
    if as_json:
        document(_json(exam))
    else:
        click.echo("\n".join(_lines(exam)))
    stays = not exam.failure and not exam.hosts
    return 0 if stays or (exam.weakest > 0 and any(h.sent for h in exam.hosts)) else 1


@command.command("accept", cls=Command)
@click.argument("domain")
@option("--until", metavar="WHEN", default="30d", help="opt.until")
@common
def accept(domain: str, until: str, config_file: str | None, as_json: bool) -> int:
    """Accept that a domain or a mail host is protected worse than before."""
    return act(config_file, as_json, "tls.accept", _accepted, name=domain, until=_until(until))


def _accepted(done: dict[str, Any]) -> str:
    return say("tls.accepted", name=done["name"], time=when(done["until"]))


@command.command("reports", cls=Command)
@click.argument("domain", required=False)
@option("--days", type=click.IntRange(1, 180), default=30, help="opt.days")
@common
def received(domain: str | None, days: int, config_file: str | None, as_json: bool) -> int:
    """Show how others fared with encryption towards us; exit 1 where any failed."""
    _, config = configuration(config_file)
    found = [
        kept
        for kept in reportlook.tls_reports(config, time.time() - days * 86_400)
        if domain is None or any(p.domain == domain.lower() for p in kept.report.policies)
    ]
    if as_json:
        document({"days": days, "reports": [reports.tls_json(kept) for kept in found]})
    elif not found:
        click.echo(say("tls_report.none", days=days))
    for kept in () if as_json else found:
        reports.show_tls(kept)
    return 1 if any(p.failures for kept in found for p in kept.report.policies) else 0


def _until(text: str) -> float:
    m = _SPAN.fullmatch(text.strip().lower())
    if m:
        return time.time() + int(m[1]) * _SECONDS[m[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        raise Failure(say("error.bad_until", text=text)) from None


def _said(detail: str) -> str:
    return say_noted(detail, current())


# -- words --------------------------------------------------------------------


def _lines(exam: DomainExam) -> list[str]:
    if exam.failure:
        return [say("tls.failure", domain=exam.domain, why=_said(exam.failure))]
    lines = [say(f"tls.verdict_{STRENGTHS[exam.weakest]}", domain=exam.domain)]
    if exam.kind != "mx":
        lines.append(say("tls.road", road=exam.road))
    if not exam.hosts:
        return [say("tls.stays", domain=exam.domain, road=exam.road)]
    lines += ["", _sts(exam), Catalogue.load().text(current(), f"dnssec.{exam.validation.value}")]
    for host in exam.hosts:
        lines += ["", _title(host)]
        lines += [f"  {line}" for line in _host(exam, host)]
    return lines


def _title(host: HostExam) -> str:
    """Return who it is: its name and address; what a socket of this machine belongs to, which has no name."""
    if not host.host:
        return Teller(Catalogue.load(), current()).host(f"unix:{host.address}")
    return f"{host.host} [{host.address}]" if host.address else host.host


def _sts(exam: DomainExam) -> str:
    sts = exam.sts
    if sts.error:
        return say("tls.sts_error", domain=exam.domain, why=_said(sts.why))
    if sts.mode is StsMode.NONE:
        return say("tls.sts_none", domain=exam.domain)
    return say(f"tls.sts_{sts.mode.value}", domain=exam.domain, hosts=", ".join(sts.mx))


def _host(exam: DomainExam, host: HostExam) -> list[str]:
    lines = []
    if host.strength < 0:
        lines.append(say("tls.unreached", why=_said(host.trouble)))
    elif host.tls is None:
        lines.append(say("tls.clear", why=_said(host.trouble)) if host.trouble else say("tls.no_starttls"))
    else:
        lines.append(say("tls.encrypted", version=host.tls.version, cipher=host.tls.cipher))
        if host.tls.verified == "name":
            lines.append(say("tls.name", host=host.host))
        elif host.tls.verified is None:
            key = "no_name" if host.host else "proves_nothing"
            lines.append(say(f"tls.{key}", host=host.host, why=_said(host.tls.why_not or "")))
    dane = host.facts.dane
    if dane.state is DaneState.USABLE and host.strength >= 0:
        key = "dane_bad" if host.dane_why else "dane_good"
        lines.append(say(f"tls.{key}", count=len(dane.records), why=_said(host.dane_why)))
    elif dane.state in (DaneState.UNUSABLE, DaneState.BOGUS):
        lines.append(say(f"tls.dane_{dane.state.value}"))
    elif dane.state is DaneState.NONE:
        lines.append(say("tls.dane_none"))
    if host.sts_named is not None:
        lines.append(say("tls.sts_named" if host.sts_named else "tls.sts_stranger"))
    if host.requiretls:
        lines.append(say("tls.requiretls"))
    memory = host.facts.memory
    if memory is not None:
        strength = say(f"tls.strength_{STRENGTHS[int(memory.best)]}")
        lines.append(say("tls.memory", strength=strength, time=when(memory.seen)))
        if memory.lost and host.demand.strict:  # which the last line names
            lines.append(say(f"tls.demanded_{memory.lost}", time=when(memory.lost_since)))
        elif memory.lost and not host.facts.accepted:
            lines.append(say(f"tls.lost_{memory.lost}", time=when(memory.lost_since), domain=exam.domain))
    said = [say("tls.sent" if host.sent else "tls.not_sent")]
    if host.reached:  # else no demand is the reason
        said.append(Catalogue.load().text(current(), f"policy.{host.demand.reason.value}"))
    return [*lines, " ".join(said)]


def _json(exam: DomainExam) -> dict[str, Any]:
    return {
        "domain": exam.domain,
        "road": exam.road,
        "failure": exam.failure,
        "strength": STRENGTHS[exam.weakest],
        "dnssec": exam.validation.value,
        "mta_sts": {
            "mode": exam.sts.mode.value, "id": exam.sts.id, "mx": list(exam.sts.mx), "max_age": exam.sts.max_age,
            "error": exam.sts.error, "why": exam.sts.why,
        },
        "hosts": [_host_json(host) for host in exam.hosts],
    }  # fmt: skip


def _host_json(host: HostExam) -> dict[str, Any]:
    tls, memory, dane = host.tls, host.facts.memory, host.facts.dane
    return {
        "host": host.host,
        "address": host.address,
        "strength": STRENGTHS[host.strength],
        "version": tls.version if tls else None,
        "cipher": tls.cipher if tls else None,
        "verified": tls.verified if tls else None,
        "why_not": tls.why_not if tls else None,
        "trouble": host.trouble,
        "requiretls": host.requiretls,
        "tlsa": {"state": dane.state.value, "records": [str(r) for r in dane.records], "why_not": host.dane_why},
        "mta_sts_named": host.sts_named,
        "demand": {"need": host.demand.need.value, "reason": host.demand.reason.value},
        "sent": host.sent,
        "memory": {
            "best": STRENGTHS[int(memory.best)], "since": memory.since, "seen": memory.seen, "lost": memory.lost,
            "lost_since": memory.lost_since,
        } if memory else None,
    }  # fmt: skip
