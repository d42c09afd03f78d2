"""What the reports room keeps, and what it asks of storage: counts for reports of ours, and reports of others.

Counts are statistics: one that is lost with a process makes a report a little too low, and no mail depends on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .arf import Feedback
from .dmarc_aggregate import AggregateReport, AuthResult, PublishedPolicy, Row
from .tlsrpt import TlsFailure, TlsPolicyReport, TlsReport

__all__ = [
    "AggregateReport",
    "AuthResult",
    "Complaint",
    "DmarcSeen",
    "Feedback",
    "KeptAggregate",
    "KeptTls",
    "PublishedPolicy",
    "ReceivedReports",
    "ResultKey",
    "Row",
    "SeenStore",
    "SentReport",
    "TlsFailure",
    "TlsPolicyReport",
    "TlsReport",
]


@dataclass(frozen=True, slots=True)
class ResultKey:
    """What TLS sessions are counted by (RFC 8460 section 4.4).  `result` "" is a success; `day` is ``2026-11-23`` (UTC)."""

    day: str
    domain: str
    policy: str  # "tlsa", "sts" or "no-policy-found"
    strings: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    result: str = ""
    sending_ip: str = ""
    mx_host: str = ""
    receiving_ip: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DmarcSeen:
    """What messages are counted by for DMARC reports (RFC 9990 section 3.1).

    `domain` is the one whose record (`policy`, its text) was found, by `method` (``treewalk`` or ``psl``); `row`
    counts one message.  `proven` says that DMARC passed.
    """

    day: str
    domain: str
    method: str
    policy: str
    row: Row

    @property
    def proven(self) -> bool:
        """Whether these messages passed DMARC."""
        return self.row.aligned


@dataclass(frozen=True, slots=True)
class SentReport:
    """A report that went to `address` as our message `number`, its Message-ID in brackets."""

    day: str
    domain: str
    address: str
    number: int
    message_id: str
    at: float


@dataclass(frozen=True, slots=True)
class KeptAggregate:
    """A DMARC report of somebody else's: taken at `at`; `sender` is the domain of its mail, `proven` that it is genuine.

    `left_out` counts messages in rows that were too many to keep.
    """

    report: AggregateReport
    at: float
    sender: str = ""
    proven: bool = True
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class KeptTls:
    """A TLS report of somebody else's."""

    report: TlsReport
    at: float
    sender: str = ""
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Complaint:
    """Feedback about one message; `number` and `account` are those of our own message, where it is one of ours."""

    feedback: Feedback
    at: float
    sender: str = ""
    proven: bool = True
    number: int | None = None
    account: str = ""


class SeenStore(Protocol):
    """Where receptions put their counts.  Raises whatever storage raises."""

    def count(self, seen: Sequence[tuple[DmarcSeen, int]]) -> None:
        """Add to the counts, and remember which domains proved themselves."""
        ...


class ReceivedReports(Protocol):
    """Where reports of others are kept.  What is there already is not kept twice."""

    def keep_aggregate(self, kept: KeptAggregate) -> bool:
        """Keep a DMARC report; False where it is there already."""
        ...

    def keep_tls(self, kept: KeptTls) -> bool:
        """Keep a TLS report; False where it is there already."""
        ...

    def keep_complaint(self, complaint: Complaint) -> bool:
        """Keep feedback about a message; False where it is there already."""
        ...

    def bounced(self, message_ids: Sequence[str]) -> str:
        """A report of ours with one of these Message-IDs came back: rest its address, and return it ("" none)."""
        ...
