"""One connection's worth of work: take a lease, have a session, send, settle, wait a little for the next.

A lane is one coroutine and lives as long as its connection is useful; a message costs no task of its own.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from kurir.model import Cause, Clock, OutcomeKind, Stage
from kurir.queue.asks import Lease

from .attempt import Attempt, Results
from .opening import Opener
from .plan import Destination
from .ports import Bodies
from .sealing import Sealing
from .session import Session, Trouble
from .settings import DeliverySettings, RouteKind

if TYPE_CHECKING:
    from .pool import SitePool

Settle = Callable[[Lease, Results], None]


# What a 250 after the body means on a route, by (kind, final); elsewhere the mail is handed over.
_SUCCESS = {
    (RouteKind.LMTP, True): OutcomeKind.DELIVERED,
    (RouteKind.SANDBOX, True): OutcomeKind.CAPTURED,
    (RouteKind.SANDBOX, False): OutcomeKind.CAPTURED,
}


class LaneTools:
    """What every lane of a hand shares."""

    __slots__ = ("bodies", "clock", "opener", "sealing", "settings", "settle")

    def __init__(
        self,
        settings: DeliverySettings,
        opener: Opener,
        bodies: Bodies,
        clock: Clock,
        settle: Settle,
        sealing: Sealing | None = None,
    ) -> None:
        self.settings = settings
        self.opener = opener
        self.bodies = bodies
        self.clock = clock
        self.settle = settle
        self.sealing = sealing


class Lane:
    """One connection to a site."""

    __slots__ = ("_pool", "_sealing", "_session", "_success", "_tools")

    def __init__(self, pool: "SitePool", tools: LaneTools, destination: Destination) -> None:
        self._pool = pool
        self._tools = tools
        self._session: Session | None = None
        route = destination.route
        self._success = _SUCCESS.get((route.kind, route.final), OutcomeKind.HANDED_OVER)
        # A store of ours is the end of the way: nobody checks a signature behind it.
        self._sealing = None if self._success is OutcomeKind.DELIVERED else tools.sealing

    async def run(self, lease: Lease | None) -> None:
        """Work until there is nothing to do for a while, or no connection can be had."""
        try:
            while lease is not None:
                reached = await self._serve_safely(lease)
                lease = await self._pool.next_lease(connected=self._session is not None, reached=reached)
            await self.finish()
        finally:
            session = self._forget()
            if session is not None:
                session.abort()

    async def finish(self) -> None:
        """Say goodbye to the peer."""
        session = self._forget()
        if session is not None:
            await session.quit(self._tools.settings.timeouts.quit)

    def _forget(self) -> Session | None:
        session, self._session = self._session, None
        if session is not None:
            self._pool.connected -= 1
        return session

    async def _serve_safely(self, lease: Lease) -> bool:
        """As `_serve`; a bug of ours costs an attempt and a connection, never a lease."""
        try:
            return await self._serve(lease)
        except Exception as error:  # noqa: BLE001
            session = self._forget()
            if session is not None:
                session.abort()
            detail = f"a fault of this server: {type(error).__name__}: {error}"
            self._fail(lease, Trouble(stage=Stage.PLAN, cause=Cause.UNKNOWN, detail=detail), None)
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"delivery of message {lease.number} failed", "exception": error}
            )
            return True

    async def _serve(self, lease: Lease) -> bool:
        """Try one lease and settle it; False where no connection could be had."""
        tools = self._tools
        for last_try in (False, True):
            session = self._session
            if session is None or (lease.params.require_tls and not _proven(session)):
                await self.finish()
                opened = await self._open(lease)
                if opened is None:
                    return False
                session = opened
            attempt = Attempt(
                session,
                lease,
                tools.bodies,
                tools.settings,
                tools.clock,
                success=self._success,
                sealing=self._sealing,
            )
            try:
                await attempt.run()
            except asyncio.CancelledError:
                attempt.give_up()
                tools.settle(lease, attempt.results)
                raise
            if not attempt.reusable:
                self._forget()
                session.abort()  # also where the attempt ended well and the peer broke behind it
                if attempt.untouched and not last_try:
                    continue  # the peer had closed the idle connection: that is no failure of the mail
            tools.settle(lease, attempt.results)
            break
        await self._retire()
        return True

    async def _open(self, lease: Lease) -> Session | None:
        tools = self._tools
        started = tools.clock.monotonic()
        try:
            opened = await tools.opener.open(self._pool.destination, require_tls=lease.params.require_tls)
        except asyncio.CancelledError:
            tools.settle(lease, [])
            raise
        if isinstance(opened, Session):
            self._session = opened
            self._pool.connected += 1
            return opened
        if self._pool.give_back(lease):
            return None  # other connections to this site work: they will take it
        self._fail(lease, opened, started)
        return None

    def _fail(self, lease: Lease, trouble: Trouble, started: float | None) -> None:
        clock = self._tools.clock
        seconds = 0.0 if started is None else clock.monotonic() - started
        outcome = trouble.outcome(clock.now(), lease.road.name, seconds)
        self._tools.settle(lease, [(work.index, outcome) for work in lease.work])

    async def _retire(self) -> None:
        """Close a connection that has carried as much as it may."""
        session = self._session
        if session is None:
            return
        most = self._tools.settings.max_messages_per_connection
        if session.offer.messages:
            most = min(most, session.offer.messages)
        if session.used >= most:
            await self.finish()


def _proven(session: Session) -> bool:
    return session.tls is not None and session.tls.verified is not None
