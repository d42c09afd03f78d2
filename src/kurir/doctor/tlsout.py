"""Checks of TLS towards other servers: can signed DNS be believed, and who protects mail worse than before."""

from collections.abc import Sequence
from datetime import UTC, datetime

from kurir.delivery.tlspolicy import PolicyFacts, Reason, Remembered, Validation, decide
from kurir.model import Finding, Severity

_SEVERITY = {
    Validation.WORKS: Severity.GREEN,
    Validation.OFF: Severity.YELLOW,
    Validation.INCONCLUSIVE: Severity.GREY,
}

# Who demands protection whatever is remembered, as far as the facts of a host without a message can say.
_DEMANDED_BY = {
    Reason.DANE: "dane",
    Reason.DANE_UNUSABLE: "dane",
    Reason.DANE_BOGUS: "dane",
    Reason.DANE_MISSING: "rule",
    Reason.STS: "sts",
    Reason.STS_MX: "sts",
    Reason.RULE: "rule",
}


def dnssec(validation: Validation) -> list[Finding]:
    """Say whether the resolver validates, so that DANE is in use."""
    severity = _SEVERITY.get(validation, Severity.YELLOW)
    return [Finding(check="dane", severity=severity, key=f"dnssec_{validation.value}")]


def kept(lost: Sequence[PolicyFacts]) -> list[Finding]:
    """Name the servers that protected mail better before, and what helps: the memory gives in, a demand does not."""
    found = [_found(facts, facts.memory) for facts in lost if facts.memory is not None]
    return found or [Finding(check="tls", severity=Severity.GREEN, key="tls_kept")]


def _found(facts: PolicyFacts, memory: Remembered) -> Finding:
    demand = decide(facts)
    since = datetime.fromtimestamp(memory.lost_since or memory.alarmed, UTC).astimezone()
    return Finding(
        check="tls",
        severity=Severity.YELLOW,
        key=f"tls_demanded_{_DEMANDED_BY[demand.reason]}" if demand.strict else f"tls_lost_{memory.lost}",
        values={"host": memory.host, "domain": facts.domain, "time": since.strftime("%Y-%m-%d %H:%M")},
    )
