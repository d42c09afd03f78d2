"""A role's connection to the brain: made again when the brain was, and nothing that matters lost meanwhile.

Settlements are calls that are kept until a brain has taken them; questions of reception fail over to a
temporary refusal; observations and figures are notes that may get lost with a brain.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from kurir.model import Observation, Reply
from kurir.model.told import pack, told
from kurir.queue import Busy, Forecast
from kurir.queue.asks import Accepted, Incoming, Plan, Refused, Settlement
from kurir.queue.ports import Hand
from kurir.reception import Admission
from kurir.web import Figures

from .channel import Channel, ChannelClosed
from .wire import ANSWERS, TO_HAND, Client, Hello, LoginTry, Message, Operation, Result, Taken

RECONNECT_SECONDS = 0.05
# Said while the brain is being restarted: the client keeps its message and tries again.
NOT_NOW = Reply.of(451, "4.3.2", "The queue is being restarted; please try again in a moment")
# In place of a greeting only 421 and 554 are usual: RFC 5321 section 3.1 and 3.8.
NO_GREETING = msgspec.structs.replace(NOT_NOW, code=421)
AWAY_SECONDS = 10.0


class BrainLink:
    """Both doors to the brain over one channel: `reception.ports.BrainDoor` and `delivery.ports.BrainSide`."""

    def __init__(self, path: str, role: str) -> None:
        self._path = path
        self._role = role
        self._hand: Hand | None = None
        self._busy: Callable[[], Sequence[Busy]] = list
        self._unsettled: list[Settlement] = []
        self._connected = asyncio.Event()
        self._channel: Channel | None = None
        self._runner: asyncio.Task[None] | None = None

    def attach(self, hand: Hand, busy: Callable[[], Sequence[Busy]]) -> None:
        """Offer `hand` to each brain that is met; `busy` says what it is working on."""
        self._hand, self._busy = hand, busy

    async def start(self) -> None:
        """Connect, and keep connected."""
        self._runner = asyncio.create_task(self._run())
        await self._connected.wait()

    def leave(self) -> None:
        """Say that the hand takes nothing more; what it holds it still settles."""
        self._note("leaving", None)

    async def close(self) -> None:
        """Say what is unsettled and part."""
        if self._runner:
            self._runner.cancel()
        if self._channel:
            self._channel.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            gone = asyncio.Event()
            try:
                _, channel = await loop.create_unix_connection(lambda gone=gone: self._make(gone), self._path)  # type: ignore[misc]
            except OSError:
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            with contextlib.suppress(ChannelClosed):
                await self._meet(channel)
                await gone.wait()
            self._channel = None
            self._connected.clear()
            await asyncio.sleep(RECONNECT_SECONDS)

    def _make(self, gone: asyncio.Event) -> Channel:
        hand = self._hand
        handlers: dict[str, tuple[Any, Callable[[Any], Any]]] = {}
        if hand is not None:
            calls: dict[str, Callable[[Any], None]] = {
                "plan": hand.plan,
                "work": hand.work,
                "notice": hand.notice,
            }
            handlers = {name: (TO_HAND[name], call) for name, call in calls.items()}
        return Channel(handlers, ANSWERS, on_close=lambda _: gone.set())

    async def _meet(self, channel: Channel) -> None:
        """Introduce this role.  The socket outlives each brain, so only one that answers is there."""
        busy = tuple(self._busy())
        slots = self._hand.slots if self._hand else 0
        self._channel = channel  # what is said from now on follows the hello
        await channel.call("hello", Hello(role=self._role, pid=os.getpid(), slots=slots, busy=busy))
        self._connected.set()
        if self._unsettled:
            again, self._unsettled = self._unsettled, []
            self.settle(again)

    async def _call(self, name: str, body: object) -> object:
        """Ask the brain, waiting a while where it is just being restarted."""
        async with asyncio.timeout(AWAY_SECONDS):
            await self._connected.wait()
        if self._channel is None:
            raise ChannelClosed(name)
        return await self._channel.call(name, body)

    def _note(self, name: str, body: object) -> None:
        if self._channel is not None:
            self._channel.note(name, body)

    # -- reception.ports.BrainDoor ---------------------------------------------

    async def admit(self, client: str, listener: str) -> Admission:
        """Ask whether a connection is welcome."""
        try:
            refusal = await self._call("admit", Client(client, listener))
        except (ChannelClosed, TimeoutError):
            return Admission(NO_GREETING)
        assert refusal is None or isinstance(refusal, Reply)
        return Admission(refusal)

    def departed(self, client: str, listener: str) -> None:
        """Say that a connection has ended."""
        self._note("departed", Client(client, listener))

    async def login_allowed(self, client: str, account: str) -> float:
        """Return how long this login has to wait."""
        try:
            wait = await self._call("login_allowed", LoginTry(client, account))
        except (ChannelClosed, TimeoutError):
            return 1.0  # without the brain nobody counts guesses: come back
        assert isinstance(wait, float)
        return wait

    def login_result(self, client: str, account: str, *, success: bool) -> None:
        """Report how a login ended."""
        self._note("login_result", LoginTry(client, account, success))

    async def ready(self, size: int | None, stranger: str = "") -> Reply | None:
        """Return a reply where mail cannot be taken now."""
        try:
            reply = await self._call("ready", Message(size, stranger))
        except (ChannelClosed, TimeoutError):
            return NOT_NOW
        assert reply is None or isinstance(reply, Reply)
        return reply

    async def accept(self, incoming: Incoming) -> Accepted | Refused:
        """Hand a message over; `Accepted` after the commit.

        Raises ConnectionError or TimeoutError when nobody can say what became of it: the brain may have
        committed it before it went, so its body file must stay.
        """
        taken = await self._call("accept", incoming)
        assert isinstance(taken, Taken)
        answer = taken.accepted or taken.refused
        assert answer is not None
        return answer

    async def foresee(self, number: int) -> list[Forecast]:
        """Return when the recipients of a message go; nothing where the brain has just gone."""
        try:
            found = await self._call("foresee", number)
        except (ChannelClosed, TimeoutError):
            return []
        assert isinstance(found, list)
        return found

    def observe(self, observations: Sequence[Observation]) -> None:
        """Note what left no message behind."""
        self._note("observe", list(observations))

    # -- delivery.ports.BrainSide -----------------------------------------------

    def planned(self, plans: Sequence[Plan]) -> None:
        """Answer to a plan request; asked again by the brain when it gets lost."""
        self._note("planned", list(plans))

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Say what became of leases; kept until a brain has taken it."""
        batch = list(settlements)
        if self._channel is None:
            self._unsettled += batch
            return
        task = asyncio.ensure_future(self._settle(self._channel, batch))
        task.add_done_callback(lambda t: t.exception())

    async def _settle(self, channel: Channel, batch: list[Settlement]) -> None:
        try:
            await channel.call("settle", batch)
        except (ChannelClosed, RuntimeError):
            self._unsettled += batch

    # -- control ------------------------------------------------------------------

    async def operate(self, op: str, args: dict[str, object]) -> Result:
        """Carry an operator's wish to the brain."""
        try:
            result = await self._call("operate", Operation(op, args))
        except (ChannelClosed, TimeoutError):
            return Result(error=pack(told("the queue is being restarted; try again in a moment")))
        assert isinstance(result, Result)
        return result

    def report(self, figures: Figures) -> None:
        """Send this role's figures."""
        self._note("figures", figures)

    async def gather(self) -> list[Figures]:
        """Return the figures of all roles."""
        figures = await self._call("gather", None)
        assert isinstance(figures, list)
        return figures
