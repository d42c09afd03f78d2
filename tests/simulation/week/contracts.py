"""Which providers there are in a week: drawn terms and habits, of the kinds that the atlas knows."""

from random import Random
from typing import TYPE_CHECKING

from kurir.limits import Beyond, Per, Unit

from .providers import REFUSALS, Habits, Provider
from .terms import Term, nested
from .traffic import Size

if TYPE_CHECKING:
    from .world import Week

DOMAINS = ("one.example", "two.example", "three.example")
# Part of the next longer window that a shorter one allows.
_SHORTER = ((Per.HOUR, 0.15, 0.5), (Per.MINUTE, 0.05, 0.3), (Per.SECOND, 0.05, 0.2))


def draw(week: "Week", random: Random, size: Size) -> list[Provider]:
    """Return the smarthosts of this week, in order of preference."""
    return [Provider(week, "main", ("10.2.0.1",), terms(random, size), habits(random))]


def terms(random: Random, size: Size) -> tuple[Term, ...]:
    """Draw a contract that a week's mail fills for some days."""
    while not nested(drawn := _drawn(random, size)):
        pass
    return drawn


def _drawn(random: Random, size: Size) -> tuple[Term, ...]:
    unit = random.choice((Unit.MESSAGES, Unit.RECIPIENTS))
    value = size.readers * random.uniform(0.4, 1.5)
    found = [_window(random, unit, value, Per.DAY)]
    for per, low, high in _SHORTER:
        value = max(2.0, value * random.uniform(low, high))
        if random.random() < 0.5:
            found.append(_window(random, unit, value, per))
    return (
        *found,
        Term(Unit.MESSAGES, 20, Per.CONNECTION, Beyond.CLOSE),
        Term(Unit.CONNECTIONS, random.choice((1, 2, 5, 20)), Per.ONCE, Beyond.CLOSE),
        Term(Unit.RECIPIENTS, random.choice((10, 50, 100)), Per.MESSAGE),
    )


def _window(random: Random, unit: Unit, value: float, per: Per) -> Term:
    beyond = random.choice((Beyond.REFUSE, Beyond.DISCARD, Beyond.DELAY, Beyond.CLOSE))
    return Term(unit, int(value), per, beyond, random.random() < 0.4, random.uniform(0, per.window))


def habits(random: Random) -> Habits:
    """Draw how a provider behaves."""
    return Habits(
        refusal=random.choice(REFUSALS),
        counts_at=random.choice(("mail", "dot")),
        login=random.random() < 0.8,
        tls=random.random() < 0.5,
        thinks=random.choice((0.0, 0.0, 0.3)),
    )
