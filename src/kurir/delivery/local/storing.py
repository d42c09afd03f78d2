"""Leases for this machine: collected while the disk works, stored together, their folder syncs shared.

`MaildirStore` turns leases into Maildir letters; `StoreLane` feeds any `LocalStore` in batches.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from kurir.delivery.ports import Bodies, BodyDamaged, LocalStore
from kurir.delivery.sending.attempt import Results
from kurir.model import Cause, Clock, Outcome, OutcomeKind, Stage
from kurir.queue.asks import Lease

from .maildir import Letter, Maildir, front, token


class MaildirStore:
    """Implements `LocalStore` with a tree of Maildirs; blocking work runs in `executor`."""

    def __init__(
        self, maildir: Maildir, bodies: Bodies, clock: Clock, executor: Executor | None = None
    ) -> None:
        self._maildir = maildir
        self._bodies = bodies
        self._clock = clock
        self._executor = executor

    async def deliver(self, leases: Sequence[Lease]) -> Sequence[tuple[tuple[int, Outcome], ...]]:
        """Store a batch; small messages share one trip to the thread."""
        results: list[tuple[tuple[int, Outcome], ...]] = [()] * len(leases)
        letters: list[Letter] = []
        owners: list[tuple[int, int]] = []
        for place, lease in enumerate(leases):
            try:
                if lease.body is None and lease.body_file is not None:
                    results[place] = await self._large(lease)
                    continue
                body = lease.body if lease.body is not None else await self._bodies.whole(lease)
            except BodyDamaged as error:
                results[place] = self._damaged(lease, error)
                continue
            letters += _letters(lease, (lease.trace_block, body))
            owners += [(place, work.index) for work in lease.work]
        if letters:
            loop = asyncio.get_running_loop()
            outcomes = await loop.run_in_executor(self._executor, self._maildir.deliver, letters)
            for (place, index), outcome in zip(owners, outcomes, strict=True):
                results[place] += ((index, outcome),)
        return results

    async def _large(self, lease: Lease) -> tuple[tuple[int, Outcome], ...]:
        loop = asyncio.get_running_loop()
        letters = _letters(lease, (lease.trace_block,))
        writing = await loop.run_in_executor(self._executor, self._maildir.begin, letters)
        try:
            async for chunk in self._bodies.chunks(lease):
                await loop.run_in_executor(self._executor, writing.write, chunk)
            outcomes = await loop.run_in_executor(self._executor, writing.finish)
        finally:
            await loop.run_in_executor(self._executor, writing.discard)
        return tuple((work.index, outcome) for work, outcome in zip(lease.work, outcomes, strict=True))

    def _damaged(self, lease: Lease, error: BodyDamaged) -> tuple[tuple[int, Outcome], ...]:
        outcome = Outcome(
            kind=OutcomeKind.DEFERRED,
            cause=Cause.BODY_DAMAGED,
            at=self._clock.now(),
            stage=Stage.STORE,
            road=lease.road.name,
            detail=f"the stored message is damaged and is not delivered: {error}",
        )
        return tuple((work.index, outcome) for work in lease.work)


def _letters(lease: Lease, pieces: tuple[bytes, ...]) -> list[Letter]:
    return [
        Letter(
            token(lease.number, work.index, lease.accepted_at, lease.sha256),
            work.recipient.address,
            (front(lease.reverse_path, work.recipient.address), *pieces),
        )
        for work in lease.work
    ]


class StoreLane:
    """Feeds one store: while a batch is being written the next one gathers."""

    def __init__(
        self,
        store: LocalStore,
        batch: int,
        settle: Callable[[Lease, Results], None],
        failed: Callable[[Lease, Exception], Results],
    ) -> None:
        self.queue: deque[Lease] = deque()
        self.running = False
        self._store = store
        self._batch = batch
        self._settle = settle
        self._failed = failed

    async def run(self) -> None:
        """Work until nothing waits."""
        try:
            while self.queue:
                batch = [self.queue.popleft() for _ in range(min(len(self.queue), self._batch))]
                try:
                    results = await self._store.deliver(batch)
                except asyncio.CancelledError:
                    for lease in batch:
                        self._settle(lease, [])
                    raise
                except Exception as error:  # noqa: BLE001  a store's bug must not lose the leases
                    for lease in batch:
                        self._settle(lease, self._failed(lease, error))
                    continue
                for lease, result in zip(batch, results, strict=True):
                    self._settle(lease, list(result))
        finally:
            self.running = False
