"""Where the policy stands and where an organization ends: the DNS tree walk (RFC 9989 section 4.10).

At most eight questions per walk, whatever the number of labels; walks of one check share their answers.
"""

from dataclasses import dataclass

from kurir.net.ports import DnsStatus
from kurir.senderauth.ports import SenderDns
from kurir.senderauth.publicsuffix import SuffixList

from .record import DmarcRecord, dmarc_texts, parse_record

MAX_LABELS = 8  # section 4.10 step 4: the walk of a longer name goes on at seven labels
FAILED = (DnsStatus.SERVFAIL, DnsStatus.TIMEOUT)


class DnsFailed(Exception):
    """A question that the check needs got no answer; `str(e)` is the name."""


def walk_names(domain: str) -> tuple[str, ...]:
    """Return the names that a walk from `domain` asks below ``_dmarc``, the domain itself first."""
    labels = domain.split(".")
    first = max(1, len(labels) - MAX_LABELS + 1)
    return (domain, *(".".join(labels[at:]) for at in range(first, len(labels))))


@dataclass(frozen=True, slots=True)
class Organization:
    """The organizational domain of some domain, and how it was found: ``"treewalk"`` or ``"psl"``.

    `policy_domain` is where the record for a domain without one of its own stands (organizational domain, else
    public suffix), ``""`` where there is none.
    """

    domain: str
    method: str = "treewalk"
    policy_domain: str = ""


class Discovery:
    """The lookups of one check, each made once."""

    def __init__(self, dns: SenderDns, suffixes: SuffixList | None = None) -> None:
        self._dns = dns
        self._suffixes = suffixes
        self._records: dict[str, DmarcRecord | None] = {}
        self._failed: set[str] = set()
        self._organizations: dict[str, Organization] = {}

    @property
    def questions(self) -> int:
        """How many names were asked for."""
        return len(self._records) + len(self._failed)

    async def record(self, domain: str) -> DmarcRecord | None:
        """Return the policy record at `domain`, None where there is none or more than one (steps 2 and 6).

        Raises `DnsFailed`.
        """
        if domain in self._failed:
            raise DnsFailed(f"_dmarc.{domain}")
        if domain not in self._records:
            if domain.startswith("[") or len(domain) > 246:  # a literal, or no room for "_dmarc."
                return None
            answer = await self._dns.txt(f"_dmarc.{domain}")
            if answer.status in FAILED:
                self._failed.add(domain)
                raise DnsFailed(f"_dmarc.{domain}")
            texts = dmarc_texts(answer.records)
            self._records[domain] = parse_record(texts[0]) if len(texts) == 1 else None
        return self._records[domain]

    async def organization(self, domain: str) -> Organization:
        """Return the organization that `domain` belongs to (section 4.10.2).

        Where the DNS does not answer, the public suffix list does if there is one.  Raises `DnsFailed`.
        """
        known = self._organizations.get(domain)
        if known is None:
            try:
                known = await self._walk(domain)
            except DnsFailed:
                listed = self._suffixes.privatesuffix(domain) if self._suffixes else None
                if listed is None:
                    raise
                known = Organization(listed, "psl", listed)
            self._organizations[domain] = known
        return known

    async def _walk(self, domain: str) -> Organization:
        found: list[str] = []
        below = domain
        for name in walk_names(domain):
            record = await self.record(name)
            if record is not None:
                if record.psd == "n":
                    return Organization(name, policy_domain=name)
                if record.psd == "y" and name != domain:
                    # One label below the public suffix; its own record, if it has one, goes first.
                    return Organization(below, policy_domain=below if below in found else name)
                found.append(name)
                if record.psd == "y":
                    break  # the walk started at a public suffix
            below = name
        return Organization(found[-1], policy_domain=found[-1]) if found else Organization(domain)
