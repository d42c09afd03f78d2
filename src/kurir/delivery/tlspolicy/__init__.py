"""TLS on the way out: what to demand of a connection, who says so, and what was proven before.

`TlsDesk` gathers the facts for a host and a domain (`dane`, `stscache`, `memory`, the operator's rule), the pure
`decide` turns them into a `Demand`, and the opener of sessions keeps to it and tells the desk what it got.  The
desk remembers, raises alarms, and counts for TLS-RPT.
"""

from .dane import DaneSettings, Validation
from .decide import decide
from .desk import Question, TlsDesk
from .facts import (
    AfterLoss,
    DaneFacts,
    DaneState,
    Demand,
    Need,
    PolicyFacts,
    Reason,
    Remembered,
    Rule,
    Strength,
    StsFacts,
    StsMode,
    met,
    strength_of,
)
from .memory import Alarm
from .ports import Acceptance, KeptPolicy, ResultKey, Shelf, TlsStore
from .settings import TlsSettings
from .stscache import StsSettings
from .tally import SessionEnd

__all__ = [
    "Acceptance",
    "AfterLoss",
    "Alarm",
    "DaneFacts",
    "DaneSettings",
    "DaneState",
    "Demand",
    "KeptPolicy",
    "Need",
    "PolicyFacts",
    "Question",
    "Reason",
    "Remembered",
    "ResultKey",
    "Rule",
    "SessionEnd",
    "Shelf",
    "Strength",
    "StsFacts",
    "StsMode",
    "StsSettings",
    "TlsDesk",
    "TlsSettings",
    "TlsStore",
    "Validation",
    "decide",
    "met",
    "strength_of",
]
