"""Counting sessions for TLS-RPT (RFC 8460): which policy applied, and how it ended.

Counts are kept per process and given away every half minute; a count that is lost with a process is a statistic
that is a little too low.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from kurir.reports.ports import ResultKey

from .facts import DaneFacts, DaneState, StsFacts, StsMode

MAX_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended.  `result` is "" for a success, else a result type of RFC 8460 section 4.3."""

    result: str = ""
    reason: str = ""
    sending_ip: str = ""
    receiving_ip: str = ""


class Tally:
    """Counts until somebody takes them."""

    def __init__(self) -> None:
        self._counts: Counter[ResultKey] = Counter()

    def add(
        self, domain: str, host: str, dane: DaneFacts, sts: StsFacts, end: SessionEnd, now: float
    ) -> None:
        """Count one session."""
        if len(self._counts) >= MAX_KEYS:
            return
        policy, strings, patterns = applied(dane, sts)
        failed = bool(end.result)
        key = ResultKey(
            day=datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d"),
            domain=domain,
            policy=policy,
            strings=strings,
            patterns=patterns,
            result=end.result,
            sending_ip=end.sending_ip if failed else "",
            mx_host=host if failed else "",
            receiving_ip=end.receiving_ip if failed else "",
            reason=end.reason[:200] if failed else "",
        )
        self._counts[key] += 1

    def take(self) -> list[tuple[ResultKey, int]]:
        """Return what was counted since the last call."""
        counts, self._counts = self._counts, Counter()
        return list(counts.items())


def applied(dane: DaneFacts, sts: StsFacts) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the policy that a session is reported under: its type, its text, its mail hosts (section 4.4)."""
    if dane.state in (DaneState.USABLE, DaneState.UNUSABLE, DaneState.BOGUS):
        return "tlsa", tuple(str(record) for record in dane.records), ()
    if sts.mode is not StsMode.NONE or sts.error:
        return "sts", sts.lines, sts.mx
    return "no-policy-found", (), ()
