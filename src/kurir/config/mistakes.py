"""What is wrong with a configuration: each mistake with its place, in our words, and a suggestion."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from kurir.model.told import of_error, told

from .schema import Config

_SHOWN = 60  # characters of a value that is shown again


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong: where (``queue.retry``), what, and a hint ("" where there is none).

    `file` is the file that it stands in, "" for the configuration itself.
    """

    where: str
    what: str
    hint: str = ""
    file: str = ""

    def __str__(self) -> str:
        where = f"{self.file}: {self.where}" if self.file else self.where
        return f"{where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(Exception):
    """The configuration cannot be used; `mistakes` lists everything that is wrong with it.

    `rest` is what stands without the mistakes, so that what it names can be looked at too; never to be run.  With
    `only_files` nothing is wrong with the text itself, and `rest` is the whole.
    """

    def __init__(
        self, source: str, mistakes: list[Mistake], rest: Config | None = None, *, only_files: bool = False
    ) -> None:
        super().__init__(f"{source}: " + "; ".join(str(m) for m in mistakes))
        self.source = source
        self.mistakes = mistakes
        self.rest = rest
        self.only_files = only_files


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the known word that is closest, or all of them."""
    names = list(known)
    close = difflib.get_close_matches(word, names, 1)
    if close:
        return told("did you mean {key!r}?", key=close[0])
    return told("known here: {keys}", keys=", ".join(sorted(names))) if names else ""


def mistake_of(error: dict[str, Any], root: type[BaseModel]) -> Mistake:
    """Return what pydantic says of one value of `root` in our words, with "did you mean"."""
    loc = [p for p in error["loc"] if p != "[key]"]
    where = ".".join(str(p) for p in loc) or "file"
    kind = error["type"]
    if kind == "extra_forbidden":
        known = _known_keys(loc[:-1], root)
        hint = did_you_mean(str(loc[-1]), known)
        return Mistake(where, told("there is no such key"), hint)
    if kind == "missing":
        return Mistake(where, told("is missing"))
    context = error.get("ctx", {})
    if isinstance(context.get("error"), ValueError):
        return Mistake(where, of_error(context["error"]))
    if kind in _SHAPES:
        values = {"given": _as_written(error.get("input")), **{k: str(v) for k, v in context.items()}}
        return Mistake(where, told(_SHAPES[kind], **values))
    message = str(error["msg"])
    return Mistake(where, message[0].lower() + message[1:])


def _as_written(value: object) -> str:
    """Return a value as TOML has it, where it is short and plain; else dots."""
    if isinstance(value, str) and len(value) <= _SHOWN and not set(value) & set('"\\\n'):
        return f'"{value}"'
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else "..."


# pydantic's names of what is wrong with a value's shape -> our words
_SHAPES = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "date_from_datetime_parsing": "must be a date, such as 2026-11-23",
    "date_type": "must be a date, such as 2026-11-23",
    "dict_type": "must be a section of its own",
    "enum": "must be one of {expected}",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list, in brackets: [{given}]",
    "literal_error": "must be one of {expected}",
    "model_type": "must be a section of its own",
    "path_type": "must be the path of a file",
    "string_pattern_mismatch": "must look like {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_type": "must be text in quotes",
    "too_short": "must have at least {min_length} entry",
}


def _known_keys(path: list[Any], root: type[BaseModel]) -> list[str]:
    """Return the keys that may stand in the section of `root` at `path`."""
    model: Any = root
    for part in path:
        if isinstance(part, int):
            continue
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            continue
        model = _section_of(fields[part].annotation)
    return list(getattr(model, "model_fields", {}))


def _section_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _section_of(inner)
        if found is not None:
            return found
    return None
