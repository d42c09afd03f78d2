"""Reading, layering and checking of the configuration; every mistake with its place and a suggestion."""

import copy
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kurir.delivery import parse_next_hop
from kurir.model.told import told

from .atlas import load_atlas
from .mistakes import ConfigError, Mistake, did_you_mean, mistake_of
from .road_schema import RoadSection, wrong_names
from .schema import Config
from .tls_schema import TlsSection

_PREFIX = "KURIR_"
# Variables with the prefix that are not configuration.
_OTHER = {"KURIR_CONFIG", "KURIR_LANG"}
_PLACES = (Path("kurir.toml"), Path("/etc/kurir/kurir.toml"))


def find(explicit: str | None, env: Mapping[str, str]) -> Path:
    """Return the configuration file: `explicit`, ``$KURIR_CONFIG``, ``./kurir.toml``, ``/etc/kurir/kurir.toml``.

    Where a folder is named, the ``kurir.toml`` in it is meant.  Raises `ConfigError` where none exists.
    """
    named = explicit or env.get("KURIR_CONFIG")
    if named:
        path = Path(named)
        if path.is_dir():  # the folder that `kurir init` made
            path /= "kurir.toml"
        if not path.is_file():
            raise ConfigError(
                str(path),
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
        config = _absolute(parse(data, str(path)), base)
    except ConfigError as e:
        if e.rest is not None:
            e.rest = _absolute(e.rest, base)
            if not {m.where.partition(".")[0] for m in e.mistakes} & {"roads", "atlas"}:
                e = ConfigError(e.source, [*e.mistakes, *_wrong_roads(e.rest)], e.rest)
        raise e from None
    mistakes = _wrong_roads(config)
    if mistakes:
        raise ConfigError(str(path), mistakes, config)
    return config


def _wrong_roads(config: Config) -> list[Mistake]:
    """Read the atlas where the configuration says anything of it, and check the names used."""
    if not (config.atlas.files or any(r.provider or r.plan for r in config.roads)):
        return []
    try:
        atlas = load_atlas(config.atlas.files)
    except ConfigError as e:
        return e.mistakes
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
    return mistakes


def parse(data: dict[str, Any], source: str) -> Config:
    """Check a configuration that is already a dict.  Raises `ConfigError` with all mistakes."""
    try:
        config = Config.model_validate(data)
    except ValidationError as e:
        mistakes = [mistake_of(dict(err), Config) for err in e.errors()]
        rest = _without(data, e)
        wrong = {m.where.partition(".")[0] for m in mistakes}
        if rest is not None and not wrong & {"roads", "domains", "aliases"}:
            mistakes += _contradictions(rest)
        elif rest is not None:  # what the wrong keys meant to say may be what the others seem to contradict
            mistakes += [Mistake("file", words) for words in wrong_names(rest.roads)]
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


def _absolute(config: Config, base: Path) -> Config:
    """Make relative paths relative to the file they stand in."""

    def place(p: Path | None) -> Path | None:
        return None if p is None else (base / p.expanduser()).absolute()

    oauth = config.oauth
    return config.model_copy(
        update={
            "server": config.server.model_copy(update={"state": place(config.server.state)}),
            "net": config.net.model_copy(update={"ca_file": place(config.net.ca_file)}),
            "tls": _absolute_tls(config.tls, place),
            "senderauth": config.senderauth.model_copy(
                update={"suffix_list": place(config.senderauth.suffix_list)}
            ),
            "atlas": config.atlas.model_copy(update={"files": [place(f) for f in config.atlas.files]}),
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


def _absolute_tls(tls: TlsSection, place: Callable[[Path | None], Path | None]) -> TlsSection:
    further = [
        c.model_copy(update={"certificate": place(c.certificate), "key": place(c.key)})
        for c in tls.certificates
    ]
    acme = tls.acme
    if acme is not None:
        acme = acme.model_copy(update={"hook": place(acme.hook), "eab_key_file": place(acme.eab_key_file)})
    own = {"certificate": place(tls.certificate), "key": place(tls.key)}
    return tls.model_copy(update={**own, "certificates": further, "acme": acme})


def _absolute_road(road: RoadSection, place: Callable[[Path | None], Path | None]) -> RoadSection:
    oauth = road.oauth
    if oauth is not None:
        files = {
            "client_secret_file": place(oauth.client_secret_file),
            "refresh_token_file": place(oauth.refresh_token_file),
        }
        oauth = oauth.model_copy(update=files)
    return road.model_copy(update={"password_file": place(road.password_file), "oauth": oauth})
