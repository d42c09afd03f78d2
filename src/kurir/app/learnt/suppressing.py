"""The suppression list of a process: its store behind a thread, the list in memory, its counts in the figures.

A process whose store cannot be opened does without, and says so: mail goes on as if the list were empty.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

from kurir.app.process.logs import Log
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.delivery import Bodies, BodyDamaged, DeliverySettings, RouteKind
from kurir.model import Address, Cause, Clock, Outcome, OutcomeKind, Stage, encode_id
from kurir.queue import StoreError
from kurir.queue.asks import Lease, Work
from kurir.storage import Layout, SqliteSuppressions, StoredTrace, TraceQuery, TraceReader
from kurir.suppression import Barred, Desk, Entry, SentMail, SentTo

T = TypeVar("T")

LOOK_EVERY = 2.0  # seconds until a process knows what another one has written
FORGET_EVERY = 3600.0
MAX_READ = 256 * 1024  # octets of a bounce that are looked at
MAX_WAITING = 200  # bounces waiting to be read; in a flood the others go by unread


class SentBefore:
    """Implements `kurir.suppression.History` with the facts on disk."""

    def __init__(self, layout: Layout) -> None:
        self._reader = TraceReader(layout)

    def sent(self, message_id: str, since: float) -> Sequence[SentMail]:
        """Return messages with that Message-ID accepted since then, the newest first."""
        return [
            _sent(mail) for mail in self._reader.traces(TraceQuery(message_id=message_id, since=since), 5)
        ]

    def numbered(self, number: int) -> SentMail | None:
        """Return the message with that accept number."""
        found = self._reader.trace(number)
        return _sent(found) if found is not None else None

    def addressed(self, address: str, since: float) -> Sequence[SentMail]:
        """Return the latest messages that have to do with that address, accepted since then."""
        return [_sent(mail) for mail in self._reader.traces(TraceQuery(address=address, since=since), 20)]


def _sent(mail: StoredTrace) -> SentMail:
    recipients = (
        SentTo(i, recipient.address, recipient.wanted, state.fate)
        for i, (recipient, state) in enumerate(mail.recipients)
    )
    return SentMail(mail.number, mail.letter.accepted_at, tuple(recipients), mail.params.envid)


class ListPart:
    """The list in memory, kept up to date: what reception and delivery both need."""

    def __init__(self, layout: Layout, clock: Clock, log: Log) -> None:
        self._log = log
        self._store: SqliteSuppressions | None = None
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="kurir-suppression")
        try:
            self._store = SqliteSuppressions(layout, clock)
        except StoreError as e:
            log.warning("suppression_list_unavailable", why=str(e))
            self.barred: Barred | None = None
            return
        self.barred = Barred(self._store, clock.now)

    @property
    def store(self) -> SqliteSuppressions | None:
        """The store, None where it could not be opened."""
        return self._store

    def start(self) -> None:
        """Read the list now and whenever it has changed."""
        self._look()
        self._looking = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Finish what is being written, close the store."""
        self._looking.cancel()
        await asyncio.to_thread(self._threads.shutdown)
        if self._store is not None:
            self._store.close()

    async def run(self, call: Callable[[], T]) -> T | None:
        """Do what blocks in the list's own thread; None where the store fails."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except StoreError as e:
            self._log.warning("suppression_list_failed", why=str(e))
            return None

    def _look(self) -> None:
        if self.barred is not None:
            try:
                self.barred.look()
            except StoreError as e:
                self._log.warning("suppression_list_failed", why=str(e))

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self._look()


class Suppressing:
    """Implements `kurir.delivery.ports.Watch`."""

    def __init__(
        self, config: Config, routes: DeliverySettings, bodies: Bodies, clock: Clock, log: Log
    ) -> None:
        layout = settings.layout(config)
        self._settings = settings.suppression(config)
        self._list = ListPart(layout, clock, log)
        self._bodies = bodies
        self._clock = clock
        self._log = log
        self._our_report = f"\r\nReporting-MTA: dns; {config.server.hostname}\r\n".encode()
        self._own = frozenset(config.domains)
        self._sandbox = frozenset(route.name for route in routes.routes if route.kind is RouteKind.SANDBOX)
        store = self._list.store
        self._desk = Desk(self._settings, store, SentBefore(layout), clock.now) if store is not None else None
        self._counts: Counter[str] = Counter()
        self._waiting = 0
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self) -> None:
        """Take the list into use."""
        self._list.start()
        self._spawn(self._forget())

    async def stop(self) -> None:
        """Finish what is being noted."""
        for task in self._tasks:
            task.cancel()
        await self._list.stop()

    def counters(self) -> dict[str, float]:
        """Return how many bounces were tied to mail of ours, and how much mail was given up."""
        return {f"kurir_suppression{{event={name}}}": float(n) for name, n in self._counts.items()}

    def gauges(self) -> dict[str, float]:
        """Return how long the list is."""
        return {"kurir_suppressed_addresses": float(len(self._list.barred or ()))}

    # -- for the hand -------------------------------------------------------------------------

    @property
    def any_barred(self) -> bool:
        """Whether there is any such address."""
        return bool(self._list.barred)

    def barred(self, lease: Lease, work: Work) -> Outcome | None:
        """Return the end of a recipient that mail is not sent to, else None."""
        entry = self._list.barred.find(work.recipient.address) if self._list.barred is not None else None
        if entry is None:
            return None
        self._counts["given_up"] += 1
        return Outcome(
            kind=OutcomeKind.FAILED,
            cause=Cause.SUPPRESSED,
            at=self._clock.now(),
            stage=Stage.PLAN,
            road=lease.road.name,
            detail=noted(entry),
        )

    async def returned(self, lease: Lease) -> None:
        """Look into a message from <>; never raises."""
        desk = self._desk
        if desk is None or self._waiting >= MAX_WAITING:
            return
        self._waiting += 1
        try:
            if lease.body is not None or lease.body_file is None:
                body = await self._bodies.whole(lease)
            else:
                body = await self._bodies.head(lease, MAX_READ)
            if self._our_report in body:  # its story is in the trace already
                return
            text = body[:MAX_READ].decode("utf-8", "replace")
            new = await self._list.run(lambda: desk.returned(lease.number, text))
        except BodyDamaged:  # told by whoever delivers it
            return
        finally:
            self._waiting -= 1
        for report in new or ():
            self._counts["bounces"] += 1
            self._log.info(
                "bounce_tied",
                message=encode_id(report.number),
                bounce=encode_id(lease.number),
                cause=report.cause.value,
            )

    def settled(self, lease: Lease, results: Sequence[tuple[int, Outcome]]) -> None:
        """Take notice of addresses that another server says are dead."""
        for index, outcome in results:
            if outcome.kind is OutcomeKind.FAILED and outcome.reply is not None:
                self._refused(lease, index, outcome)

    # -- inside -------------------------------------------------------------------------------

    def _refused(self, lease: Lease, index: int, outcome: Outcome) -> None:
        address = next((work.recipient.address for work in lease.work if work.index == index), None)
        desk = self._desk
        if desk is None or address is None or not self._countable(address, outcome):
            return
        self._spawn(self._list.run(lambda: desk.refused(lease.number, address, outcome)))

    def _countable(self, address: Address, outcome: Outcome) -> bool:
        """Our own domains are known otherwise, and the sandbox only plays."""
        return address.domain not in self._own and outcome.road not in self._sandbox

    async def _forget(self) -> None:
        store = self._list.store
        while store is not None:
            await self._list.run(lambda: store.forget(self._clock.now() - self._settings.keep))
            await asyncio.sleep(FORGET_EVERY)

    def _spawn(self, job: Coroutine[None, None, object]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def noted(entry: Entry) -> str:
    """Return an entry as the detail of an outcome."""
    since = datetime.fromtimestamp(entry.since, UTC).date().isoformat()
    if entry.cause is Cause.SUPPRESSED:
        return f"put there on {since} by {entry.by}: {entry.words}"
    return f"put there on {since}, because another server said: {entry.words}"
