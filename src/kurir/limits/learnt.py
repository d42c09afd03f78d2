"""Learnt limits: what the other side itself has told us of its limits, until it is too long ago.

Rules
1. What was learnt takes the place of a shipped figure of the same kind (unit and window), and keeps its budget: what was used stays used.
2. What an operator wrote down is never replaced.
3. A lesson counts for `KEEP` seconds after it was last heard; what is heard again is written once a day at most.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from kurir.model import Clock

from .atlas import Known, is_counted, quota_key
from .limit import DAY, Beyond, Confidence, Limit, Margins, Per, Scope, Unit

KEEP = 30 * DAY
HELLO = "EHLO"
"""The source of what was read in an answer to EHLO; everything else is the reply itself."""
_SAID_AGAIN = DAY


@dataclass(frozen=True, slots=True)
class Lesson:
    """`subject` (whose limit it is: the key of an entry, with the account) allows `value` of `unit` `per`; `words` said so at `at`."""

    subject: str
    unit: Unit
    per: Per
    value: int
    at: float
    words: str

    @property
    def kind(self) -> tuple[str, Unit, Per]:
        """Return what there is one lesson of."""
        return self.subject, self.unit, self.per


class LessonStore(Protocol):
    """Lessons, kept.  Several processes write; each asks for what the others did.  Raises what its backend raises."""

    def changed(self, mark: int) -> int:
        """Return the number of the last change; equal to `mark` where nothing is new."""
        ...

    def lessons(self) -> Sequence[Lesson]:
        """Return everything that was learnt."""
        ...

    def begun(self) -> dict[str, float]:
        """Return when each road that warms up by itself was first used."""
        ...

    def learn(self, lessons: Sequence[Lesson], before: float) -> None:
        """Keep lessons, each in the place of the one of its kind; forget those from before that time."""
        ...

    def begin(self, road: str, at: float) -> None:
        """Note that a road is used for the first time; later notes change nothing."""
        ...

    def forget(self, subject: str) -> int:
        """Forget what was learnt of one subject; return how many lessons that was."""
        ...


class Learnt:
    """What was learnt, as one process knows it; without a `store` nothing is remembered for long."""

    def __init__(self, clock: Clock, store: LessonStore | None = None) -> None:
        self._clock = clock
        self._store = store
        self.mark = -1
        """The last change of the store that is taken in: another number is other knowledge."""
        self._by_subject: dict[str, dict[tuple[Unit, Per], Lesson]] = {}
        self._begun: dict[str, float] = {}

    def refresh(self) -> bool:
        """Take in what other processes have learnt; return whether anything is new."""
        if self._store is None:
            return False
        last = self._store.changed(self.mark)
        if last == self.mark:
            return False
        self.mark = last
        self._begun = self._store.begun()
        self._by_subject = {}
        for lesson in self._store.lessons():
            self._by_subject.setdefault(lesson.subject, {})[lesson.unit, lesson.per] = lesson
        return True

    def of(self, subject: str) -> tuple[Lesson, ...]:
        """Return what was learnt of a subject and still counts."""
        known = self._by_subject.get(subject)
        if not known:
            return ()
        oldest = self._clock.now() - KEEP
        return tuple(x for x in known.values() if x.at >= oldest)

    def all(self) -> list[Lesson]:
        """Return everything that counts."""
        return [x for subject in list(self._by_subject) for x in self.of(subject)]

    def hear(self, lessons: Iterable[Lesson]) -> bool:
        """Take lessons; return whether one of them changes a limit."""
        news, changes = [], False
        for lesson in lessons:
            of_subject = self._by_subject.setdefault(lesson.subject, {})
            known = of_subject.get((lesson.unit, lesson.per))
            fresh = known is not None and known.value == lesson.value and lesson.at - known.at < KEEP
            if known is not None and fresh and lesson.at - known.at < _SAID_AGAIN:
                continue
            changes = changes or not fresh
            of_subject[lesson.unit, lesson.per] = lesson
            news.append(lesson)
        if news and self._store is not None:
            self._store.learn(news, self._clock.now() - KEEP)
        return changes

    def forget(self, subject: str) -> int:
        """Forget what was learnt of a subject; return how many lessons that was."""
        count = len(self._by_subject.pop(subject, ()))
        return self._store.forget(subject) if self._store is not None else count

    def begun(self, road: str) -> float:
        """Return when a road that warms up was first used: now, where it was not yet."""
        at = self._begun.get(road)
        if at is None:
            at = self._begun[road] = self._clock.now()
            if self._store is not None:
                self._store.begin(road, at)
        return at


def overlay(known: Known, lessons: Iterable[Lesson], margins: Margins, account: str) -> Known:
    """Return what is known with what was learnt over it."""
    limits = list(known.limits)
    for lesson in lessons:
        same = [x for x in limits if x.unit is lesson.unit and x.per is lesson.per]
        if any(x.confidence is Confidence.OPERATOR for x in same):
            continue
        limits = [x for x in limits if x not in same] + [_limit(lesson, same[0] if same else None)]
    quotas = tuple(margins.quota(x, quota_key(known.entry, x, account)) for x in limits if is_counted(x))
    return Known(known.entry, tuple(limits), quotas)


def _limit(lesson: Lesson, instead: Limit | None) -> Limit:
    seen = datetime.fromtimestamp(lesson.at, UTC).date().isoformat()
    learnt = Limit(
        id=f"learnt-{lesson.unit.value}",
        unit=lesson.unit,
        value=lesson.value,
        per=lesson.per,
        scope=Scope.ACCOUNT,
        beyond=Beyond.UNKNOWN,
        source=lesson.words,
        seen=seen,
        confidence=Confidence.LEARNT,
    )
    if instead is None:
        return learnt
    note = f"{instead.value}" if instead.confidence is not Confidence.LEARNT else instead.note
    return replace(learnt, id=instead.id, scope=instead.scope, beyond=instead.beyond, note=note)
