"""What must hold after every week.  That no limit is exceeded is noted by the providers while it happens."""

from typing import TYPE_CHECKING

from kurir.limits import AIR
from kurir.model import EventKind, Fate, encode_id
from kurir.queue.roads.choice import WORTH_WAITING
from tests.simulation.world import START

from . import roads
from .contracts import Market, known
from .hindsight import Hindsight
from .providers import Provider

if TYPE_CHECKING:
    from .world import Week

WITHIN = 1.10
"""Of the best possible time."""
ALLOWANCE = 180.0
"""Seconds on top: what a window's bucket, a connection and a group commit cost, however short the campaign is."""
URGENT = 60.0
AIR_GRACE = 600.0
SURPRISED = 20
"""Mails that may be out before the first refusal is heard: one for each connection at most."""
PER_KILL = 700.0
"""Seconds that a kill may cost: what was in the air counts ten minutes later, and a start takes one at most."""


def excuse(week: "Week", role: str) -> None:
    """Whatever was taken without our knowing may be sent once more after a kill.

    A hand that lives tells a new brain what it knows; only what the dead brain was told and had not synced is lost.
    What a hand that dies had told may be on its way still, to a brain that is dead as well.
    """
    facts = week.disk.facts
    heard = week.machine.brain.heard
    hand = week.machine.delivery.hand
    in_hand = {(b.number, i) for b in hand.busy() for i in b.indexes}
    in_hand |= {(s.number, i) for s in hand._settlements for i, _ in s.results}  # done, and about to be told
    leases = week.machine.brain.brain._leasing._leases.values()
    out = in_hand | heard | {(x.mail.number, e.index) for x in leases for e in x.errands}
    week.displaced |= {(n, i) for n, i in out if n in facts.states and facts.states[n][i].fate is None}
    unsure = heard if role == "brain" else in_hand | heard | week.machine.delivery.told
    for number, index in unsure:
        states = facts.states.get(number)
        if states is not None and states[index].fate is None:
            week.excused[number, str(facts.messages[number].recipients[index].address)] += 1


def waste(week: "Week", role: str) -> None:
    """Note what a kill leaves behind as sent: all that the brain had in the air, until ten minutes later; what a hand held.

    What the hand had handed over without hearing so goes once more: that is waste, too.
    """
    now = week.loop.time()
    if role != "delivery":
        for (key, at), units in week.disk.facts.used.items():
            week.wasted += [(now, now + AIR_GRACE, key)] * (units if at == AIR else 0)
        return
    for lease in week.machine.delivery.hand._in_work.values():
        week.wasted += [(now, now, q.key) for q in lease.road.quotas for _ in range(q.units(len(lease.work)))]


def repeat(week: "Week", provider: Provider, recipients: int) -> None:
    """Note what counts twice because the provider's reply gets lost: it goes once more."""
    now = week.loop.time()
    for market in week.markets:
        if market.known and provider in market.providers:
            quotas = known(week.delivery_settings, market)[market.providers.index(provider)].quotas
            week.wasted += [(now, now, q.key) for q in quotas for _ in range(q.units(recipients))]


def check(week: "Week") -> None:
    """Nothing lost, nothing twice, in time."""
    for line in week.disk.facts.imbalance():
        week.wrong(f"conservation: {line}")
    for number, states in week.disk.facts.states.items():
        for index, state in states.items():
            _recipient(week, number, index, state.fate)
    for market in week.markets:
        hindsight = Hindsight(week, market)
        _finished(week, market, hindsight)
        _learnt(week, market)
        _urgent(week, market, hindsight)
        roads.check(week, market, hindsight)


def _recipient(week: "Week", number: int, index: int, fate: Fate | None) -> None:
    facts = week.disk.facts
    address = str(facts.messages[number].recipients[index].address)
    name = f"{encode_id(number)} for {address}"
    copies = len(week.deliveries.get((number, address), ()))
    if fate is not Fate.HANDED_OVER:
        week.wrong(f"{name} ended as {fate.value if fate else 'waiting'}: {_last_words(week, number, index)}")
    elif not copies:
        week.wrong(f"LOST: {name} was handed over, but nobody has it")
    if copies > 1:
        mine = [e for e in facts.events[number] if e.recipient == index]
        unsure = sum(e.kind is EventKind.RECOVERED for e in mine)
        unsure += sum(e.outcome is not None and e.outcome.possibly_delivered for e in mine)
        if copies > 1 + unsure + week.excused[number, address]:
            week.wrong(f"{name}: delivered {copies} times, of which {unsure} explained")


