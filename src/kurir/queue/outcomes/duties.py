"""Who is to be told what: the duties of RFC 3461, and where they end (RFC 3464, RFC 5321 section 6.1).

Rules
1. A null reverse-path is never answered: that is what makes mail loops of notices impossible.
2. Nobody gets a notice for mail that he may not have sent (backscatter): where the sender is not proven, a
   failure holds the recipient and the postmaster is told instead; other notices are waived.
3. Failure is told unless NOTIFY says otherwise; success only when asked for; delay when asked for, and to
   accounts also when they said nothing.
4. Encryption that was lost is no ordinary delay: in the end the mail may go unprotected.  So every proven sender who
   said nothing is told of it, while another way can still be found: at the usual ages, and at the latest with the
   last try before it goes unprotected.
"""

from dataclasses import dataclass
from enum import Enum

from kurir.model import Cause, Fate
from kurir.queue.waiting.state import NOT_SAID

_SUCCESS, _FAILURE, _DELAY = 1, 2, 4


class Duty(Enum):
    """What we owe."""

    NOTHING = "nothing"
    TELL_SENDER = "tell_sender"
    TELL_POSTMASTER = "tell_postmaster"  # and hold the recipient
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Owed:
    """A duty and, where it is waived or the recipient is held, the reason."""

    duty: Duty
    reason: str = ""


NOTHING = Owed(Duty.NOTHING)
TELL_SENDER = Owed(Duty.TELL_SENDER)
WAIVED_NULL = Owed(Duty.WAIVED, "the message has the null sender <>, which is never answered")
WAIVED_NEVER = Owed(Duty.WAIVED, "the sender asked not to be told (NOTIFY)")
WAIVED_UNPROVEN = Owed(Duty.WAIVED, "the sender is not proven; a notice could hit an uninvolved person")
HOLD_UNPROVEN = Owed(
    Duty.TELL_POSTMASTER, "refused by the next server, and the sender is not proven: nobody could be told"
)


def after_failure(*, null: bool, proven: bool, notify: int) -> Owed:
    """Return what is owed when a recipient was refused or expired."""
    if null:
        return WAIVED_NULL
    if notify != NOT_SAID and not notify & _FAILURE:
        return WAIVED_NEVER
    return TELL_SENDER if proven else HOLD_UNPROVEN


def after_success(*, null: bool, proven: bool, notify: int, fate: Fate, dsn_relayed: bool) -> Owed:
    """Return what is owed when a recipient was delivered or handed over (RFC 3461 section 5.2)."""
    if notify == NOT_SAID or not notify & _SUCCESS:
        return NOTHING
    if fate is Fate.HANDED_OVER and dsn_relayed:
        return NOTHING  # the next hop took the duty over
    if null:
        return WAIVED_NULL
    return TELL_SENDER if proven else WAIVED_UNPROVEN


def after_delay(*, null: bool, proven: bool, account: bool, notify: int, cause: Cause | None) -> Owed:
    """Return what is owed when mail waits longer than the delay notice says; `cause` is what it met last, if anything."""
    if null or not proven:
        return NOTHING
    if notify == NOT_SAID:
        return TELL_SENDER if account or cause is Cause.TLS_LOST else NOTHING
    return TELL_SENDER if notify & _DELAY else NOTHING
