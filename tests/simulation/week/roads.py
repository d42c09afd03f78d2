"""What must hold of roads: mail leaves a broken one within one retry, comes back, and does not go to and fro."""

from bisect import bisect_left, bisect_right
from collections import Counter
from typing import TYPE_CHECKING

from kurir.model import Outcome, OutcomeKind, encode_id
from kurir.queue.breaker import Health
from tests.simulation.world import START

from .contracts import Market
from .outages import Outage
from .providers import Provider

if TYPE_CHECKING:
    from .world import Week

SETTLING = 60.0
"""Seconds in which what was under way when an outage began still arrives."""
RETURN = 3600.0 * 1.1 + 60.0
"""Seconds after the end of an outage until somebody tries again: the longest pause of a site."""
SWITCHES = 2
"""Most often that a road is given up in one outage: once, and once more where its first proofs came too early."""


def felt(week: "Week", provider: Provider) -> list[Outage]:
    """Return the outages in which a provider really took nothing (TLS that fails hurts only who uses it)."""
    times = [at for at, _ in provider.took]
    return [
        outage
        for outage in week.plan.of(week.providers.index(provider))
        if bisect_right(times, outage.at + SETTLING) == bisect_right(times, outage.end)
    ]


def check(week: "Week") -> None:
    """Look at each outage of the first smarthost where there is a second one."""
    for market in week.markets:
        if market.smarthosts and len(market.providers) > 1:
            for outage in felt(week, market.providers[0]):
                week.figures["outages with a way round"] += 1
                _within_one_retry(week, outage)
                if not any(outage.at - SETTLING <= kill <= outage.end + 2 * RETURN for kill in week.kills):
                    _returns(week, market, outage)
                    _does_not_flap(week, outage)


def _within_one_retry(week: "Week", outage: Outage) -> None:
    """No mail tries a broken road twice, but for that which may have been delivered by it: it stays."""
    for number, events in week.disk.facts.events.items():
        if any(e.outcome is not None and e.outcome.possibly_delivered for e in events):
            continue
        failed = Counter(
            e.recipient
            for e in events
            if e.outcome is not None and _refused(e.outcome) and outage.at <= e.at - START <= outage.end
        )
        for index, count in failed.items():
            if count > 1:
                week.wrong(f"{encode_id(number)} recipient {index} tried a broken road {count} times")


def _refused(outcome: Outcome) -> bool:
    return outcome.road == "by-main" and outcome.kind is OutcomeKind.DEFERRED


def _returns(week: "Week", market: Market, outage: Outage) -> None:
    """Once it is well, the main road is taken again, where there is mail at all."""
    main, *others = ([at for at, _ in p.took] for p in market.providers)
    late = outage.end + RETURN
    until = min((o.at for o in week.plan.outages if o.at >= outage.end), default=1e9)
    elsewhere = sum(bisect_left(times, until) - bisect_right(times, late) for times in others)
    back = bisect_left(main, until) - bisect_right(main, outage.end)
    if elsewhere > 3 and not back:
        week.wrong(f"nothing came back to the main road after its outage at {outage.at / 86400:.3f} d")


def _does_not_flap(week: "Week", outage: Outage) -> None:
    broke = sum(
        turn.health is Health.BROKEN and turn.road == "by-main" and outage.at <= at <= outage.end + RETURN
        for at, turn in week.turns
    )
    if broke > SWITCHES:
        week.wrong(f"the main road broke {broke} times in the outage at {outage.at / 86400:.3f} d")
