"""Counting what incoming mail proved, for reports to the owners of the domains (RFC 9990 section 3.1).

Counted is mail whose author's domain asks for reports and whose check came to an end; counts are kept per process
and given away now and then (`Tally`).  A row holds no address of a person: domains and results only.
"""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from kurir.model import Address
from kurir.senderauth.dkim import DkimReason, DkimVerdict
from kurir.senderauth.dmarc import DmarcResult, DmarcVerdict, Policy
from kurir.senderauth.screening import Findings

from .dmarc_aggregate import AuthResult, Row
from .ports import DmarcSeen

MAX_KEYS = 10_000  # different rows between two times of giving away; a flood is counted up to there
MAX_SIGNATURES = 10  # of one row (section 3.1.3 wants at most 100)
_TOLD = (DmarcResult.PASS, DmarcResult.FAIL)


def seen(
    findings: Findings, dmarc: DmarcVerdict, *, client: str, reverse_path: Address | None, at: float
) -> DmarcSeen | None:
    """Return what one message counts as; None where nobody wants to know, or where the check came to no end.

    `dmarc` is the verdict with what was really done as its disposition.
    """
    record = dmarc.record
    if record is None or dmarc.result not in _TOLD or not any(uri.address for uri in record.rua):
        return None
    row = Row(
        source_ip=client,
        count=1,
        disposition=_disposition(dmarc),
        dkim="pass" if dmarc.dkim_aligned else "fail",
        spf="pass" if dmarc.spf_aligned else "fail",
        header_from=dmarc.author,
        envelope_from=reverse_path.domain if reverse_path is not None else "",
        overrides=tuple((override.type.value, override.comment) for override in dmarc.overrides),
        dkim_results=_signatures(findings.dkim, dmarc),
        spf_results=(AuthResult(findings.spf.domain, findings.spf.result.value, scope="mfrom"),),
    )
    day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
    return DmarcSeen(day, dmarc.policy_domain, dmarc.method, record.text, row)


def _disposition(dmarc: DmarcVerdict) -> str:
    """RFC 9990 appendix A: ``pass`` is mail that passed where the policy asks for more than watching."""
    passed = dmarc.result is DmarcResult.PASS and dmarc.policy is not Policy.NONE
    return "pass" if passed else dmarc.disposition.value


def _signatures(verdicts: tuple[DkimVerdict, ...], dmarc: DmarcVerdict) -> tuple[AuthResult, ...]:
    """Section 3.1.3: valid and aligned first (strictly, then relaxed), other valid ones, the rest."""
    read = [v for v in verdicts if v.domain and v.reason is not DkimReason.NO_SIGNATURE]
    read.sort(key=lambda v: (not v.passed, v.domain != dmarc.author, v.domain not in dmarc.dkim_aligned))
    return tuple(
        AuthResult(v.domain, v.result.value, selector=v.selector, human="" if v.passed else v.reason.value)
        for v in read[:MAX_SIGNATURES]
    )


class Tally:
    """Counts until somebody takes them."""

    def __init__(self) -> None:
        self._counts: Counter[DmarcSeen] = Counter()

    def add(self, one: DmarcSeen) -> None:
        """Count one message."""
        if one in self._counts or len(self._counts) < MAX_KEYS:
            self._counts[one] += 1

    def take(self) -> list[tuple[DmarcSeen, int]]:
        """Return what was counted since the last call."""
        counts, self._counts = self._counts, Counter()
        return list(counts.items())


def counted(row: Row, count: int) -> Row:
    """Return the row for so many messages."""
    return replace(row, count=count)
