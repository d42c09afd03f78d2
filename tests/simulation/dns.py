"""A resolver that lies: it fails, stays silent, or says that what exists does not.  Implements `kurir.net.ports.Resolver`.

A lie is drawn for each question while `badness` is above 0.  NXDOMAIN flaps are lies that Kurir has to believe (they
prove something), so every one is noted in `denied` with its time: a bounce for that reason is then explained.
"""

import asyncio
from random import Random

from kurir.net.ports import DnsAnswer, DnsStatus

from .loop import SimLoop

TTL = 60.0


class LyingResolver:
    """`zone` maps a domain to its mail hosts (preference, name), `hosts` a name to its addresses."""

    def __init__(self, loop: SimLoop, random: Random) -> None:
        self._loop, self._random = loop, random
        self.zone: dict[str, tuple[tuple[int, str], ...]] = {}
        self.hosts: dict[str, tuple[str, ...]] = {}
        self.badness = 0.0
        self.denied: dict[str, list[float]] = {}

    async def _lie(self, name: str, *, may_deny: bool) -> DnsAnswer | None:
        random = self._random
        await asyncio.sleep(random.choice((0.0, 0.001, 0.05)))
        if random.random() >= self.badness:
            return None
        status = random.choice(list(DnsStatus)[1:] if may_deny else [DnsStatus.SERVFAIL, DnsStatus.TIMEOUT])
        if status is DnsStatus.TIMEOUT:
            await asyncio.sleep(10.0)
        if status in (DnsStatus.NXDOMAIN, DnsStatus.NODATA):
            self.denied.setdefault(name, []).append(self._loop.time())
        return DnsAnswer(status, (), random.choice((0.0, 5.0, TTL)))

    async def mx(self, name: str) -> DnsAnswer:
        lie = await self._lie(name, may_deny=self._random.random() < 0.2)
        if lie is not None:
            return lie
        records = self.zone.get(name)
        if records is None:
            return DnsAnswer(DnsStatus.NXDOMAIN, (), TTL)
        return DnsAnswer(DnsStatus.OK, records, TTL)

    async def addresses(self, name: str) -> tuple[DnsAnswer, DnsAnswer]:
        nothing = DnsAnswer(DnsStatus.NODATA, (), TTL)
        lie = await self._lie(name, may_deny=self._random.random() < 0.2)
        if lie is not None:
            return lie, lie
        found = self.hosts.get(name)
        if found is None:
            return DnsAnswer(DnsStatus.NXDOMAIN, (), TTL), DnsAnswer(DnsStatus.NXDOMAIN, (), TTL)
        return DnsAnswer(DnsStatus.OK, found, TTL), nothing

    async def txt(self, name: str) -> DnsAnswer:
        return DnsAnswer(DnsStatus.NODATA)

    async def ptr(self, ip: str) -> DnsAnswer:
        return DnsAnswer(DnsStatus.NODATA)
