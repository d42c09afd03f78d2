"""Reading, layering and checking of the configuration; every mistake with its place and a suggestion."""

import copy
import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from kurir.model.told import of_error, told

from .schema import Config

_PREFIX = "KURIR_"
# Variables with the prefix that are not configuration.
_OTHER = {"KURIR_CONFIG", "KURIR_LANG"}
_PLACES = (Path("kurir.toml"), Path("/etc/kurir/kurir.toml"))


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong: where (``queue.retry``), what, and a hint ("" where there is none)."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


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


def find(explicit: str | None, env: Mapping[str, str]) -> Path:
    """Return the configuration file: `explicit`, ``$KURIR_CONFIG``, ``./kurir.toml``, ``/etc/kurir/kurir.toml``.

    Raises `ConfigError` where none exists.
    """
    named = explicit or env.get("KURIR_CONFIG")
    if named:
        path = Path(named)
        if not path.is_file():
            raise ConfigError(
                named,
                [
                    Mistake(
                        "file",
                        told("there is no such file"),
                        told("make one with: kurir init DIR --domain D"),
                    )
                ],
            )
        return path
    for place in _PLACES:
        if place.is_file():
            return place
    raise ConfigError(
        "kurir.toml",
        [
            Mistake(
                "file",
                told("no configuration found"),
                told("name it with -c FILE or KURIR_CONFIG, or make one with: kurir init"),
            )
        ],
    )


def load(path: Path, env: Mapping[str, str] | None = None) -> Config:
    """Read and check `path` with ``conf.d/*.toml`` and the environment over it.  Raises `ConfigError`."""
    layers: list[tuple[str, dict[str, Any]]] = []
    mistakes: list[Mistake] = []
    for file in [path, *sorted(path.parent.glob("conf.d/*.toml"))]:
        try:
            layers.append((file.name, tomllib.loads(file.read_text("utf-8"))))
        except OSError as e:
            mistakes.append(Mistake(str(file), told("cannot be read: {strerror}", strerror=e.strerror)))
        except UnicodeDecodeError as e:
            mistakes.append(Mistake(str(file), told("is not UTF-8 text (octet {start})", start=e.start)))
        except tomllib.TOMLDecodeError as e:
            mistakes.append(Mistake(str(file), told("is not valid TOML: {why}", why=e)))
    if mistakes:
        raise ConfigError(str(path), mistakes)
    data: dict[str, Any] = {}
    for _, layer in layers:
        _merge(data, layer)
    _merge(data, _from_environment(os.environ if env is None else env))
    base = path.parent.absolute()
    try:
        return _absolute(parse(data, str(path)), base)
    except ConfigError as e:
        e.rest = _absolute(e.rest, base) if e.rest is not None else None
        raise


def parse(data: dict[str, Any], source: str) -> Config:
    """Check a configuration that is already a dict.  Raises `ConfigError` with all mistakes."""
    try:
        config = Config.model_validate(data)
    except ValidationError as e:
        mistakes = [_mistake(dict(err)) for err in e.errors()]
        rest = _without(data, e)
        wrong = {m.where.partition(".")[0] for m in mistakes}
        if rest is not None and not wrong & {"roads", "domains", "aliases"}:
            mistakes += _contradictions(rest)
        raise ConfigError(source, mistakes, rest) from None
    mistakes = _contradictions(config)
    if mistakes:
        raise ConfigError(source, mistakes, config)
    return config


def _contradictions(config: Config) -> list[Mistake]:
    return [Mistake("file", words) for words in config.contradictions()]


def _without(data: dict[str, Any], error: ValidationError) -> Config | None:
    """Return the configuration without what is wrong in it: the key, and where that does not help its section."""
    rest = copy.deepcopy(data)
    for _ in range(2):
        for err in error.errors():
            _cut(rest, [part for part in err["loc"] if part != "[key]"])
        server = rest.setdefault("server", {})
        if isinstance(server, dict):
            server.setdefault("hostname", "unnamed.invalid")
        try:
            return Config.model_validate(rest)
        except ValidationError as e:
            error = e
    return None


def _cut(data: dict[str, Any], path: list[Any]) -> None:
    """Delete the innermost key of a section that lies on the way to a mistake."""
    inner: Any = data
    innermost: tuple[dict[str, Any], str] | None = None
    for part in path:
        if isinstance(inner, dict) and part in inner:
            innermost = inner, part
        try:
            inner = inner[part]
        except (KeyError, IndexError, TypeError):
            break
    if innermost is not None:
        del innermost[0][innermost[1]]


def _merge(into: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    """``KURIR_QUEUE__LIFETIME=2d`` -> ``{"queue": {"lifetime": "2d"}}``; a TOML value is read as one."""
    out: dict[str, Any] = {}
    for name, text in env.items():
        if not name.startswith(_PREFIX) or name in _OTHER:
            continue
        path = name[len(_PREFIX) :].lower().split("__")
        if len(path) == 1 and path[0] not in Config.model_fields:
            continue  # KURIR_HOME and the like belong to somebody else
        try:
            value: Any = tomllib.loads(f"v = {text}")["v"]
        except tomllib.TOMLDecodeError:
            value = text
        inner = out
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
        inner[path[-1]] = value
    return out


def _mistake(error: dict[str, Any]) -> Mistake:
    loc = [p for p in error["loc"] if p != "[key]"]
    where = ".".join(str(p) for p in loc) or "file"
    kind = error["type"]
    if kind == "extra_forbidden":
        known = _known_keys(loc[:-1])
        close = difflib.get_close_matches(str(loc[-1]), known, 1)
        hint = (
            told("did you mean {key!r}?", key=close[0])
            if close
            else told("known here: {keys}", keys=", ".join(sorted(known)))
        )
        return Mistake(where, told("there is no such key"), hint)
    if kind == "missing":
        return Mistake(where, told("is missing"))
    context = error.get("ctx", {})
    if isinstance(context.get("error"), ValueError):
        return Mistake(where, of_error(context["error"]))
    if kind in _SHAPES:
        return Mistake(where, told(_SHAPES[kind], **{k: str(v) for k, v in context.items()}))
    message = str(error["msg"])
    return Mistake(where, message[0].lower() + message[1:])


# pydantic's names of what is wrong with a value's shape -> our words
_SHAPES = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a section of its own",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": 'must be a list, such as ["a", "b"]',
    "literal_error": "must be one of {expected}",
    "model_type": "must be a section of its own",
    "path_type": "must be the path of a file",
    "string_pattern_mismatch": "must look like {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_type": "must be text in quotes",
    "too_short": "must have at least {min_length} entry",
}


def _known_keys(path: list[Any]) -> list[str]:
    """Return the keys that may stand in the section at `path`."""
    model: Any = Config
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


def _absolute(config: Config, base: Path) -> Config:
    """Make relative paths relative to the file they stand in."""

    def place(p: Path | None) -> Path | None:
        return None if p is None else (base / p.expanduser()).absolute()

    return config.model_copy(
        update={
            "server": config.server.model_copy(update={"state": place(config.server.state)}),
            "net": config.net.model_copy(update={"ca_file": place(config.net.ca_file)}),
            "tls": config.tls.model_copy(
                update={"certificate": place(config.tls.certificate), "key": place(config.tls.key)}
            ),
            "senderauth": config.senderauth.model_copy(
                update={"suffix_list": place(config.senderauth.suffix_list)}
            ),
            "roads": [r.model_copy(update={"password_file": place(r.password_file)}) for r in config.roads],
        }
    )
