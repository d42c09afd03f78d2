"""What a chain of ARC sets came to, as values with a reason for machines and a key for the catalogue of texts."""

from dataclasses import dataclass
from enum import Enum

from kurir.senderauth.dkim.verdict import DkimReason


class ArcResult(str, Enum):
    """Chain validation status (RFC 8617 section 4.4)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"


class ArcReason(str, Enum):
    """Why; each has a sentence ``arc.<value>`` in the catalogue of texts."""

    VALID = "valid"
    NO_CHAIN = "no_chain"
    DECLARED_BROKEN = "declared_broken"  # an earlier server found the chain broken and sealed that (cv=fail)
    TOO_LONG = "too_long"
    INCOMPLETE = "incomplete"  # a set, or one of its three fields, is missing or there twice
    SYNTAX = "syntax"
    BAD_STATUS = "bad_status"  # cv= is not "none" in the first set, or not "pass" in a later one
    MESSAGE_CHANGED = "message_changed"  # the newest message signature does not fit
    SEAL_BROKEN = "seal_broken"
    KEY_UNUSABLE = "key_unusable"
    DNS_FAILED = "dns_failed"


RESULTS: dict[ArcReason, ArcResult] = {
    ArcReason.VALID: ArcResult.PASS,
    ArcReason.NO_CHAIN: ArcResult.NONE,
}


@dataclass(frozen=True, slots=True)
class ArcHop:
    """One set: who sealed it, when, and what it says it found (``mx.b.example; spf=pass …``, unfolded, foreign text).

    Proven only in a chain that passes, and then only as far as `domain` is trusted.
    """

    instance: int
    domain: str
    selector: str
    results: str
    sealed_at: int | None


@dataclass(frozen=True, slots=True)
class ArcVerdict:
    """The chain.  `instance` is the set that decided a failure, 0 where none; `cause` what its signature came to.

    `hops` are the sets that could be read, oldest first.  `oldest_pass` is the lowest instance from which on every
    message signature that was checked still fits (RFC 8617 section 5.2, step 5), 0 meaning that the message was
    not changed since the first seal.
    """

    reason: ArcReason
    instance: int = 0
    cause: DkimReason | None = None
    detail: str = ""
    hops: tuple[ArcHop, ...] = ()
    oldest_pass: int | None = None

    @property
    def result(self) -> ArcResult:
        """The result in the words of RFC 8617."""
        return RESULTS.get(self.reason, ArcResult.FAIL)

    @property
    def passed(self) -> bool:
        """Whether the chain is whole: then, and only then, `hops` are what those servers said."""
        return self.reason is ArcReason.VALID

    @property
    def temporary(self) -> bool:
        """Whether the same chain may pass another time: a key could not be looked up."""
        return self.reason is ArcReason.DNS_FAILED

    @property
    def key(self) -> str:
        """The key of the sentence in the catalogue of texts; `values` fill it."""
        return f"arc.{self.reason.value}"

    @property
    def values(self) -> dict[str, str]:
        """What fills the placeholders of the sentence."""
        found = next((hop.domain for hop in self.hops if hop.instance == self.instance), "")
        last = self.hops[-1].domain if self.hops else ""
        return {"domain": found or last, "detail": self.detail}
