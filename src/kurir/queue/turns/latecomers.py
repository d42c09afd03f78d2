"""Settlements of leases that are not open: what an earlier brain gave out, what a lost hand held, and what is said twice.

Rules
1. A hand that outlives its brain says what it is busy with.  Those leases are *adopted*: what is said of the same recipients is theirs.
2. A late success is believed, wherever the recipient is by now (the mail is there); a failure only of who waits, or for good of who is held.
3. Everything late is believed once.
4. An adopted lease that comes back untried does not say which one it was: they are given back once all of a message have.
"""

from collections import OrderedDict

from kurir.model import Outcome, OutcomeKind
from kurir.queue.asks import Settlement
from kurir.queue.outcomes.settle import SUCCESS
from kurir.queue.waiting.state import Counters, Errand, Mail, State

from .lease import OpenLease

_REMEMBERED = 20_000  # leases of the past that are known by name
_WAITS = (State.WAITING, State.PLANNING, State.READY)


class Latecomers:
    """What is known of leases that `epoch`, this brain, did not give out, or took back."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._adopted: dict[int, list[OpenLease]] = {}  # by message number
        self._revoked: OrderedDict[int, None] = OrderedDict()
        self._past: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._untold: dict[int, int] = {}  # adopted leases that came back empty, by message number

    def adopt(self, lease: OpenLease) -> None:
        """A hand is busy with what an earlier brain leased."""
        self._adopted.setdefault(lease.mail.number, []).append(lease)

    def ended(self, lease: OpenLease) -> None:
        """An adopted lease is over."""
        number = lease.mail.number
        kept = [x for x in self._adopted.pop(number, ()) if x is not lease]
        if kept:
            self._adopted[number] = kept
        else:
            self._untold.pop(number, None)  # it was about these

    def revoke(self, lease: OpenLease) -> None:
        """The hand that had it is lost, but may have said how it ended."""
        self._revoked[lease.id] = None
        if len(self._revoked) > _REMEMBERED:
            self._revoked.popitem(last=False)

    def credible(self, settlement: Settlement) -> bool:
        """Whether a settlement may be true: of a lease that was really given out, and said for the first time."""
        key = (settlement.epoch, settlement.lease)
        own = settlement.epoch == self._epoch
        whole = not settlement.results and settlement.number in self._adopted
        known = not own or whole or settlement.lease in self._revoked or self.adopted(settlement) is not None
        if key in self._past or not known:
            return False
        self._past[key] = None
        if len(self._past) > _REMEMBERED:
            self._past.popitem(last=False)
        self._revoked.pop(settlement.lease if own else 0, None)
        return True

    def adopted(self, settlement: Settlement) -> OpenLease | None:
        """Return the adopted lease of the recipients that a settlement is about."""
        told = {index for index, _ in settlement.results}
        leases = self._adopted.get(settlement.number, ())
        return next((x for x in leases if any(e.index in told for e in x.errands)), None)

    def empty(self, settlement: Settlement) -> list[OpenLease]:
        """Return the adopted leases of a message that came back untried, once all that are still out have."""
        number = settlement.number
        leases = self._adopted.get(number, [])
        if leases and not settlement.results:
            self._untold[number] = self._untold.get(number, 0) + 1
        if len(leases) > self._untold.get(number, 0):
            return []
        self._untold.pop(number, None)
        return list(leases)


def news_in(settlement: Settlement, mail: Mail | None, counters: Counters) -> list[tuple[Errand, Outcome]]:
    """Return what a late settlement says that changes anything; count what does not."""
    news = []
    for index, outcome in settlement.results:
        errand = mail.errand(index) if mail is not None else None
        good = outcome.kind in SUCCESS
        if errand is None:
            counters.duplicates += good
        elif (
            good
            or errand.state in _WAITS
            or (errand.state is State.HELD and outcome.kind is OutcomeKind.FAILED)
        ):
            if errand.state is not State.SETTLING:
                news.append((errand, outcome))
            continue
        counters.ignored_results += 1
    return news
