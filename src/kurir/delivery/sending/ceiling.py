"""Connections that several sites share, because whoever takes their mail counts them together.

The brain leases no more at once than such a limit allows; but a connection that waits for more work counts there too.
So where a new one is needed and all are open, an idle one of another site ends first, and is gone before the new one begins.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Protocol

from kurir.limits import Unit
from kurir.queue.asks import Road


class Sharer(Protocol):
    """Somebody who keeps idle connections under a ceiling."""

    def spare(self) -> bool:
        """End one idle connection; False where there is none."""
        ...


class Ceiling:
    """At most so many connections at once, of all sharers together."""

    __slots__ = ("_open", "_waiting", "most", "sharers")

    def __init__(self, most: int) -> None:
        self.most = most
        self.sharers: dict[Sharer, None] = {}
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a connection to end."""
        return bool(self._waiting)

    async def enter(self) -> None:
        """Return when there is room for one more connection; it is counted until `leave`."""
        if self._open < self.most and not self._waiting:
            self._open += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        any(sharer.spare() for sharer in self.sharers)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            with suppress(ValueError):
                self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """A connection has ended: its place goes to whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._open -= 1


class Ceilings:
    """All ceilings, by the key of their limit; as many as the atlas has entries."""

    def __init__(self) -> None:
        self._by_key: dict[str, Ceiling] = {}

    def of(self, road: Road) -> Ceiling | None:
        """Return the ceiling over the sites of `road`, with the newest figure; None where nobody counts there."""
        for quota in road.quotas:
            if quota.unit is Unit.CONNECTIONS and not quota.window:
                ceiling = self._by_key.get(quota.key)
                if ceiling is None:
                    ceiling = self._by_key[quota.key] = Ceiling(quota.stop)
                ceiling.most = quota.stop
                return ceiling
        return None
