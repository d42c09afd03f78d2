"""What was learnt of the limits of others, for one process: a store whose troubles stop no mail."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from kurir.app.wiring import roads
from kurir.config import Config
from kurir.delivery import Allowed
from kurir.limits import Learnt, Lesson
from kurir.model import Clock
from kurir.queue import StoreError
from kurir.storage import Layout, NoDatabase, SqliteLearnt

T = TypeVar("T")
Trouble = Callable[[str], None]


def allowed(config: Config, layout: Layout, clock: Clock, trouble: Trouble = lambda _: None) -> Allowed:
    """Return what is known of the limits of others; `trouble` is told (in words) where lessons cannot be kept."""
    store = Shelf(SqliteLearnt(layout, clock), trouble)
    learnt = Learnt(clock, store)
    learnt.refresh()
    return Allowed(roads.atlas(config), clock, learnt)


@contextmanager
def looked_up(config: Config, layout: Layout, clock: Clock) -> Iterator[Allowed]:
    """Lend what is known at this moment, for a command beside the server: nothing is written."""
    try:
        store = SqliteLearnt(layout, clock, writable=False)
    except (NoDatabase, StoreError):
        yield Allowed(roads.atlas(config), clock)  # nothing was learnt yet, or this person may not read it
        return
    try:
        learnt = Learnt(clock, Shelf(store, lambda _: None))
        learnt.refresh()
        yield Allowed(roads.atlas(config), clock, learnt)
    finally:
        store.close()


class Shelf:
    """A `LessonStore` that never raises: what it cannot keep is learnt again some day."""

    def __init__(self, store: SqliteLearnt, trouble: Trouble) -> None:
        self._store = store
        self._trouble = trouble

    def changed(self, mark: int) -> int:
        """Return the number of the last change."""
        return self._tried(lambda: self._store.changed(mark), mark)

    def lessons(self) -> Sequence[Lesson]:
        """Return everything that was learnt."""
        return self._tried(self._store.lessons, ())

    def begun(self) -> dict[str, float]:
        """Return when each road that warms up by itself was first used."""
        return self._tried(self._store.begun, {})

    def learn(self, lessons: Sequence[Lesson], before: float) -> None:
        """Keep lessons."""
        self._tried(lambda: self._store.learn(lessons, before), None)

    def begin(self, road: str, at: float) -> None:
        """Note that a road is used for the first time."""
        self._tried(lambda: self._store.begin(road, at), None)

    def forget(self, subject: str) -> int:
        """Forget what was learnt.  This one raises `StoreError`: a person asks for it."""
        return self._store.forget(subject)

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def _tried(self, do: Callable[[], T], otherwise: T) -> T:
        try:
            return do()
        except StoreError as e:
            self._trouble(str(e))
            return otherwise
