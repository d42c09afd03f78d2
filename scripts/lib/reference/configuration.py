"""``docs/reference/configuration.md`` from the schema: every section, key, type, default and description."""

import json
from datetime import date
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from markdown import page as whole
from markdown import table
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from kurir.config import schema, units, values
from kurir.config.section import Section

_NAMES: list[tuple[Any, str]] = [
    (values.DomainName, "domain"),
    (values.DomainPattern, "domain, `*.domain` or `*`"),
    (values.AddressText, "address"),
    (values.Network, "network"),
    (values.Listen, "`host:port` or `unix:/path`"),
    (values.HostPort, "`host:port`"),
    (values.RoadUrl, "road URL"),
    (values.NextHopUrl, "next-hop URL"),
    (values.Port, "port"),
    (units.Seconds, "duration"),
    (units.Octets, "size"),
    (Path, "path"),
    (date, "date"),
    (bool, "true / false"),
    (int, "whole number"),
    (float, "number"),
    (str, "text"),
]

_INTRO = """\
`kurir.toml` is one TOML file. `kurir init` writes a short one; everything that is not in it has the default below.
`kurir check` names every mistake at once, with suggestions; SIGHUP makes a running server switch to the file, or keep
the old settings and say what is wrong with the new ones.

- **Where it is looked for:** `-c FILE`, `$KURIR_CONFIG`, `./kurir.toml`, `/etc/kurir/kurir.toml`.
- **More files:** `conf.d/*.toml` beside it are laid over it, in the order of their names.
- **Environment:** `KURIR_SECTION__KEY` is laid over both, for example `KURIR_QUEUE__LIFETIME=2d` or `KURIR_WORKERS=0`.
- **Durations:** seconds (`300`) or `"5m"`, `"4h"`, `"5d"`, `"1w"`. **Sizes:** octets (`52428800`) or `"50MB"`, `"50MiB"`.
- **Paths** that are relative start in the folder of the file.
- **Networks:** `"192.0.2.0/24"`, `"2001:db8::/32"`, or a single address."""

_URLS = """\
Next-hop and road URLs: `smtp://host:port?tls=none|opportunistic|require` (port 25; with a user name 587),
`smtps://host:port` (TLS from the first byte, port 465), `lmtp://host:port` (port 24), `lmtp+unix:///path/to/socket`.
User and password may stand in the URL, percent-encoded (`smtp://user:p%40ss@host`), better in `username` and
`password_file`. Without `tls=` the level is the safest that can work: verified TLS where a password travels, opportunistic
otherwise. A road may also be `mx:` (direct to the recipient's MX hosts) or `sandbox:`."""


def page() -> str:
    """Return the page."""
    parts: list[str | list[str]] = [_INTRO, "## Top level"]
    root = schema.Config
    hints = get_type_hints(root, include_extras=True)
    plain, sections = [], []
    for name, field in root.model_fields.items():
        kind = hints[name]
        (sections if _section(kind) else plain).append((name, kind, field))
    parts.append(_rows([(n, k, f) for n, k, f in plain]))
    for name, kind, field in sections:
        model, heading = _section(kind), f"[{name}]"
        assert model is not None
        if get_origin(kind) is dict:
            heading = f'[{name}."example.org"]'
        elif get_origin(kind) is list:
            heading = f"[[{name}]]"
        own = get_type_hints(model, include_extras=True)
        parts.append(f"## `{heading}`")
        parts.append(field.description or _doc(model))
        inner = [(n, own[n], f) for n, f in model.model_fields.items() if not _section(own[n])]
        parts.append(_rows(inner))
        for sub, field_of in model.model_fields.items():
            nested = _section(own[sub])
            if nested is not None:
                hints_of = get_type_hints(nested, include_extras=True)
                keyed = '."example.org"' if get_origin(own[sub]) is dict else ""
                parts.append(f"## `[{name}.{sub}{keyed}]`")
                parts.append(field_of.description or _doc(nested))
                parts.append(_rows([(n, hints_of[n], f) for n, f in nested.model_fields.items()]))
        if name == "roads":
            parts.append(_URLS)
    return whole("Configuration", *parts)


def _section(kind: Any) -> type[Section] | None:
    """Return the section that a field holds (one, a list, or a table of them), None for a plain key."""
    for candidate in (kind, *get_args(kind)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def _doc(model: type[Section]) -> str:
    return " ".join((model.__doc__ or "").replace("``", "`").split())


def _rows(fields: list[tuple[str, Any, FieldInfo]]) -> list[str]:
    rows = [
        (f"`{name}`", _kind(kind) + _bounds(f), _default(f), f.description or "") for name, kind, f in fields
    ]
    return table(("key", "type", "default", "meaning"), rows)


def _kind(kind: Any) -> str:
    for known, name in _NAMES:
        if kind == known:
            return name
    origin, inner = get_origin(kind), get_args(kind)
    if origin is list:
        return f"list: {_kind(inner[0])}"
    if origin is dict:
        return f"table: {_kind(inner[0])} = {_kind(inner[1])}"
    if origin is Literal:
        return ", ".join(f"`{v}`" for v in inner)
    if origin is Union or type(kind).__name__ == "UnionType":
        return " or ".join(_kind(k) for k in inner if k is not type(None))
    if origin is not None and inner:  # Annotated with something of its own
        return _kind(inner[0])
    raise TypeError(f"no name for {kind!r}: add it to _NAMES")


def _bounds(field: FieldInfo) -> str:
    said = []
    for limit in field.metadata:
        for attribute, words in (
            ("ge", "at least"),
            ("gt", "more than"),
            ("le", "at most"),
            ("lt", "less than"),
        ):
            value = getattr(limit, attribute, None)
            if value is not None:
                said.append(f"{words} {value}")
    return f" ({', '.join(said)})" if said else ""


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "(must be set)"
    if value is None:
        return "(none)"
    if isinstance(value, Path):
        return f'`"{value}"`'
    return f"`{json.dumps(value)}`"
