"""DNS lookups: our cache and our rules over dnspython's messages and sockets.

A lookup asks the nameservers in order, each again in the next round, over UDP and, where the answer
was cut, over TCP, until one answers or the deadline has passed.  Only a clear answer proves that
something does not exist: SERVFAIL, REFUSED, garbage and silence stay failures (RFC 5321 section 5.1 asks
to try later then).  Query ids and source ports are random (dnspython, the kernel).
"""

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.TLSA
import dns.resolver

from kurir.model import AddressError, normalise_domain

from .addresses import is_own_host
from .dnscache import DnsCache, Key
from .ports import DnsAnswer, DnsStatus, Endpoint
from .settings import ResolverSettings

DNS_PORT = 53
MAX_ALIASES = 10  # CNAMEs followed in one lookup; BIND stops at 16, nobody needs three
UDP_PAYLOAD = 1232  # octets, dnsflagday.net/2020
MAX_RECORDS = 500  # of one answer that are kept

# dnspython takes no TLSA record whose digest has the wrong length, nor the answer that it stands in: one such record would
# stop all mail to its host.  It is only of no use, beside others that are (RFC 6698 section 4.1); `tlsa.usable` says which.
dns.rdtypes.ANY.TLSA.TLSA._cert_length_by_mtype = {}  # noqa: SLF001

_FAILED = DnsAnswer(DnsStatus.SERVFAIL)
_TIMED_OUT = DnsAnswer(DnsStatus.TIMEOUT)


