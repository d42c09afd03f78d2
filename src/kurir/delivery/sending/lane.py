"""One connection's worth of work: take a lease, have a session, send, settle, wait a little for the next.

A lane is one coroutine and lives as long as its connection is useful; a message costs no task of its own.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from kurir.delivery.connecting.opening import Opener, Wish
from kurir.delivery.connecting.session import Session, Trouble
from kurir.delivery.ports import Bodies, BodyDamaged
from kurir.delivery.routing.plan import Destination
from kurir.delivery.settings import DeliverySettings, RouteKind
from kurir.message import tls_not_required
from kurir.model import Cause, Clock, Outcome, OutcomeKind, Stage
from kurir.queue.asks import Lease

from .attempt import Attempt, Results
from .learning import Student
from .sealing import Sealing

if TYPE_CHECKING:
    from .pool import SitePool

Settle = Callable[[Lease, Results], None]
HEADER_LIMIT = 256 * 1024  # octets of a header that are searched for TLS-Required


# What a 250 after the body means on a route, by (kind, final); elsewhere the mail is handed over.
_SUCCESS = {
    (RouteKind.LMTP, True): OutcomeKind.DELIVERED,
    (RouteKind.SANDBOX, True): OutcomeKind.CAPTURED,
    (RouteKind.SANDBOX, False): OutcomeKind.CAPTURED,
}


class LaneTools:
    """What every lane of a hand shares."""

    __slots__ = (
        "bodies",
        "clock",
        "opener",
        "refused",
        "relearn",
        "sealing",
        "settings",
        "settle",
        "student",
    )

    def __init__(
        self,
        settings: DeliverySettings,
        opener: Opener,
        bodies: Bodies,
        clock: Clock,
        settle: Settle,
        sealing: Sealing | None = None,
        *,
        student: Student,
        refused: Callable[[Lease, Outcome, int], None],
        relearn: Callable[[Lease], None],
    ) -> None:
        self.settings = settings
        self.opener = opener
        self.bodies = bodies
        self.clock = clock
        self.settle = settle
        self.sealing = sealing
        self.student = student
        self.refused = refused
        self.relearn = relearn


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
            session, part = self._session, lease
            if session is None or lease.params.demands_tls or not _cleared(session, lease):
                try:
                    session = await self._session_for(lease)
                    if session is None:
                        return False
                    part = await self._part(session, lease)
                except asyncio.CancelledError:
                    tools.settle(lease, [])
                    raise
            attempt = Attempt(
                session,
                part,
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
            if attempt.refusals:
                self._learn(lease, attempt)
            if not attempt.reusable:
                self._forget()
                session.abort()  # also where the attempt ended well and the peer broke behind it
                if attempt.untouched and not last_try:
                    continue  # the peer had closed the idle connection: that is no failure of the mail
            tools.settle(lease, attempt.results)
            break
        await self._retire()
        return True

    def _learn(self, lease: Lease, attempt: Attempt) -> None:
        """Look into what the peer refused for what it says of its limits."""
        student, pool = self._tools.student, self._pool
        session = self._session
        for outcome in attempt.refusals:
            if outcome.cause is Cause.TOO_LARGE and session is not None:
                student.too_large(pool.destination, session.offer, lease.work[0].recipient.address.domain)
            elif attempt.untouched and outcome.reply is not None and session is not None:
                pool.destination = student.goodbye(pool.destination, session.used - 1, outcome.reply)
            elif student.refused(pool.destination, outcome):
                self._tools.relearn(lease)

    async def _session_for(self, lease: Lease) -> Session | None:
        """Return a session that may carry the lease's first recipient: the open one, or a new one."""
        tools, session = self._tools, self._session
        wish = _wish(lease)
        if session is not None:
            if await tools.opener.carries(session, self._pool.destination.route, wish):
                return session
            await self.finish()
        return await self._open(lease, wish)

    async def _part(self, session: Session, lease: Lease) -> Lease:
        """Return the lease with those recipients whose domains let this session carry their mail.

        The others go back to the queue: domains of one provider can have policies of their own.
        """
        opener, route, wish = self._tools.opener, self._pool.destination.route, _wish(lease)
        if _is_sealed_bounce(lease) and not await opener.carries(session, route, wish):
            lease, wish = _unsealed(lease), replace(wish, require_tls=False)
        fit = {wish.domain} if wish.demanding else session.cleared | {wish.domain}
        for domain in dict.fromkeys(work.recipient.address.domain for work in lease.work):
            if domain not in fit and await opener.carries(session, route, replace(wish, domain=domain)):
                fit.add(domain)
        work = tuple(w for w in lease.work if w.recipient.address.domain in fit)
        return lease if len(work) == len(lease.work) else msgspec.structs.replace(lease, work=work)

    async def _open(self, lease: Lease, wish: Wish) -> Session | None:
        tools = self._tools
        started = tools.clock.monotonic()
        destination = self._pool.destination
        opened = await tools.opener.open(destination, wish)
        demanded = isinstance(opened, Trouble) and (opened.policy or opened.stage is Stage.TLS)
        if demanded and _is_sealed_bounce(lease):
            opened = await tools.opener.open(destination, replace(wish, require_tls=False))
        elif demanded and not wish.demanding and await self._optional(lease):
            # RFC 8689 section 4.2.2: the sender would rather have it delivered than protected.
            opened = await tools.opener.open(destination, replace(wish, tls_optional=True))
        if isinstance(opened, Session):
            self._session = opened
            self._pool.connected += 1
            tools.student.hello(destination, opened.offer)
            return opened
        if not demanded and self._pool.give_back(lease):
            # Other connections to this site work and will take it; the brain learns that one was refused.
            refusal = opened.outcome(tools.clock.now(), lease.road.name)
            tools.refused(lease, refusal, self._pool.connected)
            return None
        if tools.student.refused(destination, opened.outcome(tools.clock.now(), lease.road.name)):
            tools.relearn(lease)
        self._fail(lease, opened, started, only=wish.domain if demanded else None)
        return None

    async def _optional(self, lease: Lease) -> bool:
        """Whether the message's header says ``TLS-Required: No``; looked at only where that makes a difference."""
        if lease.body is not None:
            return tls_not_required(lease.body[:HEADER_LIMIT])
        try:
            return tls_not_required(await self._tools.bodies.head(lease, HEADER_LIMIT))
        except BodyDamaged:
            return False

    def _fail(
        self, lease: Lease, trouble: Trouble, started: float | None, *, only: str | None = None
    ) -> None:
        """Settle a lease without a session; with `only`, recipients of other domains go back untried."""
        clock = self._tools.clock
        seconds = 0.0 if started is None else clock.monotonic() - started
        outcome = trouble.outcome(clock.now(), lease.road.name, seconds)
        works = (w for w in lease.work if only is None or w.recipient.address.domain == only)
        self._tools.settle(lease, [(work.index, outcome) for work in works])

    async def _retire(self) -> None:
        """Close a connection that has carried as much as it may."""
        session = self._session
        if session is None:
            return
        most = self._tools.settings.max_messages_per_connection
        if self._pool.destination.messages:
            most = min(most, self._pool.destination.messages)
        if session.offer.messages:
            most = min(most, session.offer.messages)
        if session.used >= most:
            await self.finish()


def _cleared(session: Session, lease: Lease) -> bool:
    """Whether it is known that the session meets the policy of every recipient's domain."""
    cleared, works = session.cleared, lease.work
    if len(works) == 1:
        return works[0].recipient.address.domain in cleared
    return all(work.recipient.address.domain in cleared for work in works)


def _is_sealed_bounce(lease: Lease) -> bool:
    """Whether it is a report that asks for REQUIRETLS: it goes so where it can, and else without (RFC 8689 section 5)."""
    return lease.reverse_path is None and lease.params.require_tls and not lease.params.sealed


def _unsealed(lease: Lease) -> Lease:
    """Return the lease without REQUIRETLS, which may be said only where all that it demands is there (section 2)."""
    params = msgspec.structs.replace(lease.params, require_tls=False)
    return msgspec.structs.replace(lease, params=params)


def _wish(lease: Lease) -> Wish:
    params = lease.params
    domain = lease.work[0].recipient.address.domain
    return Wish(domain=domain, require_tls=params.require_tls, sealed=params.sealed)
