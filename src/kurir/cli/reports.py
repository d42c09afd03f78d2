"""Reports of others in words and as JSON: DMARC digests, TLS reports, complaints."""

from datetime import UTC, datetime
from typing import Any

import click

from kurir.model import encode_id
from kurir.reports import Advice, Complaint, Digest, KeptTls, Source, Standing, advice

from .output import table, when
from .words import say

SHOWN = 30  # sources of one domain in a table; all of them in JSON
NAMED = 5  # sources that are told what to do about, of each kind
_WORTH_A_WORD = (Standing.FAILING, Standing.UNSIGNED, Standing.STRANGER, Standing.FORWARDED)
_COLUMNS = ("source", "name", "mails", "pass", "spf", "dkim", "standing")


# -- DMARC ----------------------------------------------------------------------


def show_digest(found: Digest, names: dict[str, str]) -> None:
    """Print who sends as one domain, and what to do."""
    if not found.reports:
        click.echo(say("dmarc.only_unproven", domain=found.domain, count=found.unproven))
        return
    click.echo(
        say(
            "dmarc.heading",
            domain=found.domain,
            messages=found.messages,
            reports=found.reports,
            reporters=_few(found.reporters),
            first=_date(found.first),
            last=_date(found.last),
        )
    )
    click.echo(say("dmarc.passed", passed=found.passed, percent=percent(found.passed, found.messages)))
    if found.unproven:
        click.echo(say("dmarc.unproven", count=found.unproven))
    click.echo()
    table([say(f"dmarc.column_{c}") for c in _COLUMNS], [_row(s, names) for s in found.sources[:SHOWN]])
    if len(found.sources) > SHOWN:
        click.echo(say("dmarc.more", count=len(found.sources) - SHOWN))
    click.echo()
    for standing in _WORTH_A_WORD:
        sources = [s for s in found.sources if s.standing is standing]
        if sources:
            who = _few([names.get(s.ip) or s.ip for s in sources], NAMED)
            click.echo(say(f"dmarc.do_{standing.value}", sources=who, domain=found.domain))
    policy = found.policy.p or "none"
    click.echo(say(f"dmarc.advice_{_advice(found)}", domain=found.domain, policy=policy))


def _advice(found: Digest) -> str:
    """Return the key of the advice: with `Advice.RAISE` it depends on the policy what is next."""
    what = advice(found)
    if what is Advice.RAISE and found.policy.p == "quarantine":
        return "raise_to_reject"
    return what.value


def _row(source: Source, names: dict[str, str]) -> list[str]:
    return [
        source.ip,
        names.get(source.ip, ""),
        str(source.messages),
        percent(source.passed, source.messages),
        percent(source.spf, source.messages),
        percent(source.dkim, source.messages),
        say(f"dmarc.standing_{source.standing.value}") + _listed(source),
    ]


def _listed(source: Source) -> str:
    if not source.listed:
        return ""
    return " " + (say("dmarc.own") if source.listed == "own" else say("dmarc.listed", record=source.listed))


def digest_json(found: Digest, names: dict[str, str]) -> dict[str, Any]:
    """Return the digest with all of its sources."""
    policy = found.policy
    return {
        "domain": found.domain,
        "reports": found.reports,
        "unproven": found.unproven,
        "reporters": list(found.reporters),
        "first": found.first,
        "last": found.last,
        "policy": {"p": policy.p, "sp": policy.sp, "np": policy.np, "adkim": policy.adkim, "aspf": policy.aspf},
        "messages": found.messages,
        "passed": found.passed,
        "left_out": found.left_out,
        "advice": advice(found).value if found.reports else "",
        "sources": [
            {
                "ip": s.ip, "name": names.get(s.ip, ""), "standing": s.standing.value, "listed": s.listed,
                "messages": s.messages, "passed": s.passed, "spf": s.spf, "dkim": s.dkim, "refused": s.refused,
                "reporters": sorted(s.reporters), "authors": dict(s.authors.most_common(10)),
                "signers": dict(s.signers.most_common(10)), "envelopes": dict(s.envelopes.most_common(10)),
            }
            for s in found.sources
        ],
    }  # fmt: skip