class CachingResolver:
    """Implements `kurir.net.ports.Resolver`: never raises, failures are statuses.

    `clock` is monotonic seconds and only ages the cache.
    """

    def __init__(self, settings: ResolverSettings, *, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._servers = nameservers(settings)
        self._cache = DnsCache(settings, clock)
        self._asking: dict[Key, asyncio.Task[DnsAnswer]] = {}

    @property
    def vouched(self) -> bool:
        """Whether the AD bit of all nameservers counts: they are on loopback, or the operator vouches for them."""
        return bool(self._servers) and (
            self._settings.trust_ad or all(is_own_host(server.host) for server in self._servers)
        )

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """The nameservers in use."""
        return self._servers

    async def mx(self, name: str) -> DnsAnswer:
        """Records: ``(preference, host)``; the null MX of RFC 7505 is ``(0, "")``."""
        return await self._lookup(name, "MX")

    async def addresses(self, name: str) -> tuple[DnsAnswer, DnsAnswer]:
        """A and AAAA answers, asked at the same time; records are IP addresses as ``str``."""
        known = self._cache.get((_key(name), "A")), self._cache.get((_key(name), "AAAA"))
        if known[0] is not None and known[1] is not None:
            return known[0], known[1]
        a, aaaa = await asyncio.gather(self._lookup(name, "A"), self._lookup(name, "AAAA"))
        return a, aaaa

    async def txt(self, name: str) -> DnsAnswer:
        """Records: ``bytes``, the character-strings of each record joined."""
        return await self._lookup(name, "TXT")

    async def ptr(self, ip: str) -> DnsAnswer:
        """Records: host names as ``str``, for an address given as text."""
        try:
            address = ipaddress.ip_address(ip.partition("%")[0])
        except ValueError:
            return DnsAnswer(DnsStatus.NXDOMAIN)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return await self._lookup(address.reverse_pointer, "PTR")

    async def cname(self, name: str) -> DnsAnswer:
        """Records: the name that `name` itself is an alias of, as ``str``."""
        return await self._lookup(name, "CNAME")

    async def tlsa(self, name: str) -> DnsAnswer:
        """Records: ``(usage, selector, matching type, data)`` (RFC 6698); worthless unless `authentic`."""
        return await self._lookup(name, "TLSA")

    async def srv(self, name: str) -> DnsAnswer:
        """Records: ``(priority, weight, port, host)`` (RFC 2782)."""
        return await self._lookup(name, "SRV")

    async def caa(self, name: str) -> DnsAnswer:
        """Records: ``(flags, tag, value)`` (RFC 8659), of that very name: the climb to the parents is not done."""
        return await self._lookup(name, "CAA")

    def forget(self) -> None:
        """Empty the cache."""
        self._cache.clear()

    async def _lookup(self, name: str, rdtype: str) -> DnsAnswer:
        key = (_key(name), rdtype)
        known = self._cache.get(key)
        if known is not None:
            return known
        if not key[0] or not _askable(key[0]):
            return DnsAnswer(DnsStatus.NXDOMAIN)  # no such name can be in the DNS
        task = self._asking.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(key))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        # Shielded: one asker who gives up does not take the answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, key: Key) -> DnsAnswer:
        try:
            async with asyncio.timeout(self._settings.deadline):
                answer = await self._follow(key)
        except TimeoutError:
            answer = _TIMED_OUT
        return self._cache.put(key, answer)

    async def _follow(self, key: Key) -> DnsAnswer:
        """Ask, and ask on for the end of a CNAME chain that the nameserver did not follow itself."""
        name, rdtype = key
        seen = {name}
        ttl, authentic = float("inf"), True
        while True:
            answer, alias = await self._ask_servers(name, rdtype)
            ttl, authentic = min(ttl, answer.ttl), authentic and answer.authentic
            if alias is None:
                canonical = answer.canonical or name
                return replace(answer, ttl=ttl, authentic=authentic, canonical=canonical)
            if alias in seen or len(seen) > MAX_ALIASES:
                return _FAILED
            seen.add(alias)
            name = alias

    async def _ask_servers(self, name: str, rdtype: str) -> tuple[DnsAnswer, str | None]:
        failed = _TIMED_OUT if self._servers else _FAILED
        for _ in range(self._settings.rounds):
            for server in self._servers:
                try:
                    found = await self._exchange(server, name, rdtype)
                except TimeoutError:
                    continue
                if found[0].status is not DnsStatus.SERVFAIL:
                    return found
                failed = _FAILED
        return failed, None

    async def _exchange(self, server: Endpoint, name: str, rdtype: str) -> tuple[DnsAnswer, str | None]:
        """One question to one nameserver; raises TimeoutError."""
        query = dns.message.make_query(name, rdtype, use_edns=0, payload=UDP_PAYLOAD)
        query.flags |= (
            dns.flags.AD
        )  # asks for the AD bit without the records behind it (RFC 6840 section 5.7)
        try:
            async with asyncio.timeout(self._settings.try_timeout):
                reply, _ = await dns.asyncquery.udp_with_fallback(
                    query, server.host, port=server.port, ignore_unexpected=True, ignore_errors=True
                )
        except (dns.exception.Timeout, TimeoutError):
            raise TimeoutError from None
        except (dns.exception.DNSException, OSError, EOFError, ValueError):
            return _FAILED, None
        trusted = self._settings.trust_ad or is_own_host(server.host)
        return read_reply(reply, name, rdtype, trusted=trusted)


def nameservers(settings: ResolverSettings) -> tuple[Endpoint, ...]:
    """Return the configured nameservers, else the system's.  Raises ValueError for what is no address."""
    if settings.nameservers:
        return tuple(_server(text) for text in settings.nameservers)
    system = dns.resolver.Resolver(configure=False)
    try:
        system.read_resolv_conf(str(settings.resolv_conf))
    except (dns.resolver.NoResolverConfiguration, OSError):
        return ()
    return tuple(Endpoint(str(host), DNS_PORT) for host in system.nameservers)


