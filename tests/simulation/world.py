"""One run: a machine with Kurir on it, the world around it, a day or so of trouble, then peace until all has ended.

The ledgers here are outside Kurir: what senders were promised, what destinations took, who held a recipient when
somebody was killed.  `checkers` compares them with what Kurir says of itself.
"""

import asyncio
import functools
import gc
import hashlib
import re
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from random import Random
from typing import Any

from kurir.delivery import DeliverySettings, NextHop, Route, RouteKind
from kurir.identity import DirectorySettings
from kurir.model import Address, Event, EventKind, decode_id, encode_id
from kurir.net.ports import Endpoint
from kurir.queue import QueueSettings
from kurir.queue.asks import Lease
from kurir.queue.ports import StoreError
from kurir.queue.roads.roadbook import Turn
from kurir.reception import ListenerSettings, ReceptionSettings, Role
from kurir.reports import ReportSettings
from kurir.trace import Catalogue

from . import faults as trouble
from .checkers import Broken, check_end, check_leaks, unsettled
from .disk import Disk
from .dns import LyingResolver
from .faults import Faults
from .loop import NATURE, Process, SimLoop
from .net import Net, Sockets
from .parts import DeliveryPart, Parts
from .peers import Destination, Sender, vandal

START = 1_800_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR
FRONT = Endpoint("192.0.2.1", 25)
TRUSTED = "10.0.0."
TAIL = 120
MOST_EVENTS = 20_000  # of 100 seeds none had more than 320

_ID = re.compile(rb"\bid (k[0-9a-z]{7,})")
_MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)", re.MULTILINE | re.IGNORECASE)
_KURIR_ID = re.compile(r"\bk[0-9bcdfghjkmnpqrstvwxz]{7,}")


@dataclass(frozen=True, slots=True)
class Options:
    """What can be turned off to narrow a failure down.  None: drawn from the seed."""

    messages: int | None = None
    together: bool | None = None
    shuffle: bool | None = None
    without: frozenset[str] = frozenset()


@dataclass(slots=True)
class Result:
    """How a run ended.  `broken` is empty when every rule held."""

    seed: int
    broken: list[str]
    trace_hash: str
    tail: list[str]
    virtual_seconds: float
    steps: int
    figures: Counter[str] = field(default_factory=Counter)


