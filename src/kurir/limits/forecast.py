"""When would it all have gone?  The budgets played forward on copies, before anything is taken from them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from .budget import NEVER, Budget

STEPS = 20_000
"""At most so many messages are looked ahead; what is left then has no time."""


@dataclass(frozen=True, slots=True)
class Step:
    """So many recipients go at that time (seconds of the queue's clock)."""

    at: float
    recipients: int


class Lane:
    """The budgets of one road on copies, which what goes takes from.

    Limits of what happens at the same time do not count here: they make nothing wait for long.
    """

    def __init__(self, budgets: Iterable[Budget], now: float) -> None:
        self._copies = [budget.copy(now) for budget in budgets if budget.quota.window]
        self._at = now

    def ready_at(self, *, urgent: bool) -> float:
        """Return when the next may go behind all that went; `NEVER` where only a landing could tell."""
        return max([self._at, *(budget.ready_at(self._at, urgent=urgent) for budget in self._copies)])

    def go(self, recipients: int, *, urgent: bool) -> Step:
        """Let as many of `recipients` go in one message as there is room for, when the next may go."""
        self._at = at = self.ready_at(urgent=urgent)
        rooms = [b.room(at, urgent=urgent) for b in self._copies if b.quota.unit.by_recipient]
        count = max(1, min([recipients, *rooms]))
        for budget in self._copies:
            units = budget.quota.units(count)
            budget.take(units)
            budget.land(units, at)
        return Step(at, count)


def soonest(lanes: Sequence[Lane], recipients: int, *, urgent: bool) -> list[tuple[int, Step]]:
    """Return by which of `lanes` (its place) when how many go; nothing where only a landing could tell.

    Of lanes that have room at the same time the first is taken.
    """
    steps: list[tuple[int, Step]] = []
    while recipients:
        at, first = min((lane.ready_at(urgent=urgent), i) for i, lane in enumerate(lanes))
        if at == NEVER:
            return []
        steps.append((first, lanes[first].go(recipients, urgent=urgent)))
        recipients -= steps[-1][1].recipients
    return steps


def departures(
    budgets: Sequence[Budget], parcels: Iterable[tuple[int, bool]], now: float
) -> Iterator[list[Step]]:
    """Yield when each of `parcels` goes, in their order: (recipients of one message, whether it is urgent).

    A parcel that does not fit as a whole goes in several steps.  Ends where only a landing could tell when the next may
    go.
    """
    lane = [Lane(budgets, now)]
    for recipients, urgent in parcels:
        steps = soonest(lane, recipients, urgent=urgent)
        if not steps:
            return
        yield [step for _, step in steps]


def forecast(
    budgets: Sequence[Budget], recipients: int, now: float, *, together: int, steps: int = STEPS
) -> list[Step]:
    """Return when how many of `recipients` could go, if nobody else sends: `together` of them in one message at most."""
    whole, rest = divmod(recipients, together)
    parcels = [(together, False)] * min(whole, steps) + [(rest, False)] * bool(rest)
    return merged(step for parcel in islice(departures(budgets, parcels, now), steps) for step in parcel)


def merged(steps: Iterable[Step]) -> list[Step]:
    """Return `steps` with those of one moment put together."""
    made: list[Step] = []
    for step in steps:
        if made and made[-1].at == step.at:
            made[-1] = Step(step.at, made[-1].recipients + step.recipients)
        else:
            made.append(step)
    return made
