"""Writes a DMARC aggregate report as RFC 9990 wants it: its XML, its file name and its subject.

Values come from peers, so that every one is washed and escaped; nothing is written for what is not known.
"""

import gzip
import re
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from .dmarc_aggregate import NAMESPACE, AggregateReport, AuthResult, Row

# XML 1.0 section 2.2: what no document may contain, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_NAME = re.compile(r"[^A-Za-z0-9._-]")


def write_aggregate(report: AggregateReport) -> bytes:
    """Return the XML document, in UTF-8."""
    lines: list[str] = ['<?xml version="1.0" encoding="UTF-8"?>', f'<feedback xmlns="{NAMESPACE}">']
    lines += _leaf("version", "1.0")
    policy = report.policy
    lines += _group(
        "report_metadata",
        [
            *_leaf("org_name", report.org_name),
            *_leaf("email", report.email),
            *_leaf("extra_contact_info", report.contact),
            *_leaf("report_id", report.report_id),
            *_group("date_range", [*_leaf("begin", report.begin), *_leaf("end", report.end)]),
            *(line for error in report.errors for line in _leaf("error", error)),
            *_leaf("generator", report.generator),
        ],
    )
    lines += _group(
        "policy_published",
        [
            *_leaf("domain", policy.domain),
            *_leaf("p", policy.p),
            *_leaf("sp", policy.sp),
            *_leaf("np", policy.np),
            *_leaf("adkim", policy.adkim),
            *_leaf("aspf", policy.aspf),
            *_leaf("discovery_method", policy.discovery),
            *_leaf("fo", policy.fo),
            *_leaf("testing", policy.testing),
        ],
    )
    for row in report.rows:
        lines += _record(row)
    lines.append("</feedback>")
    return ("\n".join(lines) + "\n").encode()


def pack_aggregate(report: AggregateReport) -> bytes:
    """Return the document gzipped, without a time in it: the same report is the same file."""
    return gzip.compress(write_aggregate(report), mtime=0)


def aggregate_filename(report: AggregateReport, receiver: str) -> str:
    """Return the name of the attachment (RFC 9990 section 3.5.1): ``receiver!domain!begin!end!id.xml.gz``."""
    parts = (receiver, report.policy.domain, str(report.begin), str(report.end), report.report_id)
    return "!".join(_NOT_NAME.sub("_", part)[:100] for part in parts) + ".xml.gz"


def aggregate_subject(report: AggregateReport, receiver: str) -> str:
    """Return the subject of the mail (RFC 9990 section 3.5.2)."""
    domain, submitter, number = (
        _NOT_NAME.sub("_", part)[:200] for part in (report.policy.domain, receiver, report.report_id)
    )
    return f"Report Domain: {domain} Submitter: {submitter} Report-ID: <{number}>"


def _record(row: Row) -> Iterator[str]:
    reasons = (
        line
        for kind, comment in row.overrides
        for line in _group("reason", [*_leaf("type", kind), *_leaf("comment", comment)])
    )
    yield from _group(
        "record",
        [
            *_group(
                "row",
                [
                    *_leaf("source_ip", row.source_ip),
                    *_leaf("count", row.count),
                    *_group(
                        "policy_evaluated",
                        [
                            *_leaf("disposition", row.disposition),
                            *_leaf("dkim", row.dkim),
                            *_leaf("spf", row.spf),
                            *reasons,
                        ],
                    ),
                ],
            ),
            *_group(
                "identifiers",
                [
                    *_leaf("envelope_to", row.envelope_to),
                    *_leaf("envelope_from", row.envelope_from),
                    *_leaf("header_from", row.header_from),
                ],
            ),
            *_group(
                "auth_results",
                [
                    *(line for result in row.dkim_results for line in _auth("dkim", result)),
                    *(line for result in row.spf_results for line in _auth("spf", result)),
                ],
            ),
        ],
    )


def _auth(name: str, result: AuthResult) -> Iterator[str]:
    yield from _group(
        name,
        [
            *_leaf("domain", result.domain),
            *_leaf("selector", result.selector),
            *_leaf("scope", result.scope),
            *_leaf("result", result.result),
            *_leaf("human_result", result.human),
        ],
    )


def _group(name: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"<{name}>"
    for line in lines:
        yield f"  {line}"
    yield f"</{name}>"


def _leaf(name: str, value: str | int) -> Iterator[str]:
    if value != "":
        text = str(value).replace("\r", " ").replace("\n", " ")
        yield f"<{name}>{escape(_NOT_XML.sub('?', text))}</{name}>"
