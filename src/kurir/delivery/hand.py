"""The delivery hand: what the brain gives work to.

Calls return at once.  Leases go to the pool of their site (or to a store on this machine), answers are
gathered and given back in one call per turn of the event loop.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from random import Random

from msgspec import structs

from kurir.model import Cause, Clock, Outcome, OutcomeKind, Stage
from kurir.net.ports import Resolver
from kurir.queue.asks import Busy, Lease, NoticeWork, Plan, PlanRequest, Settlement

from .connecting.opening import Opener
from .local.storing import StoreLane
from .notices import NoticeDesk
from .oauth import TokenSource
from .ports import Bodies, BrainSide, Dialer, LocalStore, NoticeWriter, ReportReader, Watch
from .routing.allowed import Allowed
from .routing.plan import Destination, Planner
from .sending.attempt import Results
from .sending.ceiling import Ceilings
from .sending.lane import LaneTools
from .sending.learning import Student
from .sending.pool import SitePool
from .sending.sealing import Sealing
from .sending.sources import Sources, SourceTurn
from .settings import DeliverySettings, RouteKind
from .tlspolicy import TlsDesk

_MAX_PLANS_AT_ONCE = 200
_GRACE = 5.0  # seconds for lanes to end after they were told to


class DeliveryHand:
    """Implements `kurir.queue.ports.Hand`.

    `stores` take the leases of routes of their kind (maildir, sandbox); `writer` makes the report that an
    obligation asks for.  `desk` knows the TLS policies; without one only the routes' own rules hold.  `sealing` signs
    what leaves (None: nothing is signed).  `watch` knows the addresses that mail is not sent to, `reader` those that
    reports come to.  `allowed` knows the limits of others
    (None: only the shipped ones).  `left` hears of addresses of ours that a site refuses.  `tokens` are for smarthosts that take access tokens instead of passwords.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        brain: BrainSide,
        bodies: Bodies,
        resolver: Resolver,
        dialer: Dialer,
        clock: Clock,
        random: Random,
        writer: NoticeWriter,
        stores: Mapping[RouteKind, LocalStore] | None = None,
        desk: TlsDesk | None = None,
        sealing: Sealing | None = None,
        tokens: TokenSource | None = None,
        watch: Watch | None = None,
        reader: ReportReader | None = None,
        allowed: Allowed | None = None,
        left: Callable[[SourceTurn], None] | None = None,
    ) -> None:
        self._watch = watch
        self._reader = reader
        self._settings = settings
        self._brain = brain
        self._clock = clock
        self.planner = Planner(settings, resolver, clock, random, allowed)
        self.opener = Opener(settings, self.planner, resolver, dialer, clock, desk=desk, tokens=tokens)
        self._tools = LaneTools(
            settings,
            self.opener,
            bodies,
            clock,
            self._settled,
            sealing,
            refused=self._refused,
            student=Student(self.planner.allowed, clock),
            relearn=self._relearn,
        )
        self._desk = NoticeDesk(bodies, brain, writer, settings.notice_head_limit)
        self._stores = {
            kind: StoreLane(store, settings.maildir_batch, self._settled, self._store_failed)
            for kind, store in (stores or {}).items()
        }
        self._sites: dict[tuple[str, str, tuple[str, ...]], SitePool] = {}
        self._sources = Sources(settings, clock, left)
        self._ceilings = Ceilings()
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_work: dict[tuple[int, int], Lease] = {}
        self._refusals: dict[tuple[int, int], tuple[Outcome, int]] = {}
        self._lessons: set[tuple[int, int]] = set()
        self._plans: list[Plan] = []
        self._settlements: list[Settlement] = []
        self._flush_due = False
        self._draining = False
        self._planning = asyncio.Semaphore(_MAX_PLANS_AT_ONCE)

    # -- asked by the brain -------------------------------------------------------------------

    @property
    def slots(self) -> int:
        """How many leases it may hold at once."""
        return 0 if self._draining else self._settings.slots

    def plan(self, requests: Sequence[PlanRequest]) -> None:
        """Look up the roads; answered by `BrainSide.planned`."""
        for alike in self.planner.alike(requests):
            self._spawn(self._plan(alike))

    def work(self, leases: Sequence[Lease]) -> None:
        """Take work; answered by `BrainSide.settle`."""
        for lease in leases:
            self._in_work[lease.epoch, lease.id] = lease
            if self._draining:
                self._settled(lease, [])
                continue
            returned = self._watch is not None and lease.reverse_path is None
            if returned or (self._reader is not None and self._reader.wants(lease)):
                self._spawn(self._read_first(lease))
                continue
            if self._watch is not None and self._barred(self._watch, lease):
                continue
            destination = self.planner.known(lease.road)
            if destination is None:
                self._spawn(self._look_up(lease))
            else:
                self._place(lease, destination)

    def notice(self, notices: Sequence[NoticeWork]) -> None:
        """Make reports; each is handed in with `BrainSide.accept`."""
        for work in notices:
            self._spawn(self._report(work))

    def busy(self) -> list[Busy]:
        """Return every lease in work: for a brain that has come back."""
        return [lease.busy for lease in self._in_work.values()]

    async def drain(self, timeout: float) -> None:
        """Take nothing new, finish what is being sent within `timeout` seconds, give the rest back."""
        self._draining = True
        for pool in self._sites.values():
            waiting, pool.queue = list(pool.queue), type(pool.queue)()
            for lease in waiting:
                self._settled(lease, [])
            pool.drain()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_GRACE)
        self._flush()

    # -- inside -------------------------------------------------------------------------------

    async def _plan(self, requests: Sequence[PlanRequest]) -> None:
        """Answer requests at the same time: recipients of one message then leave as one."""
        plans = await asyncio.gather(*map(self._planned, requests))
        self._plans += plans  # not in one line: the list may be another one after the wait
        self._want_flush()

    async def _planned(self, request: PlanRequest) -> Plan:
        async with self._planning:
            return await self.planner.plan(request)

    async def _report(self, work: NoticeWork) -> None:
        await self._desk.fulfil(work)

    def _barred(self, watch: Watch, lease: Lease) -> bool:
        """Give up recipients that mail is not sent to; the others are given back untried and come again alone."""
        if not watch.any_barred:
            return False
        barred = [(work.index, end) for work in lease.work if (end := watch.barred(lease, work)) is not None]
        if barred:
            self._settled(lease, barred)
        return bool(barred)

    async def _read_first(self, lease: Lease) -> None:
        """Look into a message before it goes on: it may tell of mail that this server sent, or report about our domains."""
        watch, reader = self._watch, self._reader
        try:
            if watch is not None and lease.reverse_path is None:
                await watch.returned(lease)
            ended = await reader.read(lease) if reader is not None and reader.wants(lease) else ()
        except asyncio.CancelledError:
            self._settled(lease, [])
            raise
        if ended or self._draining:
            self._settled(lease, list(ended))  # the other recipients come again, alone
        elif watch is None or not self._barred(watch, lease):
            await self._look_up(lease)

    async def _look_up(self, lease: Lease) -> None:
        try:
            found = await self.planner.destination(lease)
        except asyncio.CancelledError:
            self._settled(lease, [])
            raise
        if isinstance(found, Outcome):
            self._settled(lease, [(work.index, found) for work in lease.work])
        elif self._draining:
            self._settled(lease, [])
        else:
            self._place(lease, found)

    def _place(self, lease: Lease, destination: Destination) -> None:
        kind = destination.route.kind
        if not destination.hosts:
            self._store(lease, kind)
            return
        if len(destination.route.source) > 1:
            destination = self._sources.leave(lease, destination)
        key = (lease.road.name, lease.road.site, destination.route.source)
        pool = self._sites.get(key)
        if pool is None:
            pool = self._sites[key] = SitePool(
                destination,
                self._tools,
                self._spawn,
                lambda: self._site_ended(key),
                self._ceilings.of(lease.road) if lease.road.quotas else None,
            )
        else:
            pool.destination = destination
        pool.submit(lease)

    def _site_ended(self, key: tuple[str, str, tuple[str, ...]]) -> None:
        self._sites.pop(key, None)

    def _store(self, lease: Lease, kind: RouteKind) -> None:
        lane = self._stores.get(kind)
        if lane is None:
            error = LookupError(f"there is no {kind.value} store here")
            self._settled(lease, self._store_failed(lease, error))
            return
        lane.queue.append(lease)
        if not lane.running:
            lane.running = True
            self._spawn(lane.run())

    def _store_failed(self, lease: Lease, error: Exception) -> Results:
        outcome = Outcome(
            kind=OutcomeKind.DEFERRED,
            cause=Cause.STORAGE_FAILED,
            at=self._clock.now(),
            stage=Stage.STORE,
            road=lease.road.name,
            detail=f"the store failed: {type(error).__name__}: {error}",
        )
        return [(work.index, outcome) for work in lease.work]

    def _settled(self, lease: Lease, results: Results) -> None:
        if self._sources.trips:
            judged = self._sources.judged(lease, results)
            if judged is None:
                self._spawn(self._look_up(lease))
                return
            results = judged
        if self._in_work.pop((lease.epoch, lease.id), None) is None:
            return
        if self._watch is not None:
            self._watch.settled(lease, results)
        settlement = Settlement(lease.epoch, lease.id, lease.number, tuple(results))
        self._settlements.append(
            self._with_news(settlement) if self._refusals or self._lessons else settlement
        )
        self._want_flush()

    def _with_news(self, settlement: Settlement) -> Settlement:
        key = (settlement.epoch, settlement.lease)
        learnt = key in self._lessons
        self._lessons.discard(key)
        return structs.replace(settlement, refused=self._refusals.pop(key, None), learnt=learnt)

    def _relearn(self, lease: Lease) -> None:
        """What a lease met has changed a limit of its road."""
        self._lessons.add((lease.epoch, lease.id))

    def _refused(self, lease: Lease, outcome: Outcome, stay: int) -> None:
        """A connection for a lease was refused; others `stay` and take it over.  It is told with what becomes of it."""
        if (lease.epoch, lease.id) in self._in_work:
            self._refusals[lease.epoch, lease.id] = outcome, stay

    def _want_flush(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        plans, self._plans = self._plans, []
        settlements, self._settlements = self._settlements, []
        if plans:
            self._brain.planned(plans)
        if settlements:
            self._brain.settle(settlements)

    def _spawn(self, job: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a delivery task failed", "exception": task.exception(), "task": task}
            )
