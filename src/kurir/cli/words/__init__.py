"""Texts of the command line in both languages: ``en.toml`` and ``id.toml`` with the same keys and placeholders."""

import os
import sys
import tomllib
from functools import cache
from importlib import resources

from kurir.trace import Lang, language, numbered


@cache
def _table(lang: Lang) -> dict[str, str]:
    data = tomllib.loads(resources.files(__package__).joinpath(f"{lang}.toml").read_text("utf-8"))
    return {f"{section}.{key}": text for section, table in data.items() for key, text in table.items()}


def current() -> Lang:
    """Return the language asked for: ``--lang`` on the command line, ``KURIR_LANG``, else the locale."""
    argv = sys.argv
    wanted = None
    for i, arg in enumerate(argv):
        if arg == "--lang" and i + 1 < len(argv):
            wanted = argv[i + 1]
        elif arg.startswith("--lang="):
            wanted = arg.partition("=")[2]
    return language(os.environ, wanted if wanted in ("en", "id") else None)


def say(key: str, /, **values: object) -> str:
    """Return the text `key` (``section.name``) in the current language with its placeholders filled.

    Raises KeyError for a text that does not exist: a bug that a test finds.
    """
    text = _table(current())[key]
    return numbered(text, values).format(**values) if values else text


def has(key: str) -> bool:
    """Whether there is such a text."""
    return key in _table("en")
