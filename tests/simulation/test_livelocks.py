"""A world that never comes to rest is found out, and named, long before it has eaten the machine."""

import asyncio
import resource
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from . import world
from .loop import Bounds, Livelock, SimLoop, Spinning
from .world import Options, World, run

SMALL = Bounds(steps=20_000, tasks=3_000, handles=30_000)


async def _ping_pong() -> None:
    while True:
        await asyncio.sleep(0.001)


async def _breed() -> None:
    while True:
        await asyncio.sleep(0.001)
        asyncio.get_running_loop().create_task(asyncio.sleep(1e9))


async def _remind() -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(0.001)
        for _ in range(100):
            loop.call_later(1e9, print)


async def _explode() -> None:
    """Time stands, and each callback makes two: one turn of the loop would never end."""
    loop = asyncio.get_running_loop()

    def double() -> None:
        loop.call_soon(double)
        loop.call_soon(double)

    double()
    await asyncio.sleep(1.0)


@pytest.mark.parametrize(
    "life, said",
    [(_ping_pong, "20001 steps"), (_breed, "living tasks"), (_remind, "callbacks that wait"), (_explode, "steps|wait")],
)  # fmt: skip
def test_what_never_rests_is_ended(life: Callable[[], Any], said: str) -> None:
    loop = SimLoop(Random(1), shuffle=False, bounds=SMALL)
    with pytest.raises((Livelock, Spinning), match=said) as failure:
        loop.run(life())
    assert "_" in str(failure.value)  # who it was
    loop.close()


def test_timers_that_were_cancelled_do_not_count() -> None:
    async def patient() -> int:
        loop = asyncio.get_running_loop()
        for _ in range(1000):
            for _ in range(100):
                loop.call_later(1e6, print).cancel()
            await asyncio.sleep(0.001)
        return 4711

    loop = SimLoop(Random(1), shuffle=False, bounds=SMALL)
    assert loop.run(patient()) == 4711
    assert len(loop._timers) <= SMALL.handles
    loop.close()


def test_a_seed_that_runs_away_is_broken_and_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that tries again at once, for ever, and keeps what it was told: with the bounds of a real run."""

    async def story(self: World) -> None:
        async def again() -> None:
            kept: list[bytes] = []
            while True:
                await asyncio.sleep(0.01)
                kept.append(bytes(500))
                self.loop.spawn(self.parts["sender"], asyncio.sleep(1e9))

        self.parts["sender"] = world.Process("sender")
        self.loop.spawn(world.NATURE, again())
        await asyncio.sleep(1e12)

    monkeypatch.setattr(World, "story", story)
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run(1, Options(messages=1))
    assert [b for b in result.broken if b.startswith("Livelock: ") and "living tasks" in b and "sleep" in b]
    assert time.process_time() - began < 20.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


def test_mail_that_is_tried_for_ever_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "MOST_EVENTS", 5)
    result = run(3, Options(messages=30))
    assert [b for b in result.broken if b.startswith("Livelock: 6 events")]
