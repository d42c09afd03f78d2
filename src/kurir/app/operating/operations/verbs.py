"""What the verbs of all rooms share: how one is written down, and how it says that it cannot be done."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Verbs = Mapping[str, Callable[..., Awaitable[Any]]]
"""Name -> the verb: it takes its arguments by name (`by` is the operator) and returns plain data."""


class Wrong(Exception):
    """The verb cannot be done; the text says why, for the person who asked."""
