"""The one catalogue of texts: loaded once, looked up by key, filled in safely.

A key is a dotted path (``"notice.failed.subject"``).  Placeholders are ``{name}``; what fills them is
shown as it is but for control characters, so that nothing a peer said can steer a terminal.  A value
that is missing is replaced by the words under ``fallback``, so that explaining never fails.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

import msgspec

from kurir.model import Cause

from .words import side_of

Lang = Literal["en", "id"]
LANGUAGES: tuple[Lang, ...] = ("en", "id")

_FORMS = re.compile(r"(\{(\w+)\}[^{}()]*)\((?:s|(\w+)\|(\w+))\)")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_SENTENCE_START = re.compile(r"(?:^|[.!?] )$")


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """One explained cause: what happened, on whose side, what happens next, what a person can do.

    `next` is ``""`` where the caller did not say whether it is final.
    """

    what: str
    todo: str
    side: str
    next: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.next, self.todo) if part)


def printable(text: str) -> str:
    """Return `text` with every control, bidirectional or otherwise invisible character replaced by a blank or ``?``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\t\r\n" else "?" for c in text)


def numbered(template: str, values: Mapping[str, object]) -> str:
    """Return `template` with the forms of words that fit the number before them: ``{n} recipient(s) (is|are)`` for one or several.

    The placeholder in front decides.
    """

    def fitting(m: re.Match[str]) -> str:
        one, many = (m[3], m[4]) if m[3] else ("", "s")
        return m[1] + (one if str(values.get(m[2])) == "1" else many)

    found = 1 if "(" in template else 0
    while found:
        template, found = _FORMS.subn(fitting, template)
    return template


class Catalogue:
    """All texts of both languages.  Immutable; get it with `Catalogue.load`."""

    __slots__ = ("_lists", "_texts")

    def __init__(
        self, texts: Mapping[Lang, Mapping[str, str]], lists: Mapping[Lang, Mapping[str, tuple[str, ...]]]
    ) -> None:
        self._texts = texts
        self._lists = lists

    @staticmethod
    def load() -> "Catalogue":
        """Return the catalogue; the files are read the first time only."""
        return _load()

    def text(self, lang: Lang, key: str, /, **values: object) -> str:
        """Return the text under `key`, filled in.  Raises KeyError for a key that does not exist."""
        return self.fill(lang, self._texts[lang][key], values)

    def has(self, key: str) -> bool:
        """Whether there is a text under `key`."""
        return key in self._texts["en"]

    def words(self, lang: Lang, key: str) -> tuple[str, ...]:
        """Return a list of words (months, singular and plural).  Raises KeyError."""
        return self._lists[lang][key]

    def keys(self, lang: Lang) -> Iterator[str]:
        """Yield every key of texts and lists."""
        yield from self._texts[lang]
        yield from self._lists[lang]

    def explain_cause(
        self, cause: Cause, lang: Lang, *, final: bool | None = None, time: str = "", **values: object
    ) -> Sentence:
        """Return the sentences for `cause`.

        `final` True, False or None (unknown) decides what is said about the next step; `time` is when the
        next attempt is due, in words.  `values` fill ``{host}``, ``{recipient}``, ``{domain}``, ...
        """
        key = f"cause.{cause.value}"
        if final is None:
            next_step = ""
        elif final:
            next_step = self.text(lang, "next.final")
        elif time:
            next_step = self.text(lang, "next.retry", time=time)
        else:
            next_step = self.text(lang, "next.retry_later")
        return Sentence(
            what=self.text(lang, f"{key}.what", **values),
            todo=self.text(lang, f"{key}.todo", **values),
            side=self.text(lang, f"side.{side_of(cause).value}"),
            next=next_step,
        )

    def label(self, cause: Cause, lang: Lang) -> str:
        """Return `cause` in two or three words, for tables."""
        return self._texts[lang][f"cause.{cause.value}.label"]

    def fill(self, lang: Lang, template: str, values: Mapping[str, object]) -> str:
        """Fill the placeholders of `template`; missing or empty values become the words for "unknown"."""
        if "{" not in template:
            return template
        template = numbered(template, values)

        def value(match: re.Match[str]) -> str:
            starts = _SENTENCE_START.search(template[max(0, match.start() - 2) : match.start()])
            given = values.get(match[1])
            if given is not None and given != "":
                words = printable(str(given))
                if " " not in words or "@" in words:
                    return words  # a name or an address: its spelling is its own
            else:
                texts = self._texts[lang]
                words = texts.get(f"fallback.{match[1]}") or texts["fallback.unknown"]
            return words[0].upper() + words[1:] if starts else words

        return _PLACEHOLDER.sub(value, template)


def placeholders(template: str) -> frozenset[str]:
    """Return the names of the placeholders in `template`."""
    return frozenset(_PLACEHOLDER.findall(template))


def language(env: Mapping[str, str], wanted: str | None = None) -> Lang:
    """Choose the language: what was asked for, else KURIR_LANG, LC_ALL, LC_MESSAGES, LANG; English otherwise.

    As in POSIX the first variable that is set decides, known language or not; ``in`` is the old code of
    Indonesian.
    """
    names = ("KURIR_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    choice = next((text for text in (wanted, *(env.get(name) for name in names)) if text), "")
    code = re.split(r"[_.@-]", choice, maxsplit=1)[0].strip().lower()
    return "id" if code in {"id", "ind", "in", "indonesia", "indonesian"} else "en"


@cache
def _load() -> Catalogue:
    texts: dict[Lang, Mapping[str, str]] = {}
    lists: dict[Lang, Mapping[str, tuple[str, ...]]] = {}
    folder = files(__package__)
    for lang in LANGUAGES:
        table = tomllib.loads(folder.joinpath(f"{lang}.toml").read_text("utf-8"))
        flat = dict(_flatten(table))
        texts[lang] = MappingProxyType({k: v for k, v in flat.items() if isinstance(v, str)})
        lists[lang] = MappingProxyType({k: v for k, v in flat.items() if isinstance(v, tuple)})
    return Catalogue(MappingProxyType(texts), MappingProxyType(lists))


def _flatten(table: Mapping[str, object], path: str = "") -> Iterator[tuple[str, str | tuple[str, ...]]]:
    for name, value in table.items():
        key = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            yield from _flatten(value, key)
        elif isinstance(value, list):
            yield key, tuple(str(item) for item in value)
        else:
            yield key, str(value)
