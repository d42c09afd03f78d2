"""Which providers there are in a week: markets, drawn terms and habits, of the kinds that the atlas knows."""

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from kurir.delivery import DeliverySettings
from kurir.delivery.routing.allowed import known_limits
from kurir.limits import Atlas, Beyond, Known, Margins, Per, Receiver, Smarthost, Unit

from .providers import REFUSALS, Habits, Provider
from .terms import Change, Term, nested
from .traffic import Size

if TYPE_CHECKING:
    from .world import Week

DOMAINS = ("one.example", "two.example", "three.example")
# Part of the next longer window that a shorter one allows.
_SHORTER = ((Per.HOUR, 0.15, 0.5), (Per.MINUTE, 0.05, 0.3), (Per.SECOND, 0.05, 0.2))
FEW = (1, 2, 5, 20)


@dataclass(frozen=True, slots=True)
class Market:
    """Providers by which the mail to `domains` may go, in order of preference.

    They are smarthosts, or one receiver.  Of a receiver that the atlas does not `know`, Kurir learns by being refused; so
    too where somebody else uses the same login (`shared`), or where the contract gets another figure (`change`).
    """

    providers: tuple[Provider, ...]
    domains: tuple[str, ...]
    smarthosts: bool = True
    known: bool = True
    shared: bool = False
    change: Change | None = None

    @property
    def sure(self) -> bool:
        """Whether all that is allowed is known beforehand, so that there is a best plan."""
        return self.known and not self.shared and self.change is None

    def holds(self, recipient: str) -> bool:
        """Whether mail to that address is sold here."""
        return recipient.rpartition("@")[2] in self.domains

    def site(self, recipient: str) -> str:
        """Return what recipients have to share for travelling as one message."""
        return "" if self.smarthosts else recipient.rpartition("@")[2]


def draw(week: "Week", random: Random, size: Size) -> tuple[Market, ...]:
    """Return the markets of this week: a smarthost, one with another to fall back to, or two receivers that are sent to directly."""
    kind = random.choice(("one", "two", "two", "direct"))
    if kind != "direct":
        main = Provider(week, "main", ("main.example",), terms(random, size), habits(random))
        if kind == "one":
            shared = random.random() < 0.3 and not any(t.beyond is Beyond.DISCARD for t in main.terms)
            return (Market((main,), DOMAINS, shared=shared, change=None if shared else _change(week, main)),)
        alike = replace(habits(random), tls=main.habits.tls)  # no road stands in for one that proves more
        second = Provider(week, "second", ("second.example",), terms(random, size), alike)
        return (Market((main, second), DOMAINS),)
    big = Provider(week, "big", ("mx1.big.example", "mx2.big.example"), terms(random, size), habits(random))
    small = Provider(week, "small", ("mx.small.example",), (_at_once(random),), habits(random, greylist=True))
    return (
        Market((big,), DOMAINS[:2], smarthosts=False),
        Market((small,), DOMAINS[2:], smarthosts=False, known=False),
    )


def _change(week: "Week", provider: Provider) -> Change | None:
    """Draw that a provider allows less a day from some moment on, and says so to whom it refuses; by dice of its own."""
    random = Random(f"changed contract {week.seed}")
    if random.random() < 0.7:
        return None
    at, part = random.uniform(1.0, 3.5) * 86_400.0, random.uniform(0.6, 0.8)
    term = next(t for t in provider.terms if t.per is Per.DAY)
    return Change(at, term, replace(term, value=int(term.value * part), beyond=Beyond.REFUSE))


def atlas(markets: tuple[Market, ...], margins: Margins) -> Atlas:
    """Return what Kurir is told of them."""
    smarthosts, receivers = [], []
    for market in markets:
        for p in market.providers if market.known else ():
            limits = tuple(term.limit() for term in p.terms)
            if market.smarthosts:
                smarthosts.append(Smarthost(name=p.name, label=p.name, hosts=p.hosts, limits=limits))
            else:
                receivers.append(Receiver(name=p.name, label=p.name, hosts=p.hosts, limits=limits))
    return Atlas(tuple(smarthosts), tuple(receivers), margins)


def known(settings: DeliverySettings, market: Market) -> list[Known]:
    """Return what Kurir counts for each provider of a market, by the keys under which it does."""
    names = {p.name for p in market.providers}
    if market.smarthosts:
        found = [known_limits(settings.atlas, r, ()) for r in settings.routes if r.provider in names]
        return [k for k in found if k is not None]
    return [settings.atlas.by_receiver(r) for r in settings.atlas.receivers if r.name in names]


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
        _at_once(random),
        Term(Unit.RECIPIENTS, random.choice((10, 50, 100)), Per.MESSAGE),
    )


def _at_once(random: Random) -> Term:
    return Term(Unit.CONNECTIONS, random.choice(FEW), Per.ONCE, Beyond.CLOSE)


def _window(random: Random, unit: Unit, value: float, per: Per) -> Term:
    beyond = random.choice((Beyond.REFUSE, Beyond.DISCARD, Beyond.DELAY, Beyond.CLOSE))
    return Term(unit, int(value), per, beyond, random.random() < 0.4, random.uniform(0, per.window))


def habits(random: Random, *, greylist: bool = False) -> Habits:
    """Draw how a provider behaves."""
    return Habits(
        refusal=random.choice(REFUSALS),
        counts_at=random.choice(("mail", "dot")),
        login=random.random() < 0.8,
        tls=random.random() < 0.5,
        thinks=random.choice((0.0, 0.0, 0.3)),
        greylist=300.0 if greylist and random.random() < 0.7 else 0.0,
    )
