"""What goes wrong in a week, and when: providers fail for hours, processes are killed, replies get lost."""

from dataclasses import dataclass
from random import Random

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
KINDS = ("refused", "silent", "busy", "tls", "suspended", "blocklisted")
MOMENTS = ("committing", "synced", "leased", "taken")


@dataclass(frozen=True, slots=True)
class Outage:
    """Provider number `provider` fails in one way from `at` to `end`."""

    at: float
    end: float
    kind: str
    provider: int


@dataclass(frozen=True, slots=True)
class Kill:
    """`kill -9` of a process, at the n-th time that `moment` comes by after `at`."""

    at: float
    role: int
    moment: str
    nth: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it.  `lost` is how often the reply to a final dot gets lost."""

    outages: tuple[Outage, ...] = ()
    kills: tuple[Kill, ...] = ()
    lost: float = 0.0

    def of(self, provider: int) -> list[Outage]:
        """Return the outages of a provider."""
        return [o for o in self.outages if o.provider == provider]


def draw(random: Random, days: float, providers: int) -> Plan:
    """Draw a plan; a third of the weeks is calm."""
    if random.random() < 0.33:
        return Plan()
    outages = []
    for day in range(int(days)):
        if random.random() < 0.4:
            at = (day + random.uniform(0.1, 0.6)) * DAY
            lasts = random.choice((5 * MINUTE, 40 * MINUTE, 3 * HOUR, 8 * HOUR))
            outages.append(Outage(at, at + lasts, random.choice(KINDS), random.randrange(providers)))
    kills = [
        Kill(
            random.uniform(0, days) * DAY,
            random.randrange(1 << 8),
            random.choice(MOMENTS),
            random.randint(1, 40),
        )
        for _ in range(random.choice((0, 2, 6, 15)))
    ]
    return Plan(tuple(outages), tuple(sorted(kills, key=lambda k: k.at)), random.choice((0.0, 0.0, 0.002)))
