"""What the end of an attempt says of its site: it is well, it fails and has to rest, or it is to be spared.

Rules
1. What never reached the peer (no plan, a body that could not be read) says nothing.
2. Where no connection comes about, the site rests, longer each time.  Where the peer talks with us, whatever it says of the
   mail, the site is well, and those of its provider that failed meanwhile may be tried (`neighbours`).
3. One flaw among successes is no dead site, and twenty failures at once are one failure.
4. Too much for the peer, in its own words or by its slowness, makes us slower there (`shaping`), never idle.  A connection
   too many lets the site rest as after any failure, not for as long as the peer asks: whichever of the others goes well opens
   it again, and if they all get lost with their hand, nobody else does.
"""

from collections.abc import Callable

from kurir.limits import Signal
from kurir.model import Outcome, OutcomeKind
from kurir.queue.pacing.shaping import Shaper, Slowed, signal_of, too_many_at_once
from kurir.queue.roads.trouble import CONNECTION_STAGES, OWN_STAGES
from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.retry import site_pause

from .neighbours import Neighbours
from .site import Site


class Judge:
    """Keeps the health of sites.  `consider(site, now)` lets a site be looked at again."""

    def __init__(
        self,
        settings: QueueSettings,
        neighbours: Neighbours,
        shaper: Shaper,
        consider: Callable[[Site, float], None],
    ) -> None:
        self._settings = settings
        self._neighbours = neighbours
        self._shaper = shaper
        self._consider = consider

    def ended(self, site: Site, outcome: Outcome, *, since: float, now: float, roll: float) -> Slowed | None:
        """A lease given out at `since` ended so; return what is slower by that.  `roll` (0 to 1) spreads the rests."""
        if outcome.stage in OWN_STAGES and outcome.kind is OutcomeKind.DEFERRED:
            return None
        if outcome.stage not in CONNECTION_STAGES or outcome.kind is not OutcomeKind.DEFERRED:
            well_at, site.succeeded_at = site.succeeded_at, now
            if site.failures or self._neighbours.alone:
                self._prove(site, well_at, since=since, now=now)
            site.failures = 0
            site.why = None
            return self._talked(site, outcome, since=since, now=now)
        news = self._failed(site, outcome, since=since, now=now, roll=roll)
        if not news and signal_of(outcome) is Signal.HANDSHAKE:
            return None
        return self.refused(site, outcome, since=since, now=now)

    def _prove(self, site: Site, well_at: float, *, since: float, now: float) -> None:
        """Let neighbours be tried that may have been broken by what is over now."""
        if site.failures:
            woken = self._neighbours.back(site, well_at, now)
        else:
            woken = self._neighbours.well(site, since=since, now=now)
        for other in woken:
            self._consider(other, now)

    def refused(
        self, site: Site, outcome: Outcome, *, since: float, now: float, bears: int = 0
    ) -> Slowed | None:
        """A lease met what may be trouble of the peer; where a connection for it was refused, `bears` others took it over."""
        signal = signal_of(outcome)
        if signal is None:
            return None
        return self._shaper.trouble(site, signal, outcome, since=since, now=now, bears=bears)

    def _talked(self, site: Site, outcome: Outcome, *, since: float, now: float) -> Slowed | None:
        """The peer talked with us: well, too slowly, or to say that it is too much."""
        seconds, usual, shape = outcome.seconds, site.usual, self._settings.shape
        site.usual = usual * (1.05 if seconds > usual else 0.95) if usual else seconds
        if outcome.kind is OutcomeKind.DEFERRED:
            return self.refused(site, outcome, since=since, now=now)
        if seconds > shape.latency_floor and seconds > shape.latency * usual > 0:
            site.slow += 1
            if site.slow >= shape.latency_row:
                site.slow = 0
                return self._shaper.trouble(site, Signal.LATENCY, outcome, since=since, now=now)
            return None
        site.slow = 0
        if site.paces:
            self._shaper.success(site, since=since, now=now)
        return None

    def _failed(self, site: Site, outcome: Outcome, *, since: float, now: float, roll: float) -> bool:
        """Let the site rest; False where that says nothing new of it."""
        if since <= site.failed_at or since <= site.succeeded_at:
            return False
        site.failures += 1
        site.failed_at = now
        self._neighbours.failed(site)
        site.why = outcome
        pause = site_pause(self._settings, site.failures, roll)
        if outcome.retry_after is not None and not too_many_at_once(site, outcome, since):
            pause = max(pause, min(outcome.retry_after, max(self._settings.retry)))
        site.paused_until = now + pause
        return True
