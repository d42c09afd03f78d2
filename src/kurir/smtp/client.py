"""The client role (skeleton: the signatures the other rooms are written against).

The driver says what it wants (`hello`, `start_tls_command`, `auth`, `transaction`, `quit`); the client
queues commands, pipelines them where the peer allows, and turns replies into events.  Any reply code is
legal and acts by its first digit; the text is kept word for word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kurir.model import Envelope, Reply


@dataclass(frozen=True, slots=True)
class PeerExtensions:
    """What EHLO offered: keyword -> parameters, upper-case keywords.  `name` is the peer's own name."""

    name: str
    keywords: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords


@dataclass(frozen=True, slots=True)
class Greeted:
    """The banner."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class HelloAnswered:
    """EHLO (or HELO where EHLO was refused with 5xx) was answered."""

    reply: Reply
    extensions: PeerExtensions


@dataclass(frozen=True, slots=True)
class TlsAnswered:
    """STARTTLS was answered; on 220 with nothing buffered the driver does the handshake, then calls `tls_started`."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class AuthChallenged:
    """334 with decoded data: answer with `Client.auth_response`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AuthDone:
    """235 or a refusal."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class BodyWanted:
    """354, or all was accepted on a CHUNKING peer: send the body with `Client.body`, then `Client.end_body`."""


@dataclass(frozen=True, slots=True)
class TransactionDone:
    """The transaction is over.

    `results` has one ``(stage, reply)`` for each recipient of the envelope, in order; stage is one of
    ``"mail" "rcpt" "data" "body"``: the command whose reply decided.  The session is free for the next one.
    """

    results: tuple[tuple[str, Reply], ...]


@dataclass(frozen=True, slots=True)
class PeerBroke:
    """The peer broke the protocol (garbage, endless reply, talk out of turn) or said 421: close. Not reusable."""

    reply: Reply | None
    problem: str


ClientEvent = (
    Greeted
    | HelloAnswered
    | TlsAnswered
    | AuthChallenged
    | AuthDone
    | BodyWanted
    | TransactionDone
    | PeerBroke
)


class Client:
    """One session as the sending side of SMTP or LMTP."""

    extensions: PeerExtensions | None

    def __init__(self, hello_name: str, *, lmtp: bool = False) -> None:
        raise NotImplementedError

    def receive(self, data: bytes) -> None:
        """Store bytes from the peer; ``b""`` is end of file."""
        raise NotImplementedError

    def next_event(self) -> ClientEvent | None:
        """Return the next event, or None when more bytes are needed."""
        raise NotImplementedError

    def hello(self) -> None:
        """Queue EHLO or LHLO."""
        raise NotImplementedError

    def start_tls_command(self) -> None:
        """Queue STARTTLS."""
        raise NotImplementedError

    def tls_started(self) -> None:
        """The handshake is done: forget the extensions; say `hello` again."""
        raise NotImplementedError

    def auth(self, mechanism: str, initial: bytes | None) -> None:
        """Queue AUTH."""
        raise NotImplementedError

    def auth_response(self, data: bytes) -> None:
        """Queue the answer to a challenge."""
        raise NotImplementedError

    def transaction(self, envelope: Envelope, size: int | None) -> None:
        """Queue MAIL, RCPT... and DATA (or BDAT): pipelined where offered, one by one elsewhere.

        Parameters of the envelope are sent only where the peer offers the extension; whether that is
        good enough is the driver's decision, taken before.
        """
        raise NotImplementedError

    def body(self, data: bytes) -> None:
        """Queue a piece of the body (dot-stuffed for DATA, framed for BDAT)."""
        raise NotImplementedError

    def end_body(self) -> None:
        """Queue the end of the body."""
        raise NotImplementedError

    def reset(self) -> None:
        """Queue RSET (its reply is awaited silently)."""
        raise NotImplementedError

    def quit(self) -> None:
        """Queue QUIT."""
        raise NotImplementedError

    def take_output(self) -> Sequence[bytes]:
        """Return and forget what is to be written now, as pieces to be joined or written with writev."""
        raise NotImplementedError
