"""Mail that waits only because its site failed: it goes on when the site is back, not at its own next attempt.

Rules
1. A recipient is stranded where no connection came about and the site rests for it.  What the peer said of a recipient or a
   message, and what only this message demands (TLS that has to hold), strands nobody.
2. As soon as the peer talks with us again, all of them are due.  Whenever they come again they have kept their turn: no later
   mail of their owner goes before them.
"""

from collections.abc import Sequence

from kurir.model import Outcome, OutcomeKind, Stage
from kurir.queue.roads.trouble import CONNECTION_STAGES
from kurir.queue.waiting.state import Errand, Place, State

from .lease import OpenLease
from .site import Site


def own_demand(lease: OpenLease, outcome: Outcome) -> bool:
    """Whether it failed at what only this message demands (or may do so: the letter is not at hand): the site takes other mail."""
    sealed = lease.letter is None or lease.letter.params.demands_tls
    return sealed and outcome.stage is Stage.TLS


def strand_or_rescue(
    lease: OpenLease, site: Site, pairs: Sequence[tuple[Errand, Outcome]], now: float
) -> list[Errand]:
    """Hear how an attempt at `site` ended: remember whom it strands, or return those who may go on at once."""
    if not site.failures:
        stranded, site.stranded = site.stranded, {}
        return [errand for errand in stranded if waits(errand) and errand.due > now]
    if not own_demand(lease, pairs[0][1]):
        for errand, outcome in pairs:
            if outcome.kind is OutcomeKind.DEFERRED and outcome.stage in CONNECTION_STAGES:
                errand.place = Place.KEPT
                site.stranded[errand] = None
    return []


def forget_ended(site: Site) -> None:
    """Forget those who do not wait for a site that stays away."""
    site.stranded = {errand: None for errand in site.stranded if waits(errand)}


def waits(errand: Errand) -> bool:
    """Whether it waits for its own next attempt."""
    return errand.state is State.WAITING
