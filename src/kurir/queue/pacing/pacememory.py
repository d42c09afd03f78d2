"""Paces outlive a restart: who is in trouble is not met with all that waits by a brain that has just started.

Rules
1. A pace is written when it is cut and when it is over, and as it stands at an orderly end: never for a step, never per message.
2. The time since then counts in its favour, as if mail had gone well; the point of trouble itself is left for mail to try.
3. Nobody is spared to whom no road leads any more.
4. Words of a peer are not kept: they may name a person.
"""

from collections.abc import Iterable

from kurir.limits import Mark, Pace, Signal
from kurir.queue.ports import Change, PaceRecord, Store
from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.steady import Steady

from .shaping import Shaper, road_of, spared

_OVER = Mark(0.0, 0.0, 0.0, 0.0, 0.0)


def news(shaper: Shaper, steady: Steady) -> Change:
    """Return what has to be kept of paces since this was last asked."""
    keys, shaper.unkept = sorted(shaper.unkept), set()
    return _change(((key, shaper.of(key)) for key in keys), steady)


def testament(shaper: Shaper, steady: Steady) -> Change | None:
    """Return all paces as they stand, for the brain after an orderly end; None where there are none."""
    return _change(((pace.key, pace) for pace in shaper), steady) if shaper.count else None


def recall(store: Store, shaper: Shaper, steady: Steady, queue: QueueSettings) -> None:
    """Read back whom an earlier brain spared."""
    now, wall, settings = steady.now(), steady.wall(), queue.shape
    for record in store.paces(wall - settings.memory):
        if not queue.leads(road_of(record.key), spared(record.key)):
            shaper.unkept.add(record.key)
            continue
        marks = _moved(record.connections, now, wall), record.rate and _moved(record.rate, now, wall)
        cut_at = now - max(0.0, wall - record.at)
        pace = Pace.recalled(record.key, settings, Signal(record.signal), cut_at, marks, now)
        if not pace.done(now):
            shaper.recall(pace)


def _change(paces: Iterable[tuple[str, Pace | None]], steady: Steady) -> Change:
    now, wall = steady.now(), steady.wall()
    return Change(events=(), paces=tuple([_record(key, pace, now, wall) for key, pace in paces]))


def _record(key: str, pace: Pace | None, now: float, wall: float) -> PaceRecord:
    if pace is None or pace.signal is None:
        return PaceRecord(key, wall, "", _OVER, None)
    connections, rate = pace.marks
    return PaceRecord(
        key,
        wall + pace.cut_at - now,
        pace.signal.value,
        _moved(connections, wall, now),
        rate and _moved(rate, wall, now),
    )


def _moved(mark: Mark, here: float, there: float) -> Mark:
    """Return `mark` by another clock: it is `here` by that one and `there` by its own; no change lies in the future."""
    return mark._replace(moved_at=here - max(0.0, there - mark.moved_at))
