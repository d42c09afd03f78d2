"""Which of several sites with common limits is next.

Rules
1. A connection that became free this moment belongs to the site whose lease came back: for any other it would have to end, and a
   new one to begin.  So that site goes on, before the one whose turn it is.
2. It does so for `LONGEST` leases in a row, as many as most receivers take by one connection; then the others have their turn.
3. Urgent mail elsewhere waits for none of this.
4. Where no connection decides it, that site is next whose next owner had its last turn longest ago: accounts take turns, not
   sites, or who sends to many of them would have most of the last room in a window.
5. A connection that became free a little while ago is still there: where a limit by the second lies between two mails, its site goes
   on as well, but only where nobody loses a turn by that.
6. Turns go before the first rule, too, where the next turn may be hours away: a long window has little room left, and less than
   all that wait.  A few new connections cost a minute or two.
"""

from collections.abc import Collection, Sequence
from itertools import islice

from kurir.queue.pacing.paced import Paced

from .site import Site

LONGEST = 20
NEAR = 20
"""How many sites that stand in the round are looked at for the fourth rule."""
KEPT = 10.0
"""Seconds for which a connection without work is taken to be there: as long as hands keep it, where nobody set that."""
LONG = 3600.0
LITTLE = 100
"""What is long (seconds), and what is little room (messages or recipients), for the sixth rule."""


class Streaks:
    """Whose connections became free, by the limit that counts them."""

    def __init__(self) -> None:
        self._free: dict[str, tuple[Site, float]] = {}

    def came_back(self, site: Site, now: float) -> None:
        """A lease of `site` came back: its connection may be used again."""
        if key := _counted(site):
            self._free[key] = (site, now)

    def instead(self, site: Site, others: Collection[Site], now: float) -> Site | None:
        """Return which other site (of `others` in the round) goes on although it is the turn of `site`, if one does."""
        other, at = self._free.pop(_counted(site), (site, now))
        if other is site or at < now - KEPT or not other.queued or other.paced is None:
            return None
        if _urgent(site) and not _urgent(other):
            return None
        if other.row >= LONGEST:
            other.row = 0
            return None
        near = (site, *islice(others, NEAR))
        if (at < now or _last_room(other.paced, near, now)) and earlier(other, near) is not None:
            return None
        return other

    @staticmethod
    def went(site: Site, *, on: bool) -> None:
        """A lease of `site` went out: it goes `on` out of turn, or begins anew."""
        site.row = site.row + 1 if on else 1


def earlier(site: Site, others: Collection[Site]) -> Site | None:
    """Return which of `others` goes before `site`, though it is the turn of that, if one does."""
    paced = site.paced
    if paced is None or not others:
        return None
    turns, best, found = paced.queue.turns, paced.queue.rank, None
    for other in islice(others, NEAR):
        if other.paced is not None and other.paced.queue.turns is turns and other.paced.queue.rank < best:
            best, found = other.paced.queue.rank, other
    return found


def _last_room(paced: Paced, others: Sequence[Site], now: float) -> bool:
    """Whether a long window has little room left, and less than `others` want."""
    little = min((b.room(now) for b in paced.budgets if b.quota.window >= LONG), default=LITTLE + 1)
    return little <= LITTLE and sum(other.waiting for other in others) > little


def _counted(site: Site) -> str:
    return site.paced.counted if site.paced is not None else ""


def _urgent(site: Site) -> bool:
    return site.paced is not None and site.paced.queue.urgent
