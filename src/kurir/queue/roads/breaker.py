"""The circuit breaker of one road, at one site or as a whole: a pure state machine over frozen values.

::

    SOUND --enough troubles--> BROKEN --the rest is over--> PROBING --`proofs` successes--> SOUND
                                 ^                             |
                                 +------------trouble----------+   (with a longer rest)

Rules
1. Some troubles break a road at once (a refused login), others after `patience` in a row.  Of attempts that were out at
   the same time only the first counts: twenty failures at once are one.
2. While it is broken nothing is sent there but one probe at a time, and each probe that fails doubles the rest.
3. Mail returns after several proofs in a row.  A road that breaks again soon after its return rests as if it had never
   been back: so it cannot flap.
4. A probe of which nothing is ever heard (its mail was deleted) is replaced after `probe_wait`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

Rest = Callable[[int], float]
"""(how often it broke without a calm time) -> seconds of rest."""


class Health(str, Enum):
    """Whether a road carries mail (the circuit is closed), none (open), or one probe at a time (half open)."""

    SOUND = "sound"
    BROKEN = "broken"
    PROBING = "probing"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """`proofs` successes in a row end the probing; a road is calm again `calm` seconds after its return."""

    proofs: int = 3
    calm: float = 3600.0
    probe_wait: float = 600.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of a road.  Times are seconds of the queue's clock.

    `since` is the break, or the return; `next_at` is when the next probe may go; `breaks` are those without a calm time between.
    """

    health: Health = Health.SOUND
    troubles: int = 0
    failed_at: float = float("-inf")
    succeeded_at: float = float("-inf")
    breaks: int = 0
    since: float = 0.0
    next_at: float = 0.0
    proofs: int = 0

    def admits(self, now: float) -> bool:
        """Whether a mail may take the road now; where it is not sound, as its probe."""
        return self.health is Health.SOUND or now >= self.next_at


def after_trouble(b: Breaker, *, since: float, now: float, patience: int, rest: Rest) -> Breaker:
    """Return what a trouble of an attempt given out at `since` makes of it; `patience` 1 breaks it at once."""
    if b.breaks and since <= b.since:
        return b  # it went out before the break, or before the return: no news
    if patience > 1 and (since <= b.failed_at or since <= b.succeeded_at):
        return b
    troubles = b.troubles + 1
    if b.health is Health.SOUND and troubles < patience:
        return replace(b, troubles=troubles, failed_at=now)
    breaks = b.breaks + 1
    began = b.since if b.health is not Health.SOUND else now
    return Breaker(
        Health.BROKEN, troubles, now, b.succeeded_at, breaks, since=began, next_at=now + rest(breaks)
    )


def after_success(b: Breaker, *, since: float, now: float, rules: BreakerRules) -> Breaker:
    """Return what a success of an attempt given out at `since` makes of it."""
    if b.health is Health.SOUND:
        calm = now - b.since >= rules.calm
        return replace(b, troubles=0, succeeded_at=now, breaks=0 if calm else b.breaks)
    if since <= b.failed_at:
        return b  # an older connection still worked: that proves nothing about a new one
    proofs = b.proofs + 1
    if proofs < rules.proofs:
        return replace(b, health=Health.PROBING, troubles=0, succeeded_at=now, proofs=proofs, next_at=now)
    return Breaker(succeeded_at=now, breaks=b.breaks, since=now)


def probing(b: Breaker, *, now: float, rules: BreakerRules) -> Breaker:
    """Return it with a probe on its way."""
    return replace(b, health=Health.PROBING, next_at=now + rules.probe_wait)