def _last_words(week: "Week", number: int, index: int) -> str:
    said = [e.outcome for e in week.disk.facts.events[number] if e.recipient == index and e.outcome]
    return f"{said[-1].cause.value} {said[-1].reply or said[-1].detail}" if said else "never tried"


def _finished(week: "Week", market: Market, hindsight: Hindsight) -> None:
    """Each campaign ends within `WITHIN` of the best plan from when it was handed in, at each market that says what it allows."""
    spans = _spans(week, market)
    if market.sure and spans:
        for campaign, (start, end) in spans.items():
            _campaign(week, market, campaign, start, end, hindsight.ideal(campaign, start, end))
        begun = min(start for start, _ in spans.values())
        week.figures["week took"] = round(max(end for _, end in spans.values()) - begun)
        week.figures["week best"] = round(max(hindsight.whole_week.values()) - begun)


def _campaign(week: "Week", market: Market, campaign: str, start: float, end: float, ideal: float) -> None:
    took, best = end - start, ideal - start
    name = f"{campaign} by {market.providers[0].name}"
    patience = WORTH_WAITING * (len(market.providers) - 1)  # one waits before one goes another way
    week.trace("finished", name, round(took), "best", round(best))
    week.figures["campaigns"] += 1
    week.figures["campaigns late"] += round(took) > WITHIN * round(best)
    week.figures["campaigns minutes late"] += took > WITHIN * best + ALLOWANCE
    if took > WITHIN * best + ALLOWANCE + patience + _excused(week, start, end):
        week.figures["campaigns broken"] += 1
        week.wrong(f"{name} took {took:.0f} s; the best plan takes {best:.0f} s")


def _learnt(week: "Week", market: Market) -> None:
    """Whoever is told a new limit keeps to it: refused is what was out when it changed, and once more after each start."""
    for provider in market.providers:
        week.figures["surprised"] += provider.surprised
        if provider.surprised > SURPRISED * (1 + len(week.kills)):
            week.wrong(f"{provider.name}: {provider.surprised} times beyond a limit that it had named")


def _spans(week: "Week", market: Market) -> dict[str, tuple[float, float]]:
    """Return when the first mail of each campaign was handed in, and when the last was taken."""
    found: dict[str, tuple[float, float]] = {}
    for number, (at, letter) in week.accepted.items():
        begun, ended = found.get(letter.campaign, (at, at))
        taken = [
            t
            for r in letter.recipients
            if market.holds(r)
            for t, _ in week.deliveries.get((number, r), ())[:1]
        ]
        if taken:
            found[letter.campaign] = (min(begun, at), max(ended, *taken))
    return found


def _excused(week: "Week", start: float, end: float) -> float:
    """Return the seconds that kills may have cost from `start` to `end`."""
    return sum(start - PER_KILL <= at <= end for at in week.kills) * PER_KILL


def _urgent(week: "Week", market: Market, hindsight: Hindsight) -> None:
    """A password reset is tried within a minute, unless every road was closed or Kurir itself was down."""
    for number, (at, letter) in week.accepted.items():
        if letter.urgent and market.holds(letter.recipients[0]):
            tried = _first_try(week, number)
            week.figures["urgent"] += 1
            if tried - at > URGENT + 1.0 and not _down(week, market, hindsight, at, tried):
                week.wrong(f"{encode_id(number)} is urgent and was tried after {tried - at:.0f} s")


def _down(week: "Week", market: Market, hindsight: Hindsight, at: float, tried: float) -> bool:
    """Whether Kurir was down in between, all roads were closed, or somebody else had used them up."""
    if market.shared or market.change or any(at - 2 * URGENT - 600.0 <= kill <= tried for kill in week.kills):
        return True
    return all(any(a <= at + URGENT and b >= at for a, b in closed) for closed in hindsight.closed.values())


def _first_try(week: "Week", number: int) -> float:
    recipients = week.accepted[number][1].recipients
    taken = [t for r in recipients for t, _ in week.deliveries.get((number, r), ())[:1]]
    said = [e.at - START for e in week.disk.facts.events[number] if e.outcome is not None]
    return min([*taken, *said], default=1e9)
