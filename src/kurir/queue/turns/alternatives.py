"""Mail that waits, and has another road: it moves when its road breaks, when a budget is spent, and when a road is back.

Rules
1. When a road breaks or is back, all choose anew; who waits for a spent budget moves to another one only where that is worth it.
2. Whose rest is over, or who has just been proved, is probed by one of the first in line elsewhere, and by the next after its proof.
   So a road comes back without new mail, and no sooner than its breaker allows.
"""

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from kurir.model import Outcome, OutcomeKind
from kurir.queue.roads.choice import WORTH_WAITING
from kurir.queue.roads.roadbook import Roadbook
from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.state import Errand

if TYPE_CHECKING:
    from .schedule import Schedule
    from .site import Site

LOOK_AGAIN = 30.0
"""Seconds between two looks whether what waits for a spent budget goes elsewhere, or whether somebody may probe a road."""
PROBERS = 20
"""How many of those who wait at a site are asked for that: the first in line may have to stay there."""


class Alternatives:
    """Lets what waits in a schedule choose anew."""

    def __init__(self, schedule: "Schedule", roads: Roadbook, settings: QueueSettings) -> None:
        self._schedule = schedule
        self._roads = roads
        self._settings = settings
        self._next_look = float("-inf")

    def next_at(self) -> float:
        """Return when mail that waits may probe a road; `NEVER` where all roads are sound."""
        return max(self._roads.probe_at, self._next_look)

    def probe(self, now: float) -> None:
        """Let one of the first in line at each site try a road that is to be probed, if there is one."""
        if self.next_at() > now:
            return
        for site in self._waiting():
            errand = next((e for e in self._probers(site, now) if self._elsewhere(e, site, now)), None)
            if errand is not None:
                self._schedule.move(errand, now)
        if self._roads.probe_at <= now:  # nobody who may
            self._next_look = now + LOOK_AGAIN

    def _probers(self, site: "Site", now: float) -> Iterable[Errand]:
        """Return whose mail may be risked at a road that may still be broken: no urgent one, and rather one that has not failed yet.

        Who has failed waits for its turn where that comes soon for all.
        """
        first = list(islice((e for e in self._schedule.in_line(site) if not e.mail.urgent), PROBERS))
        fresh = [errand for errand in first if not errand.attempts]
        if site.paced is not None and self._roads.free_at(site.road, now) <= now + WORTH_WAITING:
            return fresh
        return [*fresh, *(errand for errand in first if errand.attempts)]

    def _waiting(self) -> list["Site"]:
        return [s for s in self._schedule.sites if s.alternatives and s.waiting]

    def turn(self, now: float) -> None:
        """A road broke or is back: all that waits and has several roads chooses anew."""
        for site in self._waiting():
            site.looked_at = float("-inf")
            self.look(site, now, anew=True)

    def look(self, site: "Site", now: float, *, anew: bool = False) -> None:
        """Let those who wait at `site` and would take another road now do so; `anew`: also where they wait there, but far less."""
        if now - site.looked_at < LOOK_AGAIN:
            return
        site.looked_at = now
        for bundle in self._schedule.take_all(site):
            staying: list[Errand] = []
            for errand in bundle:
                if self._elsewhere(errand, site, now, anew=anew):
                    self._schedule.move(errand, now)  # one by one: each takes room there
                else:
                    staying.append(errand)
                    if len(staying) == 1:
                        site.queue.append(staying)  # in line at once: the others of the bundle count it

    def diverted(
        self, site: "Site", pairs: list[tuple[Errand, Outcome]], now: float
    ) -> list[tuple[Errand, Outcome]]:
        """Return outcomes of an attempt at `site` anew: who may take another road now waits for a moment only.

        So a refusal for good is none where it was the road's, and another road is there, or may be: nobody knows before its plan.
        """
        found = []
        for errand, outcome in pairs:
            if outcome.kind in (OutcomeKind.DEFERRED, OutcomeKind.FAILED):
                free = self._roads.told(errand, outcome, site.road)
                if free and (self._schedule.plans.of(errand) is None or self._elsewhere(errand, site, now)):
                    soon = self._settings.give_back
                    outcome = msgspec.structs.replace(outcome, kind=OutcomeKind.DEFERRED, retry_after=soon)
            found.append((errand, outcome))
        return found

    def _elsewhere(self, errand: Errand, site: "Site", now: float, *, anew: bool = False) -> bool:
        plan = self._schedule.plans.of(errand)
        if plan is None or len(plan.roads) < 2:
            return False
        return self._roads.elsewhere(errand, plan, site.road, now, anew=anew)
