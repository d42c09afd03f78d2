"""Where reports about a domain may go (RFC 9990 sections 3.5 and 4).

Addresses within the domain's own organization are taken as they stand.  Any other has to say itself, by a record at
``DOMAIN._report._dmarc.THEIRS``, that it takes such reports: otherwise anybody could send a flood of them to a victim.
"""

from collections.abc import Iterable

from kurir.model import Address
from kurir.senderauth.ports import SenderDns
from kurir.senderauth.publicsuffix import SuffixList

from .discovery import FAILED, Discovery, DnsFailed
from .record import DmarcRecord, dmarc_texts, parse_record

MAX_DESTINATIONS = 3  # of one record; section 3.5 wants two to be served at least
MAX_NAME = 253  # octets of a domain name


async def destinations(
    domain: str, record: DmarcRecord, dns: SenderDns, suffixes: SuffixList | None = None
) -> tuple[Address, ...]:
    """Return the mail addresses that get reports about `domain`, at which `record` stands.

    Raises `DnsFailed` where the DNS does not answer: ask again later.
    """
    discovery = Discovery(dns, suffixes)
    found: dict[Address, None] = {}
    for wanted in _addresses(record):
        if len(found) >= MAX_DESTINATIONS:
            break
        for address in await _agreed(domain, wanted, discovery, dns):
            found[address] = None
    return tuple(found)[:MAX_DESTINATIONS]


def _addresses(record: DmarcRecord) -> Iterable[Address]:
    return dict.fromkeys(
        uri.address for uri in record.rua if uri.address is not None and uri.address.is_ascii
    )


async def _agreed(domain: str, wanted: Address, discovery: Discovery, dns: SenderDns) -> tuple[Address, ...]:
    """Return where reports for this address go: nowhere, there, or to another address of the same host."""
    host = wanted.domain
    if host.startswith("["):
        return ()  # an address literal can publish nothing
    if host == domain or await _same_organization(domain, host, discovery):
        return (wanted,)
    name = f"{domain}._report._dmarc.{host}"
    if len(name) > MAX_NAME:
        return ()
    answer = await dns.txt(name)
    if answer.status in FAILED:
        raise DnsFailed(name)
    records = [parse_record(text) for text in dmarc_texts(answer.records)]
    if not records:
        return ()
    others = [uri.address for one in records for uri in one.rua if uri.address is not None]
    if not others:
        return (wanted,)
    # An override must stay with the same host; one that does not makes the whole arrangement void (section 4).
    return tuple(others[:1]) if all(other.domain == host for other in others) else ()


async def _same_organization(domain: str, host: str, discovery: Discovery) -> bool:
    ours = await discovery.organization(domain)
    theirs = await discovery.organization(host)
    return ours.domain == theirs.domain
