"""What a mechanism says after each turn of the client."""

from dataclasses import dataclass, field


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
class Success:
    """The client proved to be `authcid`."""

    authcid: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The exchange is over.  `reason` is for the operator's trace; the client is told the same as for a wrong password."""

    reason: str
    authcid: str = ""


Step = Challenge | NeedsPassword | Success | Failure
