"""What the doctor and the checkers say: what, how bad, the evidence, and how to mend it."""

from enum import Enum

import msgspec


class Severity(str, Enum):
    """GREEN proven good; YELLOW worth mending; RED broken; GREY could not be tested (never green)."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    GREY = "grey"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One result of a check.

    `key` is the catalogue key of its sentence, `values` fill the sentence's placeholders,
    `evidence` is what was seen word for word.
    """

    check: str
    severity: Severity
    key: str
    values: dict[str, str] = {}
    evidence: str = ""
