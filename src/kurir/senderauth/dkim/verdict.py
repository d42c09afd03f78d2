"""What checking a signature came to, as values with a reason for machines and a key for the catalogue of texts."""

from dataclasses import dataclass
from enum import Enum


class DkimResult(str, Enum):
    """The results of RFC 8601 section 2.7.1, as they stand in Authentication-Results."""

    NONE = "none"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class DkimReason(str, Enum):
    """Why; each has a sentence ``dkim.<value>`` in the catalogue of texts."""

    VALID = "valid"
    NO_SIGNATURE = "no_signature"
    BODY_CHANGED = "body_changed"
    HEADER_CHANGED = "header_changed"
    PARTLY_SIGNED = "partly_signed"  # valid, but anyone could have added what is not signed
    ADDED_FIELDS = "added_fields"  # valid, but a second From (or the like) stands beside the signed one
    SYNTAX = "syntax"
    VERSION = "version"
    ALGORITHM = "algorithm"
    EXPIRED = "expired"
    FROM_THE_FUTURE = "from_the_future"
    NOT_CHECKED = "not_checked"  # beyond the number of signatures that is checked
    SHA1 = "sha1"
    FROM_NOT_SIGNED = "from_not_signed"
    FOREIGN_IDENTITY = "foreign_identity"  # i= is outside of d=, or t=s in the key forbids a subdomain
    KEY_MISSING = "key_missing"
    KEY_SYNTAX = "key_syntax"
    KEY_REVOKED = "key_revoked"
    KEY_UNFIT = "key_unfit"  # of another type, or for another hash or service
    KEY_TOO_SMALL = "key_too_small"
    KEY_TOO_LARGE = "key_too_large"
    DNS_FAILED = "dns_failed"


RESULTS: dict[DkimReason, DkimResult] = {
    DkimReason.VALID: DkimResult.PASS,
    DkimReason.NO_SIGNATURE: DkimResult.NONE,
    DkimReason.BODY_CHANGED: DkimResult.FAIL,
    DkimReason.HEADER_CHANGED: DkimResult.FAIL,
    DkimReason.PARTLY_SIGNED: DkimResult.POLICY,
    DkimReason.ADDED_FIELDS: DkimResult.POLICY,
    # "contained syntax errors or were not otherwise able to be processed"
    DkimReason.SYNTAX: DkimResult.NEUTRAL,
    DkimReason.VERSION: DkimResult.NEUTRAL,
    DkimReason.ALGORITHM: DkimResult.NEUTRAL,
    DkimReason.EXPIRED: DkimResult.NEUTRAL,
    DkimReason.FROM_THE_FUTURE: DkimResult.NEUTRAL,
    DkimReason.NOT_CHECKED: DkimResult.NEUTRAL,
    DkimReason.DNS_FAILED: DkimResult.TEMPERROR,
}
"""What is missing here is a permanent error (RFC 8301 section 3.1 for SHA-1, 3.2 for small keys)."""


class DkimProblem(Exception):
    """Inside this room only: a signature or key cannot be used, and why; it ends as a verdict."""

    def __init__(self, reason: DkimReason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class DkimVerdict:
    """One signature.

    `domain` (``d=``), `selector` and `identity` (``i=``) are what it claims, ``""`` where it could not be read;
    they are proven only where `result` is pass.  `mark` are the first characters of ``b=``, which tell signatures
    of one domain apart (RFC 6008).  `unsigned` counts octets of the body that it leaves out (``l=``; None: no
    ``l=`` at all).  `testing` is the key's ``t=y``: a failure is then treated as if unsigned (RFC 6376 section
    3.6.1).  `header_intact` tells, where the body was changed, whether the header is still as signed, None where
    that was not looked at.  `names` are the fields it covers, in lower case.
    """

    reason: DkimReason
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    mark: str = ""
    key_bits: int = 0
    names: tuple[str, ...] = ()
    signed_at: int | None = None
    unsigned: int | None = None
    testing: bool = False
    header_intact: bool | None = None
    detail: str = ""

    @property
    def result(self) -> DkimResult:
        """The result in the words of RFC 8601."""
        result = RESULTS.get(self.reason, DkimResult.PERMERROR)
        return DkimResult.NEUTRAL if self.testing and result is DkimResult.FAIL else result

    @property
    def passed(self) -> bool:
        """Whether the message is proven to come, unchanged, from `domain`."""
        return self.reason is DkimReason.VALID

    @property
    def key(self) -> str:
        """The key of the sentence in the catalogue of texts; `values` fill it."""
        return f"dkim.{self.reason.value}"

    @property
    def values(self) -> dict[str, str]:
        """What fills the placeholders of the sentence."""
        return {"domain": self.domain, "selector": self.selector, "detail": self.detail}