def _server(text: str) -> Endpoint:
    host, port = text, str(DNS_PORT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        ipaddress.ip_address(host)
        if not 0 < int(port) < 65536:
            raise ValueError(port)
    except ValueError:
        raise ValueError(
            f"{text!r} is not the address of a nameserver: write address or address:port"
        ) from None
    return Endpoint(host, int(port))


def _key(name: str) -> str:
    name = name.removesuffix(".").lower()
    if name.isascii():
        return name
    try:
        return normalise_domain(name)
    except AddressError:
        return ""


def _askable(name: str) -> bool:
    """Tell whether such a name can be in the DNS at all (RFC 1035 section 3.1); addresses are not asked for."""
    try:
        dns.name.from_text(name)
    except dns.exception.DNSException:
        return False
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return not name.startswith("[")
    return False


# -- reading a reply --------------------------------------------------------------------------


def read_reply(
    reply: dns.message.Message, name: str, rdtype: str, *, trusted: bool
) -> tuple[DnsAnswer, str | None]:
    """Turn a message into an answer; the second value is the alias to ask on for, where one was left open.

    `trusted` says whether this nameserver's AD bit counts.  Pure.
    """
    rcode = reply.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return _FAILED, None
    authentic = trusted and bool(reply.flags & dns.flags.AD)
    wanted = dns.rdatatype.from_text(rdtype)
    current = dns.name.from_text(name)
    ttl = float("inf")
    for hop in range(MAX_ALIASES + 1):
        records, its_ttl = _records(reply, current, wanted)
        if records:
            values = tuple(_READERS[rdtype](record) for record in records[:MAX_RECORDS])
            return DnsAnswer(DnsStatus.OK, values, min(ttl, its_ttl), authentic, _text(current)), None
        aliases, its_ttl = _records(reply, current, dns.rdatatype.CNAME)
        if not aliases:
            break
        if hop == MAX_ALIASES:
            return _FAILED, None
        ttl = min(ttl, its_ttl)
        current = aliases[0].target
    negative = _negative_ttl(reply)
    followed = _text(current)
    if rcode == dns.rcode.NXDOMAIN:
        return DnsAnswer(DnsStatus.NXDOMAIN, (), min(ttl, negative or 0.0), authentic, followed), None
    if ttl != float("inf") and negative is None:
        # An alias and nothing about its end: whoever answered did not look there.
        return DnsAnswer(DnsStatus.OK, (), ttl, authentic, followed), followed
    if negative is None and _is_referral(reply):
        return _FAILED, None  # a nameserver that does not recurse: it knows somebody else, not the answer
    return DnsAnswer(DnsStatus.NODATA, (), min(ttl, negative or 0.0), authentic, followed), None


def _records(
    reply: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> tuple[list[Any], float]:
    """Return the records of that name and type in the answer section; records of other names are ignored."""
    found: list[Any] = []
    ttl = float("inf")
    for rrset in reply.answer:
        if rrset.rdtype == rdtype and rrset.name == name:
            found += rrset
            ttl = min(ttl, rrset.ttl)
    return found, ttl


def _negative_ttl(reply: dns.message.Message) -> float | None:
    """Return for how long "no" holds (RFC 2308 section 5), None where no SOA says so."""
    for rrset in reply.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return float(min(rrset.ttl, rrset[0].minimum))
    return None


def _is_referral(reply: dns.message.Message) -> bool:
    return any(rrset.rdtype == dns.rdatatype.NS for rrset in reply.authority) and not (
        reply.flags & (dns.flags.AA | dns.flags.RA)
    )


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower().rstrip(".")


def _strings(record: Any) -> bytes:
    return b"".join(record.strings)


_READERS: dict[str, Callable[[Any], object]] = {
    "A": lambda record: str(record.address),
    "AAAA": lambda record: str(record.address),
    "MX": lambda record: (int(record.preference), _text(record.exchange)),
    "TXT": _strings,
    "PTR": lambda record: _text(record.target),
    "CNAME": lambda record: _text(record.target),
    "SRV": lambda record: (record.priority, record.weight, record.port, _text(record.target)),
    "CAA": lambda record: (record.flags, record.tag.decode(), record.value.decode("utf-8", "replace")),
    "TLSA": lambda record: (record.usage, record.selector, record.mtype, bytes(record.cert)),
}
