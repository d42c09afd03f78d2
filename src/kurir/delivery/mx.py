"""From a domain to the hosts that take its mail (RFC 5321 section 5.1, RFC 7505).

Only DNS answers that prove something make a failure final: NXDOMAIN, no records at all, the null MX,
or that we are the best MX ourselves (a loop).  Everything else is tried again.
"""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import cast

from kurir.model import Cause, OutcomeKind
from kurir.net.ports import DnsAnswer, DnsStatus, Resolver


@dataclass(frozen=True, slots=True)
class MailHost:
    """A host that takes mail: a name or an IP address, and how much it is preferred (lower is better)."""

    name: str
    preference: int = 0
    implicit: bool = False


@dataclass(frozen=True, slots=True)
class MailHosts:
    """The hosts of a domain, best first, good for `ttl` seconds."""

    hosts: tuple[MailHost, ...]
    ttl: float


@dataclass(frozen=True, slots=True)
class NoHosts:
    """Why there are none.  `detail` is a sentence that ends in the enhanced status code."""

    kind: OutcomeKind
    cause: Cause
    detail: str
    ttl: float


_UNPROVEN = {DnsStatus.SERVFAIL: "the name servers failed", DnsStatus.TIMEOUT: "no name server answered"}
_RETRY_TTL = 5.0  # no longer than the resolver remembers a failure: who says "retry now" wants a new look-up
_LITERAL_TTL = 3600.0


async def find_mail_hosts(
    resolver: Resolver, domain: str, own_names: Collection[str], max_hosts: int
) -> MailHosts | NoHosts:
    """Look up who takes mail for `domain` (A-labels, or an address literal).  Never raises."""
    if domain.startswith("["):
        return MailHosts((MailHost(domain[1:-1].removeprefix("IPv6:"), implicit=True),), _LITERAL_TTL)
    answer = await resolver.mx(domain)
    if answer.status is DnsStatus.OK:
        return _from_records(answer, domain, own_names, max_hosts)
    if answer.status is DnsStatus.NODATA:
        return await _implicit(resolver, domain, own_names, answer.ttl)
    if answer.status is DnsStatus.NXDOMAIN:
        return _final(Cause.UNKNOWN_DOMAIN, f"the domain {domain} does not exist (5.1.2)", answer.ttl)
    return _unproven(domain, answer.status)


def _from_records(
    answer: DnsAnswer, domain: str, own_names: Collection[str], max_hosts: int
) -> MailHosts | NoHosts:
    records = cast("tuple[tuple[int, str], ...]", answer.records)
    hosts = [
        MailHost(name.rstrip(".").lower(), preference) for preference, name in records if name.rstrip(".")
    ]
    if not hosts:
        return _final(Cause.NULL_MX, f"the domain {domain} says it takes no mail (5.1.10)", answer.ttl)
    own = [host.preference for host in hosts if host.name in own_names]
    if own:
        # RFC 5321 section 5.1: only hosts better than ourselves, or the mail would go round in circles.
        hosts = [host for host in hosts if host.preference < min(own)]
    if not hosts:
        return _loop(domain, answer.ttl)
    seen: dict[str, MailHost] = {}
    for host in sorted(hosts, key=lambda h: (h.preference, h.name)):
        seen.setdefault(host.name, host)
    return MailHosts(tuple(seen.values())[:max_hosts], answer.ttl)


async def _implicit(
    resolver: Resolver, domain: str, own_names: Collection[str], ttl: float
) -> MailHosts | NoHosts:
    """No MX record: the domain itself is the host where it has an address (RFC 5321 section 5.1)."""
    answers = await resolver.addresses(domain)
    good = [answer for answer in answers if answer.status is DnsStatus.OK and answer.records]
    if good:
        ttls = [a.ttl for a in good] + ([ttl] if ttl > 0 else [])
        if domain in own_names:
            return _loop(domain, min(ttls))
        return MailHosts((MailHost(domain, implicit=True),), min(ttls))
    for answer in answers:
        if answer.status in _UNPROVEN:
            return _unproven(domain, answer.status)
    return _final(
        Cause.UNKNOWN_DOMAIN, f"the domain {domain} has no mail server: no MX and no address (5.1.2)", ttl
    )


def _final(cause: Cause, detail: str, ttl: float) -> NoHosts:
    return NoHosts(OutcomeKind.FAILED, cause, detail, ttl)


def _loop(domain: str, ttl: float) -> NoHosts:
    return _final(Cause.LOOP, f"mail for {domain} leads back to this server (5.4.6)", ttl)


def _unproven(domain: str, status: DnsStatus) -> NoHosts:
    text = f"the domain {domain} could not be looked up: {_UNPROVEN[status]} (4.4.3)"
    return NoHosts(OutcomeKind.DEFERRED, Cause.DNS_FAILURE, text, _RETRY_TTL)


def in_order(hosts: Sequence[MailHost], random: Random) -> list[MailHost]:
    """Return the hosts best first, in random order where they are equally good (RFC 5321 section 5.1)."""
    return sorted(hosts, key=lambda host: (host.preference, random.random()))


def is_own_machine(address: str) -> bool:
    """Whether an address can only be this machine, or nobody: no foreign mail host lives there."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_loopback or ip.is_unspecified or ip.is_multicast or ip.is_link_local


def is_address(name: str) -> bool:
    """Whether `name` is an IP address rather than a host name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
