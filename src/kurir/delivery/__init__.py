"""Outbound: from a lease of the queue to an outcome for every recipient.

The brain asks `DeliveryHand` for plans (`route` -> `mx` -> `site` -> `plan`) and gives it leases.  A lease goes to
the `pool` of its site, there to a `lane` (one connection, one coroutine); `opening` makes the session, `fit` asks whether
message and peer match, `attempt` sends, `classify` says what a refusal means.  Mail for this machine goes to
`storing` and `maildir`.  Nothing here writes queue facts or decides when to try again.
"""

from .dialing import NetDialer
from .hand import DeliveryHand
from .maildir import Maildir
from .oauth import PROVIDERS, AccessTokens, OAuthClient, TokenSource
from .ports import (
    Bodies,
    BodyDamaged,
    BrainSide,
    Dialer,
    LocalStore,
    NoticeWriter,
    Untrusted,
)
from .settings import (
    DeliverySettings,
    Family,
    NextHop,
    Route,
    RouteKind,
    Timeouts,
    TlsLevel,
)
from .smarthost import SmarthostUrlError, parse_next_hop
from .storing import MaildirStore
from .verify import NextHopVerifier

__all__ = [
    "PROVIDERS",
    "AccessTokens",
    "Bodies",
    "BodyDamaged",
    "BrainSide",
    "DeliveryHand",
    "DeliverySettings",
    "Dialer",
    "Family",
    "LocalStore",
    "Maildir",
    "MaildirStore",
    "NetDialer",
    "NextHop",
    "NextHopVerifier",
    "NoticeWriter",
    "OAuthClient",
    "Route",
    "RouteKind",
    "SmarthostUrlError",
    "Timeouts",
    "TlsLevel",
    "TokenSource",
    "Untrusted",
    "parse_next_hop",
]
