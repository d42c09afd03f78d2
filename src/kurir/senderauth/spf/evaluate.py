"""The function check_host of RFC 7208 section 4, over an injected resolver.

One `_Check` is one evaluation: it counts what the evaluation costs and stops where a limit is reached.  Inside,
results are exceptions only where they end everything at once (section 2.6.6 and 2.6.7: temperror, permerror);
every public function returns a verdict and never raises.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kurir.model import AddressError, normalise_domain
from kurir.net.ports import DnsAnswer, DnsStatus
from kurir.senderauth.ports import SenderDns
from kurir.senderauth.settings import SpfSettings

from .macro import MacroError, MacroString, expand, expand_name, letters, parse_macros
from .record import Mechanism, RecordError, SpfRecord, parse_record, spf_texts
from .verdict import SpfIdentity, SpfReason, SpfVerdict

_DEFAULT = SpfSettings()
_NO_SUCH_NAME = DnsAnswer(DnsStatus.NXDOMAIN)
_FAILED = (DnsStatus.SERVFAIL, DnsStatus.TIMEOUT)

_BY_QUALIFIER = {
    "+": SpfReason.LISTED,
    "-": SpfReason.NOT_LISTED,
    "~": SpfReason.PROBABLY_NOT,
    "?": SpfReason.SAYS_NOTHING,
}


@dataclass(frozen=True, slots=True)
class SpfQuery:
    """The facts of one connection.

    `client` is the IP address as text, ``""`` where there is no network; `sender` the reverse-path without
    angle brackets, ``""`` for the null sender; `receiver` our host name and `at` epoch seconds, both for
    explanations only.
    """

    client: str
    helo: str
    sender: str
    receiver: str = "unknown"
    at: float = 0.0


async def check_mail_from(query: SpfQuery, dns: SenderDns, settings: SpfSettings = _DEFAULT) -> SpfVerdict:
    """Check the MAIL FROM identity (RFC 7208 section 2.4): the null sender stands for ``postmaster@HELO``."""
    sender = query.sender or f"postmaster@{query.helo}"
    return await _check(query, sender, SpfIdentity.MAIL_FROM, dns, settings)


async def check_helo(query: SpfQuery, dns: SenderDns, settings: SpfSettings = _DEFAULT) -> SpfVerdict:
    """Check the HELO identity (RFC 7208 section 2.3)."""
    return await _check(query, f"postmaster@{query.helo}", SpfIdentity.HELO, dns, settings)


async def _check(
    query: SpfQuery, sender: str, identity: SpfIdentity, dns: SenderDns, settings: SpfSettings
) -> SpfVerdict:
    local, _, raw = sender.rpartition("@")
    domain = _mail_domain(raw)
    shown = domain or raw[:255]

    def verdict(reason: SpfReason, detail: str = "") -> SpfVerdict:
        return SpfVerdict(reason, identity, shown, sender, query.client, detail=detail)

    try:
        client = ipaddress.ip_address(query.client)
    except ValueError:
        return verdict(SpfReason.NO_CLIENT)
    if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped  # section 5: ::ffff:1.2.3.4 is 1.2.3.4
    if not domain:
        return verdict(SpfReason.NO_DOMAIN)
    check = _Check(query, client, local or "postmaster", domain, dns, settings)
    match, explanation = _Match(SpfReason.DEADLINE), ""
    try:
        async with asyncio.timeout(settings.deadline):
            match = await check.host(domain)
            explanation = await check.explain(match)
    except _Stop as stop:
        match = _Match(stop.reason, detail=stop.detail, domain=stop.domain)
    except TimeoutError:
        pass  # where only the explanation was late, the fail stands without it
    return SpfVerdict(
        match.reason,
        identity,
        domain,
        sender,
        query.client,
        mechanism=match.mechanism,
        record_domain=match.domain,
        explanation=explanation,
        detail=match.detail,
        lookups=check.lookups,
        void_lookups=check.voids,
    )


@dataclass(frozen=True, slots=True)
class _Match:
    """How a record, or the lack of one, decided; `domain` is the record's."""

    reason: SpfReason
    domain: str = ""
    mechanism: str = ""
    detail: str = ""
    explanation: MacroString | None = None


class _Stop(Exception):
    """The evaluation ends here, however deep it is."""

    def __init__(self, reason: SpfReason, domain: str = "", detail: str = "") -> None:
        super().__init__(reason, domain, detail)
        self.reason = reason
        self.domain = domain
        self.detail = detail


