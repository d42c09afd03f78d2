"""A site whose road has limits: who goes first, how much may go, and when the next may.

Rules
1. Urgent mail goes before all other, and alone may use the reserve of a budget; bulk mail goes when nothing else is left.
2. Within a class everybody takes turns: one bundle for each owner (the account, or the sender's domain), so that a
   newsletter to thousands costs the letter of a neighbour one turn.  Who had a turn at another site with the same limits has
   had it here, too.
3. What had its turn and comes back untried, or lost with its hand, is the first of its owner.
4. A bundle that does not fit as a whole is divided: as many recipients go now as the budget has room for.
5. A site without limits, where all mail is ordinary, has none of this: its queue is a plain deque.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from kurir.limits import NEVER, Budget
from kurir.model import Urgency

from .state import Errand, Mail, Place

Bundle = list[Errand]
_Lanes = OrderedDict[str, deque[Bundle]]
Taken = tuple[tuple[Budget, int], ...]
"""What a lease took of which budget."""
_REMEMBERED = 10_000  # owners whose last turn is known


def rejoin(lane: deque[Bundle], errand: Errand, most: int) -> None:
    """Put an errand that had its turn before those that had none, behind earlier ones like it; at most `most` share a bundle."""
    number, at = errand.mail.number, 0
    for bundle in lane:
        first = bundle[0]
        if first.place is Place.LAST or first.mail.number > number:
            break
        alike = first.mail is errand.mail and first.together == errand.together
        if alike and len(bundle) < min(errand.together or most, most):
            bundle.append(errand)
            return
        at += 1
    lane.insert(at, [errand])


class Turns:
    """Who had the last turns at sites that share limits: `of` numbers the last one of each owner."""

    __slots__ = ("_count", "of")

    def __init__(self) -> None:
        self._count = 0
        self.of: OrderedDict[str, int] = OrderedDict()  # latest last

    def took(self, owner: str) -> None:
        """`owner` had a turn."""
        self._count += 1
        self.of[owner] = self._count
        self.of.move_to_end(owner)
        if len(self.of) > _REMEMBERED:
            self.of.popitem(last=False)


class FairQueue:
    """Bundles by class and owner: urgent ones first, bulk last, within a class by `turns`."""

    __slots__ = ("_classes", "_newest", "_seen", "_urgent", "turns")

    def __init__(self, bundles: Iterable[Bundle] = (), turns: Turns | None = None) -> None:
        self.turns = turns or Turns()
        self._seen: dict[str, int] = {}  # the last turn of each owner that counted for its place here
        self._urgent: _Lanes = OrderedDict()
        self._classes: dict[Urgency, _Lanes] = {
            Urgency.URGENT: self._urgent,
            Urgency.ORDINARY: OrderedDict(),
            Urgency.BULK: OrderedDict(),
        }
        self._newest: Bundle | None = None  # while it is here
        for bundle in bundles:
            self.append(bundle)

    def __bool__(self) -> bool:
        return any(self._classes.values())

    def __getitem__(self, last: Literal[-1]) -> Bundle | None:
        """Return the bundle that was added last, if it is here."""
        return self._newest

    def __setitem__(self, last: Literal[-1], bundle: Bundle) -> None:
        """Put another bundle of the same message in the place of the one that was added last."""
        self._lane(bundle)[-1] = self._newest = bundle

    def __iter__(self) -> Iterator[Bundle]:
        for lanes in self._classes.values():
            for lane in lanes.values():
                yield from lane

    def in_turn(self) -> Iterator[Bundle]:
        """Yield the bundles in the order in which they would be taken, if nothing came in between."""
        for lanes in self._classes.values():
            turns = deque(iter(lane) for lane in lanes.values())
            while turns:
                lane = turns.popleft()
                bundle = next(lane, None)
                if bundle is not None:
                    yield bundle
                    turns.append(lane)

    @property
    def urgent(self) -> bool:
        """Whether the next one is urgent."""
        return bool(self._urgent)

    def append(self, bundle: Bundle) -> None:
        """Put a bundle behind those of its owner."""
        self._lane(bundle).append(bundle)
        self._newest = bundle

    def appendleft(self, bundle: Bundle) -> None:
        """Put a bundle first: before those of its owner, and its owner before the others."""
        self._lane(bundle).appendleft(bundle)
        mail = bundle[0].mail
        self._classes[mail.urgency].move_to_end(mail.owner, last=False)

    def own(self, errand: Errand) -> deque[Bundle]:
        """Return the bundles of the owner of `errand`, to put it anywhere among them."""
        self._newest = None  # it may not stay the last one there
        return self._lane([errand])

    def _lane(self, bundle: Bundle) -> deque[Bundle]:
        mail = bundle[0].mail
        lanes, owner = self._classes[mail.urgency], mail.owner
        lane = lanes.get(owner)
        if lane is None:
            lane = lanes[owner] = deque()
            self._seen[owner] = self.turns.of.get(owner, 0)
        return lane

    def ahead(self, mail: Mail, waiting: int) -> int:
        """Return about how many of `waiting` recipients are before a new mail: each other owner has as many turns as its own."""
        lanes = self._classes[mail.urgency]
        if mail.urgency is not Urgency.ORDINARY or not lanes:
            return 0 if mail.urgent else waiting
        own = lanes.get(mail.owner, ())
        return min(waiting, (len(own) + 1) * len(lanes))

    def popleft(self, *, urgent: bool = False) -> Bundle | None:
        """Take the next bundle out; only an urgent one where `urgent`.  None where there is none."""
        lanes = self._urgent if urgent else next(filter(None, self._classes.values()), None)
        if not lanes:
            return None
        owner = self._next_owner(lanes)
        lane = lanes.pop(owner)
        bundle = lane.popleft()
        self.turns.took(owner)
        if lane:
            lanes[owner] = lane  # at the end: the others come first
            self._seen[owner] = self.turns.of[owner]
        else:
            self._seen.pop(owner, None)
        if bundle is self._newest:
            self._newest = None
        return bundle

    def _next_owner(self, lanes: _Lanes) -> str:
        """Return the first who had no turn elsewhere meanwhile; who had one goes to the end."""
        owner = next(iter(lanes))
        for _ in range(len(lanes) - 1):
            last = self.turns.of.get(owner, 0)
            if self._seen.get(owner, last) == last:
                break
            self._seen[owner] = last
            lanes.move_to_end(owner)
            owner = next(iter(lanes))
        return owner


class Paced:
    """The budgets of a site, and what they say of its next lease.  `wake(now)` lets the site be looked at again."""

    __slots__ = ("budgets", "queue", "wake")

    def __init__(self, queue: FairQueue, wake: Callable[[float], None]) -> None:
        self.queue = queue
        self.wake = wake
        self.budgets: Sequence[Budget] = ()

    @property
    def counted(self) -> str:
        """The key of the limit of connections at the same time, "" where there is none."""
        return next((b.quota.key for b in self.budgets if not b.quota.window), "")

    def ready_at(self, now: float) -> float:
        """Return when the next lease may go out; where only a landing can tell, ask to be woken by it."""
        binding = self.binding(now)
        if binding is None:
            return now
        at = binding.ready_at(now, urgent=self.queue.urgent)
        if at == NEVER:
            binding.blocked[self.wake] = None
        return at

    def binding(self, now: float) -> Budget | None:
        """Return the budget that is waited for longest, or None where nothing has to wait."""
        urgent, latest, found = self.queue.urgent, now, None
        for budget in self.budgets:
            at = budget.ready_at(now, urgent=urgent)
            if at > latest:
                latest, found = at, budget
        return found

    def next(self, now: float) -> Bundle | None:
        """Take out the next bundle that has any room."""
        ordinary = all(budget.room(now) > 0 for budget in self.budgets)
        return self.queue.popleft(urgent=not ordinary)

    def room(self, now: float, *, urgent: bool) -> int | None:
        """Return for how many recipients of one message there is room; None where they are not counted."""
        rooms = [b.room(now, urgent=urgent) for b in self.budgets if b.quota.unit.by_recipient]
        return max(1, min(rooms)) if rooms else None

    def divided(self, errands: Bundle, now: float) -> Bundle:
        """Return as many of a bundle as there is room for; the others stay first in line."""
        room = self.room(now, urgent=errands[0].mail.urgent)
        if room is None or room >= len(errands):
            return errands
        self.queue.appendleft(errands[room:])
        return errands[:room]

    def take(self, recipients: int) -> Taken:
        """Count one message to so many recipients before it is sent."""
        taken = tuple((b, b.quota.units(recipients)) for b in self.budgets)
        for budget, units in taken:
            budget.take(units)
        return taken
