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


def departures(
    budgets: Sequence[Budget], parcels: Iterable[tuple[int, bool]], now: float
) -> Iterator[list[Step]]:
    """Yield when each of `parcels` goes, in their order: (recipients of one message, whether it is urgent).

    A parcel that does not fit as a whole goes in several steps.  Ends where only a landing could tell when the next may
    go.  Limits of what happens at the same time do not count here: they make nothing wait for long.
    """
    copies = [budget.copy(now) for budget in budgets if budget.quota.window]
    at = now
    for recipients, urgent in parcels:
        steps: list[Step] = []
        left = recipients
        while left:
            at = max([at, *(budget.ready_at(at, urgent=urgent) for budget in copies)])
            if at == NEVER:
                return
            rooms = [b.room(at, urgent=urgent) for b in copies if b.quota.unit.by_recipient]
            count = max(1, min([left, *rooms]))
            for budget in copies:
                units = budget.quota.units(count)
                budget.take(units)
                budget.land(units, at)
            steps.append(Step(at, count))
            left -= count
        yield steps


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