# -- TLS ------------------------------------------------------------------------


def show_tls(kept: KeptTls) -> None:
    """Print one TLS report."""
    report = kept.report
    begin, end = _moment(report.begin), _moment(report.end)
    click.echo(say("tls_report.heading", org=report.org_name or kept.sender, begin=begin, end=end))
    if not kept.proven:
        click.echo("  " + say("tls_report.unproven"))
    for policy in report.policies:
        key = "tls_report.good" if not policy.failures else "tls_report.bad"
        kind = policy.type if policy.type in ("sts", "tlsa") else "none"
        click.echo(
            "  "
            + say(
                key,
                domain=policy.domain,
                good=policy.successes,
                bad=policy.failures,
                policy=say(f"tls_report.policy_{kind}"),
            )
        )
        for failure in policy.details[:NAMED]:
            host = failure.receiving_host or failure.receiving_ip or policy.domain
            known = failure.result if failure.result in _RESULTS else "other"
            why = say(f"tls_report.result_{known.replace('-', '_')}", result=failure.result)
            click.echo("    " + say("tls_report.failure", count=failure.count, host=host, why=why))


_RESULTS = frozenset(
    {
        "starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
        "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
        "sts-policy-invalid", "sts-webpki-invalid",
    }
)  # fmt: skip
"""The results of RFC 8460 section 4.3 that have a sentence ``tls_report.result_...``."""


def tls_json(kept: KeptTls) -> dict[str, Any]:
    """Return one TLS report."""
    report = kept.report
    return {
        "org": report.org_name, "contact": report.contact, "id": report.report_id, "begin": report.begin,
        "end": report.end, "at": kept.at, "sender": kept.sender, "proven": kept.proven,
        "policies": [
            {
                "type": p.type, "domain": p.domain, "successes": p.successes, "failures": p.failures,
                "details": [
                    {
                        "result": d.result, "count": d.count, "sending_ip": d.sending_ip,
                        "receiving_host": d.receiving_host, "receiving_ip": d.receiving_ip, "reason": d.reason,
                    }
                    for d in p.details
                ],
            }
            for p in report.policies
        ],
    }  # fmt: skip


# -- complaints ------------------------------------------------------------------


def complaint_words(complaint: Complaint) -> str:
    """Return what one complaint says, in one line."""
    f = complaint.feedback
    kind = (
        f.type.replace("-", "_")
        if f.type in ("abuse", "fraud", "virus", "not-spam", "auth-failure")
        else "other"
    )
    return say(
        f"complaint.{kind}",
        time=when(complaint.at),
        who=complaint.sender or f.agent or "?",
        type=f.type,
        failure=f.failure or "?",
        source=f.source_ip or "?",
    )


def complaint_json(complaint: Complaint) -> dict[str, Any]:
    """Return one complaint."""
    f = complaint.feedback
    return {
        "at": complaint.at, "type": f.type, "sender": complaint.sender, "proven": complaint.proven, "agent": f.agent,
        "source_ip": f.source_ip, "domain": f.domain, "failure": f.failure, "recipient": f.recipient,
        "message_id": f.message_id, "subject": f.subject, "author": f.author, "incidents": f.incidents,
        "id": encode_id(complaint.number) if complaint.number is not None else "", "account": complaint.account,
    }  # fmt: skip


# -- inside ----------------------------------------------------------------------


def percent(part: int, whole: int) -> str:
    """Return a share without a lie at its ends: 99.9 % is not 100 %."""
    if not whole:
        return "-"
    share = 100 * part / whole
    rounded = round(share)
    if (rounded == 100 and part < whole) or (rounded == 0 and part):
        return f"{min(max(share, 0.1), 99.9):.1f} %"
    return f"{rounded} %"


def _few(names: list[str] | tuple[str, ...], limit: int = NAMED) -> str:
    shown = ", ".join(names[:limit])
    return f"{shown}, …" if len(names) > limit else shown


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _moment(text: str) -> str:
    """Return a time of a report (RFC 3339) for people; what is none, as it stands."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError):
        return text
