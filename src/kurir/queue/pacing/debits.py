"""What leases take from budgets, durable before anything is sent (decision 0009).

Rules
1. A lease whose budgets have to outlive a crash goes to its hand only when its debit is durable.  All of one round share a change,
   and that shares the group commit with whatever else happens: no sync of its own under load.
2. It is debited *in the air*, and lands at the time it comes back.  What a start finds in the air counts as used then.
3. Nothing is credited that may have been offered: only a lease that never got as far as MAIL took nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from kurir.limits import AIR, LONGEST, Budgets
from kurir.model import Outcome, Stage
from kurir.queue.ports import Change, Debit, Store
from kurir.queue.taking.commit import Committer

from .acquaintances import Acquaintances
from .paced import Taken

# Attempts that ended here have not offered a message to anybody.
_BEFORE_MAIL = frozenset(
    {Stage.PLAN, Stage.CONNECT, Stage.BANNER, Stage.HELO, Stage.TLS, Stage.AUTH, Stage.STORE}
)


def was_offered(outcomes: Iterable[Outcome]) -> bool:
    """Whether an attempt with these outcomes (none: it was given back untried) reached MAIL."""
    return any(outcome.stage not in _BEFORE_MAIL for outcome in outcomes)


class Debits:
    """Writes debits beside the changes of mail."""

    __slots__ = ("_committer",)

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    @staticmethod
    def owes(taken: Taken) -> bool:
        """Whether any of it has to be durable."""
        return any(budget.lasting for budget, _ in taken)

    def take(self, taken: Sequence[Taken], done: Callable[[], None]) -> None:
        """Make debits durable, then call `done`."""
        units: Counter[str] = Counter()
        for of_lease in taken:
            for budget, count in of_lease:
                if budget.lasting:
                    units[budget.quota.key] += count
        self.write([Debit(key, AIR, count) for key, count in units.items()], done)

    def land(self, taken: Taken, now: float, *, offered: bool, lost: bool = False) -> None:
        """A lease came back, or got `lost` with its hand: what it took counts from now on, or not at all."""
        debits = []
        for budget, units in taken:
            key = budget.quota.key
            if lost:
                budget.linger(now)
            if offered:
                at = budget.land(units, now)
                debits += [Debit(key, AIR, -units), Debit(key, at, units)] if budget.lasting else []
            else:
                budget.give_back(units)
                debits += [Debit(key, AIR, -units)] if budget.lasting else []
        self.write(debits)
        for budget, _ in taken:
            budget.wake(now)

    def write(self, debits: Sequence[Debit], done: Callable[[], None] | None = None) -> None:
        """Put debits in line for the next commit."""
        if debits:
            self._committer.submit(Change(events=(), debits=tuple(debits)), done)


def load_debits(
    store: Store, budgets: Budgets, known: Acquaintances, committer: Committer, now: float, grace: float
) -> None:
    """Read what is used at a start; what was in the air may still be sent by hands that live on, for `grace` seconds."""
    debits = known.load(store.debits(int(now * 1000) - LONGEST))
    stored = [(d.key, d.at, d.units) for d in debits]
    moved = budgets.load(stored, int((now + grace) * 1000))
    Debits(committer).write([Debit(*entry) for entry in moved])


def forget_debits(store: Store, committer: Committer, now: float) -> None:
    """Let the store forget what has left every window, in the commit thread."""
    since = int(now * 1000) - LONGEST

    def forget() -> Callable[[], None]:
        store.debits(since)
        return lambda: None

    committer.ask(forget)
