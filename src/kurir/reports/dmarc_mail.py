"""A DMARC aggregate report as mail (RFC 9990 sections 3.1 and 3.5).  Pure.

One report a policy domain, policy and day (UTC).  Its id follows from these alone, so that a repetition is seen as
one.  Where there are too many rows, those with most messages are told, and how many are missing.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kurir.message import compose, format_date
from kurir.model import Address
from kurir.senderauth.dmarc import parse_record

from .dmarc_aggregate import NAMESPACE, AggregateReport, PublishedPolicy, Row
from .dmarc_seen import counted
from .dmarc_write import aggregate_filename, aggregate_subject, pack_aggregate
from .ports import DmarcSeen
from .tlsrpt_write import Reporter

MAX_ROWS = 2_000  # of one report
MAX_OCTETS = 1024 * 1024  # of a packed report: what a mailbox surely takes once it is encoded
GENERATOR = "Kurir"
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class AggregateMail:
    """A report ready to be sent; `message_id` has brackets."""

    report: AggregateReport
    message_id: str
    message: bytes


def aggregates(
    day: str, domain: str, seen: Iterable[tuple[DmarcSeen, int]], reporter: Reporter
) -> list[AggregateReport]:
    """Return the reports about a day and domain, one for each policy that was seen.  `day` is ``2026-11-23``."""
    by_policy: dict[tuple[str, str], list[Row]] = {}
    for one, count in seen:
        by_policy.setdefault((one.policy, one.method), []).append(counted(one.row, count))
    return [
        _aggregate(day, domain, policy, method, rows, reporter)
        for (policy, method), rows in sorted(by_policy.items())
    ]


def _aggregate(
    day: str, domain: str, policy: str, method: str, rows: list[Row], reporter: Reporter
) -> AggregateReport:
    begin = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    rows.sort(key=lambda row: (-row.count, row.source_ip, row.header_from))
    left_out = sum(row.count for row in rows[MAX_ROWS:])
    errors = (
        (f"{left_out} messages are not told: the report has {MAX_ROWS} rows at most",) if left_out else ()
    )
    identity = "\0".join((reporter.domain, day, domain, policy, method))
    return AggregateReport(
        org_name=reporter.org,
        email=reporter.contact,
        report_id=hashlib.sha256(identity.encode()).hexdigest()[:32],
        begin=begin,
        end=begin + _DAY - 1,
        policy=published(domain, policy, method),
        rows=tuple(rows[:MAX_ROWS]),
        generator=GENERATOR,
        errors=errors,
        namespace=NAMESPACE,
    )


def published(domain: str, text: str, method: str) -> PublishedPolicy:
    """Return a record as a report tells it: defaults filled in (section 3.1.1.4)."""
    record = parse_record(text.encode("latin-1", "replace"))
    existing = record.sp if record.sp is not None else record.p
    missing = record.np if record.np is not None else existing
    return PublishedPolicy(
        domain=domain,
        p=record.p.value,
        sp=existing.value,
        np=missing.value,
        adkim="s" if record.strict_dkim else "r",
        aspf="s" if record.strict_spf else "r",
        testing="y" if record.testing else "n",
        discovery=method,
        fo=":".join(sorted(record.fo)),
    )


def fitted(report: AggregateReport) -> tuple[AggregateReport, bytes]:
    """Return the report and its packed form, shortened until it has `MAX_OCTETS` at most."""
    packed = pack_aggregate(report)
    while len(packed) > MAX_OCTETS and len(report.rows) > 1:
        rows = report.rows[: len(report.rows) // 2]
        left_out = report.messages - sum(row.count for row in rows)
        words = f"{left_out} more messages are not told: the report would be too large"
        report = replace(report, rows=rows, errors=(*report.errors, words))
        packed = pack_aggregate(report)
    return report, packed


def mail_aggregate(
    report: AggregateReport, to: Address, sender: Address, reporter: Reporter, *, at: float
) -> AggregateMail:
    """Return a report as mail from `sender`, lines ending in CRLF.  It must be signed with DKIM on its way."""
    report, packed = fitted(report)
    token = hashlib.sha256(f"{report.report_id}\0{to}".encode()).hexdigest()[:16]
    message_id = f"<dmarc.{report.report_id}.{token}@{reporter.domain}>"
    day = datetime.fromtimestamp(report.begin, UTC).strftime("%Y-%m-%d")
    words = (
        f"This is a DMARC aggregate report about mail from {report.policy.domain} that {reporter.domain} received"
        f" on {day} (UTC): {report.messages} messages.\n\n"
        f"It is sent because the DNS record _dmarc.{report.policy.domain} asks for it (rua=). Whoever does not want"
        f" it changes that record. Questions go to {reporter.contact}.\n"
    )
    content = compose.multipart(
        "mixed",
        [
            compose.text_part(words),
            compose.attachment(aggregate_filename(report, reporter.domain), "application/gzip", packed),
        ],
        token,
    )
    fields = [
        compose.address_field("From", [(f"{reporter.org} DMARC reports", sender)]),
        compose.address_field("To", [("", to)]),
        compose.raw_field("Date", format_date(at)),
        compose.raw_field("Subject", aggregate_subject(report, reporter.domain)),
        compose.raw_field("Message-ID", message_id),
        # RFC 3834: nobody and nothing answers this.
        compose.raw_field("Auto-Submitted", "auto-generated"),
    ]
    return AggregateMail(report, message_id, compose.message(fields, content))
