"""What a mechanism says after each turn of the client."""

from dataclasses import dataclass, field

from kurir.identity.ports import AppPassword


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send `data` and wait for the answer."""

    data: bytes


@dataclass(frozen=True, slots=True)
class NeedsPassword:
    """Check this password; the exchange is over either way."""

    authcid: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NeedsToken:
    """Check this bearer token; `authcid` is whom the client says it stands for, "" where it did not say.

    Where it is refused the client is told why with `ServerMechanism.refusal`, and answers once more.
    """

    authcid: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NeedsCertificate:
    """Look whose certificate the client showed in the TLS handshake; `authcid` as in `NeedsToken`."""

    authcid: str


@dataclass(frozen=True, slots=True)
class Success:
    """The client proved to be `authcid`; with `app`, one of its app passwords."""

    authcid: str
    app: AppPassword | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The exchange is over.  `reason` is for the operator's trace; the client is told the same as for a wrong password."""

    reason: str
    authcid: str = ""


Step = Challenge | NeedsPassword | NeedsToken | NeedsCertificate | Success | Failure
