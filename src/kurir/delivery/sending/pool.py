"""The connections to one site: leases go to an idle connection, to a new one, or wait.

A site is a set of hosts on one road (`site`), so all domains of a provider share its connections and
its concurrency.  Idle connections are used last in, first out: those that are not needed can end.
Sites whose receiver counts their connections together stand under one `ceiling`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine

from kurir.delivery.routing.plan import Destination
from kurir.queue.asks import Lease

from .ceiling import Ceiling
from .lane import Lane, LaneTools

Spawn = Callable[[Coroutine[None, None, None]], "asyncio.Task[None]"]


class SitePool:
    """Lanes of one site.  `connected` counts those that have a connection now; `lanes` all of them."""

    __slots__ = (
        "_ceiling",
        "_cool_until",
        "_draining",
        "_ended",
        "_idle",
        "_reaper",
        "_spawn",
        "_tools",
        "connected",
        "destination",
        "lanes",
        "queue",
    )

    def __init__(
        self,
        destination: Destination,
        tools: LaneTools,
        spawn: Spawn,
        ended: Callable[[], None],
        ceiling: Ceiling | None = None,
    ) -> None:
        self.destination = destination
        self._ceiling = ceiling
        if ceiling is not None:
            ceiling.sharers[self] = None
        self.queue: deque[Lease] = deque()
        self.lanes = 0
        self.connected = 0
        self._cool_until = 0.0
        self._draining = False
        self._idle: list[
            tuple[asyncio.Future[Lease | None], float]
        ] = []  # and until when; the first ends first
        self._reaper: asyncio.TimerHandle | None = None  # one timer for all of them
        self._tools = tools
        self._spawn = spawn
        self._ended = ended

    def submit(self, lease: Lease) -> None:
        """Give a lease to an idle connection, a new one, or let it wait for one."""
        idle = self._idle
        while idle:
            waiting, _ = idle.pop()
            if not waiting.done():
                waiting.set_result(lease)
                return
        if self.lanes < lease.road.concurrency and not self._cooling():
            self._start(lease)
        else:
            self.queue.append(lease)

    def give_back(self, lease: Lease) -> bool:
        """A new connection could not be had; True where others work and will take the lease.

        No further connections are tried for a moment: the peer may allow no more (421).
        """
        if not self.connected:
            return False
        self._cool_until = self._tools.clock.monotonic() + self._tools.settings.host_backoff
        self.submit(lease)
        return True

    async def next_lease(self, *, connected: bool, reached: bool) -> Lease | None:
        """Return what waits; with a connection wait for more for the idle time.  None: close.

        A lane that `reached` nobody leaves the work to those that are connected.
        """
        if self.queue:
            return self.queue.popleft() if reached or not self.connected else None
        if not connected or not self._tools.settings.idle or self._draining:
            return None
        if self._ceiling is not None and self._ceiling.wanted:
            return None
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Lease | None] = loop.create_future()
        self._idle.append((waiting, loop.time() + self._tools.settings.idle))
        if self._reaper is None:
            self._reaper = loop.call_later(self._tools.settings.idle, self._reap)
        try:
            return await waiting
        except asyncio.CancelledError:
            lease = waiting.result() if waiting.done() and not waiting.cancelled() else None
            if lease is not None:
                self._tools.settle(lease, [])
            raise

    def _reap(self) -> None:
        """End the connections that were idle for too long; look again when the next one will have been."""
        self._reaper = None
        loop = asyncio.get_running_loop()
        idle, now = self._idle, loop.time() + 0.001  # timers of uvloop have a resolution of a millisecond
        while idle and (idle[0][1] <= now or idle[0][0].done()):
            _give_up(idle.pop(0)[0])
        if idle:
            self._reaper = loop.call_at(idle[0][1], self._reap)

    def spare(self) -> bool:
        """End the connection that was idle longest; False where there is none."""
        while self._idle:
            waiting, _ = self._idle.pop(0)
            if not waiting.done():
                _give_up(waiting)
                return True
        return False

    def drain(self) -> None:
        """End the connections that have no work, and the others as soon as theirs is done."""
        self._draining = True
        idle, self._idle = self._idle, []
        for waiting, _ in idle:
            _give_up(waiting)

    def _cooling(self) -> bool:
        return bool(self.connected) and self._tools.clock.monotonic() < self._cool_until

    def _start(self, lease: Lease) -> None:
        self.lanes += 1
        self._spawn(self._run(Lane(self, self._tools, self.destination), lease))

    async def _run(self, lane: Lane, lease: Lease) -> None:
        try:
            if self._ceiling is None:
                await lane.run(lease)
            else:
                await self._run_below(self._ceiling, lane, lease)
        finally:
            self.lanes -= 1
            if not self.lanes:
                if self.queue:
                    self._start(self.queue.popleft())
                else:
                    self._end()

    async def _run_below(self, ceiling: Ceiling, lane: Lane, lease: Lease) -> None:
        try:
            await ceiling.enter()
        except asyncio.CancelledError:
            self._tools.settle(lease, [])
            raise
        try:
            await lane.run(lease)
        finally:
            ceiling.leave()

    def _end(self) -> None:
        if self._ceiling is not None:
            self._ceiling.sharers.pop(self, None)
        self._ended()


def _give_up(waiting: "asyncio.Future[Lease | None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
