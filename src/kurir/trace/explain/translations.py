"""Errors in the other language: what rooms tell in English (`kurir.model.told`), said in Indonesian.

``told.id.toml`` maps each English template to its Indonesian one, with the same placeholders.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from kurir.model.told import Told

from .catalogue import Lang


def say_told(text: str, lang: Lang) -> str:
    """Return a sentence in `lang`; text that was not told, or has no translation, stays as it is."""
    if lang == "en" or not isinstance(text, Told):
        return str(text)
    template = translations().get(text.template, text.template)
    values = {k: say_told(v, lang) if isinstance(v, Told) else v for k, v in text.values.items()}
    return template.format(**values) if values else template


@cache
def translations() -> Mapping[str, str]:
    """Return the Indonesian template of each English one."""
    table = tomllib.loads(files(__package__).joinpath("told.id.toml").read_text("utf-8"))
    return {english: text for section in table.values() for english, text in section.items()}
