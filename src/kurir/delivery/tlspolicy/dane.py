"""What signed DNS says about a mail host: its TLSA records, and whether our resolver can be believed at all.

The AD bit is worth something only from a validating resolver that nobody can stand in between of.  Whether it
does validate is tested with a name that must prove and one that must not; anything else than "yes, no" leaves
DANE off, and that is said.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from kurir.net.ports import DnsAnswer, DnsStatus, Resolver
from kurir.net.tlsa import usable

from .facts import DaneFacts, DaneState

_UNSURE = (DnsStatus.SERVFAIL, DnsStatus.TIMEOUT)
MAX_HOSTS = 20_000


class Validation(str, Enum):
    """What the test of the resolver came to; each has words under ``dnssec.<value>``."""

    WORKS = "works"
    OFF = "off"  # by configuration
    UNTRUSTED = "untrusted"  # no resolver on loopback, and none that the operator vouches for
    NO_PROOF = "no_proof"  # the good name came without proof: it does not validate
    NO_REFUSAL = "no_refusal"  # the bogus name was answered: it does not refuse
    INCONCLUSIVE = "inconclusive"  # one of the names could not be looked up, or is gone


@dataclass(frozen=True, slots=True)
class DaneSettings:
    """`good` is a signed name with an address, `bogus` one with a broken signature.  Times in seconds."""

    on: bool = True
    good: str = "iana.org"
    bogus: str = "dnssec-failed.org"
    retest: float = 300.0  # after a test that failed
    retest_good: float = 6 * 3600.0
    min_ttl: float = 5.0
    max_ttl: float = 3600.0


async def validates(resolver: Resolver, settings: DaneSettings, *, trusted: bool) -> Validation:
    """Test whether the resolver validates (RFC 7672 section 2.1 builds on it).  `trusted`: its AD bit may count."""
    if not settings.on:
        return Validation.OFF
    if not trusted:
        return Validation.UNTRUSTED
    good, bogus = await asyncio.gather(resolver.addresses(settings.good), resolver.addresses(settings.bogus))
    if all(answer.status in _UNSURE for answer in good):
        return Validation.INCONCLUSIVE
    if not any(answer.status is DnsStatus.OK and answer.authentic for answer in good):
        return Validation.NO_PROOF
    if any(answer.status is DnsStatus.OK for answer in bogus):
        return Validation.NO_REFUSAL
    refused = any(answer.status is DnsStatus.SERVFAIL for answer in bogus)
    return Validation.WORKS if refused else Validation.INCONCLUSIVE


class DaneLookup:
    """TLSA records by host, remembered for their TTL."""

    def __init__(
        self, resolver: Resolver, settings: DaneSettings, clock: Callable[[], float], *, trusted: bool
    ) -> None:
        self._resolver = resolver
        self._settings = settings
        self._clock = clock
        self._trusted = trusted
        self._known: OrderedDict[tuple[str, int], tuple[float, DaneFacts]] = OrderedDict()
        self._testing: asyncio.Task[Validation] | None = None
        self._test_due = 0.0
        self.validation = Validation.OFF if not settings.on else Validation.UNTRUSTED
        self.told: Callable[[Validation], None] = lambda _: None

    async def tested(self) -> bool:
        """Whether DANE can be used; waits for the first test, later ones happen when they are due."""
        if not self._settings.on or not self._trusted:
            return False
        if self._clock() >= self._test_due:
            if self._testing is None:
                self._testing = asyncio.get_running_loop().create_task(self._test())
            if self._test_due == 0.0:
                await asyncio.shield(self._testing)
        return self.validation is Validation.WORKS

    async def _test(self) -> Validation:
        s = self._settings
        try:
            found = await validates(self._resolver, s, trusted=self._trusted)
        finally:
            self._testing = None
        changed = found is not self.validation or self._test_due == 0.0
        self.validation = found
        self._test_due = self._clock() + (s.retest_good if found is Validation.WORKS else s.retest)
        if changed:
            self.told(found)
        return found

    async def facts(self, host: str, port: int) -> DaneFacts:
        """Return what is known about a host; from memory while its TTL lasts."""
        known = self._known.get((host, port))
        if known is not None and known[0] > self._clock():
            return known[1]
        if not await self.tested():
            return DaneFacts()
        ttl, facts = await self._look_up(host, port)
        self._known[host, port] = (
            self._clock() + min(max(ttl, self._settings.min_ttl), self._settings.max_ttl),
            facts,
        )
        self._known.move_to_end((host, port))
        while len(self._known) > MAX_HOSTS:
            self._known.popitem(last=False)
        return facts

    async def _look_up(self, host: str, port: int) -> tuple[float, DaneFacts]:
        """RFC 7672 section 2.2.2: hosts with secure addresses are asked for under their expanded name first.

        An alias that is secure itself, for a name that is not, is asked for under its own name only.
        """
        addresses = [
            a for a in await self._resolver.addresses(host) if a.status is DnsStatus.OK and a.records
        ]
        if not addresses:
            return 0.0, DaneFacts(DaneState.NONE)
        expanded = addresses[0].canonical or host
        bases = tuple(dict.fromkeys((expanded, host)))
        if not all(a.authentic for a in addresses):
            alias = await self._resolver.cname(host) if expanded != host else None
            if alias is not None and alias.status in _UNSURE:
                return 0.0, DaneFacts(DaneState.BOGUS, base=host)
            if alias is None or alias.status is not DnsStatus.OK or not alias.authentic:
                return min(a.ttl for a in addresses), DaneFacts(DaneState.NONE)
            bases = (host,)
        found: DnsAnswer | None = None
        for base in bases:
            found = await self._resolver.tlsa(f"_{port}._tcp.{base}")
            if found.status in _UNSURE:
                return 0.0, DaneFacts(DaneState.BOGUS, base=base)
            if found.status is DnsStatus.OK and found.records and found.authentic:
                records = usable(found.records)
                state = DaneState.USABLE if records else DaneState.UNUSABLE
                return min(found.ttl, *(a.ttl for a in addresses)), DaneFacts(state, records, base)
        return (found.ttl if found else 0.0), DaneFacts(DaneState.NONE)
