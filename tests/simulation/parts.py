"""Kurir's own processes as the simulation runs them: the wiring of `kurir.app` over the made-up world.

`together` is one process (``workers = 0``); apart, brain, reception and delivery talk by `kurir.app.ipc.channel` and
`kurir.app.ipc.link` over unix sockets, each with its own life and death.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from kurir.app.ipc.channel import Channel
from kurir.app.ipc.doors import LocalDoor
from kurir.app.ipc.link import BrainLink
from kurir.app.ipc.wire import Result
from kurir.app.roles.seat import Seat
from kurir.delivery import DeliveryHand, NextHopVerifier
from kurir.delivery.connecting.opening import Opener
from kurir.delivery.routing.plan import Planner
from kurir.identity import (
    ConnectionBrake,
    ConnectionBrakeSettings,
    Directory,
    LoginBrake,
    LoginBrakeSettings,
    Passwords,
    PasswordSettings,
)
from kurir.model import Cause
from kurir.queue import Brain, Incoming, Lease, NoticeWork, Settlement
from kurir.reception import Desk, Reception
from kurir.reports import render, wants_full
from kurir.storage import MemoryAccounts
from kurir.trace import Lang, Sentence

from .disk import SimBodies, SlowThread
from .loop import Process
from .net import SimDialer, SimStream

if TYPE_CHECKING:
    from .world import World

BRAIN_SOCKET = "/run/kurir/brain"


class BrainPart:
    """The queue with its clockwork, and the seats at its table (what `kurir.app.roles.brain.BrainPart` is)."""

    name = "brain"

    def __init__(self, world: "World", process: Process) -> None:
        self.world, self.process = world, process
        self._timer: Any = None
        loop, clock, disk = world.loop, world.clock, world.disk
        self.brain = Brain(
            disk.open(),
            world.queue_settings,
            clock=clock,
            roll=Random(world.random.random()).random,
            free_space=disk.free,
            post=lambda call: loop.in_process(process, 0.0, call),
            wake=self._wake,
            on_failure=self._failed,
            on_turn=world.turned,
            threaded=False,
        )
        # Its commits take time, as in a thread of their own.
        self.brain._committer._writer = SlowThread(disk, process, writes=True)  # type: ignore[assignment]
        self.brain._committer._reader = SlowThread(disk, process, writes=False)  # type: ignore[assignment]
        self.heard: set[tuple[int, int]] = set()  # recipients whose outcome this brain was told
        self._settle = self.brain.settle
        self.brain.settle = self._hear  # type: ignore[method-assign,assignment]
        loaded = self.brain.load()
        self.connections = ConnectionBrake(ConnectionBrakeSettings(), clock)
        self.door = LocalDoor(
            self.brain, self.connections, LoginBrake(LoginBrakeSettings(), clock), lambda _: None
        )
        world.trace("brain", "loaded", loaded, self.brain.epoch)
        self._wake(0.0)

    def _hear(self, settlements: Sequence[Settlement], durable: Callable[[], None] | None = None) -> None:
        self.heard |= {(s.number, index) for s in settlements for index, _ in s.results}
        self._settle(settlements, durable)

    def listen(self) -> None:
        self.world.sockets.listen(BRAIN_SOCKET, self.process, self._channel)

    async def stop(self) -> None:
        done = asyncio.Event()
        self.brain.drain(done.set)
        try:
            async with asyncio.timeout(20.0):
                await done.wait()
        except TimeoutError:
            self.world.trace("brain", "drain took too long")

    def _failed(self, error: BaseException) -> None:
        self.world.trace("brain", "failed", str(error))
        self.world.loop.in_process(self.process, 0.2, self.world.kill, self.name, "its store failed")

    def _wake(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.world.loop.in_process(self.process, delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        delay = self.brain.tick()
        if delay is not None:
            self._wake(delay)

    # what a seat asks for

    def _channel(self) -> Channel:
        seat = Seat(self)  # type: ignore[arg-type]
        seat.channel = Channel(seat.handlers(), {}, on_close=lambda _: seat.gone())
        return seat.channel

    def report(self, figures: object) -> None:
        return

    def gather(self) -> list[Any]:
        return []

    async def operate(self, op: str, args: dict[str, Any]) -> Result:
        return Result()


class ReceptionPart:
    """The door on port 25."""

    name = "reception"

    def __init__(self, world: "World", process: Process, door: Any) -> None:
        self.world = world
        random, clock = Random(world.random.random()), world.clock
        settings = world.delivery_settings
        planner = Planner(settings, world.resolver, clock, random)
        opener = Opener(settings, planner, world.resolver, SimDialer(world.net, world.front.host), clock)
        desk = Desk(
            settings=world.reception_settings,
            door=door,
            directory=Directory(world.directory_settings, MemoryAccounts(), clock),
            passwords=Passwords(
                PasswordSettings(), executor=None, clock=clock, random=random.randbytes  # type: ignore[arg-type]
            ),
            verifier=NextHopVerifier(settings, planner, opener, clock),
            body_files=SimBodies(world.disk),
            clock=clock,
            random=random.randbytes,
            secret=b"s" * 32,
        )  # fmt: skip
        self.reception = Reception(desk)
        world.net.listen(world.front.host, world.front.port, self._serve, process)

    async def _serve(self, stream: SimStream) -> None:
        await self.reception.session(self.world.listener, stream)  # type: ignore[arg-type]

    async def stop(self) -> None:
        await self.reception.drain(15.0)
        await asyncio.sleep(15.0)


class DeliveryPart:
    """The hand."""

    name = "delivery"

    def __init__(self, world: "World", process: Process, brain: Any) -> None:
        self.world = world
        self.hand = DeliveryHand(
            world.delivery_settings,
            brain=brain,
            bodies=SimBodies(world.disk),
            resolver=world.resolver,
            dialer=SimDialer(world.net, world.front.host),
            clock=world.clock,
            random=Random(world.random.random()),
            writer=Writer(world),
        )
        self.told: set[tuple[int, int]] = (
            set()
        )  # recipients whose outcome this hand gave to the brain, or to the link
        self._settle = brain.settle
        brain.settle = self._tell
        self._work = self.hand.work
        self.hand.work = self._watched  # type: ignore[method-assign,assignment]

    def _tell(self, settlements: Sequence[Settlement]) -> None:
        self.told |= {(s.number, index) for s in settlements for index, _ in s.results}
        self._settle(settlements)

    def _watched(self, leases: list[Lease]) -> None:
        self.world.leased(self, leases)
        self._work(leases)

    async def stop(self) -> None:
        await self.hand.drain(15.0)


class Writer:
    """Renders reports (what `kurir.app.roles.delivery` wires)."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def wants_full(self, work: NoticeWork) -> bool:
        return wants_full(work, self._world.report_settings)

    def write(self, work: NoticeWork, original: bytes) -> Incoming:
        world = self._world
        at = world.clock.now()
        token = f"{work.id}.{world.next_saying()}"
        report = render(work, original, world.report_settings, self._explain, at=at, token=token)
        return report.incoming(at)

    def _explain(self, cause: Cause, lang: Lang, *, final: bool | None = None, **values: object) -> Sentence:
        words = {name: str(value) for name, value in values.items()}
        return self._world.catalogue.explain_cause(cause, lang, final=final, **words)


