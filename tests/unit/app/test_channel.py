"""The channel: calls are answered, notes arrive in order, a lost peer fails what waits."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from kurir.app.ipc.channel import Channel, ChannelClosed


def both_loops(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path, str], None]:
    """Run a coroutine test on asyncio's loop and on uvloop's: their transports are different classes."""

    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def run(tmp_path: Path, loop: str) -> None:
        factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(test(tmp_path))

    run.__name__ = test.__name__
    return run


async def pair(path: Path, handlers: dict[str, Any], answers: dict[str, Any]) -> tuple[Channel, Channel]:
    loop = asyncio.get_running_loop()
    served: asyncio.Future[Channel] = loop.create_future()

    def accept() -> Channel:
        return Channel(handlers, {}, on_open=served.set_result)

    server = await loop.create_unix_server(accept, str(path))
    _, client = await loop.create_unix_connection(lambda: Channel({}, answers), str(path))
    far = await served
    server.close()
    return client, far


@both_loops
async def test_calls_notes_and_order(tmp_path: Path) -> None:
    heard: list[int] = []

    async def later(n: int) -> int:
        await asyncio.sleep(0)
        return n * 2

    client, far = await pair(
        tmp_path / "s",
        {"note": (int, heard.append), "double": (int, later), "now": (int, lambda n: n + 1)},
        {"double": int, "now": int},
    )
    for n in range(100):
        client.note("note", n)
    answers = await asyncio.gather(*(client.call("double", n) for n in range(50)), client.call("now", 1))
    assert answers == [*(n * 2 for n in range(50)), 2]
    assert heard == list(range(100))
    client.close()
    far.close()


@both_loops
async def test_large_frames_survive_splitting(tmp_path: Path) -> None:
    client, far = await pair(tmp_path / "s", {"echo": (bytes, lambda b: b)}, {"echo": bytes})
    body = bytes(range(256)) * 8192
    assert await client.call("echo", body) == body
    client.close()
    far.close()


@both_loops
async def test_a_lost_peer_fails_what_waits_and_a_bug_is_told(tmp_path: Path) -> None:
    async def never(_: int) -> int:
        await asyncio.sleep(3600)
        return 0

    async def broken(_: int) -> int:
        raise KeyError("x")

    client, far = await pair(
        tmp_path / "s", {"never": (int, never), "broken": (int, broken)}, {"never": int, "broken": int}
    )
    with pytest.raises(RuntimeError, match="KeyError"):
        await client.call("broken", 1)
    waiting = asyncio.ensure_future(client.call("never", 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    far.close()
    with pytest.raises(ChannelClosed):
        await waiting
    with pytest.raises(ChannelClosed):
        await client.call("never", 1)
    for task in far._tasks:
        task.cancel()
