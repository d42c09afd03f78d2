"""Durations and sizes as people write them: ``300``, ``"5m"``, ``"5d"``; ``52428800``, ``"50MB"``."""

import re
from typing import Annotated

from pydantic import BeforeValidator

from kurir.model.told import told

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_OCTETS = {
    "": 1, "b": 1,
    "k": 1000, "kb": 1000, "kib": 1024,
    "m": 1000**2, "mb": 1000**2, "mib": 1024**2,
    "g": 1000**3, "gb": 1000**3, "gib": 1024**3,
}  # fmt: skip
_DURATION = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([smhdw]?)\s*", re.IGNORECASE | re.ASCII)
_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([kmg]?i?b?)\s*", re.IGNORECASE | re.ASCII)


def seconds(value: object) -> object:
    """Turn ``"5m"`` into 300.0; numbers pass; anything else is refused with an example."""
    if isinstance(value, str):
        m = _DURATION.fullmatch(value)
        if m:
            return float(m[1]) * _SECONDS[m[2].lower()]
        raise ValueError(
            told('{value!r} is not a duration; write seconds (300) or "5m", "4h", "5d"', value=value)
        )
    return value


def octets(value: object) -> object:
    """Turn ``"50MB"`` into 50000000 and ``"50MiB"`` into 52428800; whole numbers pass."""
    if isinstance(value, str):
        m = _SIZE.fullmatch(value)
        if m and (unit := _OCTETS.get(m[2].lower())):
            return int(float(m[1]) * unit)
        raise ValueError(
            told('{value!r} is not a size; write octets (52428800) or "50MB", "50MiB"', value=value)
        )
    return value


Seconds = Annotated[float, BeforeValidator(seconds)]
Octets = Annotated[int, BeforeValidator(octets)]
