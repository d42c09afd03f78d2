"""DMARC aggregate reports as values (RFC 9990 section 3.1; RFC 7489 appendix C and older drafts when reading).

`kurir.reports.dmarc_read` makes them from XML that others wrote, `kurir.reports.dmarc_write` turns ours into XML.
"""

from dataclasses import dataclass

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"


@dataclass(frozen=True, slots=True)
class PublishedPolicy:
    """The policy that the reporter saw; ``""`` where the report says nothing.

    `testing` is the ``t`` tag (``y`` or ``n``), `discovery` ``treewalk`` or ``psl``, `pct` only in old reports.
    """

    domain: str
    p: str = ""
    sp: str = ""
    np: str = ""
    adkim: str = ""
    aspf: str = ""
    testing: str = ""
    discovery: str = ""
    fo: str = ""
    pct: str = ""


@dataclass(frozen=True, slots=True)
class AuthResult:
    """What SPF (`scope` ``mfrom`` or ``helo``) or one signature (`selector`) came to."""

    domain: str
    result: str
    selector: str = ""
    scope: str = ""
    human: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Equal messages from one address.

    `disposition` is what was done (``none``, ``pass``, ``quarantine``, ``reject``), `dkim` and `spf` whether each
    was aligned (``pass`` or ``fail``); `overrides` are ``(type, comment)``.  Words are lower case.
    """

    source_ip: str
    count: int
    disposition: str
    dkim: str
    spf: str
    header_from: str
    envelope_from: str = ""
    envelope_to: str = ""
    overrides: tuple[tuple[str, str], ...] = ()
    dkim_results: tuple[AuthResult, ...] = ()
    spf_results: tuple[AuthResult, ...] = ()

    @property
    def aligned(self) -> bool:
        """Whether these messages passed DMARC."""
        return "pass" in (self.dkim, self.spf)


@dataclass(frozen=True, slots=True)
class AggregateReport:
    """One report.  `begin` and `end` are epoch seconds; `faults` say in words what was mended or passed over."""

    org_name: str
    email: str
    report_id: str
    begin: int
    end: int
    policy: PublishedPolicy
    rows: tuple[Row, ...]
    contact: str = ""
    generator: str = ""
    errors: tuple[str, ...] = ()
    namespace: str = ""
    faults: tuple[str, ...] = ()

    @property
    def messages(self) -> int:
        """How many messages the report tells of."""
        return sum(row.count for row in self.rows)
