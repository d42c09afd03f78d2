"""The brain's end of a channel: whom it takes for a hand."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from kurir.app.ipc.channel import Channel
from kurir.app.ipc.wire import Hello
from kurir.app.roles.seat import Seat, Table
from kurir.queue import Busy, Road


class Brain:
    def __init__(self) -> None:
        self.hands: list[tuple[int, Sequence[Busy]]] = []

    def hand_connected(self, hand: Any, busy: Sequence[Busy]) -> None:
        self.hands.append((hand.slots, busy))


class At:
    def __init__(self) -> None:
        self.brain = Brain()

    def __getattr__(self, name: str) -> Any:
        return self


BUSY = Busy(7, (0,), Road("mx", "far.example"), 0.0)


@pytest.mark.parametrize(
    ("slots", "busy", "taken"),
    [
        (20, (), [(20, ())]),
        (0, (), []),  # not delivery
        (0, (BUSY,), [(0, (BUSY,))]),  # it ends, and must not be doubled by another in what it still sends
    ],
)
def test_who_is_a_hand(slots: int, busy: tuple[Busy, ...], taken: list[object]) -> None:
    table = At()
    seat = Seat(cast("Table", table))
    seat.channel = cast("Channel", object())
    decode, hello = seat.handlers()["hello"]
    assert decode is Hello
    hello(Hello(role="delivery", pid=1, slots=slots, busy=busy))
    assert table.brain.hands == taken
