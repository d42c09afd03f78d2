"""How soon a message goes where not all can go at once: one decision, from everything that was said about it.

The first row that holds decides:

    named in the configuration (account or sender)        urgent
    came by an urgent door, and the account may            urgent
    MT-PRIORITY, from whoever may say so                   above 0 urgent, below 0 bulk
    the header says bulk                                   bulk: to ask for less is always allowed
    the header says urgent, and the account may            urgent
    the header says urgent                                 ordinary, and the trace says why
    nothing                                                ordinary

Strangers are not asked: what they say about themselves is worth nothing.
"""

from dataclasses import dataclass

from kurir.model import Urgency, UrgencyBy

Decision = tuple[Urgency, UrgencyBy]
ORDINARY: Decision = (Urgency.ORDINARY, UrgencyBy.NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was said.  `may` is the account's permission: None lets only doors make its mail urgent."""

    named: bool = False
    door: bool = False
    may: bool | None = None
    mt_priority: int | None = None
    header: Urgency | None = None


def decide(asked: Asked) -> Decision:
    """Return how urgent the message is, and by what."""
    level = asked.mt_priority if asked.may else None
    rows = (
        (asked.named, Urgency.URGENT, UrgencyBy.NAMED),
        (asked.door and asked.may is not False, Urgency.URGENT, UrgencyBy.DOOR),
        (level is not None, _of_level(level or 0), UrgencyBy.MT_PRIORITY),
        (asked.header is Urgency.BULK, Urgency.BULK, UrgencyBy.HEADER),
        (asked.header is Urgency.URGENT and asked.may is True, Urgency.URGENT, UrgencyBy.HEADER),
        (asked.header is Urgency.URGENT, Urgency.ORDINARY, UrgencyBy.FORBIDDEN),
    )
    return next(((urgency, by) for holds, urgency, by in rows if holds), ORDINARY)


def _of_level(level: int) -> Urgency:
    """RFC 6710 section 5: 0 is what a message without a priority has."""
    return Urgency.URGENT if level > 0 else Urgency.BULK if level < 0 else Urgency.ORDINARY
