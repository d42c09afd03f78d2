"""Checks of TLS towards other servers: can signed DNS be believed, and who protects mail worse than before."""

from collections.abc import Sequence
from datetime import UTC, datetime

from kurir.delivery.tlspolicy import Remembered, Validation
from kurir.model import Finding, Severity

_SEVERITY = {
    Validation.WORKS: Severity.GREEN,
    Validation.OFF: Severity.YELLOW,
    Validation.INCONCLUSIVE: Severity.GREY,
}


def dnssec(validation: Validation) -> list[Finding]:
    """Say whether the resolver validates, so that DANE is in use."""
    severity = _SEVERITY.get(validation, Severity.YELLOW)
    return [Finding(check="dane", severity=severity, key=f"dnssec_{validation.value}")]


def kept(lost: Sequence[Remembered]) -> list[Finding]:
    """Name the servers that protected mail better before."""
    if not lost:
        return [Finding(check="tls", severity=Severity.GREEN, key="tls_kept")]
    return [
        Finding(
            check="tls",
            severity=Severity.YELLOW,
            key=f"tls_lost_{memory.lost}",
            values={
                "host": memory.host,
                "time": datetime.fromtimestamp(memory.lost_since or memory.alarmed, UTC)
                .astimezone()
                .strftime("%Y-%m-%d %H:%M"),
            },
        )
        for memory in lost
    ]
