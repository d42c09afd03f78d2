"""One week: a machine with Kurir's sending half, the providers around it, what is handed in, and what goes wrong."""

import asyncio
import functools
import gc
import hashlib
import re
from collections import Counter, deque
from collections.abc import Iterator
from hashlib import sha256
from random import Random
from typing import Any

from kurir.delivery import DeliverySettings, NextHop, Route, RouteKind
from kurir.delivery.settings import TlsLevel
from kurir.limits import Margins, Unit
from kurir.model import Address, Envelope, MailParams, Origin, Recipient, TlsFacts, Urgency, decode_id
from kurir.net.ports import Endpoint
from kurir.queue import Accepted, Incoming, Lease, QueueSettings
from kurir.queue.asks import ID_MARK
from kurir.queue.roads.roadbook import Turn
from kurir.reports import ReportSettings
from kurir.trace import Catalogue
from tests.simulation.disk import Disk
from tests.simulation.dns import LyingResolver
from tests.simulation.loop import NATURE, Bounds, Process, SimLoop
from tests.simulation.net import Net, Sockets, Weather
from tests.simulation.parts import BrainPart, DeliveryPart, Parts
from tests.simulation.world import START, Clock, Result

from . import contracts, outages, rules, traffic
from .outages import Kill, Outage
from .providers import Provider
from .traffic import Letter, Size

DAY = 86_400.0
HERE = Endpoint("192.0.2.1", 25)
HAND_IN_TIMEOUT = 30.0
LONGEST = 12 * DAY
TAIL = 200
BODY = b"Subject: x\r\nFrom: x@app.example\r\n\r\nhello\r\n"
_ID = re.compile(rb"\bid (k[0-9a-z]{7,})")


class Sending(Parts):
    """The processes of a machine without a door to the world: mail is handed to the brain directly."""

    def __init__(self, world: Any, *, together: bool) -> None:
        super().__init__(world, together=together)
        self.starts.pop("reception", None)

    def _all(self, process: Process) -> None:
        self.brain = BrainPart(self._world, process)
        self.brain.name = "all"
        self.delivery = DeliveryPart(self._world, process, self.brain.door)
        self.brain.brain.hand_connected(self.delivery.hand, ())


@functools.cache
def _catalogue() -> Catalogue:
    return Catalogue.load()


