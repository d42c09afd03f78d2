"""What an SPF check came to, as values with a reason for machines and a key for the catalogue of texts."""

from dataclasses import dataclass
from enum import Enum


class SpfResult(str, Enum):
    """The results of RFC 7208 section 2.6, as they stand in Authentication-Results."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class SpfReason(str, Enum):
    """Why; each has a sentence ``spf.<value>`` in the catalogue of texts."""

    LISTED = "listed"  # pass
    NOT_LISTED = "not_listed"  # fail
    PROBABLY_NOT = "probably_not"  # softfail
    SAYS_NOTHING = "says_nothing"  # neutral, by a mechanism
    NO_MATCH = "no_match"  # neutral, since nothing matched
    NO_RECORD = "no_record"  # none
    NO_DOMAIN = "no_domain"  # none: the identity holds no domain that could have a record
    NO_CLIENT = "no_client"  # none: handed in without a network
    DNS_FAILED = "dns_failed"  # temperror
    DEADLINE = "deadline"  # temperror
    SEVERAL_RECORDS = "several_records"  # permerror, and those below
    SYNTAX = "syntax"
    TOO_LARGE = "too_large"
    INCLUDE_MISSING = "include_missing"
    TOO_MANY_LOOKUPS = "too_many_lookups"
    TOO_MANY_VOID = "too_many_void"
    TOO_MANY_NAMES = "too_many_names"


RESULTS: dict[SpfReason, SpfResult] = {
    SpfReason.LISTED: SpfResult.PASS,
    SpfReason.NOT_LISTED: SpfResult.FAIL,
    SpfReason.PROBABLY_NOT: SpfResult.SOFTFAIL,
    SpfReason.SAYS_NOTHING: SpfResult.NEUTRAL,
    SpfReason.NO_MATCH: SpfResult.NEUTRAL,
    SpfReason.NO_RECORD: SpfResult.NONE,
    SpfReason.NO_DOMAIN: SpfResult.NONE,
    SpfReason.NO_CLIENT: SpfResult.NONE,
    SpfReason.DNS_FAILED: SpfResult.TEMPERROR,
    SpfReason.DEADLINE: SpfResult.TEMPERROR,
}


class SpfIdentity(str, Enum):
    """Which of the two identities was checked (RFC 7208 sections 2.3 and 2.4)."""

    MAIL_FROM = "mailfrom"
    HELO = "helo"


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """One check.

    `domain` is the domain whose record was asked first; `sender` the whole identity.  `mechanism` is the term
    that decided, as written, ``""`` where none did; `record_domain` the domain whose record holds it.
    `explanation` is what the domain's owner says about a fail (RFC 7208 section 6.2), foreign text in printable
    ASCII.  `detail` says in words what is wrong (a syntax error, a name that could not be looked up).  `lookups`
    and `void_lookups` are what the check cost.
    """

    reason: SpfReason
    identity: SpfIdentity
    domain: str
    sender: str
    client: str
    mechanism: str = ""
    record_domain: str = ""
    explanation: str = ""
    detail: str = ""
    lookups: int = 0
    void_lookups: int = 0

    @property
    def result(self) -> SpfResult:
        """The result in the words of RFC 7208."""
        return RESULTS.get(self.reason, SpfResult.PERMERROR)

    @property
    def key(self) -> str:
        """The key of the sentence in the catalogue of texts; `values` fill it."""
        return f"spf.{self.reason.value}"

    @property
    def values(self) -> dict[str, str]:
        """What fills the placeholders of the sentence."""
        return {
            "domain": self.domain,
            "client": self.client,
            "mechanism": self.mechanism,
            "detail": self.detail,
        }
