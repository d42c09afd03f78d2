"""The policy as a table: what the checks found, what the operator wants, what is done."""

from dataclasses import replace

import pytest

from kurir.model import Cause, parse_address
from kurir.senderauth.arc import ArcHop, ArcReason, ArcVerdict
from kurir.senderauth.dkim import DkimReason, DkimVerdict
from kurir.senderauth.dmarc import DmarcReason, DmarcVerdict, Policy
from kurir.senderauth.iprev import ReverseReason, ReverseVerdict
from kurir.senderauth.screening import Action, Findings, SenderRule, TreatmentReason, TreatmentSettings, treat
from kurir.senderauth.spf import SpfIdentity, SpfReason, SpfVerdict

R = TreatmentReason


def spf(reason: SpfReason, domain: str = "a.example") -> SpfVerdict:
    return SpfVerdict(reason, SpfIdentity.MAIL_FROM, domain, f"x@{domain}", "192.0.2.1")


def dmarc(reason: DmarcReason, disposition: Policy = Policy.NONE, author: str = "a.example") -> DmarcVerdict:
    return DmarcVerdict(reason, author, disposition, disposition)


def hop(domain: str, results: str, instance: int = 1) -> ArcHop:
    return ArcHop(instance, domain, "s", results, None)


def found(**changes: object) -> Findings:
    usual = Findings(
        spf=spf(SpfReason.NO_RECORD),
        dkim=(DkimVerdict(DkimReason.NO_SIGNATURE),),
        arc=ArcVerdict(ArcReason.NO_CHAIN),
        dmarc=dmarc(DmarcReason.NO_RECORD),
        reverse=ReverseVerdict(ReverseReason.NO_NAME, "192.0.2.1"),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


REJECTED = found(dmarc=dmarc(DmarcReason.NOTHING_PROVEN, Policy.REJECT))
QUARANTINED = found(dmarc=dmarc(DmarcReason.OTHER_DOMAIN, Policy.QUARANTINE))
SPF_FAIL = found(spf=spf(SpfReason.NOT_LISTED))
SIGNED = DkimVerdict(DkimReason.VALID, domain="list.example")
UNASKED = DkimVerdict(DkimReason.DNS_FAILED, domain="evil.example")
RULES = {
    "a.example": SenderRule("accept", "their forwarder breaks signatures"),
    "strict.example": SenderRule("refuse", "forged every day"),
}


def vouched(*hops: tuple[str, str], reason: ArcReason = ArcReason.VALID) -> Findings:
    chain = tuple(hop(domain, results, n) for n, (domain, results) in enumerate(hops, 1))
    return replace(REJECTED, arc=ArcVerdict(reason, hops=chain))


SAW_PASS = "mx.list.example; dmarc=pass header.from=a.example"
TRUST = {"trusted_sealers": frozenset({"list.example", "next.example"})}

# name -> (findings, settings, action, reason, disposition that a report tells)
CASES: dict[str, tuple[Findings, dict[str, object], Action, TreatmentReason, Policy]] = {
    "nothing known": (found(), {}, Action.ACCEPT, R.ORDINARY, Policy.NONE),
    "proven": (found(dmarc=dmarc(DmarcReason.PROVEN)), {}, Action.ACCEPT, R.ORDINARY, Policy.NONE),
    "the owner only watches": (
        found(dmarc=dmarc(DmarcReason.NOTHING_PROVEN), spf=spf(SpfReason.NOT_LISTED)),
        {}, Action.ACCEPT, R.ORDINARY, Policy.NONE,
    ),
    "reject": (REJECTED, {}, Action.REFUSE, R.OWNER_REJECT, Policy.REJECT),
    "reject, held instead": (REJECTED, {"reject": "hold"}, Action.HOLD, R.OWNER_REJECT, Policy.QUARANTINE),
    "reject, taken all the same": (REJECTED, {"reject": "accept"}, Action.ACCEPT, R.OWNER_REJECT, Policy.NONE),
    "quarantine": (QUARANTINED, {}, Action.MARK, R.OWNER_QUARANTINE, Policy.QUARANTINE),
    "quarantine, held": (QUARANTINED, {"quarantine": "hold"}, Action.HOLD, R.OWNER_QUARANTINE, Policy.QUARANTINE),
    "DNS did not answer for DMARC": (
        found(dmarc=dmarc(DmarcReason.DNS_FAILED), spf=spf(SpfReason.NOT_LISTED)),
        {}, Action.ACCEPT, R.ORDINARY, Policy.NONE,
    ),
    "too slow": (found(dmarc=dmarc(DmarcReason.DEADLINE)), {}, Action.ACCEPT, R.ORDINARY, Policy.NONE),
    "the owner's record is broken": (
        found(dmarc=dmarc(DmarcReason.RECORD_UNUSABLE)), {}, Action.ACCEPT, R.ORDINARY, Policy.NONE,
    ),
    "SPF fail alone": (SPF_FAIL, {}, Action.MARK, R.NOT_LISTED, Policy.NONE),
    "SPF fail, only noted": (SPF_FAIL, {"spf_fail": "note"}, Action.ACCEPT, R.ORDINARY, Policy.NONE),
    "SPF fail, refused": (SPF_FAIL, {"spf_fail": "refuse"}, Action.REFUSE, R.NOT_LISTED, Policy.NONE),
    "SPF fail of a forwarder, signed": (
        replace(SPF_FAIL, dkim=(SIGNED,)), {"spf_fail": "refuse"}, Action.ACCEPT, R.ORDINARY, Policy.NONE,
    ),
    "SPF softfail": (found(spf=spf(SpfReason.PROBABLY_NOT)), {"spf_fail": "refuse"}, Action.ACCEPT, R.ORDINARY, Policy.NONE),
    "SPF could not be asked": (
        found(spf=spf(SpfReason.DNS_FAILED)), {"spf_fail": "refuse"}, Action.ACCEPT, R.ORDINARY, Policy.NONE,
    ),
    "no author": (
        found(dmarc=dmarc(DmarcReason.AUTHOR_MISSING, Policy.REJECT, "")), {}, Action.REFUSE, R.NO_AUTHOR, Policy.REJECT,
    ),
    "no author, our rule is milder": (
        found(dmarc=dmarc(DmarcReason.AUTHOR_REPEATED, Policy.REJECT, "")), {"reject": "mark"},
        Action.MARK, R.NO_AUTHOR, Policy.QUARANTINE,
    ),
    "a rule lets it pass": (REJECTED, {"rules": RULES}, Action.ACCEPT, R.RULE, Policy.NONE),
    "a rule for the domain above": (
        found(dmarc=dmarc(DmarcReason.NOTHING_PROVEN, Policy.QUARANTINE, "mail.strict.example")),
        {"rules": RULES}, Action.REFUSE, R.RULE, Policy.REJECT,
    ),
    "a rule for another domain that ends alike": (
        found(dmarc=dmarc(DmarcReason.NOTHING_PROVEN, Policy.QUARANTINE, "notstrict.example")),
        {"rules": RULES}, Action.MARK, R.OWNER_QUARANTINE, Policy.QUARANTINE,
    ),
    "a rule does not touch proven mail": (
        found(dmarc=dmarc(DmarcReason.PROVEN, author="strict.example")), {"rules": RULES},
        Action.ACCEPT, R.ORDINARY, Policy.NONE,
    ),
    "a trusted forwarder vouches": (vouched(("list.example", SAW_PASS)), TRUST, Action.ACCEPT, R.FORWARDER, Policy.NONE),
    "a forwarder nobody trusts": (vouched(("list.example", SAW_PASS)), {}, Action.REFUSE, R.OWNER_REJECT, Policy.REJECT),
    "trusted, but it saw DMARC fail": (
        vouched(("list.example", SAW_PASS.replace("pass", "fail"))), TRUST, Action.REFUSE, R.OWNER_REJECT, Policy.REJECT,
    ),
    "trusted, but it saw another author": (
        vouched(("list.example", SAW_PASS.replace("a.example", "b.example"))), TRUST,
        Action.REFUSE, R.OWNER_REJECT, Policy.REJECT,
    ),
    "two trusted forwarders, the first saw it": (
        vouched(("list.example", SAW_PASS), ("next.example", "mx.next.example; dmarc=fail header.from=a.example")),
        TRUST, Action.ACCEPT, R.FORWARDER, Policy.NONE,
    ),
    "an untrusted one behind the trusted one": (
        vouched(("list.example", SAW_PASS), ("evil.example", "mx.evil.example; arc=pass")), TRUST,
        Action.REFUSE, R.OWNER_REJECT, Policy.REJECT,
    ),
    "an untrusted one before the trusted one": (
        vouched(("evil.example", SAW_PASS), ("list.example", "mx.list.example; dmarc=fail header.from=a.example")),
        TRUST, Action.REFUSE, R.OWNER_REJECT, Policy.REJECT,
    ),
    "reject, but SPF could not be asked": (
        replace(REJECTED, spf=spf(SpfReason.DNS_FAILED)), {}, Action.MARK, R.UNCERTAIN, Policy.QUARANTINE,
    ),
    "reject, but a key of the author's organization could not be asked": (
        replace(REJECTED, dkim=(replace(UNASKED, domain="mail.a.example"),)), {},
        Action.MARK, R.UNCERTAIN, Policy.QUARANTINE,
    ),
    "reject, and the key of a stranger could not be asked": (
        replace(REJECTED, dkim=(UNASKED,)), {}, Action.REFUSE, R.OWNER_REJECT, Policy.REJECT,
    ),
    "reject, and SPF of a stranger could not be asked": (
        replace(REJECTED, spf=spf(SpfReason.DNS_FAILED, "evil.example")), {},
        Action.REFUSE, R.OWNER_REJECT, Policy.REJECT,
    ),
    "a rule refuses, but SPF could not be asked": (
        replace(REJECTED, spf=spf(SpfReason.DEADLINE)), {"rules": {"a.example": SenderRule("refuse", "always")}},
        Action.MARK, R.UNCERTAIN, Policy.QUARANTINE,
    ),
    "the keys of a trusted forwarder could not be asked": (
        vouched(("list.example", SAW_PASS), reason=ArcReason.DNS_FAILED), TRUST,
        Action.MARK, R.UNCERTAIN, Policy.QUARANTINE,
    ),
    "a broken chain": (
        vouched(("list.example", SAW_PASS), reason=ArcReason.SEAL_BROKEN), TRUST,
        Action.REFUSE, R.OWNER_REJECT, Policy.REJECT,
    ),
    "a forwarder comes before a rule": (
        replace(vouched(("list.example", SAW_PASS)), dmarc=dmarc(DmarcReason.NOTHING_PROVEN, Policy.REJECT)),
        {**TRUST, "rules": {"a.example": SenderRule("refuse", "always")}}, Action.ACCEPT, R.FORWARDER, Policy.NONE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_done(name: str) -> None:
    findings, settings, action, reason, disposition = CASES[name]
    treatment = treat(findings, TreatmentSettings(**settings))  # type: ignore[arg-type]
    assert (treatment.action, treatment.reason, treatment.dmarc.disposition) == (action, reason, disposition)
    assert treatment.dmarc.result is findings.dmarc.result
    overridden = disposition is not findings.dmarc.disposition
    assert bool(treatment.dmarc.overrides) is overridden
    told = list(treatment.checks())
    assert bool(told) is (reason is not R.ORDINARY)
    if action in (Action.REFUSE, Action.HOLD):
        assert treatment.cause in (Cause.SENDER_UNPROVEN, Cause.SENDER_NOT_LISTED, Cause.AUTHOR_UNCLEAR)


def test_the_operators_reason_is_told() -> None:
    treatment = treat(REJECTED, TreatmentSettings(rules=RULES))
    assert treatment.values == {"domain": "a.example", "reason": "their forwarder breaks signatures"}
    assert treatment.dmarc.overrides[-1].comment == "their forwarder breaks signatures"


PROVEN = dmarc(DmarcReason.PROVEN)
# reverse-path -> whether a report to it is safe
PROOFS: dict[str, tuple[Findings, str | None, bool]] = {
    "SPF pass": (found(spf=spf(SpfReason.LISTED)), "x@a.example", True),
    "SPF pass for HELO only": (
        found(spf=SpfVerdict(SpfReason.LISTED, SpfIdentity.HELO, "a.example", "", "192.0.2.1")), "x@a.example", False,
    ),
    "SPF softfail": (found(spf=spf(SpfReason.PROBABLY_NOT)), "x@a.example", False),
    "nothing": (found(), "x@a.example", False),
    "the null sender": (found(spf=spf(SpfReason.LISTED)), None, False),
    "DMARC pass, author's domain": (found(dmarc=PROVEN), "bounce@a.example", True),
    "DMARC pass, below the author's domain": (found(dmarc=PROVEN), "bounce@mail.a.example", True),
    "DMARC pass, same organization": (
        found(dmarc=replace(PROVEN, author="news.a.example", organization="a.example")), "x@a.example", True,
    ),
    "DMARC pass, the reverse-path is somebody else's": (found(dmarc=PROVEN), "victim@b.example", False),
    "DMARC pass, a name that ends alike": (found(dmarc=PROVEN), "x@nota.example", False),
    "a valid signature of another domain": (found(dkim=(SIGNED,)), "x@list.example", False),
    "DMARC fail": (REJECTED, "x@a.example", False),
}  # fmt: skip


@pytest.mark.parametrize("name", PROOFS)
def test_whom_a_report_may_go_to(name: str) -> None:
    findings, reverse_path, proven = PROOFS[name]
    assert findings.proves(parse_address(reverse_path) if reverse_path else None) is proven


def test_results_and_facts_are_bounded() -> None:
    many = found(dkim=tuple(DkimVerdict(DkimReason.SYNTAX, detail="x" * 999) for _ in range(50)))
    assert sum(r.method == "dkim" for r in many.results()) == 10
    checks = [c for c in many.checks() if c.method == "dkim"]
    assert len(checks) == 10
    assert all(len(value) <= 255 for c in checks for _, value in c.values)
