"""How soon a message wants to go, where not all can go at once."""

from enum import Enum


class Urgency(str, Enum):
    """Urgent mail goes before all other and may use the reserve of a limit; bulk mail goes last."""

    URGENT = "urgent"
    ORDINARY = "ordinary"
    BULK = "bulk"


class UrgencyBy(str, Enum):
    """What made a message urgent or bulk."""

    NOTHING = "nothing"
    NAMED = "named"  # the account or the sender stands in the configuration
    DOOR = "door"  # the listener it came in by
    MT_PRIORITY = (
        "mt_priority"  # the parameter of MAIL, or the header field that carries it (RFC 6710, RFC 6758)
    )
    HEADER = "header"  # Priority, X-Priority, Importance; Precedence, List-Unsubscribe
    FORBIDDEN = "forbidden"  # it asked to be urgent, and its account may not