class Clock:
    """Both clocks of the machine; `jump` moves the wall clock."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._offset = START

    def now(self) -> float:
        return self._offset + self._loop.time()

    def monotonic(self) -> float:
        return 5000.0 + self._loop.time()

    def jump(self, seconds: float) -> None:
        self._offset += seconds


@functools.cache
def _catalogue() -> Catalogue:
    return Catalogue.load()


class World:
    """Everything there is."""

    def __init__(self, seed: int, options: Options) -> None:
        self.seed, self.options = seed, options
        self.random = random = Random(seed)
        self._hash = hashlib.sha256()
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.figures: Counter[str] = Counter()
        shuffle = random.random() < 0.5
        together = random.random() < 0.4
        self.loop = SimLoop(
            Random(random.random()), shuffle=shuffle if options.shuffle is None else options.shuffle
        )
        self.clock = Clock(self.loop)
        self.net = Net(self.loop, Random(random.random()), self.trace)
        self.sockets = Sockets(self.loop, Random(random.random()))
        self.resolver = LyingResolver(self.loop, Random(random.random()))
        self.disk = Disk(self.loop, Random(random.random()), self.clock, self.trace)
        self.disk.moment = self.moment
        self.duration = random.choice((1.0, 6.0, 30.0)) * HOUR
        self.faults: Faults = trouble.draw(Random(random.random()), self.duration, without=options.without)
        self.catalogue = _catalogue()
        self.front = FRONT
        self._settings()
        self.destinations: dict[str, Destination] = {}
        self._hosts()
        self.together = together if options.together is None else options.together
        self.machine = Parts(self, together=self.together)
        self.parts: dict[str, Process] = {}
        # ledgers
        self.broken: list[str] = []
        self.said: set[str] = set()
        self.dots: Counter[str] = Counter()
        self.promised: dict[int, tuple[str, tuple[str, ...]]] = {}
        self.deliveries: Counter[tuple[int, str]] = Counter()
        self.excused: Counter[tuple[int, str]] = Counter()
        self.born: dict[int, float] = {}
        self._sayings = 0
        self._seen_events = 0

    # -- what there is ----------------------------------------------------------------------------

    def _settings(self) -> None:
        random = self.random
        self.queue_settings = QueueSettings(postmaster=Address("postmaster", "here.example"))
        if random.random() < 0.4:
            self.queue_settings = replace(
                self.queue_settings, retry=(60.0, 600.0, HOUR), lifetime=DAY, delay_notice=(2 * HOUR,),
                fresh_bytes=random.choice((0, 3000, 1 << 25)), lease_recipients=random.choice((1, 2, 100)),
            )  # fmt: skip
        self.listener = ListenerSettings("mx", Role.MX)
        self.reception_settings = ReceptionSettings(
            hostname="mx.here.example", trusted=(ip_network(TRUSTED + "0/24"),), in_memory=800, head=2000
        )
        self.directory_settings = DirectorySettings(
            local=frozenset({"here.example"}),
            aliases={"pair@here.example": (Address("u1", "here.example"), Address("far", "two.example"))},
            catch_all={},
            postmaster=Address("u0", "here.example"),
            default_domain="here.example",
        )
        local = ("u0", "u1", "u2", "nobody")
        self.directory_settings = replace(
            self.directory_settings,
            aliases=self.directory_settings.aliases
            | {f"{u}@here.example": (Address(u, "store.example"),) for u in local},
        )
        lmtp = NextHop(host="10.9.9.9", port=24, lmtp=True)
        routes = (
            Route(name="store", kind=RouteKind.LMTP, recipients=("store.example",), next_hop=lmtp),
            Route(name="mx", kind=RouteKind.MX, concurrency=random.choice((1, 3, 20))),
        )
        self.delivery_settings = DeliverySettings(
            hello_name="mx.here.example", routes=routes, slots=random.choice((2, 20, 200))
        )
        self.report_settings = ReportSettings(hostname="mx.here.example", domain="here.example")

    def _hosts(self) -> None:
        hosts = {"a.one.example": "198.51.100.1", "b.one.example": "198.51.100.2", "two.example": "198.51.100.3",
                 "mx.three.example": "198.51.100.4", "mx.sender.example": "198.51.100.5"}  # fmt: skip
        for name, ip in hosts.items():
            self._destination(name, ip, 25)
            self.resolver.hosts[name] = (ip,)
        self._destination("store.example", "10.9.9.9", 24, lmtp=True)
        self.resolver.zone = {
            "one.example": ((10, "a.one.example"), (20, "b.one.example")),
            "two.example": ((0, "two.example"),),
            "three.example": ((5, "mx.three.example"), (5, "a.one.example")),
            "sender.example": ((5, "mx.sender.example"),),
        }

    def _destination(self, name: str, ip: str, port: int, *, lmtp: bool = False) -> None:
        host = Destination(self, name, ip, lmtp=lmtp)
        self.destinations[ip] = host
        self.net.listen(ip, port, host.serve)

    # -- noting -------------------------------------------------------------------------------------

    def trace(self, *what: object) -> None:
        line = f"{self.loop.time():.6f} {' '.join(map(str, what))}"
        self._hash.update(line.encode())
        self.tail.append(line)
        self.figures[" ".join(map(str, what[:2]))[:40]] += what[0] in ("fault", "peer", "crash", "net")

    def wrong(self, text: str) -> None:
        self.trace("BROKEN", text)
        self.broken.append(text)

    def turned(self, turn: Turn) -> None:
        """A road broke, or is back."""
        self.trace("turn", turn.road, turn.site, turn.health.value)

    def moment(self, name: str) -> None:
        if name == "synced":
            self._note_events()
        trouble.moment(self, name)

    def next_saying(self) -> int:
        self._sayings += 1
        return self._sayings

    def nature(self, delay: float, call: Any, *args: object) -> None:
        self.loop.in_process(NATURE, delay, call, *args)

    def _note_events(self) -> None:
        """Look at what was just synced: births, and the true age of what expires."""
        facts = self.disk.facts
        for number in facts.messages:
            if number not in self.born:
                self.born[number] = self.loop.time()
        for number, events in facts.events.items():
            for event in events[self._events_seen.get(number, 0) :]:
                self._event(number, event)
            self._events_seen[number] = len(events)

    @functools.cached_property
    def _events_seen(self) -> dict[int, int]:
        return {}

    def _event(self, number: int, event: Event) -> None:
        fate = event.fate.value if event.fate else ""
        cause = event.outcome.cause.value if event.outcome else ""
        self.figures["events"] += 1
        if self.figures["events"] > MOST_EVENTS:
            self.loop.runaway = f"{self.figures['events']} events"
        self.trace("event", encode_id(number), event.recipient, event.kind.value, cause, fate)
        if event.kind is EventKind.EXPIRED:
            age = self.loop.time() - self.born[number]
            s = self.queue_settings
            null = self.disk.facts.messages[number].reverse_path is None
            lifetime = min(s.lifetime, s.lifetime_null) if null else s.lifetime
            if age < lifetime - 60.0:
                self.wrong(f"{encode_id(number)} expired after {age / HOUR:.1f} hours")

    # -- what senders, destinations and hands tell ------------------------------------------------------

    def dotted(self, token: str, taken: list[str]) -> None:
        self.dots[token] += 1

    def acknowledged(self, token: str, text: str, recipients: list[str]) -> None:
        """A sender has its 250: from now on the message is ours."""
        self.trace("250", token, text)
        found = _KURIR_ID.search(text)
        number = decode_id(found[0]) if found else None
        message = self.disk.facts.messages.get(number) if number is not None else None
        if message is None or number is None:
            self.wrong(f"250 before the sync: {token} {text}")
            return
        if number in self.promised:
            self.wrong(f"two 250 with the same number: {text}")
        self.promised[number] = (token, tuple(recipients))
        self.moment("acknowledged")

    def taken(self, host: str, sender: str | None, recipients: tuple[str, ...], octets: bytes) -> None:
        """A destination has a message: it is responsible from now on."""
        number = self._number(octets)
        self.trace("taken", host, number, *recipients)
        message = self.disk.facts.messages.get(number)
        if message is None:
            self.wrong(f"{host} took a message that we never accepted")
            return
        body = message.body
        if body is None:
            body = self.disk.files.files.get(message.body_file or "", b"(no file)")
        if octets != message.trace_block + body:
            self.wrong(f"{host} got other octets than {encode_id(number)} has")
        if sender != (str(message.reverse_path) if message.reverse_path else ""):
            self.wrong(f"{host} got another sender: {sender}")
        for recipient in recipients:
            self.deliveries[number, recipient] += 1
            if recipient not in {str(r.address) for r in message.recipients}:
                self.wrong(f"{recipient} is no recipient of {encode_id(number)}")
        self.moment("taken")

    def _number(self, octets: bytes) -> int:
        head = octets[: octets.find(b"\r\n\r\n") + 2]
        if head.startswith(b"Received:"):
            found = _ID.search(head)
            return decode_id(found[1].decode()) or 0 if found else 0
        found = _MESSAGE_ID.search(head)
        wanted = found[1].decode() if found else ""
        return next((n for n, m in self.disk.facts.messages.items() if m.message_id == wanted), 0)

    def leased(self, part: DeliveryPart, leases: list[Lease]) -> None:
        """A hand gets work: nobody else may have it, and it must not have ended."""
        states = self.disk.facts.states
        held = {(b.number, i) for b in part.hand.busy() for i in b.indexes}
        for lease in leases:
            self.trace("leased", lease.number, lease.id, *(w.index for w in lease.work))
            for work in lease.work:
                key = (lease.number, work.index)
                if key in held:
                    self.wrong(f"two owners of recipient {work.index} of {encode_id(lease.number)}")
                held.add(key)
                if lease.number not in states:
                    self.wrong(f"{encode_id(lease.number)} was leased before it was synced")
                elif states[lease.number][work.index].fate is not None:
                    self.wrong(
                        f"recipient {work.index} of {encode_id(lease.number)} was leased after its end"
                    )
        self.moment("leased")

    # -- life and death ------------------------------------------------------------------------------------

    def start(self, role: str) -> None:
        process = Process(role)
        self.parts[role] = process
        try:
            process.context.copy().run(self.machine.starts[role], process)
        except StoreError as error:  # it ends with a message, and is started again
            self.trace("crash", role, "did not start", str(error))
            process.kill()
            self.nature(1.0, self.start, role)

    def kill(self, role: str, why: str) -> None:
        """As `kill -9`, and the supervisor starts it again."""
        process = self.parts[role]
        if not process.alive:
            return
        self.trace("crash", role, why)
        self._excuse(role)
        process.kill()
        self.nature(self.random.choice((0.01, 0.3, 5.0, 600.0)), self.start, role)

    def _excuse(self, role: str) -> None:
        """Whatever a destination may have taken without our knowing it may be sent once more.

        A hand that lives tells a new brain what it knows; only what the dead brain was told and had not synced is lost.
        """
        facts = self.disk.facts
        heard = self.machine.brain.heard
        in_hand = {(b.number, i) for b in self.machine.delivery.hand.busy() for i in b.indexes}
        for number, states in facts.states.items():
            for index, state in states.items():
                key = (number, str(facts.messages[number].recipients[index].address))
                unknown = {
                    "reception": False,
                    "brain": (number, index) in heard,
                }.get(role, (number, index) in in_hand or bool(self.deliveries[key]))
                if state.fate is None and unknown:
                    self.excused[key] += 1

    def stop_gently(self, role: str) -> None:
        """As SIGTERM: it drains, ends, and is started again."""
        process = self.parts[role]
        if process.alive:
            self.trace("crash", role, "asked to stop")
            self.loop.spawn(process, self._stop(role))

    async def _stop(self, role: str) -> None:
        for part in self.machine.parts_of(role):
            await part.stop()
        await asyncio.sleep(0.1)
        self.kill(role, "stopped")

    # -- the story -----------------------------------------------------------------------------------------

    async def story(self) -> None:
        for role in self.machine.starts:
            self.start(role)
        for fault in self.faults.plan:
            self.nature(fault.at, trouble.strike, self, fault)
        senders = [self.loop.spawn(NATURE, self._hand_in(i)) for i in range(self._how_many())]
        self.loop.spawn(NATURE, self._sweep())
        for _ in range(self.random.randrange(4)):
            self.nature(self.random.uniform(0, self.duration), self._vandal)
        await asyncio.sleep(self.duration)
        trouble.heal(self)
        await self._until(lambda: all(t.done() for t in senders), 2 * DAY, "senders cannot hand in")
        for sender in senders:
            if sender.done():
                sender.result()
        # A retry may be a step of the schedule away, an unanswered body an hour; bounces are mail again.
        await self._until(lambda: not unsettled(self), 8 * DAY, "no fate although all faults have healed")
        await asyncio.sleep(4 * HOUR)  # idle connections end
        check_end(self)
        check_leaks(self)

    def _how_many(self) -> int:
        return self.options.messages if self.options.messages is not None else self.random.choice((3, 12, 30))

    async def _hand_in(self, i: int) -> None:
        random = self.random
        stranger = random.random() < 0.25
        await asyncio.sleep(random.uniform(0, self.duration))
        users = ["u1@here.example", "u2@here.example", "nobody@here.example", "pair@here.example"]
        abroad = [f"{u}@{d}.example" for u in ("x", "y", "nobody") for d in ("one", "two", "three", "none")]
        recipients = random.sample(users if stranger else users + abroad, random.choice((1, 1, 2, 4)))
        token = f"t{i}"
        length = random.choice((0, 30, 700, 1500, 6000, 90_000))
        text = b"..a line that begins with dots\r\n.\x20\r\n" * (length // 36)
        body = f"From: s@sender.example\r\nSubject: {i}\r\nX-Token: {token}\r\n\r\n".encode() + text
        host = ("203.0.113." if stranger else TRUSTED) + str(i % 200 + 1)
        sender = "" if random.random() < 0.1 else "s@sender.example"
        if stranger and not sender:
            recipients = recipients[:1]
        await Sender(self, host, token, sender, tuple(recipients), body).run()

    def _vandal(self) -> None:
        self.loop.spawn(NATURE, vandal(self, f"203.0.113.{self.random.randrange(1, 250)}"))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(600.0)
            self.disk.sweep()

    async def _until(self, what: Any, seconds: float, failure: str) -> None:
        end = self.loop.time() + seconds
        while not what():
            if self.loop.time() > end:
                self.wrong(f"{failure}: {unsettled(self)[:3]}")
                raise Broken
            await asyncio.sleep(300.0)

    def result(self) -> Result:
        self.broken += self.disk.violations
        return Result(
            self.seed, self.broken, self._hash.hexdigest(), list(self.tail), self.loop.time(), self.loop.steps,
            self.figures,
        )  # fmt: skip


def run(seed: int, options: Options | None = None) -> Result:
    """Run one seed to its end."""
    _catalogue()
    gc.disable()  # when garbage is collected must not depend on what ran before
    gc.freeze()
    world = World(seed, options or Options())
    try:
        try:
            world.loop.run(world.story())
        except Broken:
            pass
        except AssertionError as error:
            world.wrong(f"{type(error).__name__}: {error}")
        for failure in world.loop.failures:
            world.wrong(f"{failure.get('message')}: {failure.get('exception')!r}")
        return world.result()
    finally:
        world.loop.close()
        del world
        gc.collect()
        gc.unfreeze()
        gc.enable()