class _Check:
    def __init__(
        self,
        query: SpfQuery,
        client: ipaddress.IPv4Address | ipaddress.IPv6Address,
        local: str,
        domain: str,
        dns: SenderDns,
        settings: SpfSettings,
    ) -> None:
        self._query = query
        self._dns = dns
        self._limit = settings
        self._client = client
        self._number = int(client)
        self._version = client.version
        self._values = {
            "s": f"{local}@{domain}",
            "l": local,
            "o": domain,
            "h": query.helo,
            "i": str(client) if client.version == 4 else ".".join(f"{int(client):032X}"),
            "v": "in-addr" if client.version == 4 else "ip6",
            "c": str(client),
            "r": query.receiver or "unknown",
            "t": str(int(query.at)),
        }
        self._proven: list[str] | None = None
        self._proven_voids: list[str] = []
        self.lookups = 0
        self.voids = 0

    async def host(self, domain: str, *, inner: bool = False) -> _Match:
        """check_host for `domain`; `inner` where an include or a redirect asked."""
        if inner and not _resolvable(domain):
            return _Match(SpfReason.NO_DOMAIN, domain)
        record = await self._record(domain)
        if record is None:
            return _Match(SpfReason.NO_RECORD, domain)
        for mechanism in record.mechanisms:
            if await _MATCHERS[mechanism.name](self, mechanism, domain):
                return _Match(
                    _BY_QUALIFIER[mechanism.qualifier],
                    domain,
                    mechanism.text,
                    explanation=record.explanation,
                )
        if record.redirect is None:
            return _Match(SpfReason.NO_MATCH, domain)
        self._count_lookup(domain)
        target = await self._name(record.redirect, domain)
        found = await self.host(target, inner=True)
        if found.reason in (SpfReason.NO_RECORD, SpfReason.NO_DOMAIN):  # section 6.1
            raise _Stop(SpfReason.INCLUDE_MISSING, domain, f"redirect={target}"[:80])
        return found

    async def explain(self, match: _Match) -> str:
        """The explanation of a fail; ``""`` where there is none or anything is wrong with it (section 6.2)."""
        if match.reason is not SpfReason.NOT_LISTED or match.explanation is None:
            return ""
        try:
            answer = await self._txt(await self._name(match.explanation, match.domain))
            if answer.status is not DnsStatus.OK or len(answer.records) != 1:
                return ""
            record = answer.records[0]
            if not isinstance(record, bytes) or len(record) > self._limit.explanation_octets:
                return ""
            parts = parse_macros(record.decode("ascii"), explanation=True)
            text = expand(parts, await self._values_for(parts, match.domain))
        except (MacroError, UnicodeDecodeError, _Stop):
            return ""
        # Macros bring in what the client said: HELO and the local part may hold anything.
        ok = text.isascii() and text.isprintable() and len(text) <= self._limit.explanation_octets
        return text if ok else ""

    async def _record(self, domain: str) -> SpfRecord | None:
        answer = await self._txt(domain)
        self._demand(answer, domain)
        texts = spf_texts(answer.records)
        if not texts:
            return None
        if len(texts) > 1:
            raise _Stop(SpfReason.SEVERAL_RECORDS, domain, domain)
        if len(texts[0]) > self._limit.record_octets:
            raise _Stop(SpfReason.TOO_LARGE, domain, domain)
        try:
            return parse_record(texts[0])
        except RecordError as e:
            raise _Stop(SpfReason.SYNTAX, domain, str(e)) from None

    # mechanisms (section 5)

    async def match_all(self, mechanism: Mechanism, domain: str) -> bool:
        return True

    async def match_ip(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.version != self._version:
            return False
        host_bits = 32 - mechanism.prefix4 if self._version == 4 else 128 - mechanism.prefix6
        return self._number >> host_bits == mechanism.network

    async def match_a(self, mechanism: Mechanism, domain: str) -> bool:
        self._count_lookup(domain)
        answer = await self._own_family(await self._target(mechanism, domain))
        return self._in_network(answer, mechanism)

    async def match_mx(self, mechanism: Mechanism, domain: str) -> bool:
        self._count_lookup(domain)
        name = await self._target(mechanism, domain)
        answer = await self._dns.mx(name) if _resolvable(name) else _NO_SUCH_NAME
        self._demand(answer, name)
        if _resolvable(name):
            self._count_void(answer, name)
        found = sorted(r for r in answer.records if isinstance(r, tuple) and len(r) == 2)
        for count, (_, host) in enumerate(found):
            if not host:
                continue  # the null MX (RFC 7505)
            if count >= self._limit.names:
                raise _Stop(SpfReason.TOO_MANY_NAMES, domain, name)
            if self._in_network(await self._own_family(host), mechanism):
                return True
        return False

    async def match_ptr(self, mechanism: Mechanism, domain: str) -> bool:
        self._count_lookup(domain)
        target = await self._target(mechanism, domain)
        return any(_is_below(name, target) for name in await self._proven_names())

    async def match_exists(self, mechanism: Mechanism, domain: str) -> bool:
        self._count_lookup(domain)
        name = await self._target(mechanism, domain)
        if not _resolvable(name):
            return False
        answer, _ = await self._dns.addresses(name)  # always A, whatever the client has (section 5.7)
        self._demand(answer, name)
        self._count_void(answer, name)
        return answer.status is DnsStatus.OK and bool(answer.records)

    async def match_include(self, mechanism: Mechanism, domain: str) -> bool:
        self._count_lookup(domain)
        target = await self._target(mechanism, domain)
        found = await self.host(target, inner=True)
        if found.reason in (SpfReason.NO_RECORD, SpfReason.NO_DOMAIN):  # section 5.2
            raise _Stop(SpfReason.INCLUDE_MISSING, domain, mechanism.text[:80])
        return found.reason is SpfReason.LISTED

    # names, addresses, limits

    async def _target(self, mechanism: Mechanism, domain: str) -> str:
        return domain if mechanism.target is None else await self._name(mechanism.target, domain)

    async def _name(self, parts: MacroString, domain: str) -> str:
        if len(parts) == 1 and isinstance(parts[0], str):
            return expand_name(parts, {})
        return expand_name(parts, await self._values_for(parts, domain))

    async def _values_for(self, parts: MacroString, domain: str) -> dict[str, str]:
        values = {**self._values, "d": domain}
        if "p" in letters(parts):
            values["p"] = _best_name(await self._proven_names(), domain)
        return values

    async def _proven_names(self) -> list[str]:
        """The client's host names whose addresses lead back to it (section 5.5); failures prove nothing.

        Looked up once; what was void counts each time that a term needs it.
        """
        if self._proven is None:
            proven: list[str] = []
            answer = await self._dns.ptr(str(self._client))
            self._proven_voids = [str(self._client)] if _is_void(answer) else []
            for record in answer.records[: self._limit.names]:
                name = str(record).removesuffix(".").lower()
                if not _resolvable(name):
                    continue
                found = (await self._dns.addresses(name))[self._version == 6]
                if _is_void(found):
                    self._proven_voids.append(name)
                if any(_number(address) == self._number for address in found.records):
                    proven.append(name)
            self._proven = proven
        for name in self._proven_voids:
            self._add_void(name)
        return self._proven

    async def _txt(self, name: str) -> DnsAnswer:
        return await self._dns.txt(name) if _resolvable(name) else _NO_SUCH_NAME

    async def _own_family(self, name: str) -> DnsAnswer:
        """A or AAAA records of `name`, as the client has them."""
        if not _resolvable(name):
            return _NO_SUCH_NAME
        answer = (await self._dns.addresses(name))[self._version == 6]
        self._demand(answer, name)
        self._count_void(answer, name)
        return answer

    def _in_network(self, answer: DnsAnswer, mechanism: Mechanism) -> bool:
        host_bits = 32 - mechanism.prefix4 if self._version == 4 else 128 - mechanism.prefix6
        wanted = self._number >> host_bits
        return any(_number(record) >> host_bits == wanted for record in answer.records)

    def _demand(self, answer: DnsAnswer, name: str) -> None:
        if answer.status in _FAILED:
            raise _Stop(SpfReason.DNS_FAILED, name, name[:255])

    def _count_lookup(self, domain: str) -> None:
        self.lookups += 1
        if self.lookups > self._limit.lookups:
            raise _Stop(SpfReason.TOO_MANY_LOOKUPS, domain)

    def _count_void(self, answer: DnsAnswer, name: str) -> None:
        if _is_void(answer):
            self._add_void(name)

    def _add_void(self, name: str) -> None:
        self.voids += 1
        if self.voids > self._limit.void_lookups:
            raise _Stop(SpfReason.TOO_MANY_VOID, name, name[:255])


_MATCHERS: dict[str, Callable[[_Check, Mechanism, str], Awaitable[bool]]] = {
    "all": _Check.match_all,
    "ip4": _Check.match_ip,
    "ip6": _Check.match_ip,
    "a": _Check.match_a,
    "mx": _Check.match_mx,
    "ptr": _Check.match_ptr,
    "exists": _Check.match_exists,
    "include": _Check.match_include,
}


def _mail_domain(text: str) -> str:
    """The domain of an identity in A-labels, ``""`` where it can have no record (section 4.3)."""
    name = text.removesuffix(".")
    if not name.isascii():
        try:
            name = normalise_domain(name)
        except AddressError:
            return ""
    name = name.lower()
    return name if "." in name and not name.startswith("[") and _resolvable(name) else ""


def _resolvable(name: str) -> bool:
    """Whether `name` could stand in the DNS (RFC 1035 section 2.3.4), and is harmless to ask for."""
    return (
        0 < len(name) <= 253
        and name.isascii()
        and name.isprintable()
        and all(0 < len(label) <= 63 for label in name.removesuffix(".").split("."))
    )


def _is_void(answer: DnsAnswer) -> bool:
    """Whether the answer proves that there is nothing (section 4.6.4); a failure proves nothing."""
    return answer.status not in _FAILED and (answer.status is not DnsStatus.OK or not answer.records)


def _is_below(name: str, domain: str) -> bool:
    domain = domain.lower()
    return name == domain or name.endswith("." + domain)


def _best_name(names: list[str], domain: str) -> str:
    """What ``%{p}`` stands for: the domain itself, then a name below it, then any (section 7.3)."""
    ranked = sorted(names, key=lambda name: (name != domain.lower(), not _is_below(name, domain)))
    return ranked[0] if ranked else "unknown"


def _number(record: object) -> int:
    try:
        return int(ipaddress.ip_address(str(record)))
    except ValueError:
        return -1
