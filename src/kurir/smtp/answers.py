"""What a `Client` tells its driver."""

from dataclasses import dataclass, field

from kurir.model import Reply


@dataclass(frozen=True, slots=True)
class PeerExtensions:
    """What EHLO offered: keyword -> parameters, upper-case keywords.  `name` is the peer's own name."""

    name: str
    keywords: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords


def parse_extensions(reply: Reply) -> PeerExtensions:
    """Read the lines of a 250 to EHLO (RFC 5321 section 4.1.1.1); ``AUTH=PLAIN`` of old servers counts as AUTH."""
    keywords: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:]:
        words = line.replace("=", " ", 1).split() if line[:5].upper() == "AUTH=" else line.split()
        if words:
            keyword = words[0].upper()
            keywords[keyword] = keywords.get(keyword, ()) + tuple(words[1:])
    return PeerExtensions(reply.lines[0].partition(" ")[0], keywords)


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
