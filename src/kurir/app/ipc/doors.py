"""The brain as the other roles see it when they live in the same process: direct calls, no encoding."""

import asyncio
from collections.abc import Callable, Sequence

from kurir.identity import ConnectionBrake, LoginBrake
from kurir.model import Observation, Reply
from kurir.queue import Accepted, Brain, Forecast, Incoming, Plan, Refused, Settlement
from kurir.reception import Admission, replies


class LocalDoor:
    """`reception.ports.BrainDoor` and `delivery.ports.BrainSide` over a brain in this process."""

    def __init__(
        self,
        brain: Brain,
        connections: ConnectionBrake,
        logins: LoginBrake,
        observe: Callable[[Sequence[Observation]], None],
        foresee: Callable[[int], list[Forecast]] = lambda _: [],
    ) -> None:
        self._brain = brain
        self._connections = connections
        self._logins = logins
        self._observe = observe
        self._foresee = foresee
        self._loop = asyncio.get_running_loop()

    async def admit(self, client: str, listener: str) -> Admission:
        """Admit a connection, or refuse it by the connection brake."""
        return Admission(self.admission(client))

    def admission(self, client: str) -> Reply | None:
        """Return None where the client is welcome, else the reply that refuses it."""
        why = self._connections.admit(client)
        return replies.slow_down(421, why) if why else None

    def departed(self, client: str, listener: str) -> None:
        """Note that a connection has ended."""
        self._connections.departed(client)

    async def login_allowed(self, client: str, account: str) -> float:
        """Return how long this login has to wait."""
        return self.login_wait(client, account)

    def login_wait(self, client: str, account: str) -> float:
        """Return how long this login has to wait."""
        return self._logins.wait(client, account)

    def login_result(self, client: str, account: str, *, success: bool) -> None:
        """Count a login."""
        (self._logins.succeeded if success else self._logins.failed)(client, account)

    def ready(self, size: int | None, stranger: str = "") -> Reply | None:
        """Return the reply that refuses mail of that size now, or one more message of a stranger's, or None."""
        why = self._connections.message(stranger) if stranger else None
        if why:
            return replies.slow_down(450, why)
        return self._brain.ready(size)

    async def accept(self, incoming: Incoming) -> Accepted | Refused:
        """Make a message durable; returns after the commit."""
        future: asyncio.Future[Accepted | Refused] = self._loop.create_future()

        def done(answer: Accepted | Refused) -> None:
            if not future.done():
                future.set_result(answer)

        self._brain.accept(incoming, done)
        return await future

    async def foresee(self, number: int) -> list[Forecast]:
        """Return when the recipients of a message go."""
        return self._foresee(number)

    def forecasts(self, number: int) -> list[Forecast]:
        """Return when the recipients of a message go."""
        return self._foresee(number)

    def observe(self, observations: Sequence[Observation]) -> None:
        """Keep observations, later."""
        self._observe(observations)

    def planned(self, plans: Sequence[Plan]) -> None:
        """Give plans to the brain."""
        self._brain.planned(plans)

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Give outcomes to the brain."""
        self._brain.settle(settlements)
