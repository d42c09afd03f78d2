"""Facts and observations: the lines that a trace is made of.

A fact belongs to an accepted message and is written in the same transaction as the change it
tells of.  An observation is about something that never became a message.
"""

from enum import Enum

import msgspec

from .envelope import Origin, TlsFacts
from .fate import Cause, Fate
from .outcome import Outcome
from .reply import Reply


class EventKind(str, Enum):
    """What happened to an accepted message."""

    ACCEPTED = "accepted"
    ATTEMPTED = "attempted"  # carries an outcome; the recipient ended or waits on
    EXPIRED = "expired"
    HELD = "held"
    RELEASED = "released"
    RETRY_ASKED = "retry_asked"
    DROPPED = "dropped"  # by a named person
    NOTICE_DUE = "notice_due"  # we owe somebody a report
    NOTICE_SENT = "notice_sent"  # the report is in the queue itself, under number `other`
    NOTICE_WAIVED = "notice_waived"  # and why nobody is told
    RECOVERED = "recovered"  # a lease of an earlier epoch was taken back
    REROUTED = (
        "rerouted"  # by the road `by` from now on, not by the road `reason`; `cause` OK: that one is back
    )
    ERASED = "erased"  # personal data removed on request


class Check(msgspec.Struct, frozen=True, array_like=True):
    """One thing that was found out about a sender before the message was taken.

    `method` and `result` in the words of RFC 8601 (``spf``, ``pass``; ``policy`` for what was decided); `key` is
    the key of its sentence, whose placeholders `values` fill, as pairs of name and text.
    """

    method: str
    result: str
    key: str
    values: tuple[tuple[str, str], ...] = ()


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a message's trace.

    `recipient` is the index within the message, -1 for the message as a whole.  `fate` is set on the
    event that ends the recipient; `next_at` (epoch seconds) where it waits on.  `by` names the person
    or rule; `reason` is their words.  `other` is the accept number of a related message.  `checks` stand on the
    first event of mail from strangers: what was found out about the sender.
    """

    number: int
    kind: EventKind
    at: float
    recipient: int = -1
    origin: Origin | None = None
    outcome: Outcome | None = None
    fate: Fate | None = None
    cause: Cause | None = None
    next_at: float | None = None
    by: str = ""
    reason: str = ""
    other: int | None = None
    checks: tuple[Check, ...] = ()


class ObservationKind(str, Enum):
    """What happened that left no message behind."""

    REFUSED_CONNECTION = "refused_connection"
    DROPPED_CONNECTION = "dropped_connection"
    REFUSED_SENDER = "refused_sender"
    REFUSED_RECIPIENT = "refused_recipient"
    REFUSED_MESSAGE = "refused_message"
    FAILED_LOGIN = "failed_login"
    LOGIN = "login"
    PROTOCOL_ERROR = "protocol_error"
    TLS_FAILED = "tls_failed"


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something seen at the door that did not become a message.

    `count` is above 1 where equal observations were counted together under a flood.
    """

    kind: ObservationKind
    at: float
    client: str = ""
    listener: str = ""
    helo: str = ""
    account: str = ""
    sender: str | None = None
    recipient: str = ""
    reply: Reply | None = None
    cause: Cause | None = None
    detail: str = ""
    tls: TlsFacts | None = None
    count: int = 1
