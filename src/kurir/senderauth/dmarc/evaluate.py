"""Is the author genuine, and if not, what does the domain's owner want?  (RFC 9989 sections 4.10 and 5.3)

The questions to the DNS are as few as the answer allows: an identifier that equals the author's domain needs no
walk, one outside the author's organization neither, and whether a domain exists is only asked where ``np`` says
something else than ``sp``.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kurir.net.ports import DnsStatus
from kurir.senderauth.ports import SenderDns
from kurir.senderauth.publicsuffix import SuffixList
from kurir.senderauth.settings import DmarcSettings
from kurir.senderauth.spf import SpfIdentity, SpfResult, SpfVerdict

from .author import Author
from .discovery import FAILED, Discovery, DnsFailed, Organization
from .record import DmarcRecord, Policy
from .verdict import DmarcReason, DmarcResult, DmarcVerdict, Override, OverrideType

_DEFAULT = DmarcSettings()


@dataclass(frozen=True, slots=True)
class Proven:
    """The domains that were proven: by SPF for MAIL FROM (``""`` for none), and by valid signatures."""

    spf: str = ""
    dkim: tuple[str, ...] = ()

    @staticmethod
    def by(spf: SpfVerdict | None, dkim: Iterable[str]) -> "Proven":
        """Take an SPF verdict, of which only a pass for MAIL FROM counts, and the d= of valid signatures."""
        ok = spf is not None and spf.identity is SpfIdentity.MAIL_FROM and spf.result is SpfResult.PASS
        return Proven(spf.domain if spf is not None and ok else "", tuple(dict.fromkeys(dkim)))


async def check(
    author: Author,
    proven: Proven,
    dns: SenderDns,
    settings: DmarcSettings = _DEFAULT,
    suffixes: SuffixList | None = None,
) -> DmarcVerdict:
    """Check a message by its author and what was proven.  Never raises; ends within `settings.deadline`.

    With several author domains each is checked, and the one whose verdict is worst speaks for the message.
    """
    if author.problem is not None:
        return _without_author(DmarcReason(author.problem.value), "", author.detail, settings)
    if len(author.domains) > settings.authors:
        return _without_author(
            DmarcReason.TOO_MANY_AUTHORS, author.domains[0], str(len(author.domains)), settings
        )
    try:
        async with asyncio.timeout(settings.deadline):
            discovery = Discovery(dns, suffixes)
            verdicts = [
                await _check_domain(domain, proven, discovery, dns, settings) for domain in author.domains
            ]
    except TimeoutError:
        return DmarcVerdict(DmarcReason.DEADLINE, author.domains[0])
    return max(verdicts, key=_badness)


def aligned_strictly(a: str, b: str) -> bool:
    """Whether two domains are the same (RFC 9989 section 4.4); dots at their ends do not count."""
    return a.strip(".").lower() == b.strip(".").lower() != ""


_BY_RESULT = {
    DmarcResult.PASS: 0,
    DmarcResult.NONE: 1,
    DmarcResult.PERMERROR: 2,
    DmarcResult.TEMPERROR: 3,
    DmarcResult.FAIL: 4,
}


def _badness(verdict: DmarcVerdict) -> tuple[int, int]:
    return verdict.disposition.strength, _BY_RESULT[verdict.result]


def _without_author(reason: DmarcReason, domain: str, detail: str, settings: DmarcSettings) -> DmarcVerdict:
    """Section 11.5: a From that hides its author is handled by our own rule."""
    local = Policy(settings.without_author)
    overrides = (Override(OverrideType.LOCAL_POLICY, "no single author"),) if local is not Policy.NONE else ()
    return DmarcVerdict(reason, domain, disposition=local, overrides=overrides, detail=detail)


async def _check_domain(
    domain: str, proven: Proven, discovery: Discovery, dns: SenderDns, settings: DmarcSettings
) -> DmarcVerdict:
    if domain.startswith("["):  # an address literal has no owner in the DNS
        return DmarcVerdict(DmarcReason.NO_RECORD, domain)
    try:
        record, organization = await discovery.record(domain), None
        policy_domain = domain
        if record is None:
            organization = await discovery.organization(domain)
            policy_domain = organization.policy_domain
            record = await discovery.record(policy_domain) if policy_domain else None
        if record is None:
            return DmarcVerdict(DmarcReason.NO_RECORD, domain)
        if not record.usable:
            detail = "; ".join(record.faults)[:255]
            return DmarcVerdict(
                DmarcReason.RECORD_UNUSABLE, domain, policy_domain=policy_domain, record=record, detail=detail
            )
        alignment = _Alignment(domain, discovery, organization, settings.identifiers)
        dkim = await alignment.of(proven.dkim, strict=record.strict_dkim)
        spf = await alignment.of((proven.spf,) if proven.spf else (), strict=record.strict_spf)
    except DnsFailed as e:
        return DmarcVerdict(DmarcReason.DNS_FAILED, domain, detail=str(e)[:255])
    found = alignment.organization
    tag, policy = await _policy_for(domain, policy_domain, record, dns)
    if spf or dkim:
        reason = DmarcReason.PROVEN
    elif alignment.failure:
        return DmarcVerdict(DmarcReason.DNS_FAILED, domain, record=record, detail=alignment.failure)
    else:
        reason = DmarcReason.OTHER_DOMAIN if proven.spf or proven.dkim else DmarcReason.NOTHING_PROVEN
    disposition, overrides = _disposition(reason, policy, record)
    return DmarcVerdict(
        reason,
        domain,
        disposition,
        policy,
        tag,
        policy_domain,
        found.domain if found else "",
        found.method if found else "treewalk",
        record,
        bool(spf),
        dkim,
        overrides,
        ", ".join(dict.fromkeys(d for d in (proven.spf, *proven.dkim) if d))[:255],
    )


_ONE_LEVEL_BELOW = {
    Policy.REJECT: Policy.QUARANTINE,
    Policy.QUARANTINE: Policy.NONE,
    Policy.NONE: Policy.NONE,
}


def _disposition(
    reason: DmarcReason, policy: Policy, record: DmarcRecord
) -> tuple[Policy, tuple[Override, ...]]:
    if reason is DmarcReason.PROVEN or policy is Policy.NONE:
        return Policy.NONE, ()
    if record.testing:  # section 4.7, t=y
        return _ONE_LEVEL_BELOW[policy], (Override(OverrideType.POLICY_TEST_MODE, "t=y"),)
    return policy, ()


async def _policy_for(
    domain: str, policy_domain: str, record: DmarcRecord, dns: SenderDns
) -> tuple[str, Policy]:
    """Which tag applies (section 4.10.1).  Only a clear NXDOMAIN makes a domain non-existent (RFC 8020).

    Where the DNS does not say whether the domain exists, the milder of both wishes is taken: nobody is refused
    for an answer that is missing.
    """
    if domain == policy_domain:
        return "p", record.p
    existing = ("sp", record.sp) if record.sp is not None else ("p", record.p)
    if record.np is None or record.np == existing[1]:
        return existing
    missing = ("np", record.np)
    answer = await dns.mx(domain)
    if answer.status in FAILED:
        return min(existing, missing, key=lambda choice: choice[1].strength)
    return missing if answer.status is DnsStatus.NXDOMAIN else existing


class _Alignment:
    """Compares identifiers with one author domain; finds the author's organization when first needed."""

    def __init__(
        self, author: str, discovery: Discovery, organization: Organization | None, limit: int
    ) -> None:
        self._limit = limit
        self._author = author
        self._discovery = discovery
        self.organization = organization
        self.failure = ""  # the name that got no answer, where an alignment stayed open

    async def of(self, identifiers: Sequence[str], *, strict: bool) -> tuple[str, ...]:
        """Return those of `identifiers` that are aligned."""
        same = tuple(i for i in identifiers if aligned_strictly(i, self._author))
        if strict or same:
            return same
        return tuple([i for i in identifiers[: self._limit] if await self._relaxed(i.strip(".").lower())])

    async def _relaxed(self, identifier: str) -> bool:
        # An organization is the domain itself or above it: without a common end there cannot be a common one.
        if identifier.rpartition(".")[2] != self._author.rpartition(".")[2]:
            return False
        try:
            if self.organization is None:
                self.organization = await self._discovery.organization(self._author)
            top = self.organization.domain
            if identifier != top and not identifier.endswith("." + top):
                return False
            return (await self._discovery.organization(identifier)).domain == top
        except DnsFailed as e:
            self.failure = str(e)[:255]
            return False
