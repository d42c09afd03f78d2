"""Is what a domain needs in the DNS?  Expected records compared with found ones, by what they mean and not as text.

A record that could not be looked up is a grey finding: "could not test" is never green.  Missing or wrong records
are red where they are needed, yellow elsewhere.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from kurir.model import Finding, Severity
from kurir.net.ports import DnsAnswer, DnsStatus, NetError
from kurir.net.web import Fetch, WebRequest
from kurir.senderauth import SenderDns
from kurir.senderauth.dkim import Sighting, sighting_of
from kurir.senderauth.dmarc.record import Policy, dmarc_texts
from kurir.senderauth.dmarc.record import parse_record as parse_dmarc
from kurir.senderauth.spf import SpfQuery, check_mail_from
from kurir.senderauth.spf.record import spf_texts
from kurir.senderauth.spf.verdict import SpfResult

from .records import Record, sts_id

_SHOWN = 200  # characters of what was found


class ZoneDns(SenderDns, Protocol):
    """The lookups a whole domain needs; `kurir.net.CachingResolver` is one."""

    async def tlsa(self, name: str) -> DnsAnswer:
        """Records: ``(usage, selector, matching type, data)``."""
        ...

    async def srv(self, name: str) -> DnsAnswer:
        """Records: ``(priority, weight, port, host)``."""
        ...

    async def caa(self, name: str) -> DnsAnswer:
        """Records: ``(flags, tag, value)``."""
        ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """`state` is ``ok``, ``missing``, ``different``, ``weak`` or ``untested``; `found` what is there, for people."""

    state: str
    found: str = ""


async def check_records(
    records: Iterable[Record], hostname: str, dns: ZoneDns, fetch: Fetch | None = None
) -> list[Finding]:
    """Look all records up at once, and with `fetch` the page behind the MTA-STS record.  Never raises."""
    looker, records = _Looker(hostname, dns, fetch), list(records)
    seen = await asyncio.gather(*map(looker.look, records))
    return list(map(_finding, records, seen))


def _finding(record: Record, seen: _Seen) -> Finding:
    bad = Severity.RED if record.needed else Severity.YELLOW
    severity = {
        "ok": Severity.GREEN, "weak": Severity.YELLOW, "untested": Severity.GREY
    }.get(seen.state, bad)  # fmt: skip
    key = f"dns_{seen.state}" if record.value or seen.state != "missing" else "dns_no_address"
    values = {"name": record.name, "type": record.type, "value": record.value, "found": seen.found[:_SHOWN]}
    return Finding(
        check=f"{record.type} {record.name}", severity=severity, key=key, values=values, evidence=seen.found
    )


def _absent(answer: DnsAnswer) -> _Seen | None:
    """Return what an answer without records means, None where there are some."""
    if answer.status is DnsStatus.OK and answer.records:
        return None
    if answer.status in (DnsStatus.SERVFAIL, DnsStatus.TIMEOUT):
        return _Seen("untested", answer.status.value)
    return _Seen("missing")


def _compare(found: Iterable[str], wanted: str) -> _Seen:
    found = list(found)
    return _Seen("ok" if wanted in found else "different", ", ".join(found))


def _shown(texts: Iterable[bytes]) -> str:
    return " | ".join(t.decode("utf-8", "replace") for t in texts)


class _Looker:
    """Looks at the records of a domain whose server is `hostname`."""

    def __init__(self, hostname: str, dns: ZoneDns, fetch: Fetch | None) -> None:
        self._hostname = hostname
        self._dns = dns
        self._fetch = fetch

    async def look(self, record: Record) -> _Seen:
        """Return what is there of one record."""
        look = _BY_WHY.get(record.why) or _BY_TYPE[record.type]
        return await look(self, record)

    async def mx(self, record: Record) -> _Seen:
        """A mail exchanger: ours is among them."""
        answer = await self._dns.mx(record.name)
        hosts = [str(r[1]) for r in answer.records if isinstance(r, tuple)]
        return _absent(answer) or _compare(hosts, self._hostname)

    async def address(self, record: Record) -> _Seen:
        """An address of the server."""
        four, six = await self._dns.addresses(record.name)
        found = [str(r) for r in (*four.records, *six.records)]
        if not found:
            return _absent(four if four.status is not DnsStatus.NODATA else six) or _Seen("missing")
        return _compare(found, record.value) if record.value else _Seen("ok", ", ".join(found))

    async def alias(self, record: Record) -> _Seen:
        """An alias is right where it leads to our addresses, by whatever way."""
        there = await self._dns.addresses(record.name)
        here = await self._dns.addresses(self._hostname)
        found = {str(r) for answer in there for r in answer.records}
        if not found:
            return _absent(there[0]) or _Seen("missing")
        ours = {str(r) for answer in here for r in answer.records}
        return _Seen("ok" if found & ours else "different", ", ".join(sorted(found)))

    async def text(self, record: Record) -> _Seen:
        """A text of which only the version is prescribed: its first tag."""
        answer = await self._dns.txt(record.name)
        texts = [r for r in answer.records if isinstance(r, bytes)]
        version = record.value.partition(";")[0].encode().lower()
        mine = [t for t in texts if t.lower().replace(b" ", b"").startswith(version)]
        absent = _absent(answer)
        return absent or _Seen("ok" if len(mine) == 1 else "different", _shown(mine or texts))

    async def mta_sts(self, record: Record) -> _Seen:
        """The id of our policy, and the very policy behind it: what is served there may be an older one."""
        seen = await self.text(record)
        wanted = record.value.rpartition("=")[2]
        if seen.state != "ok":
            return seen
        if wanted not in re.split(r"[=;\s]+", seen.found):
            return _Seen("different", seen.found)
        if self._fetch is None:
            return seen
        url = f"https://mta-sts.{record.name.removeprefix('_mta-sts.')}/.well-known/mta-sts.txt"
        try:
            answer = await self._fetch(WebRequest(url))
        except NetError as e:
            return _Seen("sts_unserved", str(e))
        if answer.status != 200:
            return _Seen("sts_unserved", f"{url}: {answer.status}")
        return seen if sts_id(answer.body) == wanted else _Seen("sts_stale", _shown([answer.body]))

    async def spf(self, record: Record) -> _Seen:
        """The record is right where it lets this server's addresses send, whatever else it says."""
        answer = await self._dns.txt(record.name)
        texts = spf_texts(answer.records)
        if not texts:
            return _absent(answer) or _Seen("missing")
        four, six = await self._dns.addresses(self._hostname)
        addresses = [str(r) for r in (*four.records, *six.records)]
        for address in addresses:
            verdict = await check_mail_from(
                SpfQuery(address, self._hostname, f"postmaster@{record.name}"), self._dns
            )
            if verdict.result is SpfResult.TEMPERROR:
                return _Seen("untested", _shown(texts))
            if verdict.result is not SpfResult.PASS:
                return _Seen("different", f"{_shown(texts)} ({address}: {verdict.result.value})")
        return _Seen("ok" if addresses else "untested", _shown(texts))

    async def dkim(self, record: Record) -> _Seen:
        """A signing key."""
        answer = await self._dns.txt(record.name)
        found = _shown([r for r in answer.records if isinstance(r, bytes)])
        return _Seen(_SIGHTINGS[sighting_of(answer, record.value)], found or answer.status.value)

    async def dmarc(self, record: Record) -> _Seen:
        """The policy: any that asks for something counts."""
        answer = await self._dns.txt(record.name)
        texts = dmarc_texts(answer.records)
        if not texts:
            return _absent(answer) or _Seen("missing")
        policy = parse_dmarc(texts[0])
        if len(texts) > 1 or not policy.usable:
            return _Seen("different", _shown(texts))
        return _Seen("weak" if policy.p is Policy.NONE else "ok", _shown(texts))

    async def tlsa(self, record: Record) -> _Seen:
        """The fingerprint of our certificate's key."""
        answer = await self._dns.tlsa(record.name)
        found = [f"{r[0]} {r[1]} {r[2]} {r[3].hex()}" for r in answer.records if isinstance(r, tuple)]
        return _absent(answer) or _compare(found, record.value)

    async def srv(self, record: Record) -> _Seen:
        """A service: host and port, whatever the weights."""
        answer = await self._dns.srv(record.name)
        found = [f"{r[2]} {r[3]}." for r in answer.records if isinstance(r, tuple)]
        return _absent(answer) or _compare(found, " ".join(record.value.split()[2:]))

    async def caa(self, record: Record) -> _Seen:
        """Who may issue certificates."""
        answer = await self._dns.caa(record.name)
        found = [f'{r[0]} {r[1]} "{r[2]}"' for r in answer.records if isinstance(r, tuple)]
        return _absent(answer) or _compare(found, record.value)


_SIGHTINGS = MappingProxyType(
    {
        Sighting.SEEN: "ok",
        Sighting.ABSENT: "missing",
        Sighting.DIFFERENT: "different",
        Sighting.UNKNOWN: "untested",
    }
)
_Look = Callable[[_Looker, Record], Awaitable[_Seen]]
_BY_WHY: Mapping[str, _Look] = MappingProxyType(
    {
        "mta_sts": _Looker.mta_sts,
        "spf": _Looker.spf,
        "spf_host": _Looker.spf,
        "dkim": _Looker.dkim,
        "dmarc": _Looker.dmarc,
    }
)
_BY_TYPE: Mapping[str, _Look] = MappingProxyType(
    {
        "MX": _Looker.mx,
        "A": _Looker.address,
        "AAAA": _Looker.address,
        "CNAME": _Looker.alias,
        "TXT": _Looker.text,
        "TLSA": _Looker.tlsa,
        "SRV": _Looker.srv,
        "CAA": _Looker.caa,
    }
)
