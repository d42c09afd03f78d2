"""What the delivery flow is told: routes, deadlines, and what it may fall back to.

Plain frozen values; the configuration makes them.  All times are seconds.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from kurir.limits import Atlas

from .oauth import OAuthClient
from .tlspolicy import Rule


class RouteKind(str, Enum):
    """How mail travels on a route."""

    MX = "mx"  # to the hosts that the recipient's domain names in DNS
    SMARTHOST = "smarthost"  # to one server that forwards it
    LMTP = "lmtp"  # to a mail store, RFC 2033
    MAILDIR = "maildir"  # to a folder on this machine
    SANDBOX = "sandbox"  # kept here on purpose: by a server (`next_hop`) or by a store of this process


class TlsLevel(str, Enum):
    """What a connection must prove before mail goes over it."""

    NONE = "none"  # STARTTLS is not even asked for
    OPPORTUNISTIC = "opportunistic"  # used where offered, whatever the certificate says (RFC 7435)
    REQUIRE = "require"  # TLS with a certificate that fits the name, or no delivery


class Family(str, Enum):
    """Which addresses of a host are used."""

    ANY = "any"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHop:
    """One server named by a URL.  `path` is a unix socket (then host and port are empty).

    `implicit_tls` starts TLS at once (RFC 8314).  `tls_chosen` says that a person wrote the level down:
    only then does a password travel without TLS.  With `oauth` the login is by access tokens, and `password` is empty.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    implicit_tls: bool = False
    lmtp: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    oauth: OAuthClient | None = None
    tls: TlsLevel = TlsLevel.OPPORTUNISTIC
    tls_chosen: bool = False

    @property
    def site(self) -> str:
        """The key of its site: all mail that goes by it."""
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the route table: which mail, and how it travels.

    Patterns are matched against domains: ``*`` any, ``example.org`` itself, ``*.example.org`` everything
    below it, ``<>`` (senders only) the null sender.  `concurrency` connections at once per site; `rate`
    messages per second (0 = no limit).  `final` marks an LMTP store that is ours: its 250 is a delivery.
    `provider` and `plan` say which entry of the atlas it is, where its host does not tell, and what was booked there.
    `warm_up` is when a road that is new began (seconds since 1970), `FROM_FIRST_USE` to find that out, 0 for one that is not.
    `rule` says more exactly than `tls` what a connection must prove; None where nobody wrote it down.
    `fallback` names the routes that stand in for it, in order; one with `only_fallback` is nobody's first.  `source` are
    addresses of ours that its connections leave from; of several, each message has its own (`sending.sources`).  `spf` are the names by which SPF
    records allow it, besides what the atlas knows.
    """

    name: str
    kind: RouteKind
    senders: tuple[str, ...] = ("*",)
    recipients: tuple[str, ...] = ("*",)
    next_hop: NextHop | None = None
    tls: TlsLevel = TlsLevel.OPPORTUNISTIC
    concurrency: int = 20
    rate: float = 0.0
    family: Family = Family.ANY
    final: bool = True
    provider: str = ""
    plan: str = ""
    rule: Rule | None = None
    fallback: tuple[str, ...] = ()
    only_fallback: bool = False
    source: tuple[str, ...] = ()
    spf: tuple[str, ...] = ()
    warm_up: float = 0.0

    FROM_FIRST_USE: ClassVar[float] = -1.0

    @property
    def tls_rule(self) -> Rule:
        """What the operator demands of this route."""
        if self.rule is not None:
            return self.rule
        return _RULES[self.next_hop.tls if self.next_hop is not None else self.tls]

    def __post_init__(self) -> None:
        if self.next_hop is None and self.kind in (RouteKind.SMARTHOST, RouteKind.LMTP):
            raise ValueError(f"route {self.name!r}: a smarthost or LMTP route has a URL")
        if self.next_hop is not None and self.kind in (RouteKind.MX, RouteKind.MAILDIR):
            raise ValueError(f"route {self.name!r}: a route by MX or to a Maildir has no URL")


_RULES = {
    TlsLevel.NONE: Rule.NONE,
    TlsLevel.OPPORTUNISTIC: Rule.OPPORTUNISTIC,
    TlsLevel.REQUIRE: Rule.VERIFIED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each step may take (RFC 5321 section 4.5.3.2); each is the deadline of the whole step.

    `mail` is for MAIL, RCPT and DATA: each answer of a peer that takes one command at a time, or the whole
    group of one that pipelines, with `rcpt` more for each recipient.
    """

    connect: float = 30.0
    banner: float = 300.0
    hello: float = 300.0
    tls: float = 60.0
    auth: float = 120.0
    mail: float = 300.0
    rcpt: float = 5.0
    data_block: float = 180.0
    final_dot: float = 600.0
    quit: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """Everything the delivery room needs to know.

    `hello_name` is our own name in EHLO and what "the best MX is ourselves" is judged by, together with
    `own_names`.  `plaintext_fallback` allows opportunistic routes to go on in the clear after a failed
    handshake (never routes that require TLS, never with a password).  `allow_loopback_peers` lets MX hosts
    be on this machine (tests).  An address of ours that a site refuses rests for `source_rest` seconds at first, for
    `source_rest_max` at most.  `idle` is how long a connection without work is kept.
    The answers of a next hop that is asked about a recipient are remembered: a 2xx for `verify_ttl`, a 5xx for
    `verify_ttl_refused`, a 4xx or none for `verify_ttl_unsure`; and where it cannot be reached, it rests for
    `verify_rest` at most, so that mail is soon taken again once it was mended.
    `source` are the addresses of ours that connections leave from where a route names none; `signed` the domains whose mail
    we sign.
    `max_recipients` is the number of RCPT in one transaction (RFC 5321 section 4.5.3.1.8 promises 100).
    """

    hello_name: str
    routes: tuple[Route, ...]
    atlas: Atlas = field(default_factory=Atlas)
    own_names: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    signed: frozenset[str] = frozenset()
    timeouts: Timeouts = Timeouts()
    mx_port: int = 25
    allow_loopback_peers: bool = False
    plaintext_fallback: bool = True
    maildir_root: str = ""
    slots: int = 200
    idle: float = 10.0
    max_messages_per_connection: int = 100
    max_recipients: int = 100
    max_mx_hosts: int = 10
    max_addresses: int = 12
    plan_ttl_min: float = 5.0
    plan_ttl_max: float = 3600.0
    host_backoff: float = 10.0
    host_backoff_max: float = 300.0
    source_rest: float = 600.0
    source_rest_max: float = 14_400.0
    host_memory: int = 10_000
    verify_timeout: float = 10.0
    verify_ttl: float = 3600.0
    verify_ttl_refused: float = 120.0
    verify_ttl_unsure: float = 15.0
    verify_rest: float = 15.0
    verify_memory: int = 50_000
    maildir_batch: int = 64
    notice_head_limit: int = 64 * 1024
