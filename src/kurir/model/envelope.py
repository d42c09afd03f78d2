"""The envelope of a message, and where it came from (RFC 5321 section 2.3.1)."""

from enum import Enum, IntFlag

import msgspec

from .address import Address
from .urgency import Urgency, UrgencyBy


class Body(str, Enum):
    """The BODY parameter (RFC 6152, RFC 3030)."""

    SEVEN = "7BIT"
    EIGHT = "8BITMIME"
    BINARY = "BINARYMIME"


class Ret(str, Enum):
    """How much of the message a failure notice returns (RFC 3461 section 4.3)."""

    FULL = "FULL"
    HDRS = "HDRS"


class Notify(IntFlag):
    """When the sender wants to be told (RFC 3461 section 4.1); no flag at all is ``NOTIFY=NEVER``."""

    NEVER = 0
    SUCCESS = 1
    FAILURE = 2
    DELAY = 4


class Recipient(msgspec.Struct, frozen=True, array_like=True):
    """One forward-path with its DSN wishes.

    `notify` is None where the sender said nothing (failure and delay are reported, RFC 3461 section
    4.1).  `orcpt` is ``"rfc822;addr"`` with xtext decoded, or None.  `wanted` is the address the
    sender typed where an alias turned it into `address`, else None.
    """

    address: Address
    notify: Notify | None = None
    orcpt: str | None = None
    wanted: Address | None = None


class MailParams(msgspec.Struct, frozen=True, array_like=True):
    """Parameters of MAIL FROM that belong to the message and travel with it.

    `require_tls` is REQUIRETLS (RFC 8689).  `sealed` is a wish of our own people that no parameter carries: proven TLS
    to the next server, whatever that promises (decision 0014).
    `mt_priority` is what the sender said (-9 to 9, RFC 6710), passed on as it is; `urgency` is what we made of that and of
    all else, and `urgency_by` of what.
    """

    body: Body = Body.SEVEN
    smtputf8: bool = False
    size: int | None = None
    ret: Ret | None = None
    envid: str | None = None
    require_tls: bool = False
    auth: str | None = None
    mt_priority: int | None = None
    urgency: Urgency = Urgency.ORDINARY
    urgency_by: UrgencyBy = UrgencyBy.NOTHING
    sealed: bool = False

    @property
    def demands_tls(self) -> bool:
        """Whether the sender rather has no delivery than an unprotected one."""
        return self.require_tls or self.sealed


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """What the message says on its outside.  `reverse_path` None is the null sender ``<>``."""

    reverse_path: Address | None
    recipients: tuple[Recipient, ...]
    params: MailParams = MailParams()


class TlsFacts(msgspec.Struct, frozen=True, array_like=True):
    """How a connection was protected.

    `verified` is None where the certificate proved nothing, else what it proved: ``"name"`` (public or
    own CA, name fits), ``"dane"``, ``"client"`` (a client certificate).  `why_not` says in plain words
    why it proved nothing.  `policy` names what decided how much had to be proven, on connections that we made.
    """

    version: str
    cipher: str
    verified: str | None = None
    why_not: str | None = None
    peer_name: str | None = None
    policy: str | None = None


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """Where a message came from: goes into its first event and into its Received field.

    `protocol` is a keyword of RFC 3848 (``ESMTPSA``); `listener` the name of the door (``mx``,
    ``submission``, ``submissions``, ``lmtp``, ``local``, ``internal``); `client` the IP address as text,
    or ``""`` where there is none; `account` the name of the account that was logged in.  `ours` says that one of our
    own sent it (an account, a trusted network, this machine, the server itself): it may be signed in our name.
    """

    protocol: str
    listener: str
    client: str = ""
    port: int = 0
    helo: str = ""
    account: str | None = None
    tls: TlsFacts | None = None
    ours: bool = False
