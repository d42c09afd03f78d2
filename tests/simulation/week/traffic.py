"""What is handed in: a school's letter at seven, password resets all day, a newsletter, an application with bursts."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

HOUR = 3600.0
DAY = 24 * HOUR
RESET = "reset@app.example"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message: when, whose, for whom.  `campaign` names what belongs together."""

    at: float
    campaign: str
    account: str
    recipients: tuple[str, ...]

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for it in front of a screen."""
        return self.account == RESET


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it.  `days` is when the last thing is handed in."""

    parents: int = 500
    readers: int = 20_000
    resets: int = 150  # a day
    bursts: int = 6
    days: float = 5.0

    def scaled(self, part: float) -> "Size":
        """Return a smaller week of the same shape."""
        return Size(
            max(40, int(self.parents * part)), max(200, int(self.readers * part)), max(10, int(self.resets * part)),
            self.bursts, self.days,
        )  # fmt: skip


def draw(random: Random, size: Size, domains: tuple[str, ...]) -> list[Letter]:
    """Return the week's mail, by time."""
    letters = [*_school(random, size, domains), *_newsletter(random, size, domains)]
    letters += [*_resets(random, size, domains), *_application(random, size, domains)]
    return sorted(letters, key=lambda letter: (letter.at, letter.campaign))


def _to(random: Random, i: int, domains: tuple[str, ...]) -> str:
    return f"u{i}@{random.choice(domains)}"


def _school(random: Random, size: Size, domains: tuple[str, ...]) -> Iterator[Letter]:
    """On two mornings; as one message to all, or as one to each."""
    together = random.choice((1, 50, size.parents))
    for day in random.sample(range(int(size.days)), 2):
        parents = [_to(random, i, domains) for i in range(size.parents)]
        for i in range(0, len(parents), together):
            at = day * DAY + 7 * HOUR + i * 0.01
            yield Letter(
                at, f"letter of day {day}", "office@school.example", tuple(parents[i : i + together])
            )


def _newsletter(random: Random, size: Size, domains: tuple[str, ...]) -> Iterator[Letter]:
    at = random.uniform(0.3, 1.5) * DAY
    gap = random.choice((0.005, 0.05))
    for i in range(size.readers):
        yield Letter(at + i * gap, "newsletter", "news@shop.example", (_to(random, i, domains),))


def _resets(random: Random, size: Size, domains: tuple[str, ...]) -> Iterator[Letter]:
    at = 0.0
    while (at := at + random.expovariate(size.resets / DAY)) < size.days * DAY:
        yield Letter(at, "resets", RESET, (_to(random, int(at), domains),))


def _application(random: Random, size: Size, domains: tuple[str, ...]) -> Iterator[Letter]:
    for burst in range(size.bursts):
        at = random.uniform(0, size.days * DAY)
        for i in range(random.choice((5, 30, 120))):
            yield Letter(at + i * 0.02, f"burst {burst}", "robot@app.example", (_to(random, i, domains),))
