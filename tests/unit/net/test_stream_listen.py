"""`SocketStream.listen`: answers where bytes come in, wakes the task only for the rest; on both loops."""

import asyncio

import pytest

from kurir.net import NetError

from .conftest import pair


def test_answers_at_once_and_wakes_for_the_rest(run):
    heard = []

    async def server(stream):
        def hear(data):
            heard.append(data)
            if data.startswith(b"?"):
                return None
            stream.write(data.upper())
            return 5.0

        await stream.listen(hear, 5.0)
        stream.write(b"<woken>")
        await stream.listen(hear, 5.0)  # the end of file
        assert heard[-1] == b""
        await stream.close()

    async def main():
        async with pair(server) as client:
            for word in (b"one", b"two"):
                client.write(word)
                assert await client.read(5) == word.upper()
            client.write(b"?")
            assert await client.read(5) == b"<woken>"
            await client.close()

    run(main())
    assert heard[:3] == [b"one", b"two", b"?"]


def test_what_was_here_before_is_heard_first(run):
    async def server(stream):
        while stream.buffered < 5:
            await asyncio.sleep(0)
        heard = []
        await stream.listen(lambda data: heard.append(data), 5.0)
        stream.write(b"".join(heard))
        await stream.drain(5)
        await stream.close()

    async def main():
        async with pair(server) as client:
            client.write(b"early")
            assert await client.read(5) == b"early"

    run(main())


def test_silence_and_mistakes_reach_the_listener(run):
    seen = []

    async def server(stream):
        with pytest.raises(NetError) as error:
            await stream.listen(lambda _: 0.05, 5.0)  # the word shortens the wait
        seen.append(error.value.kind)
        stream.write(b"!")
        with pytest.raises(ZeroDivisionError):
            await stream.listen(lambda _: 1 / 0, 5.0)
        seen.append("mistake")
        await stream.close()

    async def main():
        async with pair(server) as client:
            client.write(b"x")
            assert await client.read(5) == b"!"
            client.write(b"y")
            assert await client.read(5) == b""

    run(main())
    assert seen == ["timeout", "mistake"]


def test_a_full_write_buffer_wakes_the_task_to_drain(run):
    async def server(stream):
        await stream.listen(lambda _: stream.write(b"z" * 8_000_000) or 5.0, 5.0)
        await stream.drain(5)
        await stream.close()

    async def main():
        async with pair(server) as client:
            client.write(b"go")
            size = 0
            while data := await client.read(5):
                size += len(data)
            assert size == 8_000_000

    run(main())
