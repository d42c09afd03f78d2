"""What is proof that an address is dead.  Pure decisions.

Rules
1. Only "there is no such user" and "this user is closed" count, and only said for good.
2. "No such user" counts where it was said of the address itself: in answer to RCPT, with an enhanced code of the class
   X.1.X (RFC 3463 section 3.2), or as `Why.hard` knows from the words.  Said after the content, or nobody knows when, it
   is what carriers answer for mail that a filter stopped.
3. A bounce counts only for a recipient whom we handed that very message to, lately.  Whoever forges one does not know
   its Message-ID, unless the message went to him too: so where there were others, it is one strike, not proof.
4. Refusals of our own deliveries are strikes: proof are those of several days.
"""

from enum import Enum

from kurir.model import Cause, Fate, Outcome, OutcomeKind, Stage
from kurir.trace import Why

DEAD = frozenset({Cause.UNKNOWN_USER, Cause.DISABLED_USER})


class Weight(Enum):
    """What a thing that was said is worth."""

    NOTHING = 0
    STRIKE = 1
    PROOF = 2


def of_bounce(why: Why, fate: Fate | None, recipients: int) -> Weight:
    """Weigh what a bounce says of a recipient of ours, whose fate it was and among how many."""
    if fate is not Fate.HANDED_OVER or not why.final or why.cause not in DEAD:
        return Weight.NOTHING
    if why.cause is Cause.UNKNOWN_USER and not why.hard:
        return Weight.NOTHING
    return Weight.PROOF if recipients == 1 else Weight.STRIKE


def of_outcome(outcome: Outcome) -> Weight:
    """Weigh the end of a delivery of ours."""
    reply = outcome.reply
    if outcome.kind is not OutcomeKind.FAILED or reply is None or outcome.cause not in DEAD:
        return Weight.NOTHING
    about_address = outcome.stage is Stage.RCPT or (reply.enhanced or "")[1:4] == ".1."
    return Weight.STRIKE if about_address else Weight.NOTHING
