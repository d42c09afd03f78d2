"""Outbound: from a lease of the queue to an outcome for every recipient.

The brain asks `DeliveryHand` for plans (`route` -> `mx` -> `site` -> `plan`) and gives it leases.  A lease goes to
the `pool` of its site, there to a `lane` (one connection, one coroutine); `opening` makes the session (`visit` to one
host, as `tlspolicy` demands), `fit` asks whether message and peer match, `sealing` signs, `attempt` sends,
`classify` says what a refusal means.  Mail for this machine goes to `storing` and `maildir`.  Nothing here writes
queue facts or decides when to try again.

From top to bottom; a part may use those below it:

====================  =================================================================================================
doors                 `hand` is called by the brain; `ports` is what is asked of others; `settings`; `notices` hands reports in
`asking`              beside the mail: a relayed recipient, sealed mail, ``kurir tls``
`local`               mail for this machine
`sending`             mail over sessions
`connecting`          a session with one of several hosts
`routing`             which way, and which limits hold there
`tlspolicy`           what has to protect it
ground                `mx` (hosts of a domain), `site` (who is one receiver), `oauth` (tokens for smarthosts)
====================  =================================================================================================
"""

from .asking.examine import DomainExam, Examiner, HostExam
from .asking.foresight import Foresight, ForesightSettings
from .asking.verify import NextHopVerifier
from .connecting.dialing import NetDialer
from .hand import DeliveryHand
from .local.maildir import Maildir
from .local.storing import MaildirStore
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
from .routing.allowed import Allowed, account_of, known_limits, leads_to
from .routing.genuine import Genuine
from .routing.sizes import RoadSizes
from .routing.smarthost import SmarthostUrlError, parse_next_hop
from .sending.sealing import DomainKeys, KeyRing, Sealing, SealingSettings
from .sending.sources import SourceTurn
from .settings import (
    DeliverySettings,
    Family,
    NextHop,
    Route,
    RouteKind,
    Timeouts,
    TlsLevel,
)

__all__ = [
    "PROVIDERS",
    "AccessTokens",
    "Allowed",
    "Bodies",
    "BodyDamaged",
    "BrainSide",
    "DeliveryHand",
    "DeliverySettings",
    "Dialer",
    "DomainExam",
    "DomainKeys",
    "Examiner",
    "Family",
    "Foresight",
    "ForesightSettings",
    "Genuine",
    "HostExam",
    "KeyRing",
    "LocalStore",
    "Maildir",
    "MaildirStore",
    "NetDialer",
    "NextHop",
    "NextHopVerifier",
    "NoticeWriter",
    "OAuthClient",
    "RoadSizes",
    "Route",
    "RouteKind",
    "Sealing",
    "SealingSettings",
    "SmarthostUrlError",
    "SourceTurn",
    "Timeouts",
    "TlsLevel",
    "TokenSource",
    "Untrusted",
    "account_of",
    "known_limits",
    "leads_to",
    "parse_next_hop",
]
