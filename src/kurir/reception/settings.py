"""Settings of reception: one `ListenerSettings` per door, one `ReceptionSettings` for all of them.

Sizes are octets, times seconds.  Timeouts follow RFC 5321 section 4.5.3.2.7 (a server waits at least five
minutes for the next command) and are per *record*: a whole command, not a read.
"""

from dataclasses import dataclass, field
from enum import Enum

from kurir.identity import Network
from kurir.senderauth.screening import TreatmentSettings

STRONGEST_FIRST = (
    "EXTERNAL",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "OAUTHBEARER",
    "XOAUTH2",
    "PLAIN",
    "LOGIN",
)


class Role(str, Enum):
    """What a door is for."""

    MX = "mx"  # mail from the world for our domains
    SUBMISSION = "submission"  # mail from our own people, who log in
    LMTP = "lmtp"  # mail for our mailboxes from a server of ours (RFC 2033)
    LOCAL = "local"  # mail from this machine through a unix socket that only some may open


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """One door.

    `name` goes into facts (``mx``, ``submission``, ``submissions``, ``lmtp``, ``local``).  `implicit_tls` begins
    with the handshake (RFC 8314); `starttls` offers it.  `auth` offers the mechanisms over TLS;
    `auth_without_tls` is for unix sockets.  `require_tls` takes no mail in the clear.  `xclient` are the networks
    whose XCLIENT is believed; from `proxy` networks a PROXY header is demanded.  `client_certificates` asks for
    a certificate in the handshake, which clients need not have.  Mail that our own people hand in at an `urgent` door
    goes before all other.
    """

    name: str
    role: Role
    starttls: bool = False
    implicit_tls: bool = False
    auth: bool = False
    auth_without_tls: bool = False
    mechanisms: tuple[str, ...] = STRONGEST_FIRST
    require_tls: bool = False
    client_certificates: bool = False
    urgent: bool = False
    xclient: tuple[Network, ...] = ()
    proxy: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long reception waits.

    `command`: for one whole command; `session`: commands of one connection altogether; `data`: silence
    allowed within a body, to which the body earns `1 / min_rate` seconds for each octet; `handshake`: TLS;
    `write`: for a client that does not read; `verify`: for the next hop's word on a recipient.
    """

    command: float = 300.0
    session: float = 3600.0
    data: float = 300.0
    min_rate: float = 500.0
    handshake: float = 10.0
    write: float = 60.0
    verify: float = 30.0


@dataclass(frozen=True, slots=True)
class ReceptionSettings:
    """What holds for all doors.

    `trusted` may relay without AUTH on MX doors.  `hops` is the number of Received fields that proves a
    loop (RFC 5321 section 6.3).  `null_recipients` bounds recipients of a message from ``<>`` on MX doors: a bounce
    has one.  `in_memory` is up to where a body stays in memory and in the row; `head` how much of its
    beginning may be header.  `max_errors` ends a session (also unknown recipients).  `hide_client` keeps the
    address and name of clients that logged in out of the Received field.  `results_ids` are our names in
    Authentication-Results (lower case): fields of strangers and accounts that bear one are cut out.  `unscreened`
    are networks whose mail is not put to the checks of senders, `treatment` is what these lead to.  `urgent` are
    accounts and senders of ours whose mail is always urgent.
    """

    hostname: str
    trusted: tuple[Network, ...] = ()
    message_size: int = 50 * 1024 * 1024
    max_recipients: int = 1000
    max_expanded: int = 1000
    max_transactions: int = 1000
    max_errors: int = 20
    max_auth_failures: int = 5
    max_idle_commands: int = 100
    max_sessions: int = 20_000
    null_recipients: int = 1
    hops: int = 50
    in_memory: int = 128 * 1024
    head: int = 128 * 1024
    hide_client: bool = True
    offer_requiretls: bool = True
    binarymime: bool = False
    results_ids: frozenset[str] = frozenset()
    unscreened: tuple[Network, ...] = ()
    urgent: frozenset[str] = frozenset()
    treatment: TreatmentSettings = field(default_factory=TreatmentSettings)
    deadlines: Deadlines = field(default_factory=Deadlines)
