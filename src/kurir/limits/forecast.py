"""When would it all have gone?  The budgets played forward on copies, before anything is taken from them."""

from collections.abc import Sequence
from dataclasses import dataclass

from .budget import NEVER, Budget

STEPS = 20_000
"""At most so many steps are looked ahead; what is left then has no time."""


@dataclass(frozen=True, slots=True)
class Step:
    """So many recipients go at that time (seconds of the queue's clock)."""

    at: float
    recipients: int


def forecast(
    budgets: Sequence[Budget], recipients: int, now: float, *, together: int, steps: int = STEPS
) -> list[Step]:
    """Return when how many of `recipients` could go, if nobody else sends: `together` of them in one message at most.

    Limits of what happens at the same time do not count here: they make nothing wait for long.
    """
    copies = [budget.copy(now) for budget in budgets if budget.quota.window]
    made: list[Step] = []
    left, at = recipients, now
    while left and len(made) < steps:
        at = max([at, *(budget.ready_at(at) for budget in copies)])
        if at == NEVER:
            break
        count = min([left, *(_room(budget, at, together) for budget in copies)])
        if count <= 0:
            break
        for budget in copies:
            units = count if budget.quota.unit.by_recipient else -(-count // together)
            budget.take(units)
            budget.land(units, at)
        made.append(Step(at, count))
        left -= count
    return made


def _room(budget: Budget, at: float, together: int) -> int:
    room = budget.room(at)
    return room if budget.quota.unit.by_recipient else room * together