Start = Callable[[Process], None]


class Parts:
    """The processes of one machine, restarted when they fall."""

    def __init__(self, world: "World", *, together: bool) -> None:
        self._world = world
        self.brain: BrainPart
        self.reception: ReceptionPart
        self.delivery: DeliveryPart
        self.starts: dict[str, Start] = (
            {"all": self._all}
            if together
            else {"brain": self._brain, "reception": self._reception, "delivery": self._delivery}
        )

    def parts_of(self, role: str) -> list[Any]:
        """In the order in which they are stopped."""
        found = {"reception": self.reception, "delivery": self.delivery, "brain": self.brain}
        return list(found.values()) if role == "all" else [found[role]]

    def _all(self, process: Process) -> None:
        self.brain = BrainPart(self._world, process)
        self.brain.name = "all"
        self.reception = ReceptionPart(self._world, process, self.brain.door)
        self.delivery = DeliveryPart(self._world, process, self.brain.door)
        self.brain.brain.hand_connected(self.delivery.hand, ())

    def _brain(self, process: Process) -> None:
        self.brain = BrainPart(self._world, process)
        self.brain.listen()

    def _reception(self, process: Process) -> None:
        link = BrainLink(BRAIN_SOCKET, "reception")
        self.reception = ReceptionPart(self._world, process, link)
        self._world.loop.spawn(process, link.start())

    def _delivery(self, process: Process) -> None:
        link = BrainLink(BRAIN_SOCKET, "delivery")
        self.delivery = DeliveryPart(self._world, process, link)
        link.attach(self.delivery.hand, self.delivery.hand.busy)
        self._world.loop.spawn(process, link.start())
