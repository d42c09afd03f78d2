"""Doubles for the delivery room: DNS without a network, a brain that gathers answers, a scripted SMTP peer."""

import asyncio
import hashlib
import time
from random import Random

from kurir.delivery import (
    DeliveryHand,
    DeliverySettings,
    NetDialer,
    NextHop,
    Route,
    RouteKind,
    TlsLevel,
)
from kurir.model import MailParams, Recipient, parse_address
from kurir.net import ClientTlsFactory, ClientTlsSettings
from kurir.net.ports import DnsAnswer, DnsStatus
from kurir.queue.asks import Lease, Road, Work
from tests.harness import PATIENCE


class RealClock:
    def now(self):
        return time.time()

    def monotonic(self):
        return time.monotonic()


class FakeClock:
    def __init__(self, at=1_700_000_000.0):
        self.at = at

    def now(self):
        return self.at

    def monotonic(self):
        return self.at


NODATA = DnsAnswer(DnsStatus.NODATA, ttl=60.0)


def ok(*records, ttl=300.0):
    return DnsAnswer(DnsStatus.OK, records, ttl)


def status(name):
    return DnsAnswer(DnsStatus(name), ttl=60.0)


class FakeResolver:
    """Answers from dictionaries; what is not there does not exist.  `asked` counts."""

    def __init__(self, mx=None, a=None, aaaa=None):
        self.mx_records = mx or {}
        self.a_records = a or {}
        self.aaaa_records = aaaa or {}
        self.asked = []

    async def mx(self, name):
        self.asked.append(("mx", name))
        return self.mx_records.get(name, status("nxdomain"))

    async def addresses(self, name):
        self.asked.append(("addresses", name))
        missing = (
            status("nxdomain") if name not in self.a_records and name not in self.aaaa_records else NODATA
        )
        return self.a_records.get(name, missing), self.aaaa_records.get(name, missing)

    async def txt(self, name):
        return NODATA

    async def ptr(self, ip):
        return NODATA

    async def cname(self, name):
        return NODATA

    async def tlsa(self, name):
        return NODATA


class MemoryBodies:
    """Bodies by number; `damaged` numbers raise where the real ones would."""

    def __init__(self, bodies=None, damaged=()):
        self.bodies = bodies or {}
        self.damaged = set(damaged)

    def _check(self, work):
        from kurir.delivery import BodyDamaged

        if work.number in self.damaged:
            raise BodyDamaged("checksum differs")

    async def whole(self, work):
        self._check(work)
        return self.bodies[work.number]

    async def chunks(self, work):
        body = self.bodies[work.number]
        for i in range(0, len(body), 256 * 1024):
            yield body[i : i + 256 * 1024]
        self._check(work)

    async def head(self, work, limit):
        return self.bodies[work.number][:limit]


class Brain:
    """Gathers what the hand answers."""

    def __init__(self):
        self.plans = []
        self.settlements = []
        self.calls = 0
        self.accepted = []
        self.missing = 0
        self.done = asyncio.Event()

    def planned(self, plans):
        self.plans += plans
        self.calls += 1
        self.done.set()

    def settle(self, settlements):
        self.settlements += settlements
        self.calls += 1
        self.missing -= len(settlements)
        if self.missing <= 0:
            self.done.set()

    async def accept(self, incoming):
        self.accepted.append(incoming)
        self.done.set()


class Harness:
    """A hand with doubles around it."""

    def __init__(
        self,
        settings,
        resolver=None,
        *,
        bodies=None,
        tls=None,
        random=None,
        clock=None,
        stores=None,
        writer=None,
        desk=None,
        sealing=None,
        left=None,
    ):
        self.brain = Brain()
        self.clock = clock or RealClock()
        tls = tls or ClientTlsFactory(ClientTlsSettings(), now=time.time)
        self.hand = DeliveryHand(
            settings,
            brain=self.brain,
            bodies=bodies or MemoryBodies(),
            resolver=resolver or FakeResolver(),
            dialer=NetDialer(tls),
            clock=self.clock,
            random=random or Random(7),
            writer=writer,
            stores=stores,
            desk=desk,
            sealing=sealing,
            left=left,
        )

    async def deliver(self, leases):
        """Give the leases, wait for their settlements; return {(number, index): outcome}."""
        brain = self.brain
        brain.missing = len(leases)
        brain.done.clear()
        del brain.settlements[:]
        self.hand.work(leases)
        await brain.done.wait()
        return {(s.number, i): o for s in brain.settlements for i, o in s.results}

    async def drain(self):
        """Let what is being sent end, and the connections with it."""
        await self.hand.drain(PATIENCE)


def smarthost_settings(port, *, concurrency=20, hop=None, route=None, **changes):
    hop = {"host": "127.0.0.1", "port": port, "tls": TlsLevel.NONE, "tls_chosen": True} | (hop or {})
    kind = RouteKind.LMTP if hop.get("lmtp") else RouteKind.SMARTHOST
    line = Route(name="relay", kind=kind, concurrency=concurrency, next_hop=NextHop(**hop), **(route or {}))
    return DeliverySettings(hello_name="client.example", routes=(line,), **changes)


def lease_for(
    settings,
    number,
    recipients,
    *,
    body=b"Subject: x\r\n\r\nhello\r\n",
    file=False,
    sender="me@client.example",
    site=None,
    **params,
):
    road = settings.routes[0]
    hop = road.next_hop
    site = site or (f"{hop.path or f'{hop.host}:{hop.port}'}" if hop else "site")
    return Lease(
        epoch=1,
        id=number,
        number=number,
        road=Road(road.name, site, road.concurrency),
        reverse_path=parse_address(sender) if sender else None,
        params=MailParams(**params),
        work=tuple(
            Work(i, Recipient(parse_address(r) if isinstance(r, str) else r), 0)
            for i, r in enumerate(recipients)
        ),
        trace_block=b"Received: by client.example\r\n",
        size=len(body),
        sha256=hashlib.sha256(body).digest(),
        body=None if file else body,
        body_file="file" if file else None,
        accepted_at=1_700_000_000.5,
    )
