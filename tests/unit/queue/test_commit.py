"""The committer with its real threads: what gathers during a commit is one batch, and failures are final."""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

import pytest

from kurir.model import Clock
from kurir.queue import Accepted, Brain, QueueSettings, Refused
from kurir.queue.ports import Change, StoreError

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
        assert self.go_on.acquire(timeout=10)
        self.sizes.append(len(changes))
        super().commit(changes)


class Loop:
    """Runs what was posted, on the test's thread."""

    def __init__(self) -> None:
        self.posted: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def once(self) -> None:
        self.posted.get(timeout=10)()


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
    assert store.entered.acquire(timeout=10)
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
    assert store.entered.acquire(timeout=10)
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
