"""What really happened, in the terms of the best plan: what had gone and what waited at a moment, and when roads were closed.

What was made durable counts, also where a kill took the answer: its sender hands it in again, and both have to go.

There are two best plans for a campaign: that of the whole week, and one made in hindsight when it was handed in, which takes what
was sent before as it was.  The first is no bound for a Kurir that was quicker than the plan with one campaign, and so has less
room left for the next; the second is none where a window had a moment's room in between.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from kurir.limits import Quota
from kurir.model import EventKind
from tests.simulation.world import START

from . import contracts
from .best import NEVER, Parcel, Way, best_plan
from .contracts import Market
from .outages import Outage
from .providers import Provider

if TYPE_CHECKING:
    from .world import Week

SETTLING = 60.0
"""Seconds in which what was under way when an outage began still arrives."""
RETURN = 3600.0 * 1.1 + 60.0
"""Seconds after the end of an outage until somebody tries again: the longest pause of a site."""


NOTHING = Parcel(0.0, "", "", urgent=False)


class Hindsight:
    """One market's week."""

    def __init__(self, week: "Week", market: Market) -> None:
        self._week, self._market = week, market

    @cached_property
    def parcels(self) -> list[tuple[Parcel, int, str]]:
        """Each recipient that was accepted for this market: parcel, message, address."""
        most = min(p.together.value for p in self._market.providers if p.together)
        found, bundle = [], 0
        for number, at, letter in self._week.durable():
            mine = [r for r in letter.recipients if self._market.holds(r)]
            for site, count in Counter(self._market.site(r) for r in mine).items():
                those = [r for r in mine if self._market.site(r) == site]
                for i, recipient in enumerate(those):
                    bundle += i % most == 0
                    again, kept = self._again(number, recipient)
                    whose = letter.campaign, letter.account, letter.urgent
                    parcel = Parcel(max(at, again), *whose, min(most, count), bundle, kept, site)
                    found.append((parcel, number, recipient))
        return found

    def _again(self, number: int, recipient: str) -> tuple[float, int | None]:
        """Return from when on a recipient may go who was lost on the way, and by which road alone: what is lost is not known before.

        A reply that got lost, or a hand that died: it may have been delivered, so it rests first, and stays with its road.
        """
        recipients = self._week.disk.facts.messages[number].recipients
        index = next(i for i, r in enumerate(recipients) if str(r.address) == recipient)
        taken = self._week.deliveries.get((number, recipient), ((NEVER, ""),))[0][0]
        roads = [f"by-{p.name}" for p in self._market.providers]
        since = None
        for event in self._week.disk.facts.events[number]:
            outcome = event.outcome if event.recipient == index else None
            unsure = event.recipient == index and event.kind is EventKind.RECOVERED
            if since is None and (unsure or (outcome is not None and outcome.possibly_delivered)):
                rests = event.next_at is not None and event.at - START < taken
                since = event.next_at - START if rests else 0.0
            if since is not None and outcome is not None:  # where it was recovered from, too: it stayed there
                return since, roads.index(outcome.road) if len(roads) > 1 else None
        return since or 0.0, None

    @cached_property
    def _sent(self) -> list[tuple[float, str, Parcel]]:
        """What was taken: when, by whom, which parcel; in order of time."""
        found = [
            (at, provider, parcel)
            for parcel, number, recipient in self.parcels
            for at, provider in self._week.deliveries.get((number, recipient), ())
        ]
        return sorted(found, key=lambda sent: sent[0])

    def ways(self, until: float = 0.0) -> list[Way]:
        """Return the roads as they were at `until`: with what had gone by then."""
        week, providers = self._week, self._market.providers
        known = contracts.known(week.delivery_settings, self._market)
        ways = {
            p.name: Way(k.quotas, self.closed[p.name], week.gap(p), week.flight(p), self._wasted(k.quotas))
            for p, k in zip(providers, known, strict=True)
        }
        for at, provider, parcel in self._sent:
            if at >= until:
                break
            ways[provider].send(parcel, at - ways[provider].flight)
        return list(ways.values())

    def _wasted(self, quotas: Sequence[Quota]) -> deque[tuple[float, float, Parcel]]:
        """Return what got lost on a road with these limits, and counts as sent."""
        longest = max(quotas, key=lambda q: q.window).key
        return deque((since, at, NOTHING) for since, at, key in sorted(self._week.wasted) if key == longest)

    def waiting(self, at: float, until: float = NEVER) -> Iterable[Parcel]:
        """Return what had not gone at `at`, and what came later, before `until`."""
        for parcel, number, recipient in self.parcels:
            taken = self._week.deliveries.get((number, recipient), ((NEVER, ""),))[0][0]
            if taken >= at and parcel.at < until:
                yield replace(parcel, at=at) if parcel.at < at else parcel

    @cached_property
    def closed(self) -> dict[str, list[tuple[float, float]]]:
        """From when to when a provider got nothing because it had failed: until Kurir came back to it."""
        found: dict[str, list[tuple[float, float]]] = {}
        for provider in self._market.providers:
            times = [at for at, _ in provider.took]
            closed = found[provider.name] = []
            for outage in felt(self._week, provider):
                after = bisect_right(times, outage.end)
                back = times[after] if after < len(times) else outage.end
                closed.append((outage.at, min(back, outage.end + RETURN)))
        return found

    def ideal(self, campaign: str, start: float, end: float) -> float:
        """Return when the last of a campaign that was handed in from `start` on could have gone; it really did at `end`."""
        since_then = best_plan(self.waiting(start, end), self.ways(start), self._week.forgot)
        return max(self.whole_week[campaign], since_then.get(campaign, start))

    @cached_property
    def whole_week(self) -> dict[str, float]:
        """When the last of each campaign could have gone by the plan of the whole week."""
        return best_plan((parcel for parcel, _, _ in self.parcels), self.ways(), self._week.forgot)

    def could_leave(self, road: str, at: float, patience: float) -> bool:
        """Whether all that waited at `at` could have gone by other roads than `road` within `patience`."""
        names = [p.name for p in self._market.providers]
        others = [way for name, way in zip(names, self.ways(at), strict=True) if name != road]
        waiting = (replace(parcel, kept=None) for parcel in self.waiting(at, at))
        plan = best_plan(waiting, others)
        return max(plan.values(), default=at) <= at + patience


def felt(week: "Week", provider: Provider) -> list[Outage]:
    """Return the outages in which a provider really took nothing (TLS that fails hurts only who uses it)."""
    times = [at for at, _ in provider.took]
    return [
        outage
        for outage in week.plan.of(week.providers.index(provider))
        if bisect_right(times, outage.at + SETTLING) == bisect_right(times, outage.end)
    ]
