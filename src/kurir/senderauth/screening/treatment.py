"""The policy: what is done with a message, from what the checks found and what the operator wants.

The first row that fits decides:

    DMARC pass, or the DNS did not answer        taken
    From names no single author                  as `DmarcSettings.without_author` says
    DMARC fail, a trusted forwarder vouches      taken (ARC, RFC 8617 section 7.2)
    DMARC fail, a rule of the operator           as the rule says
    DMARC fail, the owner asks for a treatment   `reject` or `quarantine`
    DMARC none, SPF fail, no valid signature     `spf_fail`
    anything else                                taken

Where the DNS left open whether a domain of the author's was proven, nothing worse than a mark comes of it: the
question may have been the one that proves the sender.

Pure.  RFC 9989 leaves the last word to the receiver.  Whatever is done, the results stand in the header and the reason in the trace.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from kurir.model import Cause, Check
from kurir.senderauth.arc import ArcVerdict
from kurir.senderauth.dkim import DkimReason
from kurir.senderauth.dmarc import DmarcReason, DmarcResult, DmarcVerdict, OverrideType, Policy
from kurir.senderauth.results import parse_results
from kurir.senderauth.spf import SpfResult

from .findings import Findings, fact
from .settings import SenderRule, TreatmentSettings


class Action(str, Enum):
    """What is done, mildest first; each has a sentence ``screening.action.<value>`` in the catalogue of texts."""

    ACCEPT = "accept"
    MARK = "mark"  # taken, with a field that mail programs sort by
    HOLD = "hold"
    REFUSE = "refuse"


class TreatmentReason(str, Enum):
    """Why; each but the first has a sentence ``screening.<value>`` in the catalogue of texts."""

    ORDINARY = "ordinary"  # nothing calls for a treatment of its own
    OWNER_REJECT = "owner_reject"
    OWNER_QUARANTINE = "owner_quarantine"
    NO_AUTHOR = "no_author"
    NOT_LISTED = "not_listed"  # SPF fail
    RULE = "rule"  # the operator's own
    FORWARDER = "forwarder"
    UNCERTAIN = "uncertain"  # would be refused or held, but the DNS did not answer everything


_CAUSES = {
    TreatmentReason.OWNER_REJECT: Cause.SENDER_UNPROVEN,
    TreatmentReason.OWNER_QUARANTINE: Cause.SENDER_UNPROVEN,
    TreatmentReason.RULE: Cause.SENDER_UNPROVEN,
    TreatmentReason.NOT_LISTED: Cause.SENDER_NOT_LISTED,
    TreatmentReason.NO_AUTHOR: Cause.AUTHOR_UNCLEAR,
}
_NO_AUTHOR = frozenset(
    {
        DmarcReason.AUTHOR_MISSING,
        DmarcReason.AUTHOR_REPEATED,
        DmarcReason.AUTHOR_UNREADABLE,
        DmarcReason.AUTHOR_NO_ADDRESS,
        DmarcReason.TOO_MANY_AUTHORS,
    }
)
_WISHES = {
    Policy.NONE: TreatmentReason.ORDINARY,
    Policy.QUARANTINE: TreatmentReason.OWNER_QUARANTINE,
    Policy.REJECT: TreatmentReason.OWNER_REJECT,
}
_AS_DISPOSITION = {
    Action.ACCEPT: Policy.NONE,
    Action.MARK: Policy.QUARANTINE,
    Action.HOLD: Policy.QUARANTINE,
    Action.REFUSE: Policy.REJECT,
}


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done and why.  `domain` is whom it is about; `words` the operator's own reason, or ``""``.

    `dmarc` is the verdict with what is really done here as its disposition, and why that differs from the wish of
    the domain's owner: what aggregate reports tell.
    """

    action: Action
    reason: TreatmentReason
    dmarc: DmarcVerdict
    domain: str = ""
    words: str = ""

    @property
    def cause(self) -> Cause:
        """The cause of a refusal or a hold."""
        return _CAUSES.get(self.reason, Cause.UNKNOWN)

    @property
    def key(self) -> str:
        """The key of the sentence in the catalogue of texts; `values` fill it."""
        return f"screening.{self.reason.value}"

    @property
    def values(self) -> dict[str, str]:
        """What fills the placeholders of the sentence."""
        return {"domain": self.domain, "reason": self.words}

    def checks(self) -> Iterator[Check]:
        """Yield the facts for the trace: none where nothing was to decide."""
        if self.reason is not TreatmentReason.ORDINARY:
            yield fact("policy", self.action.value, self.key, self.values)
            yield fact("policy", self.action.value, f"screening.action.{self.action.value}", {})


