"""The words every room shares: values without behaviour that could surprise.

Nothing in here does I/O, reads a clock or draws a random number.  Values that cross a process
boundary or are stored are frozen ``msgspec.Struct``s: cheap to make, typed, and encoded as they are.

* who and what: `Address`, `Recipient`, `MailParams`, `Envelope`, `Origin`
* what was said: `Reply`, `TlsFacts`; what will become of a demand for protection: `Prospect`
* what became of it: `Outcome` (one attempt), `Cause` (why), `Fate` (the end), `Event` (a line of the trace)
* what the operator is told: `Finding`, `Observation`
"""

from .address import Address, AddressError, normalise_domain, parse_address
from .clock import Clock
from .envelope import Body, Envelope, MailParams, Notify, Origin, Recipient, Ret, TlsFacts
from .event import Check, Event, EventKind, Observation, ObservationKind
from .fate import Cause, Fate
from .finding import Finding, Severity
from .ids import decode_id, encode_id
from .limited import LimitFacts, Standing
from .outcome import Outcome, OutcomeKind, Stage
from .prospect import Prospect
from .reply import Reply
from .urgency import Urgency, UrgencyBy

__all__ = [
    "Address",
    "AddressError",
    "Body",
    "Cause",
    "Check",
    "Clock",
    "Envelope",
    "Event",
    "EventKind",
    "Fate",
    "Finding",
    "LimitFacts",
    "MailParams",
    "Notify",
    "Observation",
    "ObservationKind",
    "Origin",
    "Outcome",
    "OutcomeKind",
    "Prospect",
    "Recipient",
    "Reply",
    "Ret",
    "Severity",
    "Stage",
    "Standing",
    "TlsFacts",
    "Urgency",
    "UrgencyBy",
    "decode_id",
    "encode_id",
    "normalise_domain",
    "parse_address",
]