class Week:
    """Everything there is."""

    def __init__(self, seed: int, size: Size) -> None:
        self.seed, self.size = seed, size
        self.random = random = Random(seed)
        self._hash = hashlib.sha256()
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.figures: Counter[str] = Counter()
        self.broken: list[str] = []
        self.loop = SimLoop(
            Random(random.random()), shuffle=False, bounds=Bounds(60_000_000, 20_000, 200_000)
        )
        self.clock = Clock(self.loop)  # type: ignore[arg-type]
        self.latency = latency = random.choice((0.002, 0.02, 0.1))
        self.net = Net(self.loop, Random(random.random()), self.trace)
        self.net.weather = lambda: Weather(latency)
        self.net.tls = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", "name")
        self.sockets = Sockets(self.loop, Random(random.random()))
        self.resolver = LyingResolver(self.loop, Random(random.random()))
        self.disk = Disk(self.loop, Random(random.random()), self.clock, self.trace)
        self.disk.moment = self.moment
        self.front, self.catalogue = HERE, _catalogue()
        self.report_settings = ReportSettings(hostname="mx.here.example", domain="here.example")
        self.queue_settings = QueueSettings(
            postmaster=Address("postmaster", "here.example"),
            lifetime=LONGEST,
            delay_notice=(),
        )
        self.margins = Margins(reserve=0.1)
        self.letters = traffic.draw(Random(random.random()), size, contracts.DOMAINS)
        self.markets = contracts.draw(self, Random(random.random()), size)
        self.providers = [p for market in self.markets for p in market.providers]
        self.plan = outages.draw(Random(random.random()), size.days, len(self.providers))
        self.delivery_settings = self._routes()
        self._hosts()
        self.machine = Sending(self, together=random.random() < 0.5)
        self.parts: dict[str, Process] = {}
        self.armed: dict[str, tuple[int, str]] = {}
        self._dice = Random(random.random())
        # ledgers
        self.accepted: dict[int, tuple[float, Letter]] = {}
        self.unanswered: list[Letter] = []  # handed in to somebody who died; it is handed in again
        self.deliveries: dict[tuple[int, str], list[tuple[float, str]]] = {}
        self.excused: Counter[tuple[int, str]] = Counter()
        self.wasted: list[
            tuple[float, float, str]
        ] = []  # lost in a kill: from when, as sent when, of which limit
        self.displaced: set[tuple[int, int]] = set()  # (message, recipient): leased when a process was killed
        self.kills: list[float] = []
        self.forgot: list[float] = []  # when the brain was killed
        self.turns: list[tuple[float, Turn]] = []
        self._sayings = 0

    def _routes(self) -> DeliverySettings:
        routes = [route for market in self.markets if market.smarthosts for route in _roads(market)]
        routes = routes or [Route(name="mx", kind=RouteKind.MX)]
        atlas = contracts.atlas(self.markets, self.margins)
        return DeliverySettings(hello_name="mx.here.example", routes=tuple(routes), atlas=atlas)

    def _hosts(self) -> None:
        """Give each provider addresses, and a receiver the domains that it takes mail for."""
        for i, provider in enumerate(self.providers):
            for j, host in enumerate(provider.hosts):
                self.resolver.hosts[host] = (ip := f"10.{i + 2}.0.{j + 1}",)
                self.net.listen(ip, 25, provider.serve)
                provider.addresses.append(ip)
        for market in self.markets:
            for provider in market.providers:
                provider.known_limits = market.known
            if not market.smarthosts:
                hosts = market.providers[0].hosts
                for domain, host in zip(market.domains, hosts, strict=True):
                    self.resolver.zone[domain] = ((10, host),)

    def gap(self, provider: Provider) -> float:
        """Return the seconds between two messages at best: two answers each, and a new connection for every twenty."""
        at_once = provider.at_once.value if provider.at_once else 20
        return (4.7 * self.latency + provider.habits.thinks) / at_once

    def flight(self, provider: Provider) -> float:
        """Return the seconds from MAIL to the answer to the final dot: somewhere in between it is counted."""
        return 4 * self.latency + provider.habits.thinks

    # -- noting ---------------------------------------------------------------------------------------

    def trace(self, *what: object) -> None:
        line = f"{self.loop.time():.3f} {' '.join(map(str, what))}"
        self._hash.update(line.encode())
        self.tail.append(line)

    def wrong(self, text: str) -> None:
        self.trace("BROKEN", text)
        if len(self.broken) < 20:
            self.broken.append(f"{self.loop.time() / DAY:.3f} d: {text}")

    def next_saying(self) -> int:
        self._sayings += 1
        return self._sayings

    def nature(self, delay: float, call: Any, *args: object) -> None:
        self.loop.in_process(NATURE, delay, call, *args)

    def leased(self, part: DeliveryPart, leases: list[Lease]) -> None:
        self.figures["leases"] += len(leases)
        self.moment("leased")

    def turned(self, turn: Turn) -> None:
        """A road broke, or is back."""
        self.trace("turn", turn.road, turn.health.value, turn.cause.value)
        self.turns.append((self.loop.time(), turn))

    def taken(self, provider: Provider, sender: str, recipients: tuple[str, ...], octets: bytes) -> bool:
        """A provider has a message; return whether its reply gets lost."""
        found = _ID.search(octets[:200])
        number = decode_id(found[1].decode()) if found else None
        now = self.loop.time()
        self.trace("taken", provider.name, number, len(recipients))
        provider.took.append((now, number or 0))
        if number is None or number not in self.disk.facts.messages:
            self.wrong(f"{provider.name} took a message that was never accepted")
            return False
        for recipient in recipients:
            self.deliveries.setdefault((number, recipient), []).append((now, provider.name))
        self.moment("taken")
        lost = self.plan.lost > 0 and self._dice.random() < self.plan.lost
        if lost:
            rules.repeat(self, provider, len(recipients))
        return lost

    # -- what goes wrong --------------------------------------------------------------------------------

    def begin(self, outage: Outage) -> None:
        self.trace("outage", outage.kind, outage.provider, round(outage.end - outage.at))
        self._set(outage, on=True)
        self.nature(outage.end - outage.at, self._set, outage, False)

    def _set(self, outage: Outage, on: bool) -> None:
        provider = self.providers[outage.provider]
        self.trace("outage", outage.kind, "on" if on else "off")
        if outage.kind in ("refused", "silent", "tls"):
            for address in provider.addresses:
                self.net.shut.pop(address, None)
                if on:
                    self.net.shut[address] = outage.kind
        else:
            provider.outage = outage.kind if on else ""

    def arm(self, kill: Kill) -> None:
        roles = sorted(self.parts)
        self.armed[kill.moment] = (kill.nth, roles[kill.role % len(roles)])

    def moment(self, name: str) -> None:
        if name in self.armed:
            left, role = self.armed[name]
            if left > 1:
                self.armed[name] = (left - 1, role)
            else:
                del self.armed[name]
                self.kill(role, f"when {name}")

    def start(self, role: str) -> None:
        process = self.parts[role] = Process(role)
        process.context.copy().run(self.machine.starts[role], process)

    def kill(self, role: str, why: str) -> None:
        """As `kill -9`, and the supervisor starts it again."""
        process = self.parts[role]
        if not process.alive:
            return
        self.trace("crash", role, why)
        self.figures["kills"] += 1
        self.kills.append(self.loop.time())
        if role != "delivery":
            self.forgot.append(self.loop.time())
        rules.excuse(self, role)
        process.kill()
        rules.waste(self, role)
        self.nature(self.random.choice((0.01, 1.0, 60.0)), self.start, role)

    # -- the story ----------------------------------------------------------------------------------------

    async def story(self) -> None:
        for role in self.machine.starts:
            self.start(role)
        for outage in self.plan.outages:
            self.nature(outage.at, self.begin, outage)
        for kill in self.plan.kills:
            self.nature(kill.at, self.arm, kill)
        for market in self.markets:
            if market.change:
                self.nature(market.change.at, market.providers[0].change, market.change)
            if market.shared:
                self._somebody_else(market.providers[0])
        by_campaign: dict[str, list[Letter]] = {}
        for letter in self.letters:
            by_campaign.setdefault(letter.campaign, []).append(letter)
        feeders = [self.loop.spawn(NATURE, self._feed(letters)) for letters in by_campaign.values()]
        await asyncio.wait(feeders)
        for feeder in feeders:
            feeder.result()
        while self._waiting() and self.loop.time() < LONGEST:
            await asyncio.sleep(60.0)
        self.armed.clear()
        await asyncio.sleep(120.0)
        rules.check(self)

    def _somebody_else(self, provider: Provider) -> None:
        """A neighbour sends by the same login, a fortieth of its largest window an hour."""
        for unit in (Unit.MESSAGES, Unit.RECIPIENTS):
            most = max((t.value for t in provider.terms if t.unit is unit and t.per.window), default=0)
            provider.account.count(unit, most // 40, self.clock.now(), foreign=True)
        if self.loop.time() < self.size.days * DAY:
            self.nature(3600.0, self._somebody_else, provider)

    def _waiting(self) -> int:
        return not self.parts_alive() or self.machine.brain.brain.figures().waiting

    def parts_alive(self) -> bool:
        """Whether everything runs."""
        return all(p.alive for p in self.parts.values())

    async def _feed(self, letters: list[Letter]) -> None:
        for letter in letters:
            if letter.at > self.loop.time():
                await asyncio.sleep(letter.at - self.loop.time())
            while not await self._hand_in(letter):
                await asyncio.sleep(5.0)

    async def _hand_in(self, letter: Letter) -> bool:
        local, _, domain = letter.account.partition("@")
        incoming = Incoming(
            envelope=Envelope(
                Address(local, domain),
                tuple(Recipient(_address(r), None) for r in letter.recipients),
                MailParams(urgency=Urgency.URGENT if letter.urgent else Urgency.ORDINARY),
            ),
            received_at=self.clock.now(),
            origin=Origin("ESMTPSA", "submission", "10.0.0.1", account=letter.account),
            trace_block=b"Received: from x by y id " + ID_MARK + b"\r\n",
            size=len(BODY),
            sha256=_DIGEST,
            body=BODY,
            proven_sender=True,
        )
        role = "all" if "all" in self.parts else "brain"
        if not self.parts[role].alive:
            return False
        try:
            answer = await asyncio.wait_for(self.machine.brain.door.accept(incoming), HAND_IN_TIMEOUT)
        except TimeoutError:
            self.unanswered.append(letter)
            return False
        if not isinstance(answer, Accepted):
            return False
        self.accepted[answer.number] = (self.loop.time(), letter)
        return True

    def durable(self) -> Iterator[tuple[int, float, Letter]]:
        """Yield all that Kurir has promised itself to send: number, when, which letter."""
        for number, (at, letter) in self.accepted.items():
            yield number, at, letter
        for number, message in self.disk.facts.messages.items():
            if number not in self.accepted:
                whose = (message.origin.account, tuple(str(r.address) for r in message.recipients))
                again = next((x for x in self.unanswered if (x.account, x.recipients) == whose), None)
                if again is not None:
                    yield number, message.accepted_at - START, again

    def result(self) -> Result:
        self.broken += self.disk.violations
        return Result(
            self.seed, self.broken, self._hash.hexdigest(), list(self.tail), self.loop.time(), self.loop.steps,
            self.figures,
        )  # fmt: skip


_DIGEST = sha256(BODY).digest()


def _roads(market: contracts.Market) -> list[Route]:
    """Return a road for each smarthost; the first falls back to the others."""
    names = [f"by-{p.name}" for p in market.providers]
    return [
        Route(
            name=name,
            kind=RouteKind.SMARTHOST,
            next_hop=_next_hop(p),
            provider=p.name,
            fallback=tuple(names[1:]) if name == names[0] else (),
            only_fallback=name != names[0],
        )
        for name, p in zip(names, market.providers, strict=True)
    ]


def _next_hop(p: Provider) -> NextHop:
    tls = TlsLevel.REQUIRE if p.habits.tls else TlsLevel.NONE
    login = {"username": f"me@{p.name}", "password": "x"} if p.habits.login else {}
    return NextHop(host=p.hosts[0], port=25, tls=tls, tls_chosen=True, **login)  # type: ignore[arg-type]


def _address(text: str) -> Address:
    local, _, domain = text.partition("@")
    return Address(local, domain)


def run(seed: int, size: Size | None = None) -> Result:
    """Run one seed to its end."""
    _catalogue()
    gc.disable()  # when garbage is collected must not depend on what ran before
    gc.freeze()
    week = Week(seed, size or Size())
    try:
        try:
            week.loop.run(week.story())
        except AssertionError as error:
            week.wrong(f"{type(error).__name__}: {error}")
        for failure in week.loop.failures:
            week.wrong(f"{failure.get('message')}: {failure.get('exception')!r}")
        return week.result()
    finally:
        week.loop.close()
        del week
        gc.collect()
        gc.unfreeze()
        gc.enable()
