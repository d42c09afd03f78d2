"""The committer with its real threads: what gathers during a commit is one batch, and failures are final."""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

import pytest

from kurir.limits import AIR
from kurir.model import Clock, Event, EventKind
from kurir.queue import Accepted, Brain, QueueSettings, Refused
from kurir.queue.ports import Change, Debit, StoreError
from kurir.queue.taking.commit import Committer
from tests.harness import PATIENCE

from .memory import MemoryStore
from .world import FakeClock, incoming


class SlowStore(MemoryStore):
    """A commit takes as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.sizes: list[int] = []
        self.thread = ""

    def commit(self, changes: Sequence[Change]) -> None:
        self.thread = threading.current_thread().name
        self.entered.release()
        assert self.go_on.acquire(timeout=PATIENCE)
        self.sizes.append(len(changes))
        super().commit(changes)


class Loop:
    """Runs what was posted, on the test's thread."""

    def __init__(self) -> None:
        self.posted: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def once(self) -> None:
        self.posted.get(timeout=PATIENCE)()


def brain(store: MemoryStore, loop: Loop, clock: Clock, failures: list[BaseException]) -> Brain:
    return Brain(
        store,
        QueueSettings(),
        clock=clock,
        roll=lambda: 0.0,
        free_space=lambda: 1 << 40,
        post=loop.posted.put,
        on_failure=failures.append,
    )


def test_what_gathers_during_a_commit_is_the_next_batch() -> None:
    store, loop = SlowStore(), Loop()
    b = brain(store, loop, FakeClock(), [])
    answers: list[Accepted | Refused] = []
    b.accept(incoming(), answers.append)
    loop.once()  # forms the first batch
    assert store.entered.acquire(timeout=PATIENCE)
    for _ in range(9):
        b.accept(incoming(), answers.append)
    assert not answers
    store.go_on.release()
    loop.once()
    assert len(answers) == 1
    loop.once()  # forms the second
    store.go_on.release()
    loop.once()
    assert [a.number for a in answers if isinstance(a, Accepted)] == list(range(1, 11))
    assert store.sizes == [1, 9]
    assert store.thread == "kurir-commit"
    b.close()


@pytest.mark.parametrize("error", [StoreError("EIO"), RuntimeError("bug")])
def test_a_failure_refuses_what_is_in_flight_and_what_gathered(error: Exception) -> None:
    store, loop = SlowStore(), Loop()
    failures: list[BaseException] = []
    b = brain(store, loop, FakeClock(), failures)
    answers: list[Accepted | Refused] = []
    b.accept(incoming(), answers.append)
    loop.once()
    assert store.entered.acquire(timeout=PATIENCE)
    b.accept(incoming(), answers.append)
    store.broken = error
    store.go_on.release()
    loop.once()
    assert [a.reply.code for a in answers if isinstance(a, Refused)] == [451, 451]
    # What was in the failed batch may be found at the next start; what came after it surely not.
    assert [a.in_doubt for a in answers if isinstance(a, Refused)] == [True, False]
    assert failures == [error]
    assert b.failed
    b.close()


def test_what_is_settled_is_told_durable_behind_what_was_in_line() -> None:
    store, loop = SlowStore(), Loop()
    b = brain(store, loop, FakeClock(), [])
    told: list[str] = []
    b.settle([], lambda: told.append("nothing to wait for"))
    assert told == ["nothing to wait for"]
    b.accept(incoming(), lambda _: told.append("accepted"))
    loop.once()
    assert store.entered.acquire(timeout=PATIENCE)
    b.settle([], lambda: told.append("durable"))
    assert "durable" not in told
    store.go_on.release()
    while "durable" not in told:
        loop.once()
    assert told[1:] == ["accepted", "durable"]
    assert store.sizes == [1]  # the waiting alone is no transaction
    b.close()


def test_what_waits_for_its_letter_is_not_told_durable_before() -> None:
    store, loop = MemoryStore(), Loop()
    order: list[str] = []
    committer = Committer(
        store,
        loop.posted.put,
        threaded=True,
        before_batch=lambda: None,
        after_batch=lambda: None,
        on_failure=lambda e: order.append(repr(e)),
    )
    event = Event(number=1, kind=EventKind.RETRY_ASKED, at=0.0)

    def read(_: object) -> None:
        order.append("read")
        committer.submit(Change(events=(event,)), lambda: order.append("committed"))

    committer.fetch([1], read)
    committer.when_durable(lambda: order.append("durable"))
    while len(order) < 3:
        loop.once()
    assert order == ["read", "committed", "durable"]
    committer.close()


def test_what_the_store_could_not_keep_is_never_told_durable() -> None:
    store, loop = SlowStore(), Loop()
    b = brain(store, loop, FakeClock(), [])
    told: list[str] = []
    b.accept(incoming(), lambda _: None)
    loop.once()
    assert store.entered.acquire(timeout=PATIENCE)
    b.settle([], lambda: told.append("durable"))
    store.broken = StoreError("EIO")
    store.go_on.release()
    loop.once()
    b.settle([], lambda: told.append("durable"))
    assert told == []
    b.close()


def test_debits_add_up_to_one_change_of_the_next_batch() -> None:
    store, loop = MemoryStore(), Loop()
    told: list[str] = []
    committer = Committer(
        store,
        loop.posted.put,
        threaded=False,
        before_batch=lambda: None,
        after_batch=lambda: None,
        on_failure=lambda _: None,
    )
    committer.debit([Debit("day", AIR, 1), Debit("hour", AIR, 1)], lambda: told.append("taken"))
    committer.debit([Debit("day", AIR, 2)])
    assert not told
    store.full = True
    loop.once()
    assert committer.stalled
    assert not told
    store.full = False
    committer.debit([Debit("hour", AIR, -1), Debit("hour", 7, 1)])  # while nothing fits
    committer.retry()
    loop.once()
    assert told == ["taken"]
    assert store.used == {("day", AIR): 3, ("hour", AIR): 0, ("hour", 7): 1}
    assert store.commits == 1
    commits = store.commits
    committer.debit([Debit("day", AIR, -1), Debit("day", AIR, 1)])  # that changes nothing
    loop.once()
    assert committer.idle
    assert store.commits == commits
