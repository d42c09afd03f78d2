"""Group commit: what finished while the last commit ran is committed together.

Changes gather on the loop thread.  As soon as the committer is idle the whole pending list becomes one
batch, which `Store.commit` makes durable in the commit thread; the completion is posted back.  Rules:

1. One batch at most is in flight, and accept numbers are given when it is formed, so that a batch that
   is rolled back leaves no hole in the numbers.
2. What was asked (`ask`) comes before the batch that is formed with it.  `StoreFull`: the batch is tried once more without its acceptances (they are refused); where even that
   does not fit, its changes wait at the head of the line until `retry` is called.
3. Any other failure is final (a failed fsync must not be repeated): everything pending is refused and
   `on_failure` is told.  Nothing is committed by this object again.  What was in the failed batch is in doubt: the
   frames stand in the log, and the next start may find them whole.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from queue import SimpleQueue
from typing import Protocol

from kurir.queue.ports import Change, Debit, Store, StoredLetter, StoreFull

Post = Callable[[Callable[[], None]], None]
LETTERS_PER_READ = 500


class Denial(Enum):
    """Why an acceptance was not committed."""

    FULL = "full"
    BROKEN = "broken"
    IN_DOUBT = "in_doubt"  # its sync failed: the next start may find it stored


class Acceptance(Protocol):
    """A message that wants a number."""

    def change(self, number: int) -> Change:
        """Return the change that accepts the message under `number` (may be asked again after a denial)."""
        ...

    def committed(self, number: int) -> None:
        """The message is safe."""
        ...

    def denied(self, denial: Denial) -> None:
        """The message was not taken."""
        ...


class _Ending(Enum):
    DONE = 1
    FULL = 2  # the acceptances did not fit, the rest did
    STALLED = 3  # nothing fitted


class Committer:
    """The one writer.  All methods are called on the loop thread and return at once."""

    def __init__(
        self,
        store: Store,
        post: Post,
        *,
        threaded: bool,
        before_batch: Callable[[], None],
        after_batch: Callable[[], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._store = store
        self._post = post
        self._before_batch = before_batch
        self._after_batch = after_batch
        self._on_failure = on_failure
        self._next = store.next_number()
        self._accepts: list[Acceptance] = []
        self._changes: list[tuple[Change | None, Callable[[], None] | None]] = []
        self._debits: defaultdict[tuple[str, int], int] = defaultdict(int)  # units by budget and moment
        self._asks: list[Callable[[], Callable[[], None]]] = []
        self._wanted: list[tuple[tuple[int, ...], Callable[[dict[int, StoredLetter]], None]]] = []
        self._writing = self._reading = False
        self._flush_posted = self._read_posted = False
        self._writer = _Thread("kurir-commit") if threaded else None
        self._reader = _Thread("kurir-letters") if threaded else None
        self.failure: BaseException | None = None
        self.stalled = False
        self.batches = 0
        self.committed_changes = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is pending or in flight."""
        pending = self._accepts or self._changes or self._debits or self._asks or self._wanted
        return not (self._writing or self._reading or pending)

    @property
    def pending(self) -> int:
        """How many changes wait for the next batch."""
        return len(self._accepts) + len(self._changes)

    def accept(self, acceptance: Acceptance) -> None:
        """Put a message in line."""
        if self.failure is not None:
            acceptance.denied(Denial.BROKEN)
            return
        self._accepts.append(acceptance)
        self._kick()

    def submit(self, change: Change, done: Callable[[], None] | None = None) -> None:
        """Put a change in line; `done` is called once it is durable (never, where the store fails)."""
        if self.failure is None:
            self._changes.append((change, done))
            self._kick()

    def debit(self, debits: Iterable[Debit], done: Callable[[], None] | None = None) -> None:
        """Add debits to those of the next batch, which become one change of it; `done` as for `submit`."""
        if self.failure is not None:
            return
        for debit in debits:
            self._debits[debit.key, debit.at] += debit.units
        if done is not None:
            self._changes.append((None, done))
        if self._debits or done is not None:
            self._kick()

    def when_durable(self, done: Callable[[], None]) -> None:
        """Call `done` once every change that was put in line, or waits for a letter, is durable (never, where the store fails)."""
        if self.failure is not None:
            return
        if self._wanted or self._reading:
            self.fetch((), lambda _: self.when_durable(done))
        elif self._changes or self._debits or self._writing:
            self._changes.append((None, done))
            self._kick()
        else:
            done()

    def ask(self, call: Callable[[], Callable[[], None]]) -> None:
        """Run `call` in the commit thread before the next batch, then what it returns on the loop thread."""
        if self.failure is None:
            self._asks.append(call)
            self._kick()

    def fetch(self, numbers: Sequence[int], done: Callable[[dict[int, StoredLetter]], None]) -> None:
        """Read letters in the reader thread, together with what others want at the same time."""
        if self.failure is None:
            self._wanted.append((tuple(numbers), done))
            self._kick_reader()

    def retry(self) -> None:
        """Try again what did not fit before."""
        self.stalled = False
        self._kick()

    def close(self) -> None:
        """Stop the threads after what they are doing."""
        for thread in (self._writer, self._reader):
            if thread is not None:
                thread.close()

    # writing

    def _kick(self) -> None:
        if not (self._flush_posted or self._writing or self.stalled):
            self._flush_posted = True
            self._post(self._flush)

    def _flush(self) -> None:
        if not self._writing and self.failure is None:
            self._before_batch()  # may `ask`
        self._flush_posted = False
        if self._writing or self.failure is not None:
            return
        accepts, self._accepts = self._accepts, []
        changes, self._changes = self._changes, []
        asks, self._asks = self._asks, []
        debits, self._debits = self._debits, defaultdict(int)
        if any(debits.values()):
            summed = tuple(Debit(key, at, units) for (key, at), units in debits.items() if units)
            changes.append((Change(events=(), debits=summed), None))
        if not (accepts or changes or asks):
            return
        number = self._next
        taken = [a.change(number + i) for i, a in enumerate(accepts)]
        others = [change for change, _ in changes if change is not None]
        self._writing = True

        def job() -> Callable[[], None]:
            try:
                answers = [ask() for ask in asks]
            except StoreFull:
                return lambda: self._stalled(accepts, changes, asks)
            ending = self._write(others, taken)
            return lambda: self._written(ending, number, accepts, changes, answers)

        self._run(self._writer, job, accepts)

    def _write(self, others: list[Change], taken: list[Change]) -> _Ending:
        if not (others or taken):
            return _Ending.DONE
        try:
            self._store.commit(others + taken)
        except StoreFull:
            if not others:
                return _Ending.FULL
            if not taken:
                return _Ending.STALLED
            try:
                self._store.commit(others)
            except StoreFull:
                return _Ending.STALLED
            return _Ending.FULL
        return _Ending.DONE

    def _stalled(
        self,
        accepts: list[Acceptance],
        changes: list[tuple[Change | None, Callable[[], None] | None]],
        asks: list[Callable[[], Callable[[], None]]],
    ) -> None:
        """What has to be stored before the batch did not fit: all of it waits."""
        self._asks = asks + self._asks
        self._written(_Ending.STALLED, 0, accepts, changes, [])

    def _written(
        self,
        ending: _Ending,
        first: int,
        accepts: list[Acceptance],
        changes: list[tuple[Change | None, Callable[[], None] | None]],
        answers: list[Callable[[], None]],
    ) -> None:
        self._writing = False
        self.batches += 1
        if ending is _Ending.STALLED:
            self.stalled = True
            self._changes = changes + self._changes
        else:
            self.committed_changes += sum(change is not None for change, _ in changes)
            for _, done in changes:
                if done is not None:
                    done()
        if ending is _Ending.DONE:
            self._next = first + len(accepts)
            self.committed_changes += len(accepts)
            for i, acceptance in enumerate(accepts):
                acceptance.committed(first + i)
        else:
            self._deny(accepts, Denial.FULL)
            if self.stalled:
                waiting, self._accepts = self._accepts, []
                self._deny(waiting, Denial.FULL)
        for answer in answers:
            answer()
        if self._accepts or self._changes or self._debits or self._asks:
            self._kick()
        self._after_batch()

    @staticmethod
    def _deny(accepts: list[Acceptance], denial: Denial) -> None:
        for acceptance in accepts:
            acceptance.denied(denial)

    # reading

    def _kick_reader(self) -> None:
        if not (self._read_posted or self._reading):
            self._read_posted = True
            self._post(self._read)

    def _read(self) -> None:
        self._read_posted = False
        if self._reading or self.failure is not None or not self._wanted:
            return
        wanted, self._wanted = self._wanted, []
        numbers = list(dict.fromkeys(n for ns, _ in wanted for n in ns))
        self._reading = True

        def job() -> Callable[[], None]:
            letters: dict[int, StoredLetter] = {}
            for i in range(0, len(numbers), LETTERS_PER_READ):
                letters.update(self._store.letters(numbers[i : i + LETTERS_PER_READ]))
            return lambda: self._was_read(wanted, letters)

        self._run(self._reader, job, [])

    def _was_read(
        self,
        wanted: list[tuple[tuple[int, ...], Callable[[dict[int, StoredLetter]], None]]],
        letters: dict[int, StoredLetter],
    ) -> None:
        self._reading = False
        for _, done in wanted:
            done(letters)
        if self._wanted:
            self._kick_reader()
        self._after_batch()

    # both

    def _run(
        self, thread: "_Thread | None", job: Callable[[], Callable[[], None]], at_stake: list[Acceptance]
    ) -> None:
        if thread is None:
            self._guarded(job, at_stake)()
        else:
            thread.run(lambda: self._post(self._guarded(job, at_stake)))

    def _guarded(
        self, job: Callable[[], Callable[[], None]], at_stake: list[Acceptance]
    ) -> Callable[[], None]:
        """Run `job`; whatever it raises (a failed sync, a bug in a backend) makes the committer fail."""
        try:
            return job()
        except Exception as e:  # noqa: BLE001  nothing may be acknowledged after an unknown failure
            failure = e
            return lambda: self._fail(failure, at_stake)

    def _fail(self, failure: BaseException, at_stake: list[Acceptance]) -> None:
        self._deny(at_stake, Denial.IN_DOUBT)
        if self.failure is not None:
            return
        self.failure = failure
        waiting, self._accepts = self._accepts, []
        self._changes.clear()
        self._debits.clear()
        self._asks.clear()
        self._wanted.clear()
        self._deny(waiting, Denial.BROKEN)
        self._on_failure(failure)


class _Thread:
    """One thread that runs jobs in order."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def run(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _loop(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
