"""What a `Server` tells its driver.  Every event but the ones marked (no answer) waits for `Server.reply`.

While an event waits, `Server.next_event` returns None, so pipelined commands are answered in order
(RFC 2920) and nothing runs ahead of a decision.
"""

from dataclasses import dataclass

from kurir.model import Address, MailParams, Recipient, Reply


@dataclass(frozen=True, slots=True)
class Hello:
    """HELO, EHLO or LHLO.  Answer with `Server.accept_hello()` (it lists the extensions) or a refusing reply."""

    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS was given and nothing is buffered behind it.

    Answer with ``reply(220 ...)``, flush, do the handshake, then call `Server.tls_started()`.
    """


@dataclass(frozen=True, slots=True)
class AuthStarted:
    """AUTH with an offered mechanism.  `initial` is the decoded initial response or None (RFC 4954).

    Answer with `Server.challenge(bytes)`, or finish with `Server.auth_succeeded(reply)` / ``reply(535 ...)``.
    """

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class AuthAnswered:
    """The client's decoded answer to a challenge; answered as `AuthStarted` is."""

    response: bytes


@dataclass(frozen=True, slots=True)
class MailFrom:
    """MAIL FROM; a 2xx reply opens the transaction."""

    reverse_path: Address | None
    params: MailParams


@dataclass(frozen=True, slots=True)
class RcptTo:
    """RCPT TO; a 2xx reply adds the recipient to the transaction."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class BodyStarted:
    """DATA, or the first BDAT of a message.

    For DATA answer with ``reply(354 ...)`` or a refusal; for BDAT answer with `Server.go_on()` or a refusal
    (the octets of the chunk are then consumed and discarded).
    """

    chunking: bool


@dataclass(frozen=True, slots=True)
class BodyChunk:
    """(no answer) A piece of the body with dots unstuffed, as it came otherwise.  Never empty."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BodyEnded:
    """End of the body.  `problem` is the reply to give where the bytes broke a rule (bare LF, NUL, too large).

    With `problem` the driver must drop what it stored and answer with that reply.  SMTP: one `reply`.
    LMTP: `Server.reply_each` with one reply for each accepted recipient (RFC 2033 section 4.2).
    """

    problem: Reply | None
    size: int


@dataclass(frozen=True, slots=True)
class Verify:
    """VRFY or EXPN with its argument."""

    command: str
    text: str


@dataclass(frozen=True, slots=True)
class Xclient:
    """XCLIENT attributes, decoded, upper-case names; only offered where the driver said so."""

    attributes: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class TransactionReset:
    """(no answer) A transaction in progress was ended by RSET, EHLO, QUIT or STARTTLS: drop what was stored."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """(no answer) The server answered a broken command by itself; for the observation log."""

    command: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Closing:
    """(no answer) The last event: flush the output, then close.  `reply` is the last one sent (221, 421, 554)."""

    reply: Reply
    polite: bool


ServerEvent = (
    Hello
    | StartTls
    | AuthStarted
    | AuthAnswered
    | MailFrom
    | RcptTo
    | BodyStarted
    | BodyChunk
    | BodyEnded
    | Verify
    | Xclient
    | TransactionReset
    | Rejected
    | Closing
)
