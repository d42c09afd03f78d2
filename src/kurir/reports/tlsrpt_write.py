"""Writes TLS-RPT reports: how our sessions with a domain's mail hosts fared (RFC 8460 sections 4 and 5).  Pure.

One report a domain and day (UTC), as JSON, packed with gzip; by mail as ``multipart/report; report-type=tlsrpt``.
"""

import base64
import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from kurir.message import format_date

from .ports import ResultKey

MAX_FAILURES = 1000  # failure details in one report; more are summed up
_VERSION = re.compile(
    rb"v=TLSRPTv1[ \t]*;"
)  # what does not begin so is no record (section 3), nor a second one
_ADDRESS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-@:")


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: `org` in words, `contact` an address, `domain` that of the ids, all of this server."""

    org: str
    contact: str
    domain: str


def report_id(day: str, domain: str, reporter: Reporter) -> str:
    """Return the id of the report about `domain` for a day: always the same, so that a repetition is seen as one."""
    return f"{day}.{domain}@{reporter.domain}"


Counted = tuple[ResultKey, int]
"""How many sessions ended alike."""


def write_tls_report(day: str, domain: str, counts: Iterable[Counted], reporter: Reporter) -> bytes:
    """Return the JSON of a report (not packed).  `day` is ``2026-11-23``."""
    policies: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Counted]] = {}
    for key, count in counts:
        policies.setdefault((key.policy, key.strings, key.patterns), []).append((key, count))
    document = {
        "organization-name": reporter.org,
        "date-range": {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"},
        "contact-info": reporter.contact,
        "report-id": report_id(day, domain, reporter),
        "policies": [
            _policy(domain, kind, strings, patterns, found)
            for (kind, strings, patterns), found in sorted(policies.items())
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _policy(
    domain: str, kind: str, strings: tuple[str, ...], patterns: tuple[str, ...], counts: list[Counted]
) -> dict[str, object]:
    failures = sorted((c for c in counts if c[0].result), key=lambda c: (-c[1], c[0].result, c[0].mx_host))
    policy: dict[str, object] = {"policy-type": kind, "policy-domain": domain}
    if strings:
        policy["policy-string"] = list(strings)
    if patterns:
        policy["mx-host"] = list(patterns)
    return {
        "policy": policy,
        "summary": {
            "total-successful-session-count": sum(n for key, n in counts if not key.result),
            "total-failure-session-count": sum(n for _, n in failures),
        },
        **({"failure-details": [_failure(*c) for c in failures[:MAX_FAILURES]]} if failures else {}),
    }


def _failure(key: ResultKey, count: int) -> dict[str, object]:
    details = {
        "result-type": key.result,
        "sending-mta-ip": key.sending_ip,
        "receiving-mx-hostname": key.mx_host,
        "receiving-ip": key.receiving_ip,
        "failure-reason-code": key.reason,
    }
    return {**{k: v for k, v in details.items() if v}, "failed-session-count": count}


def read_rua(texts: Iterable[bytes]) -> tuple[str, ...]:
    """Return where a domain wants its reports: ``mailto:`` and ``https:`` URIs of its TLSRPT record (section 3).

    Nothing where there is no record, more than one, or a broken one.
    """
    found = [text for text in texts if _VERSION.match(text)]
    if len(found) != 1:
        return ()
    fields = [f.strip() for f in found[0].decode("ascii", "replace").split(";")[1:]]
    rua = next((f[4:] for f in fields if f.startswith("rua=")), "")
    uris = [u.strip() for u in rua.split(",")]
    return tuple(u for u in uris if _is_good(u))[:5]


def _is_good(uri: str) -> bool:
    scheme, _, rest = uri.partition(":")
    if scheme == "https":
        return rest.startswith("//") and uri.isprintable() and " " not in uri and len(uri) < 1000
    address = rest.partition("?")[0].lower()
    return scheme == "mailto" and 0 < address.find("@") == address.rfind("@") and set(address) <= _ADDRESS


def pack_tls_report(report: bytes, at: float) -> bytes:
    """Return the report packed with gzip (``application/tlsrpt+gzip``)."""
    return gzip.compress(report, mtime=int(at))


def mail_tls_report(day: str, domain: str, to: str, report: bytes, reporter: Reporter, *, at: float) -> bytes:
    """Return the report as mail (section 5.3), lines ending in CRLF.  It must be signed with DKIM on its way."""
    name = f"{reporter.domain}!{domain}!{day}!{day}.json.gz"
    boundary = f"=_tlsrpt_{day}"
    packed = base64.encodebytes(pack_tls_report(report, at)).decode().rstrip("\n")
    lines = [
        f"From: {reporter.org} <{reporter.contact}>",
        f"To: <{to}>",
        f"Date: {format_date(at)}",
        f"Subject: Report Domain: {domain} Submitter: {reporter.domain} Report-ID: <{report_id(day, domain, reporter)}>",
        f"Message-ID: <tlsrpt.{report_id(day, domain, reporter)}>",
        f"TLS-Report-Domain: {domain}",
        f"TLS-Report-Submitter: {reporter.domain}",
        "TLS-Required: No",  # a report about broken TLS must not fail by it (RFC 8460 section 3)
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is an aggregate report on TLS sessions with {domain} on {day} (UTC), sent by {reporter.domain}.",
        "",
        f"--{boundary}",
        "Content-Type: application/tlsrpt+gzip",
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: attachment; filename="{name}"',
        "",
        packed,
        f"--{boundary}--",
        "",
    ]
    return "\n".join(lines).replace("\n", "\r\n").encode()
