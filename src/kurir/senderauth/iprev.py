"""The client's name, proven in both directions: FCrDNS, ``iprev`` (RFC 8601 section 3, RFC 1912 section 2.1)."""

import asyncio
import ipaddress
import re
from dataclasses import dataclass
from enum import Enum

from kurir.net.ports import DnsAnswer, DnsStatus

from .ports import SenderDns
from .settings import ReverseSettings

_FAILED = (DnsStatus.SERVFAIL, DnsStatus.TIMEOUT)
_DEFAULT = ReverseSettings()
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


class ReverseReason(str, Enum):
    """What was found; each has a sentence ``iprev.<value>`` in the catalogue of texts."""

    PROVEN = "proven"
    NO_NAME = "no_name"
    OTHER_ADDRESS = "other_address"  # names, but none leads back
    DNS_FAILED = "dns_failed"
    NO_CLIENT = "no_client"


_RESULTS = {
    ReverseReason.PROVEN: "pass",
    ReverseReason.NO_NAME: "permerror",  # RFC 8601 section 3: no PTR record
    ReverseReason.OTHER_ADDRESS: "fail",
    ReverseReason.DNS_FAILED: "temperror",
    ReverseReason.NO_CLIENT: "none",
}


@dataclass(frozen=True, slots=True)
class ReverseVerdict:
    """One look-up.  `name` is the first proven name (lower case, no last dot), ``""`` for none; `names` all that claim."""

    reason: ReverseReason
    client: str
    name: str = ""
    names: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The result in the words of RFC 8601."""
        return _RESULTS[self.reason]

    @property
    def key(self) -> str:
        """The key of the sentence in the catalogue of texts; `values` fill it."""
        return f"iprev.{self.reason.value}"

    @property
    def values(self) -> dict[str, str]:
        """What fills the placeholders of the sentence."""
        return {"client": self.client, "host": self.name or ", ".join(self.names)[:255]}


async def check_reverse(client: str, dns: SenderDns, settings: ReverseSettings = _DEFAULT) -> ReverseVerdict:
    """Find the proven name of `client` (an IP address as text).  Never raises."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return ReverseVerdict(ReverseReason.NO_CLIENT, client)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    try:
        async with asyncio.timeout(settings.deadline):
            return await _check(address, client, dns, settings)
    except TimeoutError:
        return ReverseVerdict(ReverseReason.DNS_FAILED, client)


async def _check(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    client: str,
    dns: SenderDns,
    settings: ReverseSettings,
) -> ReverseVerdict:
    answer = await dns.ptr(str(address))
    if answer.status in _FAILED:
        return ReverseVerdict(ReverseReason.DNS_FAILED, client)
    claimed = (str(record).removesuffix(".").lower() for record in answer.records[: settings.names])
    names = tuple(name for name in claimed if len(name) <= 253 and _HOST.fullmatch(name))
    failed = False
    for name in names:
        found = (await dns.addresses(name))[address.version == 6]
        if _holds(found, address):
            return ReverseVerdict(ReverseReason.PROVEN, client, name, names)
        failed = failed or found.status in _FAILED
    if failed:
        return ReverseVerdict(ReverseReason.DNS_FAILED, client, names=names)
    return ReverseVerdict(
        ReverseReason.OTHER_ADDRESS if names else ReverseReason.NO_NAME, client, names=names
    )


def _holds(answer: DnsAnswer, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    for record in answer.records:
        try:
            if ipaddress.ip_address(str(record)) == address:
                return True
        except ValueError:
            continue
    return False
