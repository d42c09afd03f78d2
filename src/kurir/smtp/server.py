"""The server role (skeleton: the signatures the other rooms are written against)."""

from collections.abc import Sequence
from dataclasses import dataclass

from kurir.model import Reply

from .events import ServerEvent


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a listener offers.  Sizes in octets; `max_size` 0 means no limit is announced.

    `hostname` is our name in the banner and in EHLO.  `auth_mechanisms` are offered only when
    `tls` is on (or `auth_without_tls` for tests on a unix socket).
    """

    hostname: str
    lmtp: bool = False
    max_size: int = 50 * 1024 * 1024
    max_recipients: int = 1000
    max_transactions: int = 0
    offer_starttls: bool = False
    auth_mechanisms: tuple[str, ...] = ()
    auth_required: bool = False
    auth_without_tls: bool = False
    offer_xclient: bool = False
    offer_requiretls: bool = False
    binarymime: bool = False
    max_errors: int = 20
    max_auth_failures: int = 5
    max_idle_commands: int = 100


class Server:
    """One session.  See the package docstring for the flow and `events` for what to answer to what."""

    def __init__(self, settings: ServerSettings, *, tls: bool = False) -> None:
        raise NotImplementedError

    def greet(self, reply: Reply | None = None) -> None:
        """Queue the 220 banner, or a refusing one (then `Closing` follows). Bytes received before are pregreet: 554."""
        raise NotImplementedError

    def receive(self, data: bytes) -> None:
        """Store bytes from the peer; ``b""`` is end of file."""
        raise NotImplementedError

    def next_event(self) -> ServerEvent | None:
        """Return the next event, or None when bytes or an answer are missing."""
        raise NotImplementedError

    def reply(self, reply: Reply) -> None:
        """Answer the event that waits."""
        raise NotImplementedError

    def reply_each(self, replies: Sequence[Reply]) -> None:
        """LMTP: answer `BodyEnded` with one reply for each accepted recipient, in order."""
        raise NotImplementedError

    def accept_hello(self) -> None:
        """Answer `Hello` with our name and the extensions that apply now."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Answer `BodyStarted(chunking=True)`: take the chunk (its 250 is sent by the server itself)."""
        raise NotImplementedError

    def challenge(self, data: bytes) -> None:
        """Answer an auth event with a ``334`` challenge."""
        raise NotImplementedError

    def auth_succeeded(self, reply: Reply) -> None:
        """End the exchange with success; the session is authenticated from here on."""
        raise NotImplementedError

    def tls_started(self) -> None:
        """The handshake is done: everything known from before is forgotten (RFC 3207 section 4.2)."""
        raise NotImplementedError

    def close(self, reply: Reply) -> None:
        """Driver-made end (421 on a deadline or a drain): queues `reply`, then `Closing`."""
        raise NotImplementedError

    def take_output(self) -> bytes:
        """Return and forget what is to be written now."""
        raise NotImplementedError
