"""The brain's end of a channel: what one role of another process may ask, and what becomes of it when it goes."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from kurir.app.ipc.channel import Channel
from kurir.app.ipc.doors import LocalDoor
from kurir.app.ipc.wire import TO_BRAIN, Client, Hello, LoginTry, Operation, Result, Taken
from kurir.queue import Accepted, Brain, Incoming, Lease, NoticeWork, PlanRequest, Refused
from kurir.web import Figures


class Table(Protocol):
    """The brain's part, as far as other processes may ask it."""

    brain: Brain
    door: LocalDoor

    async def operate(self, op: str, args: dict[str, Any]) -> Result:
        """Do what an operator asks."""
        ...

    def report(self, figures: Figures) -> None:
        """Keep what another role counted."""
        ...

    def gather(self) -> list[Figures]:
        """Return the figures of all roles that reported lately."""
        ...


class Seat:
    """One role of another process at the brain's table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._door = table.door
        self._hand: RemoteHand | None = None
        self._admitted: dict[str, int] = {}
        self.channel: Channel | None = None

    def handlers(self) -> dict[str, tuple[Any, Callable[[Any], Any]]]:
        """Return the table for `Channel`."""
        table, door = self._table, self._door
        calls: dict[str, Callable[[Any], Any]] = {
            "hello": self._hello,
            "leaving": lambda _: self._leave(),
            "admit": self._admit,
            "departed": self._departed,
            "login_allowed": lambda t: door.login_wait(t.client, t.account),
            "login_result": self._login_result,
            "ready": lambda m: door.ready(m.size, m.stranger),
            "accept": self._accept,
            "foresee": door.forecasts,
            "observe": door.observe,
            "planned": door.planned,
            "settle": self._settle,
            "operate": self._operate,
            "figures": table.report,
            "gather": lambda _: table.gather(),
        }
        return {name: (TO_BRAIN[name], call) for name, call in calls.items()}

    def gone(self) -> None:
        """The process is gone: its connections have ended, its leases come back."""
        for client, count in self._admitted.items():
            for _ in range(count):
                self._door.departed(client, "")
        if self._hand is not None:
            self._table.brain.hand_gone(self._hand)

    def _hello(self, hello: Hello) -> None:
        # A hand that ends has no slots, but may have met this brain in the middle of a delivery.
        if (hello.slots or hello.busy) and self.channel is not None:
            self._hand = RemoteHand(self.channel, hello.slots)
            self._table.brain.hand_connected(self._hand, hello.busy)

    def _leave(self) -> None:
        if self._hand is not None:
            self._hand.slots = 0

    def _admit(self, c: Client) -> object:
        refusal = self._door.admission(c.client)
        if refusal is None:
            self._admitted[c.client] = self._admitted.get(c.client, 0) + 1
        return refusal

    def _departed(self, c: Client) -> None:
        left = self._admitted.get(c.client, 0) - 1
        if left > 0:
            self._admitted[c.client] = left
        else:
            self._admitted.pop(c.client, None)
        self._door.departed(c.client, c.listener)

    def _login_result(self, t: LoginTry) -> None:
        self._door.login_result(t.client, t.account, success=bool(t.success))

    def _accept(self, incoming: Incoming) -> asyncio.Future[Taken]:
        future: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()

        def done(answer: Accepted | Refused) -> None:
            if not future.done():
                future.set_result(
                    Taken(accepted=answer) if isinstance(answer, Accepted) else Taken(refused=answer)
                )

        self._table.brain.accept(incoming, done)
        return future

    def _settle(self, settlements: list[Any]) -> "asyncio.Future[bool]":
        """Answered when what was settled is durable: a brain that is killed before must not be the only one that knew."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def durable() -> None:
            if not future.done():
                future.set_result(True)

        self._table.brain.settle(settlements, durable)
        return future

    async def _operate(self, operation: Operation) -> Result:
        return await self._table.operate(operation.op, operation.args)


class RemoteHand:
    """A delivery hand in another process: `queue.ports.Hand` over its channel."""

    def __init__(self, channel: Channel, slots: int) -> None:
        self._channel = channel
        self.slots = slots

    def plan(self, requests: Sequence[PlanRequest]) -> None:
        """Ask for plans."""
        self._channel.note("plan", list(requests))

    def work(self, leases: Sequence[Lease]) -> None:
        """Give work."""
        self._channel.note("work", list(leases))

    def notice(self, notices: Sequence[NoticeWork]) -> None:
        """Ask for reports."""
        self._channel.note("notice", list(notices))
