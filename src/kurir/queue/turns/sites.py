"""Which sites there are: one per (road, site key), with the newest limits of its road.

Where a provider limits *new* recipients, a site has a second queue beside it, for those who are not new there: limits of new
ones do not hold for them.  Whose letter is not at hand (it was tried before, or read back after a start) counts as new.
"""

from collections import deque
from collections.abc import Callable, Iterator

from msgspec import structs

from kurir.limits import Budget, Budgets, Unit
from kurir.queue.asks import Road
from kurir.queue.pacing.acquaintances import Acquaintances, meets, person_of, those_known
from kurir.queue.pacing.paced import FairQueue, Paced, Turns
from kurir.queue.pacing.shaping import Shaper
from kurir.queue.settings import QueueSettings
from kurir.queue.waiting.state import Errand

from .site import Site
from .stranded import forget_ended


class Sites:
    """All sites by (road, site key).  `consider(site, now)` lets a site be looked at again."""

    def __init__(
        self, settings: QueueSettings, budgets: Budgets, consider: Callable[[Site, float], None]
    ) -> None:
        self._settings = settings
        self._budgets = budgets
        self._consider = consider
        self._all: dict[tuple[str, str], Site] = {}
        self.known = Acquaintances()
        self.shaper = Shaper(settings.shape, self._all, consider)
        self._turns: dict[str, Turns] = {}  # by the longest of the limits that sites share

    def __iter__(self) -> Iterator[Site]:
        return iter(self._all.values())

    def place(self, errand: Errand, road: Road, now: float) -> Site:
        """Return where `errand` waits for `road`."""
        site = self._all.get((road.name, road.site))
        if site is None or site.road is not road:  # mostly it is: one call less for each recipient
            site = self._with(road, road.site)
        if site.meets and self._is_known(errand, road, now):
            return self._with(_for_the_known(road), those_known(road.site), meets(road))
        return site

    def find(self, road: Road) -> Site | None:
        """Return the site of `road`, if there is one."""
        return self._all.get((road.name, road.site))

    def standing(self, road: Road) -> Site:
        """Return the site of `road` as it stands, or a new one."""
        return self.find(road) or self._with(road, road.site)

    def renew(self, road: Road, now: float) -> None:
        """Let who waits for `road` go by its newest limits."""
        if (road.name, road.site) in self._all:
            self._consider(self._with(road, road.site), now)
        if (road.name, those_known(road.site)) in self._all:
            self._consider(self._with(_for_the_known(road), those_known(road.site), meets(road)), now)

    def load_of(self, road: Road, errand: Errand | None, now: float) -> list[tuple[Budget, int]]:
        """Return what is counted on `road` for anybody new, or for one errand, and how much of it waits there before it."""
        known = errand is not None and self._is_known(errand, road, now)
        site = self._all.get((road.name, those_known(road.site) if known else road.site))
        quotas = (q for q in road.quotas if not (known and q.unit is Unit.NEW_RECIPIENTS))
        recipients = messages = site.waiting if site is not None else 0
        if recipients and site is not None and errand is not None and isinstance(site.queue, FairQueue):
            recipients, messages = site.queue.ahead(errand.mail, recipients)
        return [(self._budgets.of(q), recipients if q.unit.by_recipient else messages) for q in quotas]

    def forget_idle(self) -> None:
        """Drop sites that have no work and no bad record, and who waits no longer for one that stays away."""
        for key, site in list(self._all.items()):
            if site.stranded:
                forget_ended(site)
            if not (site.waiting or site.open or site.failures or site.queued):
                del self._all[key]

    def _is_known(self, errand: Errand, road: Road, now: float) -> bool:
        letter, budgets = errand.mail.fresh, meets(road)
        if letter is None or not budgets:
            return False
        person = person_of(letter.recipients[errand.index])
        return all(self.known.knows(budget, person, now) for budget in budgets)

    def _with(self, road: Road, key: str, spared: tuple[str, ...] | None = None) -> Site:
        """Return the site under `key`, new or with the newest limits; `spared` are the budgets that do not hold for who waits there."""
        site = self._all.get((road.name, key))
        if site is None:
            site = self._all[road.name, key] = Site(road, self._most(road))
            self.shaper.join(site)
            if road.quotas:
                self._pace(site)
        elif road is not site.road:
            site.road, site.most = road, self._most(road)
            self.shaper.join(site)
            if road.quotas or site.paced is not None:
                self._pace(site)
        if spared is not None:
            site.meets = spared
        return site

    def _most(self, road: Road) -> int:
        """Return how many recipients a lease may have: what is counted as one message has to be one."""
        usual = self._settings.lease_recipients
        return min(usual, road.recipients) if road.recipients else usual

    def _pace(self, site: Site) -> None:
        """Let the budgets of its road decide over `site`, or no longer."""
        site.meets = meets(site.road)
        if not site.road.quotas:
            site.paced, site.queue = None, deque(site.queue)
            return
        if site.paced is None:
            longest = max(site.road.quotas, key=lambda q: q.window).key
            queue = site.queue = FairQueue(site.queue, self._turns.setdefault(longest, Turns()))
            site.paced = Paced(queue, lambda now: self._consider(site, now))
        site.paced.budgets = [self._budgets.of(quota) for quota in site.road.quotas]


def _for_the_known(road: Road) -> Road:
    """Return `road` without the limits of new recipients."""
    return structs.replace(road, quotas=tuple(q for q in road.quotas if q.unit is not Unit.NEW_RECIPIENTS))
