"""What can be set about an authority, and the bounds of talking with it."""

from dataclasses import dataclass, field
from enum import Enum

MAX_NAMES = 100  # of one certificate; Let's Encrypt's limit
MAX_AUTHORIZATIONS = 2 * MAX_NAMES  # an authority may ask for more than one name (RFC 8555 section 7.1.3)
NONCE_TRIES = 6  # a refused nonce comes with a fresh one (RFC 8555 section 6.5); more in a row is no accident
POLL_FIRST = (
    1.0  # seconds until the first look whether something has happened, where the authority names none
)
POLL_MOST = 30.0
RETRY_AFTER_MOST = 86_400.0


class Challenge(str, Enum):
    """How a name is proven (RFC 8555 section 8)."""

    HTTP = "http-01"
    DNS = "dns-01"


@dataclass(frozen=True, slots=True)
class ExternalAccount:
    """What binds our account to one that we have there already (RFC 8555 section 7.3.4); `key` are the raw octets."""

    key_id: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AcmeSettings:
    """`directory` is the authority's address; `contact` is told about trouble ("" nobody); `agreed`: to its terms.

    `settle` is how many seconds what was published is given to be seen everywhere; `patience` how many a
    decision of the authority may take.
    """

    directory: str
    contact: str = ""
    agreed: bool = False
    challenge: Challenge = Challenge.HTTP
    external: ExternalAccount | None = None
    settle: float = 0.0
    patience: float = 300.0
