"""Details in the other language: what an attempt noted in English, kept as a fact, is said in Indonesian when shown.

``noted.id.toml`` maps each English pattern to its Indonesian one, with the same placeholders.  A detail is stored as
one finished sentence, so it is recognised by its fixed words; what stands in the holes is said again by the same
rule, or stays as it is (names, numbers, the words of other programs).
"""

import re
import tomllib
from functools import cache
from importlib.resources import files

from .catalogue import Lang

MAX_TEXT = 600  # characters that are recognised; what is longer stays as it is
_DEPTH = 6  # of a sentence inside a sentence
_HOLE = re.compile(r"\\\{(\w+)\\\}")


def say_noted(text: str, lang: Lang, *, _depth: int = _DEPTH) -> str:
    """Return a stored detail in `lang`; text that nobody here wrote stays as it is."""
    if lang == "en" or not text or len(text) > MAX_TEXT or not _depth:
        return text
    for pattern, template in _patterns():
        m = pattern.fullmatch(text)
        if m:
            said = {name: say_noted(value, lang, _depth=_depth - 1) for name, value in m.groupdict().items()}
            return template.format(**said)
    return text


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the patterns, those with the most fixed words first."""
    table = tomllib.loads(files(__package__).joinpath("noted.id.toml").read_text("utf-8"))
    pairs = {english: text for section in table.values() for english, text in section.items()}
    first = sorted(pairs, key=lambda english: -len(re.sub(r"\{\w+\}", "", english)))
    return tuple((_compiled(english), pairs[english]) for english in first)


def _compiled(english: str) -> re.Pattern[str]:
    return re.compile(_HOLE.sub(r"(?P<\1>.{1,400}?)", re.escape(english)), re.DOTALL)
