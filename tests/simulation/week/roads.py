"""What must hold of roads: mail leaves a broken one within one retry, comes back, and does not go to and fro."""

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from kurir.model import Outcome, OutcomeKind, encode_id
from kurir.queue.roads.breaker import Health
from kurir.queue.roads.choice import WORTH_WAITING
from tests.simulation.world import START

from .contracts import Market
from .hindsight import RETURN, SETTLING, Hindsight, felt
from .outages import Outage

if TYPE_CHECKING:
    from .world import Week

Tries = dict[tuple[int, int], list[float]]
"""When the recipients of messages tried a road."""
SWITCHES = 2
"""Most often that a road is given up in one outage: once, and once more where its first proofs came too early."""


def check(week: "Week", market: Market, hindsight: Hindsight) -> None:
    """Look at each outage of the first smarthost where there is a second one."""
    if market.smarthosts and len(market.providers) > 1:
        for outage in felt(week, market.providers[0]):
            week.figures["outages with a way round"] += 1
            tries = _tries(week, outage)
            _within_one_retry(week, hindsight, tries)
            _probes_only(week, outage, tries)
            if not any(outage.at - SETTLING <= kill <= outage.end + 2 * RETURN for kill in week.kills):
                _returns(week, market, outage)
                _does_not_flap(week, outage)


def _tries(week: "Week", outage: Outage) -> Tries:
    """Return who tried the broken road, and when.

    Left out is what may have been delivered by it: it stays; and what was leased in a kill: a new brain hears of its fate late.
    """
    tries: Tries = {}
    for number, events in week.disk.facts.events.items():
        if any(e.outcome is not None and e.outcome.possibly_delivered for e in events):
            continue
        for e in events:
            displaced = (number, e.recipient) in week.displaced
            if e.outcome is None or displaced or not _refused(e.outcome):
                continue
            if outage.at <= e.at - START <= outage.end:
                tries.setdefault((number, e.recipient), []).append(e.at - START - e.outcome.seconds)
    return tries


def _within_one_retry(week: "Week", hindsight: Hindsight, tries: Tries) -> None:
    """No mail tries a broken road twice, unless it could not all go by the other: then somebody has to be the probe."""
    for (number, index), times in tries.items():
        again = [at for at in times[1:] if hindsight.could_leave("main", at, WORTH_WAITING)]
        if again:
            week.wrong(f"{encode_id(number)} recipient {index} tried a broken road {1 + len(again)} times")


def _probes_only(week: "Week", outage: Outage, tries: Tries) -> None:
    """A broken road is tried by one mail at a time, after rests that grow.  A silent one is broken when the first has waited in vain."""
    turns = (at for at, t in week.turns if t.road == "by-main" and t.health is Health.BROKEN)
    begin = max(outage.at + SETTLING, next((at for at in turns if outage.at <= at <= outage.end), 0.0))
    leases = {(number, round(at)) for (number, _), times in tries.items() for at in times if at > begin}
    probes = len(leases)
    if probes > _most_probes(outage.end - begin):
        week.wrong(f"the broken road was tried {probes} times in {outage.end - begin:.0f} s")


def _most_probes(seconds: float) -> int:
    """Return how many rests fit into an outage, and one probe before the first."""
    count, rest = SWITCHES, 60.0
    while seconds > rest:
        seconds, rest, count = seconds - rest, min(2 * rest, 3600.0), count + 1
    return count


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
