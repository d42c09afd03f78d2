"""A site whose road has limits: who goes first, how much may go, and when the next may.

Rules
1. Urgent mail goes before all other, and alone may use the reserve of a budget; bulk mail goes when nothing else is left.
2. Within a class everybody takes turns: one bundle for each owner (the account, or the sender's domain), so that a
   newsletter to thousands costs the letter of a neighbour one turn.  Next is whose last turn is longest ago, at any site with the
   same limits; where a window has little room left, one turn is a day.
3. What had its turn and comes back untried, or lost with its hand, is the first of its owner.
4. A bundle that does not fit as a whole is divided: as many recipients go now as the budget has room for.
5. A site without limits, where all mail is ordinary, has none of this: its queue is a plain deque.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush, heapreplace
from itertools import islice
from typing import Literal

from kurir.limits import NEVER, Budget
from kurir.model import Urgency
from kurir.queue.waiting.state import Errand, Mail, Place

Bundle = list[Errand]
Taken = tuple[tuple[Budget, int], ...]
"""What a lease took of which budget."""
_REMEMBERED = 10_000  # owners whose last turn is known
_LAST = 20  # bundles of an owner by which its recipients are estimated


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

    __slots__ = ("_before", "_count", "of")

    def __init__(self) -> None:
        self._count = 0
        self._before = ("", 0)  # who had the latest turn, and when its last one was until then
        self.of: OrderedDict[str, int] = OrderedDict()  # latest last

    def took(self, owner: str) -> None:
        """`owner` had a turn."""
        self._count += 1
        self._before = owner, self.of.get(owner, 0)
        self.of[owner] = self._count
        self.of.move_to_end(owner)
        if len(self.of) > _REMEMBERED:
            self.of.popitem(last=False)

    def undo(self) -> None:
        """The latest turn was none: nobody was there any more."""
        owner, last = self._before
        if last:
            self.of[owner] = last
        else:
            self.of.pop(owner, None)


class _Lanes:
    """The bundles of one class by owner, and whose turn it is: O(log owners)."""

    __slots__ = ("_first", "_in_line", "_line", "_tie", "_turns", "by_owner")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.by_owner: dict[str, deque[Bundle]] = {}
        self._line: list[tuple[int, int, str]] = []  # a heap of (last turn as it was known, order, owner)
        self._in_line: set[str] = set()  # who is in it: once, also for a while after its last bundle
        self._tie = 0
        self._first: dict[str, None] = {}  # who goes before all others, the last one first

    def __bool__(self) -> bool:
        return bool(self.by_owner)

    def lane(self, owner: str) -> deque[Bundle]:
        """Return the bundles of `owner`, to put one there."""
        lane = self.by_owner.get(owner)
        if lane is None:
            lane = self.by_owner[owner] = deque()
            if owner not in self._in_line:
                self._in_line.add(owner)
                self._tie += 1
                heappush(self._line, (self._turns.of.get(owner, 0), self._tie, owner))
        return lane

    def prefer(self, owner: str) -> None:
        """Let `owner` go before the others: once, however often that is asked before it does."""
        self._first.pop(owner, None)
        self._first[owner] = None

    @property
    def turn(self) -> int:
        """When the next one had its last turn: the lowest is next; below 0 is who goes before all others."""
        self._forget_gone()
        return -1 if self._first else self._turns.of.get(self._next(), 0)

    def pop(self) -> Bundle:
        """Take the next bundle out."""
        self._forget_gone()
        owner = self._first.popitem()[0] if self._first else self._next()
        lane = self.by_owner[owner]
        bundle = lane.popleft()
        self._turns.took(owner)
        if not lane:
            del self.by_owner[owner]
        return bundle

    def _forget_gone(self) -> None:
        while self._first and next(reversed(self._first)) not in self.by_owner:
            self._first.popitem()

    def _next(self) -> str:
        while True:
            turn, tie, owner = self._line[0]
            last = self._turns.of.get(owner, 0)
            if owner not in self.by_owner:
                self._in_line.remove(heappop(self._line)[2])
            elif turn < last:
                heapreplace(self._line, (last, tie, owner))
            else:
                return owner

    def in_turn(self) -> Iterator[Bundle]:
        """Yield the bundles as they would be taken."""
        first = [owner for owner in reversed(self._first) if owner in self.by_owner]
        others = (owner for owner in self.by_owner if owner not in self._first)
        order = [*first, *sorted(others, key=lambda owner: self._turns.of.get(owner, 0))]
        turns = deque(iter(self.by_owner[owner]) for owner in order)
        while turns:
            lane = turns.popleft()
            bundle = next(lane, None)
            if bundle is not None:
                yield bundle
                turns.append(lane)


class FairQueue:
    """Bundles by class and owner: urgent ones first, bulk last, within a class by `turns`."""

    __slots__ = ("_classes", "_newest", "turns")

    def __init__(self, bundles: Iterable[Bundle] = (), turns: Turns | None = None) -> None:
        self.turns = turns or Turns()
        self._classes = {
            kind: _Lanes(self.turns) for kind in (Urgency.URGENT, Urgency.ORDINARY, Urgency.BULK)
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
            for lane in lanes.by_owner.values():
                yield from lane

    def in_turn(self) -> Iterator[Bundle]:
        """Yield the bundles in the order in which they would be taken, if nothing came in between."""
        for lanes in self._classes.values():
            yield from lanes.in_turn()

    @property
    def urgent(self) -> bool:
        """Whether the next one is urgent."""
        return bool(self._classes[Urgency.URGENT])

    @property
    def rank(self) -> tuple[int, int]:
        """How early its next bundle is, beside those of queues with the same turns: by class, then by turn."""
        return next(((i, lanes.turn) for i, lanes in enumerate(self._classes.values()) if lanes), (99, 0))

    def append(self, bundle: Bundle) -> None:
        """Put a bundle behind those of its owner."""
        self._lane(bundle).append(bundle)
        self._newest = bundle

    def appendleft(self, bundle: Bundle) -> None:
        """Put a bundle first: before those of its owner, and its owner before the others."""
        self._lane(bundle).appendleft(bundle)
        mail = bundle[0].mail
        self._classes[mail.urgency].prefer(mail.owner)

    def own(self, errand: Errand) -> deque[Bundle]:
        """Return the bundles of the owner of `errand`, to put it anywhere among them."""
        self._newest = None  # it may not stay the last one there
        return self._lane([errand])

    def _lane(self, bundle: Bundle) -> deque[Bundle]:
        mail = bundle[0].mail
        return self._classes[mail.urgency].lane(mail.owner)

    def ahead(self, mail: Mail, waiting: int) -> tuple[int, int]:
        """Return about how many of `waiting` recipients are before a new mail, and in how many messages.

        Each other owner has as many turns as its own.  How many recipients have one of its own turns together is seen at the last ones.
        """
        lanes = self._classes[mail.urgency]
        if mail.urgency is not Urgency.ORDINARY or not lanes:
            return (0, 0) if mail.urgent else (waiting, waiting)
        own = lanes.by_owner.get(mail.owner, ())
        turns = (len(own) + 1) * len(lanes.by_owner)
        last = min(len(own), _LAST)
        company = sum(map(len, islice(reversed(own), last))) - last
        together = company * len(own) // last if last else 0
        return min(waiting, turns + together), min(waiting, turns)

    def popleft(self, *, urgent: bool = False) -> Bundle | None:
        """Take the next bundle out; only an urgent one where `urgent`.  None where there is none."""
        lanes = self._classes[Urgency.URGENT] if urgent else next(filter(None, self._classes.values()), None)
        if not lanes:
            return None
        bundle = lanes.pop()
        if bundle is self._newest:
            self._newest = None
        return bundle


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

    def roomy(self, recipients: int, now: float) -> bool:
        """Whether there is room for so many ordinary recipients."""
        return all(budget.room(now) >= recipients for budget in self.budgets if budget.quota.window)

    def next(self, now: float) -> Bundle | None:
        """Take out the next bundle that has any room."""
        for budget in self.budgets:
            if budget.room(now) <= 0:
                return self.queue.popleft(urgent=True)
        return self.queue.popleft()

    def room(self, now: float, *, urgent: bool) -> int | None:
        """Return for how many recipients of one message there is room; None where they are not counted."""
        rooms = [b.room(now, urgent=urgent) for b in self.budgets if b.quota.unit.by_recipient]
        return max(1, min(rooms)) if rooms else None

    def divided(self, errands: Bundle, now: float) -> Bundle:
        """Return as many of a bundle as there is room for; the others stay first in line."""
        if len(errands) == 1:
            return errands
        room = self.room(now, urgent=errands[0].mail.urgent)
        if room is None or room >= len(errands):
            return errands
        self.queue.appendleft(errands[room:])
        return errands[:room]

    def take(self, recipients: int, *, anew: bool = False) -> Taken:
        """Count one message to so many recipients before it is sent; `anew`: after a start, what no store remembers of it."""
        taken = tuple((b, b.quota.units(recipients)) for b in self.budgets if not (anew and b.lasting))
        for budget, units in taken:
            budget.take(units)
        return taken
