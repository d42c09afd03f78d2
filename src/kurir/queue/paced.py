"""A site whose road has limits: who goes first, how much may go, and when the next may.

Rules
1. Urgent mail goes before all other, and alone may use the reserve of a budget.
2. Everybody else takes turns: one bundle for each owner (the account, or the sender's domain), so that a newsletter
   to thousands costs the letter of a neighbour one turn.
3. A bundle that does not fit as a whole is divided: as many recipients go now as the budget has room for.
4. A site without limits has none of this: its queue is a plain deque.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from kurir.limits import NEVER, Budget, Unit

from .state import Errand

Bundle = list[Errand]
Taken = tuple[tuple[Budget, int], ...]
"""What a lease took of which budget."""


class FairQueue:
    """Bundles by owner, taken in turns; urgent ones first."""

    __slots__ = ("_lanes", "_newest", "_urgent")

    def __init__(self, bundles: Iterable[Bundle] = ()) -> None:
        self._urgent: deque[Bundle] = deque()
        self._lanes: OrderedDict[str, deque[Bundle]] = OrderedDict()
        self._newest: Bundle | None = None  # while it is here
        for bundle in bundles:
            self.append(bundle)

    def __bool__(self) -> bool:
        return bool(self._urgent or self._lanes)

    def __getitem__(self, last: Literal[-1]) -> Bundle | None:
        """Return the bundle that was added last, if it is here."""
        return self._newest

    def __setitem__(self, last: Literal[-1], bundle: Bundle) -> None:
        """Put another bundle of the same message in the place of the one that was added last."""
        self._lane(bundle)[-1] = self._newest = bundle

    def __iter__(self) -> Iterator[Bundle]:
        yield from self._urgent
        for lane in self._lanes.values():
            yield from lane

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
        owner = bundle[0].mail.owner
        if owner in self._lanes:
            self._lanes.move_to_end(owner, last=False)

    def _lane(self, bundle: Bundle) -> deque[Bundle]:
        mail = bundle[0].mail
        return self._urgent if mail.urgent else self._lanes.setdefault(mail.owner, deque())

    def popleft(self, *, urgent: bool = False) -> Bundle | None:
        """Take the next bundle out; only an urgent one where `urgent`.  None where there is none."""
        if self._urgent:
            bundle = self._urgent.popleft()
        elif urgent or not self._lanes:
            return None
        else:
            owner, lane = self._lanes.popitem(last=False)
            bundle = lane.popleft()
            if lane:
                self._lanes[owner] = lane  # at the end: the others come first
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

    def next(self, now: float) -> Bundle | None:
        """Take out the next bundle that has any room."""
        ordinary = all(budget.room(now) > 0 for budget in self.budgets)
        return self.queue.popleft(urgent=not ordinary)

    def room(self, now: float, *, urgent: bool) -> int | None:
        """Return for how many recipients of one message there is room; None where they are not counted."""
        rooms = [b.room(now, urgent=urgent) for b in self.budgets if b.quota.unit is Unit.RECIPIENTS]
        return max(1, min(rooms)) if rooms else None

    def take(self, recipients: int) -> Taken:
        """Count one message to so many recipients before it is sent."""
        taken = tuple((b, b.quota.units(recipients)) for b in self.budgets)
        for budget, units in taken:
            budget.take(units)
        return taken
