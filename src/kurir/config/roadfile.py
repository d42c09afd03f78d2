"""Writing a road into ``kurir.toml`` without touching anything else: a new section at the end, one line in a section that is there.

The text is edited, not read and written anew, so that comments and layout stay.  The whole is checked as a configuration
before it takes the place of the old file, of which a copy stays beside it.
"""

import json
import os
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from .load import load
from .mistakes import ConfigError

_ROAD = re.compile(r"^[ \t]*\[\[[ \t]*roads[ \t]*\]\]", re.MULTILINE)
_ANY = re.compile(r"^[ \t]*\[", re.MULTILINE)
_FALLBACK = re.compile(r"^([ \t]*fallback[ \t]*=[ \t]*)(\[.*?\])", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"^[ \t]*name[ \t]*=.*$", re.MULTILINE)

Values = Mapping[str, str | Sequence[str]]


class NoSuchRoad(Exception):
    """The road that was to get a fallback is not written in this file."""


def with_road(text: str, road: Values, *, fallback_of: str = "") -> str:
    """Return `text` with a section for `road` at its end, and with it as the last fallback of the road `fallback_of`.

    Raises `NoSuchRoad`.
    """
    if fallback_of:
        text = _with_fallback(text, fallback_of, str(road["name"]))
    lines = [f"{key} = {_toml(value)}" for key, value in road.items() if value]
    return text.rstrip("\n") + "\n\n[[roads]]\n" + "\n".join(lines) + "\n"


def _with_fallback(text: str, main: str, name: str) -> str:
    for found in _ROAD.finditer(text):
        after = _ANY.search(text, found.end())
        end = after.start() if after else len(text)
        section = text[found.end() : end]
        if _value(section, "name") != main:
            continue
        there = _FALLBACK.search(section)
        if there is not None:
            names = [*_listed(there[2]), name]
            section = section[: there.start(2)] + _toml(names) + section[there.end(2) :]
        else:
            line = _NAME.search(section)
            assert line is not None  # its value was just read
            section = section[: line.end()] + f"\nfallback = {_toml([name])}" + section[line.end() :]
        return text[: found.end()] + section + text[end:]
    raise NoSuchRoad(main)


def _value(section: str, key: str) -> object:
    try:
        return tomllib.loads(section).get(key)
    except tomllib.TOMLDecodeError:
        return None


def _listed(text: str) -> list[str]:
    return [str(x) for x in tomllib.loads(f"v = {text}")["v"]]


def _toml(value: str | Sequence[str]) -> str:
    """Return a value as TOML; JSON's strings are TOML's basic strings."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "[" + ", ".join(json.dumps(v, ensure_ascii=False) for v in value) + "]"


def replace_file(path: Path, text: str, now: datetime) -> Path:
    """Check `text` as the configuration at `path`, then put it there; return the copy of what was there before.

    Raises `ConfigError` (nothing is changed then) and OSError.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.touch(0o600)
        new.write_text(text, "utf-8")
        shutil.copymode(path, new)
        before = path.stat()
        if os.geteuid() == 0:
            os.chown(new, before.st_uid, before.st_gid)
        try:
            load(new)
        except ConfigError as e:
            raise ConfigError(str(path), e.mistakes) from None
        with new.open("rb") as file:
            os.fsync(file.fileno())
        backup = path.with_name(f"{path.name}.{now:%Y%m%d-%H%M%S}.bak")
        shutil.copy2(path, backup)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return backup
