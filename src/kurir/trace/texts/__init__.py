"""Words that servers use for each cause, in order: the first row that matches decides.

Specific rows stand before general ones, because "blocked", "denied" or "rejected" is said of everything.
All patterns run on lower-case text with runs of white space made one blank.
"""

from .address import ADDRESS
from .content import CONTENT
from .network import NETWORK
from .permission import PERMISSION
from .plain import PLAIN
from .room import ROOM
from .rule import TextRule
from .trust import TRUST
from .vague import VAGUE

TEXTS: tuple[TextRule, ...] = (*PLAIN, *TRUST, *ROOM, *CONTENT, *PERMISSION, *ADDRESS, *NETWORK, *VAGUE)

__all__ = ["TEXTS", "TextRule"]
