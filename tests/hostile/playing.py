"""Which segmentations a case is played in."""

import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from .cases import Case, Transport
from .client import Cut, at, at_line_ends, by_chance, bytewise, whole
from .stage import Stage

SHORT = 120  # octets of a step up to which splits are tried everywhere
FEW = 3  # splits tried otherwise


def ids(value: object) -> str:
    """Name a parameter."""
    return (
        value.title
        if isinstance(value, Case)
        else value.value
        if isinstance(value, Transport)
        else str(value)
    )


def play_all(stage: Stage, case: Case, transport: Transport, *, login: bool = True) -> None:
    """Whole, octet by octet, in the middle of line ends, in pieces of chance, and split at a few places."""
    seed = zlib.crc32(case.title.encode())
    longest = max(len(step.send) for step in case.steps)
    cuts: list[Cut] = [whole]
    if not case.together:
        cuts += [by_chance(seed, max(20, longest // 20))]
        cuts += [] if case.bulky else [bytewise, at_line_ends]
        last = len(case.steps[-1].send)
        few = FEW if transport is Transport.PLAIN else 1
        cuts += [at(1 + (seed >> (i * 8)) % max(last, 1)) for i in range(few)]
    _at_once(stage, case, transport, cuts, login=login)


def play_every_split(stage: Stage, case: Case, transport: Transport) -> None:
    """Split at every offset of the longest step that is short enough."""
    places = max((len(step.send) for step in case.steps if len(step.send) <= SHORT), default=0)
    if not case.together:
        _at_once(stage, case, transport, [at(place) for place in range(1, places)])


def _at_once(
    stage: Stage, case: Case, transport: Transport, cuts: Iterable[Cut], *, login: bool = True
) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda cut: stage.player.play(case, transport, cut, login=login), cuts))
