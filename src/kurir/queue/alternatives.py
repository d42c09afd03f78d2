"""Mail that waits, and has another road: it moves when its road breaks, when a budget is spent, and when a road is back."""

from typing import TYPE_CHECKING

import msgspec

from kurir.model import Outcome, OutcomeKind

from .roadbook import Roadbook
from .settings import QueueSettings
from .state import Errand

if TYPE_CHECKING:
    from .schedule import Schedule
    from .site import Site

LOOK_AGAIN = 30.0
"""Seconds between two looks whether what waits for a spent budget goes elsewhere."""


class Alternatives:
    """Lets what waits in a schedule choose anew."""

    def __init__(self, schedule: "Schedule", roads: Roadbook, settings: QueueSettings) -> None:
        self._schedule = schedule
        self._roads = roads
        self._settings = settings

    def turn(self, now: float) -> None:
        """A road broke or is back: all that waits and has several roads chooses anew."""
        for site in [s for s in self._schedule.sites.values() if s.alternatives and s.waiting]:
            site.looked_at = float("-inf")
            self.look(site, now)

    def look(self, site: "Site", now: float) -> None:
        """Let those who wait at `site` and would take another road now do so."""
        if now - site.looked_at < LOOK_AGAIN:
            return
        site.looked_at = now
        for bundle in self._schedule.take_all(site):
            staying: list[Errand] = []
            for errand in bundle:
                if self._elsewhere(errand, site, now):
                    self._schedule.move(errand, now)  # one by one: each takes room there
                else:
                    staying.append(errand)
            if staying:
                site.queue.append(staying)

    def diverted(
        self, site: "Site", pairs: list[tuple[Errand, Outcome]], now: float
    ) -> list[tuple[Errand, Outcome]]:
        """Return outcomes of an attempt at `site` anew: who may take another road now waits for a moment only.

        So a refusal for good is none where it was the road's, and another road is there.
        """
        found = []
        for errand, outcome in pairs:
            if outcome.kind in (OutcomeKind.DEFERRED, OutcomeKind.FAILED):
                free = self._roads.told(errand, outcome, site.road)
                if free and self._elsewhere(errand, site, now):
                    soon = self._settings.give_back
                    outcome = msgspec.structs.replace(outcome, kind=OutcomeKind.DEFERRED, retry_after=soon)
            found.append((errand, outcome))
        return found

    def _elsewhere(self, errand: Errand, site: "Site", now: float) -> bool:
        plan = self._schedule.plans.of(errand)
        return (
            plan is not None and len(plan.roads) > 1 and self._roads.elsewhere(errand, plan, site.road, now)
        )
