"""Sites of one provider that failed at the same time: when one is back, the others are tried, too.

Each site rests by itself, up to an hour, and cannot know that what broke them all is over.  Rules

1. When a site of a provider takes mail again, those of its neighbours rest no longer that failed since it was last seen well: one
   probe each, as after any rest.  Whom they kept waiting stands in line again.
2. A neighbour that failed before that is broken for a reason of its own, and is left alone; so a site that comes and goes
   wakes nobody who stays away.
3. A site that never failed may have had no mail while all were broken.  So each neighbour has one chance for all its failures in
   a row: at the first mail that left for another site after its last failure, and arrived.
4. No site is tried sooner than its first rest after its own last failure, and once for each failure at most.
"""

from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.state import Errand

from .site import Site
from .stranded import waits

_Sites = dict[tuple[str, str], dict[Site, None]]  # by road and provider


class Neighbours:
    """Which sites of each (road, provider) rest."""

    def __init__(self, settings: QueueSettings) -> None:
        self._first_rest = settings.site_backoff
        self._resting: _Sites = {}
        self.alone: _Sites = {}
        """Of them those that failed, and no neighbour was seen well since."""
        self._woken: list[Site] = []

    def failed(self, site: Site) -> None:
        """A site rests."""
        if site.road.provider:
            self._resting.setdefault(_key(site), {})[site] = None
            if site.failures == 1:
                self.alone.setdefault(_key(site), {})[site] = None

    def well(self, site: Site, *, since: float, now: float) -> list[Site]:
        """Mail that left at `since` arrived at a site that had not failed; return which others may be tried sooner by that."""
        alone = [other for other in self.alone.pop(_key(site), ()) if other.failures]
        if later := {other: None for other in alone if other.failed_at > since}:
            self.alone[_key(site)] = later
        return self._wake([other for other in alone if other not in later], now)

    def back(self, site: Site, well_at: float, now: float) -> list[Site]:
        """A site takes mail again that was last well at `well_at`; return which others may be tried sooner by that."""
        for some in (self._resting, self.alone):
            _leave(some, site)
        resting = self._resting.get(_key(site), ())
        woken = [other for other in resting if other.failed_at >= well_at]
        for other in woken:
            _leave(self._resting, other)
        return self._wake(woken, now)

    def _wake(self, sites: list[Site], now: float) -> list[Site]:
        for site in sites:
            site.paused_until = min(site.paused_until, max(now, site.failed_at + self._first_rest))
        self._woken += sites
        return sites

    def rescued(self) -> list[tuple[Errand, float]]:
        """Return whom the sites kept waiting that were woken since the last call, and from when on they may go."""
        woken, self._woken = self._woken, []
        return [
            (errand, site.paused_until)
            for site in woken
            for errand in site.stranded
            if waits(errand) and errand.due > site.paused_until
        ]


def _leave(some: _Sites, site: Site) -> None:
    """Take a site out, and with the last one its provider."""
    key = _key(site)
    if key in some:
        some[key].pop(site, None)
        if not some[key]:
            del some[key]


def _key(site: Site) -> tuple[str, str]:
    return site.road.name, site.road.provider
