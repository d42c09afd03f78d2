"""What leases take from budgets, durable before anything is sent (decision 0009).

Rules
1. A lease whose budgets have to outlive a crash goes to its hand only when its debit is durable.  All of one batch are added up, a
   row for each budget and moment, and share the group commit with whatever else happens: no sync of its own under load.
2. It is debited *in the air*, and lands at the time it comes back.  What a start finds in the air counts as used then.
3. Nothing is credited that may have been offered: only a lease that never got as far as MAIL took nothing.
"""

from collections.abc import Callable, Iterable, Sequence

from kurir.limits import AIR, LONGEST, Budgets
from kurir.model import Outcome, OutcomeKind, Stage
from kurir.queue.ports import Debit, Store
from kurir.queue.taking.commit import Committer

from .acquaintances import Acquaintances
from .paced import Taken

# Attempts that ended here have not offered a message to anybody.
_BEFORE_MAIL = frozenset(
    {Stage.PLAN, Stage.CONNECT, Stage.BANNER, Stage.HELO, Stage.TLS, Stage.AUTH, Stage.STORE}
)


def was_offered(outcomes: Iterable[Outcome]) -> bool:
    """Whether an attempt with these outcomes (none: it was given back untried) reached MAIL.

    What failed for good there without a word of the peer did not: its EHLO said that it does not take such a message.
    """
    return any(not (outcome.stage in _BEFORE_MAIL or _unfit(outcome)) for outcome in outcomes)


def _unfit(outcome: Outcome) -> bool:
    return outcome.stage is Stage.MAIL and outcome.kind is OutcomeKind.FAILED and outcome.reply is None


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
        lasting = (Debit(b.key, AIR, units) for of_lease in taken for b, units in of_lease if b.lasting)
        self._committer.debit(lasting, done)

    def land(self, taken: Taken, now: float, *, offered: bool, lost: bool = False) -> None:
        """A lease came back, or got `lost` with its hand: what it took counts from now on, or not at all."""
        debits = []
        for budget, units in taken:
            if lost:
                budget.linger(now)
            if budget.lasting:
                debits.append(Debit(budget.key, AIR, -units))
            if not offered:
                budget.give_back(units)
                continue
            at = budget.land(units, now)
            if budget.lasting:
                debits.append(Debit(budget.key, at, units))
        self._committer.debit(debits)
        for budget, _ in taken:
            budget.wake(now)


def load_debits(
    store: Store, budgets: Budgets, known: Acquaintances, committer: Committer, now: float, grace: float
) -> None:
    """Read what is used at a start; what was in the air may still be sent by hands that live on, for `grace` seconds."""
    debits = known.load(store.debits(int(now * 1000) - LONGEST))
    stored = [(d.key, d.at, d.units) for d in debits]
    moved = budgets.load(stored, int((now + grace) * 1000))
    committer.debit(Debit(*entry) for entry in moved)


def forget_debits(store: Store, committer: Committer, now: float) -> None:
    """Let the store forget what has left every window, in the commit thread."""
    since = int(now * 1000) - LONGEST

    def forget() -> Callable[[], None]:
        store.debits(since)
        return lambda: None

    committer.ask(forget)
