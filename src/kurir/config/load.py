"""Reading, layering and checking of the configuration; every mistake with its place and a suggestion."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kurir.delivery import parse_next_hop
from kurir.model.told import told

from .atlas import load_atlas
from .mistakes import ConfigError, Mistake, did_you_mean, mistake_of
from .schema import Config

_PREFIX = "KURIR_"
# Variables with the prefix that are not configuration.
_OTHER = {"KURIR_CONFIG", "KURIR_LANG"}
_PLACES = (Path("kurir.toml"), Path("/etc/kurir/kurir.toml"))


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
    config = _absolute(parse(data, str(path)), path.parent.absolute())
    _check_roads(config, str(path))
    return config


def _check_roads(config: Config, source: str) -> None:
    """Read the atlas where the configuration says anything of it, and check the names used."""
    if not (config.atlas.files or any(r.provider or r.plan for r in config.roads)):
        return
    atlas = load_atlas(config.atlas.files)
    by_name = {s.name: s for s in atlas.smarthosts}
    mistakes = []
    for i, road in enumerate(config.roads):
        if road.provider and road.provider not in by_name:
            hint = did_you_mean(road.provider, by_name)
            mistakes.append(Mistake(f"roads.{i}.provider", told("the atlas has no such provider"), hint))
            continue
        hop = parse_next_hop(road.url) if road.url not in ("mx:", "sandbox:") else None
        login = road.username or (hop.username if hop else "")
        service = atlas.smarthost(hop.host, login, road.provider) if hop else None
        if road.plan and (service is None or road.plan not in service.plans):
            plans = service.plans if service else ()
            hint = did_you_mean(road.plan, plans)
            mistakes.append(
                Mistake(f"roads.{i}.plan", told("the atlas has no such plan of this provider"), hint)
            )
    if mistakes:
        raise ConfigError(source, mistakes)


def parse(data: dict[str, Any], source: str) -> Config:
    """Check a configuration that is already a dict.  Raises `ConfigError` with all mistakes."""
    try:
        return Config.model_validate(data)
    except ValidationError as e:
        raise ConfigError(source, [mistake_of(dict(err), Config) for err in e.errors()]) from None


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
            "atlas": config.atlas.model_copy(update={"files": [place(f) for f in config.atlas.files]}),
            "roads": [r.model_copy(update={"password_file": place(r.password_file)}) for r in config.roads],
        }
    )
