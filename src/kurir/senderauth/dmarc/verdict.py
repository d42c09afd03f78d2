"""What a DMARC check came to: result, reason, what the owner wants, and what is done here."""

from dataclasses import dataclass, replace
from enum import Enum

from .record import DmarcRecord, Policy


class DmarcResult(str, Enum):
    """The results as they stand in Authentication-Results (RFC 9989 section 9.2)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class DmarcReason(str, Enum):
    """Why; each has a sentence ``dmarc.<value>`` in the catalogue of texts."""

    PROVEN = "proven"
    OTHER_DOMAIN = "other_domain"  # fail: what was proven is another domain
    NOTHING_PROVEN = "nothing_proven"  # fail: neither SPF nor a signature proved any domain
    NO_RECORD = "no_record"
    RECORD_UNUSABLE = "record_unusable"
    DNS_FAILED = "dns_failed"
    DEADLINE = "deadline"
    AUTHOR_MISSING = "author_missing"  # no author that could be proven, here and below
    AUTHOR_REPEATED = "author_repeated"
    AUTHOR_UNREADABLE = "author_unreadable"
    AUTHOR_NO_ADDRESS = "author_no_address"
    TOO_MANY_AUTHORS = "too_many_authors"


RESULTS: dict[DmarcReason, DmarcResult] = {
    DmarcReason.PROVEN: DmarcResult.PASS,
    DmarcReason.OTHER_DOMAIN: DmarcResult.FAIL,
    DmarcReason.NOTHING_PROVEN: DmarcResult.FAIL,
    DmarcReason.NO_RECORD: DmarcResult.NONE,
    DmarcReason.DNS_FAILED: DmarcResult.TEMPERROR,
    DmarcReason.DEADLINE: DmarcResult.TEMPERROR,
}


class OverrideType(str, Enum):
    """Why something else was done than the owner wants (RFC 9990 section 3.1.1.9)."""

    LOCAL_POLICY = "local_policy"
    MAILING_LIST = "mailing_list"
    OTHER = "other"
    POLICY_TEST_MODE = "policy_test_mode"
    TRUSTED_FORWARDER = "trusted_forwarder"


@dataclass(frozen=True, slots=True)
class Override:
    """One reason, with words for people."""

    type: OverrideType
    comment: str = ""


@dataclass(frozen=True, slots=True)
class DmarcVerdict:
    """One check of one author domain.

    `policy` is what the owner wants done, taken from `tag` (``p``, ``sp`` or ``np``) of `record`, which stands at
    `policy_domain`; `disposition` what is done here, with `overrides` saying why it differs.  `spf_aligned` and
    `dkim_aligned` (the aligned domains) are what proved the author.  `organization` is the author's
    organizational domain where it had to be found, and `method` how (``treewalk`` or ``psl``).
    """

    reason: DmarcReason
    author: str
    disposition: Policy = Policy.NONE
    policy: Policy = Policy.NONE
    tag: str = "p"
    policy_domain: str = ""
    organization: str = ""
    method: str = "treewalk"
    record: DmarcRecord | None = None
    spf_aligned: bool = False
    dkim_aligned: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    detail: str = ""

    @property
    def result(self) -> DmarcResult:
        """The result in one word."""
        return RESULTS.get(self.reason, DmarcResult.PERMERROR)

    @property
    def key(self) -> str:
        """The key of the sentence in the catalogue of texts; `values` fill it."""
        return f"dmarc.{self.reason.value}"

    @property
    def values(self) -> dict[str, str]:
        """What fills the placeholders of the sentences."""
        return {"domain": self.author, "detail": self.detail, "policy": self.policy.value}

    def overridden(self, disposition: Policy, kind: OverrideType, comment: str = "") -> "DmarcVerdict":
        """Return the verdict with another disposition and the reason for it; the result stays what it is."""
        return replace(
            self, disposition=disposition, overrides=(*self.overrides, Override(kind, comment[:255]))
        )
