"""One row of words: what is said, and what it means."""

import re
from typing import NamedTuple

from kurir.model import Cause


class TextRule(NamedTuple):
    """Where `pattern` is found in lower-case text, it is `cause`."""

    cause: Cause
    pattern: re.Pattern[str]
    vague: bool = False  # said of everything: anything more precise wins


def said(cause: Cause, *patterns: str, vague: bool = False) -> TextRule:
    """Make one row of alternatives: plain words with bounded gaps, so that a search takes time linear in the text."""
    return TextRule(cause, re.compile("|".join(patterns)), vague)
