"""What an outcome says of the road, and what it means for the mail: one table by cause.

Rules
1. Troubles of the recipient or of the message (unknown user, spam, full mailbox) say nothing about the road.
2. What the road's owner refuses to *us* breaks the road at once: a login, a spent quota, a blocklisting.
3. Where no connection comes about, a server that passes mail on (`Road.hop`) is broken at the first failure.  A mail host of
   the recipient is rather down itself, which another road cannot mend: there it takes three in a row.  TLS that fails
   there never sends mail round it: whoever can break TLS must not choose the road.
4. Where the road does not suit this message (its size, its sender, what it demands), only this message goes elsewhere.
5. A lost reply after the final dot may be a delivery: its mail never leaves the road (RFC 1047).  A greylisted mail stays
   for its retry, since another address would have to wait anew.
"""

from enum import Enum

from kurir.model import Cause, Outcome, OutcomeKind, Stage
from kurir.queue.asks import Road

# A deferral at these stages says something about the site, not about the message.
CONNECTION_STAGES = frozenset({Stage.CONNECT, Stage.BANNER, Stage.HELO, Stage.TLS, Stage.AUTH})
# Stages that are no word from a peer at all.
OWN_STAGES = frozenset({Stage.PLAN, Stage.STORE})
PATIENCE_HOP, PATIENCE_MX = 1, 3


class Word(Enum):
    """What an outcome says."""

    SUCCESS = "success"
    NOTHING = "nothing"
    TROUBLE = "trouble"  # of the road
    UNFIT = "unfit"  # the road does not suit this message
    STAY = "stay"  # the mail has to come back by this road
    STAY_FOR_GOOD = "stay_for_good"


# Causes that break a road at once, wherever they are said.
_AT_ONCE = frozenset(
    {
        Cause.AUTH_FAILED,
        Cause.LOGIN_BRAKED,
        Cause.QUOTA_SPENT,
        Cause.BLOCKLISTED,
        Cause.NO_PTR,
        Cause.PORT_BLOCKED,
    }
)
# Causes that break it after several in a row.
_SLOWLY = frozenset({Cause.RATE_LIMITED, Cause.BAD_REPUTATION})
_UNFIT = frozenset(
    {
        Cause.TOO_LARGE,
        Cause.TLS_REQUIRED,
        Cause.NEEDS_SMTPUTF8,
        Cause.NEEDS_8BIT,
        Cause.SPF_FAIL,
        Cause.DKIM_FAIL,
        Cause.DMARC_FAIL,
        Cause.BAD_REPUTATION,
    }
)
# What a server that passes mail on says of the customer or his mail; a recipient's own server means the recipient.
_UNFIT_AT_HOP = frozenset(
    {
        Cause.RELAY_DENIED,
        Cause.AUTH_REQUIRED,
        Cause.SENDER_NOT_YOURS,
        Cause.SENDER_REJECTED,
        Cause.POLICY_RECEIVER,
    }
)
# These close a whole road at once, not only one site of it.
WHOLE_ROAD = frozenset({Cause.PORT_BLOCKED})


def word(outcome: Outcome, road: Road) -> Word:
    """Return what `outcome` of an attempt by `road` says."""
    if outcome.kind not in (OutcomeKind.DEFERRED, OutcomeKind.FAILED):
        return Word.SUCCESS
    if outcome.possibly_delivered:
        return Word.STAY_FOR_GOOD
    if outcome.stage in OWN_STAGES:
        return Word.NOTHING
    if outcome.stage is Stage.TLS and not road.hop:
        return Word.NOTHING
    if outcome.cause in _AT_ONCE or outcome.cause in _SLOWLY:
        return Word.TROUBLE
    if outcome.cause is Cause.GREYLISTED:
        return Word.STAY
    if outcome.cause in _UNFIT or (road.hop and outcome.cause in _UNFIT_AT_HOP):
        return Word.UNFIT
    if outcome.stage in CONNECTION_STAGES and outcome.kind is OutcomeKind.DEFERRED:
        return Word.TROUBLE
    return Word.NOTHING


def patience(outcome: Outcome, road: Road) -> int:
    """Return how many troubles like this in a row break the road."""
    if outcome.cause in _AT_ONCE:
        return 1
    if outcome.cause in _SLOWLY:
        return PATIENCE_MX
    return PATIENCE_HOP if road.hop else PATIENCE_MX
