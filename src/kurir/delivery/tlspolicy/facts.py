"""The values of the TLS policy: what is known before a connection, what is demanded of it, what it proved."""

from dataclasses import dataclass, field
from enum import Enum, IntEnum

from kurir.net.tlsa import Tlsa


class Rule(str, Enum):
    """What the operator demands of a road or a domain."""

    NONE = "none"  # no TLS, whatever the other side offers or publishes
    OPPORTUNISTIC = "opportunistic"  # what the other side publishes, else TLS where it is offered (RFC 7435)
    REQUIRED = "required"  # TLS, whatever the certificate says
    VERIFIED = "verified"  # TLS with a certificate that proves the name (or DANE)
    DANE_ONLY = "dane-only"  # TLS with a certificate that DANE proves


class Strength(IntEnum):
    """How well a connection was protected; more is stronger."""

    CLEAR = 0
    ENCRYPTED = 1
    NAME = 2
    DANE = 3


class DaneState(str, Enum):
    """What secure DNS says about a host's certificate (RFC 7672 section 2.1, 2.2)."""

    OFF = "off"  # no resolver that can be trusted to validate, or switched off
    NONE = "none"  # securely no TLSA records, or the host's own zone is not signed
    USABLE = "usable"  # records that demand a certificate
    UNUSABLE = "unusable"  # records, but none that we know how to use: TLS without a name is demanded
    BOGUS = "bogus"  # the lookup failed where it should not: somebody may be in between


@dataclass(frozen=True, slots=True)
class DaneFacts:
    """TLSA records of one host and port.  `base` is the name that they were found for (SNI)."""

    state: DaneState = DaneState.OFF
    records: tuple[Tlsa, ...] = ()
    base: str = ""


class StsMode(str, Enum):
    """The modes of RFC 8461 section 5; NONE also where there is no policy."""

    NONE = "none"
    TESTING = "testing"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class StsFacts:
    """The MTA-STS policy of a domain, as far as it is known.

    `id` is that of its record; `error` says why no (newer) policy was had: a result type of RFC 8460 section 4.3.
    """

    mode: StsMode = StsMode.NONE
    mx: tuple[str, ...] = ()
    max_age: int = 0
    id: str = ""
    lines: tuple[str, ...] = ()
    error: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The best protection ever proven with a host.  Times are seconds since the epoch.

    `best` was proven last at `seen` and first at `since`.  `lost_since` is when it was first missed, None while it
    is there; `lost` is then "encryption" or "validity".  `alarmed` is when that was last said.
    """

    host: str
    best: Strength
    since: float
    seen: float
    lost: str = ""
    lost_since: float | None = None
    alarmed: float = 0.0


class AfterLoss(str, Enum):
    """What becomes of mail when lost encryption does not come back in time."""

    SEND = "send"  # in the clear, marked and alarmed
    WAIT = "wait"  # until it comes back, or the mail expires


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """Everything that `decide` looks at.

    `require_tls` is REQUIRETLS of the message, `tls_optional` its header field ``TLS-Required: No`` (RFC 8689), `sealed`
    our own people's wish for proven TLS to the next server.
    `mx_proven` says that the host was found securely: by signed MX records, as the domain itself, or named by the
    operator.  `accepted` says that the operator has accepted what changed.  `loss_delay` is in seconds.
    """

    host: str
    domain: str
    now: float
    rule: Rule = Rule.OPPORTUNISTIC
    require_tls: bool = False
    sealed: bool = False
    tls_optional: bool = False
    mx_proven: bool = False
    dane: DaneFacts = DaneFacts()
    sts: StsFacts = StsFacts()
    memory: Remembered | None = None
    accepted: bool = False
    loss_delay: float = 4 * 3600.0
    after_loss: AfterLoss = AfterLoss.SEND

    @property
    def demanded(self) -> bool:
        """Whether the sender rather has no delivery than an unprotected one."""
        return self.require_tls or self.sealed

    @property
    def clear_from(self) -> float | None:
        """From when on (epoch seconds) mail goes without the encryption that was lost; None where the rule is to wait."""
        if self.after_loss is not AfterLoss.SEND:
            return None
        m = self.memory
        lost = m.lost_since if m is not None and m.lost == "encryption" else None
        return (self.now if lost is None else lost) + self.loss_delay


class Need(str, Enum):
    """What a connection must have before mail goes over it."""

    NONE = "none"  # TLS is not even asked for
    OPPORTUNISTIC = "opportunistic"
    ENCRYPTED = "encrypted"
    NAME = "name"
    DANE = "dane"


class Reason(str, Enum):
    """Why; each has words under ``policy.<value>`` in the catalogue."""

    RULE = "rule"
    DANE = "dane"
    DANE_UNUSABLE = "dane_unusable"
    DANE_BOGUS = "dane_bogus"
    DANE_MISSING = "dane_missing"
    STS = "sts"
    STS_MX = "sts_mx"
    REQUIRETLS = "requiretls"
    SEALED = "sealed"
    MX_UNPROVEN = "mx_unproven"
    TLS_OPTIONAL = "tls_optional"
    MEMORY = "memory"
    LOST = "lost"
    OPPORTUNISTIC = "opportunistic"


@dataclass(frozen=True, slots=True)
class Demand:
    """The decision for one host.

    `refuse` says that this host must not even be tried, in words.  `clear` allows to go on without encryption where
    TLS is not offered or its handshake fails.  `records` and `names` are what counts for DANE.
    """

    need: Need
    reason: Reason
    clear: bool = False
    refuse: str = ""
    records: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = field(default=())

    @property
    def strict(self) -> bool:
        """Whether somebody demands protection: then there is no way in the clear."""
        return self.need in (Need.ENCRYPTED, Need.NAME, Need.DANE)


# What `TlsFacts.verified` is worth.
_WORTH = {"dane": Strength.DANE, "name": Strength.NAME}


def strength_of(encrypted: bool, verified: str | None) -> Strength:
    """Return how strong a finished connection is."""
    if not encrypted:
        return Strength.CLEAR
    return _WORTH.get(verified or "", Strength.ENCRYPTED)


_LEAST = {
    Need.NONE: Strength.CLEAR,
    Need.OPPORTUNISTIC: Strength.CLEAR,
    Need.ENCRYPTED: Strength.ENCRYPTED,
    Need.NAME: Strength.NAME,
    Need.DANE: Strength.DANE,
}


def met(demand: Demand, proven: Strength) -> bool:
    """Whether a connection that proved so much may carry mail under that demand."""
    if demand.refuse or proven < _LEAST[demand.need]:
        return False
    return proven > Strength.CLEAR or demand.clear or demand.need is Need.NONE
