"""Recipients of whom the same is told are told together: a letter to three hundred is read as a few stories."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from .timeline import RecipientStory

T = TypeVar("T")


def alike(
    found: Sequence[T], story: Callable[[T], RecipientStory], told: Callable[[T], str]
) -> list[list[T]]:
    """Gather those of whom `told` says the same but for their address, in the order of the first of each group."""
    groups: dict[str, list[T]] = {}
    for one in found:
        groups.setdefault(told(one).replace(str(story(one).facts.address), "\0"), []).append(one)
    return list(groups.values())
