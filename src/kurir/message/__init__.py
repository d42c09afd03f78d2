"""Messages as bytes: looked at, completed, converted, composed; never parsed into objects and written back.

Coming in: `facts_of` reads what queue and trace need; `scan` finds the fields and what is wrong with them;
`parse_mailboxes` reads From and its like; `prepare` says what a submission lacks; `received_field` and its siblings
are put in front; `loop_reason` sees a circle.
Going out: `survey` looks through the MIME structure by chunks, `plan_conversion` and `Converter` derive the 7-bit body
that a poorer next hop needs.  `compose` writes the few messages that are Kurir's own.
"""

from . import compose
from .addresses import AddressProblem, Mailbox, MailboxList, parse_mailboxes
from .compose import HeaderInjection, compose_text
from .dates import format_date
from .eightbit import (
    ConversionPlan,
    Converted,
    Converter,
    Obstacle,
    convert,
    convert_chunks,
    plan_conversion,
)
from .facts import MessageFacts, facts_of
from .headers import Field, Headers, Problem, find_header_end, has_long_line, scan, tls_not_required, unfold
from .limits import AddressLimits, HeaderLimits, MimeLimits
from .mime import MimeParser, MimeProblem
from .received import (
    HopLimits,
    count_received,
    loop_reason,
    own_passes,
    received_field,
    return_path,
)
from .structure import Structure, Surveyor, Trait, survey
from .submission import Edits, Fault, prepare
from .words import decode_text, disarm

__all__ = [
    "AddressLimits",
    "AddressProblem",
    "ConversionPlan",
    "Converted",
    "Converter",
    "Edits",
    "Fault",
    "Field",
    "HeaderInjection",
    "HeaderLimits",
    "Headers",
    "HopLimits",
    "Mailbox",
    "MailboxList",
    "MessageFacts",
    "MimeLimits",
    "MimeParser",
    "MimeProblem",
    "Obstacle",
    "Problem",
    "Structure",
    "Surveyor",
    "Trait",
    "compose",
    "compose_text",
    "convert",
    "convert_chunks",
    "count_received",
    "decode_text",
    "disarm",
    "facts_of",
    "find_header_end",
    "format_date",
    "has_long_line",
    "loop_reason",
    "own_passes",
    "parse_mailboxes",
    "plan_conversion",
    "prepare",
    "received_field",
    "return_path",
    "scan",
    "survey",
    "tls_not_required",
    "unfold",
]