def treat(findings: Findings, settings: TreatmentSettings) -> Treatment:
    """Decide what is done with a message."""
    dmarc = findings.dmarc
    if dmarc.reason in _NO_AUTHOR:
        action = {Policy.NONE: Action.ACCEPT, Policy.QUARANTINE: Action(settings.quarantine)}.get(
            dmarc.disposition, Action(settings.reject)
        )
        return _done(action, TreatmentReason.NO_AUTHOR, dmarc, dmarc.author)
    if dmarc.result is DmarcResult.FAIL:
        return _unproven(findings, settings)
    if (
        dmarc.result is DmarcResult.NONE
        and findings.spf.result is SpfResult.FAIL
        and not findings.signed
        and settings.spf_fail != "note"
    ):
        return _done(Action(settings.spf_fail), TreatmentReason.NOT_LISTED, dmarc, findings.spf.domain)
    return Treatment(Action.ACCEPT, TreatmentReason.ORDINARY, dmarc)


def _unproven(findings: Findings, settings: TreatmentSettings) -> Treatment:
    treatment = _by_wish_or_rule(findings, settings)
    if treatment.action not in (Action.HOLD, Action.REFUSE) or not _open_question(findings, settings):
        return treatment
    return _done(
        Action.MARK, TreatmentReason.UNCERTAIN, findings.dmarc, treatment.domain, "a DNS answer is missing"
    )


def _by_wish_or_rule(findings: Findings, settings: TreatmentSettings) -> Treatment:
    dmarc = findings.dmarc
    forwarder = vouching(findings.arc, dmarc.author, settings.trusted_sealers)
    if forwarder:
        told = dmarc.overridden(Policy.NONE, OverrideType.TRUSTED_FORWARDER, forwarder)
        return Treatment(Action.ACCEPT, TreatmentReason.FORWARDER, told, forwarder)
    rule = _rule_for(dmarc.author, settings)
    if rule is not None:
        return _done(Action(rule.unproven), TreatmentReason.RULE, dmarc, dmarc.author, rule.reason)
    wish = _WISHES[dmarc.disposition]
    if wish is TreatmentReason.ORDINARY:
        return Treatment(Action.ACCEPT, wish, dmarc)
    wanted = settings.reject if wish is TreatmentReason.OWNER_REJECT else settings.quarantine
    return _done(Action(wanted), wish, dmarc, dmarc.author)


def _done(
    action: Action, reason: TreatmentReason, dmarc: DmarcVerdict, domain: str, words: str = ""
) -> Treatment:
    disposition = _AS_DISPOSITION[action]
    if reason is not TreatmentReason.NOT_LISTED and disposition is not dmarc.disposition:
        dmarc = dmarc.overridden(disposition, OverrideType.LOCAL_POLICY, words)
    return Treatment(action, reason, dmarc, domain, words)


def _open_question(findings: Findings, settings: TreatmentSettings) -> bool:
    """Whether the DNS failed for something that could have proven the author.

    Only for that: a signature of a domain that has nothing to do with the author's must not buy anybody in.
    """
    dmarc = findings.dmarc
    failed = [v.domain for v in findings.dkim if v.reason is DkimReason.DNS_FAILED]
    if findings.spf.result is SpfResult.TEMPERROR:
        failed.append(findings.spf.domain)
    tops = {dmarc.author, dmarc.policy_domain, dmarc.organization} - {""}
    if any(_within(domain, top) for domain in failed for top in tops):
        return True
    if any("." in domain and _within(dmarc.author, domain) for domain in failed):
        return True
    hops = findings.arc.hops
    return findings.arc.temporary and bool(hops) and hops[-1].domain in settings.trusted_sealers


def _within(domain: str, top: str) -> bool:
    return domain == top or domain.endswith("." + top)


def _rule_for(domain: str, settings: TreatmentSettings) -> SenderRule | None:
    """Return the operator's rule for the domain, else for the nearest one above it."""
    while domain and settings.rules:
        rule = settings.rules.get(domain)
        if rule is not None:
            return rule
        domain = domain.partition(".")[2]
    return None


def vouching(arc: ArcVerdict, author: str, trusted: frozenset[str]) -> str:
    """Return the trusted forwarder that found the author proven, ``""`` for none.

    The chain must be whole.  From its newest seal back each server must be trusted, as far as the one that saw
    DMARC pass for this author: what stands below an untrusted seal may be that server's invention.
    """
    if not arc.passed or not trusted:
        return ""
    for hop in reversed(arc.hops):
        if hop.domain not in trusted:
            return ""
        said = parse_results(hop.results.encode()).results
        if any(
            r.method == "dmarc" and r.result == "pass" and _domain(r.get("header.from")) == author
            for r in said
        ):
            return hop.domain
    return ""


def _domain(text: str | None) -> str:
    """Some write the whole address where the domain belongs (RFC 8601 section 2.7.5 lets them)."""
    return (text or "").rpartition("@")[2].lower()
