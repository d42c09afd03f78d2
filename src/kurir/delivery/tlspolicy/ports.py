"""What the TLS policy asks of the network and of storage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .facts import Remembered, StsFacts


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """An MTA-STS policy that was fetched: `at` and `until` are seconds since the epoch."""

    domain: str
    facts: StsFacts
    at: float
    until: float


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The operator has accepted, until then, that a host or domain is protected worse than before."""

    name: str
    until: float
    by: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class ResultKey:
    """What sessions are counted by (RFC 8460 section 4.4).  `result` "" is a success; `day` is ``2026-11-23`` (UTC)."""

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
class Shelf:
    """What was kept and has changed; `mark` is what to ask with next time."""

    mark: int
    memories: tuple[Remembered, ...] = ()
    policies: tuple[KeptPolicy, ...] = ()
    acceptances: tuple[Acceptance, ...] = ()


class TlsStore(Protocol):
    """Keeps memories, policies, acceptances and counts over restarts; shared by all delivery processes.

    Called from one thread of its own per process.  Raises whatever storage raises: the caller logs it and goes on
    with what is in memory.
    """

    def changes(self, mark: int) -> Shelf:
        """Return everything that was written since `mark` (0: everything there is)."""
        ...

    def remember(self, memories: Sequence[Remembered]) -> None:
        """Keep memories; durable when it returns."""
        ...

    def keep(self, policy: KeptPolicy) -> None:
        """Keep a policy; durable when it returns."""
        ...

    def count(self, results: Sequence[tuple[ResultKey, int]]) -> None:
        """Add to the counts of TLS-RPT."""
        ...
