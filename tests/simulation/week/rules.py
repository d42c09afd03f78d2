"""What must hold after every week.  That no limit is exceeded is noted by the providers while it happens."""

from typing import TYPE_CHECKING

from kurir.model import EventKind, Fate, encode_id

from .best import Parcel, Way, best_plan

if TYPE_CHECKING:
    from .world import Week

WITHIN = 1.10
"""Of the best possible time."""
ALLOWANCE = 180.0
"""Seconds on top: what a window's bucket, a connection and a group commit cost, however short the campaign is."""
URGENT = 60.0
PER_KILL = 700.0
"""Seconds that a kill may cost: what was in the air counts ten minutes later, and a start takes one at most."""
PER_OUTAGE = 3700.0
"""Seconds after the end of an outage until somebody tries again: the longest pause of a site."""


def excuse(week: "Week", role: str) -> None:
    """Whatever was taken without our knowing may be sent once more after a kill.

    A hand that lives tells a new brain what it knows; only what the dead brain was told and had not synced is lost.
    """
    facts = week.disk.facts
    heard = week.machine.brain.heard
    in_hand = {(n, i) for n, indexes in week.machine.delivery.hand.busy() for i in indexes}
    unsure = heard if role == "brain" else in_hand | heard
    for number, index in unsure:
        states = facts.states.get(number)
        if states is not None and states[index].fate is None:
            week.excused[number, str(facts.messages[number].recipients[index].address)] += 1


def check(week: "Week") -> None:
    """Nothing lost, nothing twice, in time."""
    for line in week.disk.facts.imbalance():
        week.wrong(f"conservation: {line}")
    for number, states in week.disk.facts.states.items():
        for index, state in states.items():
            _recipient(week, number, index, state.fate)
    _finished(week)
    _urgent(week)


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


def _finished(week: "Week") -> None:
    """Each campaign ends within `WITHIN` of the best plan, counted from when it was handed in."""
    best = best_plan(_parcels(week), ways(week))
    begun: dict[str, float] = {}
    ended: dict[str, float] = {}
    for number, (at, letter) in week.accepted.items():
        begun[letter.campaign] = min(begun.get(letter.campaign, at), at)
        taken = [t for r in letter.recipients for t, _ in week.deliveries.get((number, r), ())[:1]]
        ended[letter.campaign] = max([ended.get(letter.campaign, 0.0), *taken])
    for campaign, at in ended.items():
        start, ideal = begun[campaign], best[campaign]
        allowed = start + WITHIN * (ideal - start) + ALLOWANCE + _excused(week, start, at)
        week.trace("finished", campaign, round(at - start), "best", round(ideal - start))
        week.figures["campaigns"] += 1
        if at > allowed:
            week.wrong(f"{campaign} took {at - start:.0f} s; the best plan takes {ideal - start:.0f} s")


def _excused(week: "Week", start: float, end: float) -> float:
    """Return the seconds that kills and outages may have cost between `start` and `end`."""
    kills = sum(start - 600 <= at <= end for at in week.kills)
    outages = sum(o.at <= end and o.end >= start for o in week.plan.outages)
    return kills * PER_KILL + outages * PER_OUTAGE


def ways(week: "Week") -> list[Way]:
    """Return the roads as the best plan sees them."""
    atlas = week.delivery_settings.atlas
    return [
        Way(atlas.by_smarthost(service, "me").quotas, week.plan.closed(i))
        for i, service in enumerate(atlas.smarthosts)
    ]


def _parcels(week: "Week") -> list[Parcel]:
    most = min((p.together.value for p in week.providers if p.together), default=100)
    return [
        Parcel(at, letter.campaign, letter.account, letter.urgent, min(most, len(letter.recipients)))
        for at, letter in week.accepted.values()
        for _ in letter.recipients
    ]


def _urgent(week: "Week") -> None:
    """Password resets are out within a minute, unless every road was closed or Kurir itself was down."""
    for number, (at, letter) in week.accepted.items():
        if letter.urgent:
            taken = week.deliveries.get((number, letter.recipients[0]))
            late = (taken[0][0] - at if taken else 1e9) - URGENT
            week.figures["urgent"] += 1
            if late > 1.0 and not _excused(week, at - 3600.0, at + URGENT):
                week.wrong(f"{encode_id(number)} is urgent and took {late + URGENT:.0f} s")



