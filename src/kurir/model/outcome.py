"""What one attempt to deliver one recipient came to."""

from enum import Enum

import msgspec

from .envelope import TlsFacts
from .fate import Cause
from .reply import Reply


class OutcomeKind(str, Enum):
    """Class of an outcome; the cause says more."""

    DELIVERED = "delivered"  # in a mailbox here
    HANDED_OVER = "handed_over"  # 2xx for this recipient after the end of data
    CAPTURED = "captured"  # in the sandbox
    DEFERRED = "deferred"  # worth another try
    FAILED = "failed"  # final


class Stage(str, Enum):
    """How far the attempt came: names the command whose reply decided."""

    PLAN = "plan"  # route, MX lookup
    CONNECT = "connect"
    BANNER = "banner"
    HELO = "helo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # the reply after the final dot
    STORE = "store"  # writing to a mailbox here


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt, one recipient.

    `reply` is the peer's, word for word, or None where it said nothing.  `detail` is one plain
    sentence for what no reply can say (an errno, a file name).  `host` is ``"mx1.example.org[192.0.2.1]:25"``.
    `possibly_delivered` marks the lost reply after the final dot (RFC 1047).  `retry_after` is a hint in
    seconds, or None for the ordinary schedule; `lasting` says that waiting alone does not help, whatever the code
    says (a block of ours that somebody has to lift).  `together` advises at most how many recipients of the message to
    try in one transaction the next time (1: this one alone), 0 for no advice.  `clear_from` is from when on (epoch seconds)
    mail that waits for lost encryption goes without, None where that will not be.  `dsn_relayed` says that the next hop takes over the duty
    to report (RFC 3461 section 6.2.6).
    """

    kind: OutcomeKind
    cause: Cause
    at: float
    stage: Stage
    road: str = ""
    host: str = ""
    reply: Reply | None = None
    detail: str = ""
    tls: TlsFacts | None = None
    plaintext_fallback: bool = False
    possibly_delivered: bool = False
    retry_after: float | None = None
    lasting: bool = False
    together: int = 0
    clear_from: float | None = None
    dsn_relayed: bool = False
    seconds: float = 0.0
