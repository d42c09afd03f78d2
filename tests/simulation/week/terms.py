"""What a provider allows, and how it counts: its own arithmetic, on purpose not Kurir's.

Rules
1. A rolling count holds each moment for exactly the length of its window; a calendar count starts at zero at the
   provider's own midnight (or full hour, or full minute).
2. `beyond` is what happens to the one that is too many; it is not counted.
"""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from kurir.limits import Beyond, Confidence, Limit, Per, Scope, Unit


@dataclass(frozen=True, slots=True)
class Term:
    """One line of a contract.  `calendar` counts by whole days (hours...), of which the first begins at `offset` seconds."""

    unit: Unit
    value: int
    per: Per
    beyond: Beyond = Beyond.REFUSE
    calendar: bool = False
    offset: float = 0.0

    @property
    def name(self) -> str:
        """What it is called in the atlas."""
        return f"{self.unit.value}-{self.per.value}"

    def limit(self) -> Limit:
        """Return it as the atlas knows it."""
        return Limit(
            id=self.name,
            unit=self.unit,
            value=self.value,
            per=self.per,
            scope=Scope.ACCOUNT,
            beyond=self.beyond,
            source="its contract",
            seen="2027-01-15",
            confidence=Confidence.READ,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """From `at` on one line of a contract is another one."""

    at: float
    before: Term
    after: Term


class Meter(Protocol):
    """Counts what was used."""

    def used(self, now: float) -> int:
        """Return how much counts now."""
        ...

    def add(self, units: int, now: float) -> None:
        """Count more."""
        ...


class Rolling:
    """All that happened within the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._log: deque[tuple[float, int]] = deque()
        self._used = 0

    def used(self, now: float) -> int:
        while self._log and self._log[0][0] <= now - self._seconds:
            self._used -= self._log.popleft()[1]
        return self._used

    def add(self, units: int, now: float) -> None:
        self._log.append((now, units))
        self._used += units


class Calendar:
    """All that happened since the last midnight."""

    def __init__(self, seconds: float, offset: float) -> None:
        self._seconds, self._offset = seconds, offset
        self._page = 0
        self._used = 0

    def used(self, now: float) -> int:
        page = int((now - self._offset) // self._seconds)
        if page != self._page:
            self._page, self._used = page, 0
        return self._used

    def add(self, units: int, now: float) -> None:
        self._used = self.used(now) + units


class Account:
    """One customer of a provider: the windows of its terms.  `ours` counts apart from what others use of the same account."""

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self.windows = [(t, _meter(t), _meter(t)) for t in terms if t.per.window]

    def over(self, unit: Unit, units: int, now: float) -> list[tuple[Term, bool]]:
        """Return the terms that `units` more would break, and whether by our own use alone."""
        return [
            (term, ours.used(now) + units > term.value)
            for term, ours, everybody in self.windows
            if term.unit is unit and everybody.used(now) + units > term.value
        ]

    def change(self, change: Change) -> None:
        """Another figure holds; what was counted stays counted."""
        self.windows = [(change.after if t is change.before else t, *meters) for t, *meters in self.windows]

    def count(self, unit: Unit, units: int, now: float, *, foreign: bool = False) -> None:
        """Count `units`; `foreign` ones were sent by somebody else with the same login."""
        for term, ours, everybody in self.windows:
            if term.unit is unit:
                everybody.add(units, now)
                if not foreign:
                    ours.add(units, now)


def _meter(term: Term) -> Meter:
    seconds = term.per.window
    return Calendar(seconds, term.offset) if term.calendar else Rolling(seconds)


def nested(terms: tuple[Term, ...]) -> bool:
    """Whether each longer window of a unit allows more than the shorter ones: else the shorter say nothing."""
    for unit in Unit:
        values = [
            t.value for t in sorted(terms, key=lambda t: t.per.window) if t.unit is unit and t.per.window
        ]
        if any(a >= b for a, b in pairwise(values)):
            return False
    return True
