"""Reading, layering and checking of the configuration; every mistake with its place and a suggestion."""

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from kurir.model.told import of_error, told

from .schema import Config, RoadSection

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
    """The configuration cannot be used; `mistakes` lists everything that is wrong with it."""

    def __init__(self, source: str, mistakes: list[Mistake]) -> None:
        super().__init__(f"{source}: " + "; ".join(str(m) for m in mistakes))
        self.source = source
        self.mistakes = mistakes


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
    return _absolute(parse(data, str(path)), path.parent.absolute())


def parse(data: dict[str, Any], source: str) -> Config:
    """Check a configuration that is already a dict.  Raises `ConfigError` with all mistakes."""
    try:
        return Config.model_validate(data)
    except ValidationError as e:
        raise ConfigError(source, [_mistake(dict(err)) for err in e.errors()]) from None


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

    tls, oauth = config.tls, config.oauth
    further = [
        c.model_copy(update={"certificate": place(c.certificate), "key": place(c.key)})
        for c in tls.certificates
    ]
    return config.model_copy(
        update={
            "server": config.server.model_copy(update={"state": place(config.server.state)}),
            "net": config.net.model_copy(update={"ca_file": place(config.net.ca_file)}),
            "tls": tls.model_copy(
                update={
                    "certificate": place(tls.certificate),
                    "key": place(tls.key),
                    "certificates": further,
                }
            ),
            "submission": config.submission.model_copy(
                update={"client_ca": place(config.submission.client_ca)}
            ),
            "oauth": None
            if oauth is None
            else oauth.model_copy(
                update={
                    "client_secret_file": place(oauth.client_secret_file),
                    "jwks": str(place(Path(oauth.jwks)))
                    if oauth.jwks and "://" not in oauth.jwks
                    else oauth.jwks,
                }
            ),
            "roads": [_absolute_road(r, place) for r in config.roads],
        }
    )


def _absolute_road(road: RoadSection, place: Callable[[Path | None], Path | None]) -> RoadSection:
    oauth = road.oauth
    if oauth is not None:
        files = {
            "client_secret_file": place(oauth.client_secret_file),
            "refresh_token_file": place(oauth.refresh_token_file),
        }
        oauth = oauth.model_copy(update=files)
    return road.model_copy(update={"password_file": place(road.password_file), "oauth": oauth})
