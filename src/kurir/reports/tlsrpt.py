"""Reads TLS-RPT reports: how others fared with encryption towards us (RFC 8460 section 4).

JSON, packed or not.  Values of the wrong type count as absent; a report without any policy is refused.
"""

import json
from dataclasses import dataclass

from kurir.message import disarm
from kurir.model.told import told

from .unpacking import ReportError, ReportLimits, unpack

_DEFAULT = ReportLimits(unpacked=16 * 1024 * 1024, elements=1_000_000)
_MOST = 10**10  # sessions of a day, so that no sum of them runs over


@dataclass(frozen=True, slots=True)
class TlsFailure:
    """Sessions that failed alike; `result` is a word of RFC 8460 section 4.3."""

    result: str
    count: int
    sending_ip: str = ""
    receiving_ip: str = ""
    receiving_host: str = ""
    reason: str = ""
    information: str = ""


@dataclass(frozen=True, slots=True)
class TlsPolicyReport:
    """One policy: `type` is ``sts``, ``tlsa`` or ``no-policy-found``; counts are sessions."""

    type: str
    domain: str
    successes: int
    failures: int
    strings: tuple[str, ...] = ()
    mx_hosts: tuple[str, ...] = ()
    details: tuple[TlsFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class TlsReport:
    """One report.  `begin` and `end` are as written (RFC 3339)."""

    org_name: str
    contact: str
    report_id: str
    begin: str
    end: str
    policies: tuple[TlsPolicyReport, ...]


def read_tls_report(data: bytes, limits: ReportLimits = _DEFAULT) -> TlsReport:
    """Read one report, packed or not.  Raises `ReportError` only; memory is bounded by `limits`."""
    try:
        text = unpack(data, limits)
        # Each value but the first follows one of these; a few octets of text become many of memory.
        if sum(map(text.count, (b"[", b"{", b","))) > limits.elements:
            raise ReportError(told("more than {limit} elements", limit=limits.elements))
        root = json.loads(text)
    except ReportError:
        raise
    except RecursionError:
        raise ReportError(told("the JSON is nested too deep")) from None
    except ValueError as e:
        raise ReportError(told("the JSON is broken: {why}", why=str(e)[:200])) from None
    if not isinstance(root, dict):
        raise ReportError(told("this is no TLS report"))
    read = _Reader(limits)
    policies = read.items(root, "policies")
    if not policies:
        raise ReportError(told("the report names no policy"))
    dates = read.mapping(root, "date-range")
    return TlsReport(
        read.text(root, "organization-name"),
        read.text(root, "contact-info"),
        read.text(root, "report-id"),
        read.text(dates, "start-datetime"),
        read.text(dates, "end-datetime"),
        tuple(read.policy(policy) for policy in policies),
    )


class _Reader:
    """Takes values out of JSON by type; counts failure details over the whole report."""

    def __init__(self, limits: ReportLimits) -> None:
        self._limits = limits
        self._rows = 0

    def policy(self, item: dict[str, object]) -> TlsPolicyReport:
        policy, summary = self.mapping(item, "policy"), self.mapping(item, "summary")
        return TlsPolicyReport(
            self.text(policy, "policy-type").lower(),
            self.text(policy, "policy-domain").lower(),
            self.number(summary, "total-successful-session-count"),
            self.number(summary, "total-failure-session-count"),
            self.texts(policy, "policy-string"),
            self.texts(policy, "mx-host"),
            tuple(self._failure(detail) for detail in self.items(item, "failure-details")),
        )

    def _failure(self, item: dict[str, object]) -> TlsFailure:
        return TlsFailure(
            self.text(item, "result-type").lower(),
            self.number(item, "failed-session-count"),
            self.text(item, "sending-mta-ip"),
            self.text(item, "receiving-ip"),
            self.text(item, "receiving-mx-hostname"),
            self.text(item, "failure-reason-code"),
            self.text(item, "additional-information"),
        )

    def mapping(self, item: dict[str, object], name: str) -> dict[str, object]:
        value = item.get(name)
        return value if isinstance(value, dict) else {}

    def items(self, item: dict[str, object], name: str) -> list[dict[str, object]]:
        value = item.get(name)
        found = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
        self._rows += len(found)
        if self._rows > self._limits.rows:
            raise ReportError(told("more than {limit} policies and failures", limit=self._limits.rows))
        return found

    def text(self, item: dict[str, object], name: str) -> str:
        value = item.get(name)
        return disarm(value[: self._limits.text]).strip() if isinstance(value, str) else ""

    def texts(self, item: dict[str, object], name: str) -> tuple[str, ...]:
        value = item.get(name)
        values = value[:100] if isinstance(value, list) else [value]
        return tuple(disarm(v[: self._limits.text]) for v in values if isinstance(v, str))

    def number(self, item: dict[str, object], name: str) -> int:
        value = item.get(name)
        ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST
        return value if ok and isinstance(value, int) else 0
