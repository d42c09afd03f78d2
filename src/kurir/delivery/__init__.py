"""Outbound: from a lease of the queue to an outcome for every recipient.

The brain asks `DeliveryHand` for plans (`route` -> `mx` -> `site` -> `plan`) and gives it leases.  A lease goes to
the `pool` of its site, there to a `lane` (one connection, one coroutine); `opening` makes the session (`visit` to one
host, as `tlspolicy` demands), `fit` asks whether message and peer match, `sealing` signs, `attempt` sends,
`classify` says what a refusal means.  Mail for this machine goes to `storing` and `maildir`.  Nothing here writes
queue facts or decides when to try again.

====================  =================================================================================================
which way             `route`, `mx`, `site`, `plan`; `authentic` and `floor` say whether another road may serve
limits on it          `allowed`, `ceiling` (connections that sites share), `learning`; `backoff` after silence
connections           `dialing`, `pool`, `lane`, `opening`, `visit`, `tlspolicy`, `session`
smarthosts            `smarthost` (URLs), `oauth`, `token_login`
sending               `payload`, `fit`, `sealing`, `attempt`, `classify`
this machine          `storing`, `maildir`
asked beside mail     `verify` (a relayed recipient), `foresight` (sealed mail), `examine` (``kurir tls``), `notices`
doors                 `hand` is called by the brain; `ports` is what is asked of others; `settings`
====================  =================================================================================================
"""

from .allowed import Allowed, RoadSizes, account_of, known_limits
from .dialing import NetDialer
from .examine import DomainExam, Examiner, HostExam
from .foresight import Foresight, ForesightSettings
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
from .sealing import DomainKeys, KeyRing, Sealing, SealingSettings
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
    "Timeouts",
    "TlsLevel",
    "TokenSource",
    "Untrusted",
    "account_of",
    "known_limits",
    "parse_next_hop",
]
