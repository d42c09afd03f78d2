"""Who sends as us, and does it pass: many DMARC reports of others (RFC 9990), added up by source and judged.  Pure.

A source is judged by the first row that fits:

    nearly all of it passes, by SPF and DKIM     proven      nothing to do
    nearly all of it passes, by DKIM alone       signed      fine: it survives forwarding
    nearly all of it passes, by SPF alone        unsigned    sign it
    it may send for us (our address, our SPF)    failing     our own mail fails: mend it
    our signature was on it, and broke           forwarded   a mailing list or forwarder changed it
    anything else                                stranger    not ours, or forgotten in SPF and DKIM
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from .dmarc_aggregate import AggregateReport, PublishedPolicy, Row
from .ports import KeptAggregate

NEARLY_ALL = 0.98  # of a source's messages: single failures are broken forwards, not a fault
ENOUGH_DAYS = 14  # of reports before anything is advised about the policy
_FORWARDING = frozenset({"forwarded", "mailing_list", "trusted_forwarder"})


class Standing(str, Enum):
    """What a source is; each has two sentences in the catalogue of texts: ``dmarc_report.standing.<value>`` and ``.do.<value>``."""

    PROVEN = "proven"
    SIGNED = "signed"
    UNSIGNED = "unsigned"
    FAILING = "failing"
    FORWARDED = "forwarded"
    STRANGER = "stranger"


class Advice(str, Enum):
    """What the owner could do about the policy; each has a sentence ``dmarc_report.advice.<value>``."""

    FEW = "few"  # too little is known
    MEND = "mend"  # our own mail fails
    RAISE = "raise"  # ours passes: the policy can be stricter
    STRICT = "strict"  # nothing to do


@dataclass(slots=True)
class Source:
    """What one address sent in the name of a domain; counts are messages.

    `listed` says in words why it may send for us (``""``: it may not): see `judge`.
    """

    ip: str
    messages: int = 0
    passed: int = 0
    spf: int = 0  # aligned by SPF
    dkim: int = 0  # aligned by DKIM
    refused: int = 0  # rejected or quarantined by the reporters
    broken: int = 0  # failed with a signature of the domain on it, or known as forwarded
    reporters: set[str] = field(default_factory=set)
    authors: Counter[str] = field(default_factory=Counter)
    signers: Counter[str] = field(default_factory=Counter)
    envelopes: Counter[str] = field(default_factory=Counter)
    listed: str = ""

    @property
    def standing(self) -> Standing:
        """What it is."""
        if self.passed >= self.messages * NEARLY_ALL:
            if self.spf < self.passed / 2:
                return Standing.SIGNED
            return Standing.PROVEN if self.dkim >= self.passed / 2 else Standing.UNSIGNED
        if self.listed:
            return Standing.FAILING
        return Standing.FORWARDED if self.broken * 2 >= self.messages - self.passed else Standing.STRANGER


@dataclass(frozen=True, slots=True)
class Digest:
    """All that was reported about one domain.

    `first` and `last` (epoch seconds) bound the time that was reported, `policy` is the one in the newest report;
    `unproven` counts reports that were left out because their sender is not proven, `left_out` messages that
    were too many to keep.
    """

    domain: str
    reports: int
    reporters: tuple[str, ...]
    first: int
    last: int
    policy: PublishedPolicy
    sources: tuple[Source, ...]
    unproven: int = 0
    left_out: int = 0

    @property
    def messages(self) -> int:
        """How many messages were told of."""
        return sum(source.messages for source in self.sources)

    @property
    def passed(self) -> int:
        """How many of them passed."""
        return sum(source.passed for source in self.sources)


def digest(kept: Iterable[KeptAggregate], *, unproven_too: bool = False) -> list[Digest]:
    """Add up reports by domain, sources with most messages first; those of senders that are not proven only if asked."""
    by_domain: dict[str, list[KeptAggregate]] = {}
    for one in kept:
        by_domain.setdefault(one.report.policy.domain, []).append(one)
    return [_of_domain(domain, found, unproven_too) for domain, found in sorted(by_domain.items())]


def _of_domain(domain: str, kept: list[KeptAggregate], unproven_too: bool) -> Digest:
    taken = [one for one in kept if one.proven or unproven_too]
    reports = [one.report for one in taken]
    sources: dict[str, Source] = {}
    for report in reports:
        for row in report.rows:
            _add(sources.setdefault(row.source_ip, Source(row.source_ip)), row, _reporter(report), domain)
    newest = max(reports, key=lambda report: report.end, default=None)
    return Digest(
        domain,
        len(reports),
        tuple(sorted({_reporter(report) for report in reports})),
        min((report.begin for report in reports), default=0),
        newest.end if newest else 0,
        newest.policy if newest else PublishedPolicy(domain),
        tuple(sorted(sources.values(), key=lambda source: (-source.messages, source.ip))),
        len(kept) - len(taken),
        sum(one.left_out for one in taken),
    )


def _reporter(report: AggregateReport) -> str:
    return report.org_name or report.email or "?"


def _add(source: Source, row: Row, reporter: str, domain: str) -> None:
    count = row.count
    source.messages += count
    source.spf += count * (row.spf == "pass")
    source.dkim += count * (row.dkim == "pass")
    source.refused += count * (row.disposition in ("reject", "quarantine"))
    source.reporters.add(reporter)
    source.authors[row.header_from] += count
    for result in row.dkim_results:
        source.signers[f"{result.domain} ({result.result})"] += count
    if row.envelope_from:
        source.envelopes[row.envelope_from] += count
    if row.aligned:
        source.passed += count
    elif _broken(row, domain):
        source.broken += count


def _broken(row: Row, domain: str) -> bool:
    """Whether this mail was once ours, as far as a report can tell."""
    signed = any(_within(r.domain, domain) and r.result != "none" for r in row.dkim_results)
    return signed or any(kind in _FORWARDING for kind, _ in row.overrides)


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith("." + domain)


def judge(found: Digest, own: Collection[str], listed: Mapping[str, str]) -> Digest:
    """Say of each source whether it may send for us: it is one of our `own` addresses, or `listed` by a term of our SPF record."""
    for source in found.sources:
        source.listed = "own" if source.ip in own else listed.get(source.ip, "")
    return found


def advice(found: Digest) -> Advice:
    """Return what to do about the policy, once the sources are judged."""
    if any(source.standing is Standing.FAILING for source in found.sources):
        return Advice.MEND
    if found.last - found.first < ENOUGH_DAYS * 86_400:
        return Advice.FEW
    return Advice.STRICT if found.policy.p == "reject" else Advice.RAISE
