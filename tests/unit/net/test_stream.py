"""Streams over real loopback sockets, on both loops: reading, back-pressure, ends at odd times."""

import asyncio
import socket
import struct

import pytest

from kurir.net import Endpoint, NetError
from kurir.net.flow import READ_HIGH, WRITE_HIGH
from tests.harness import PATIENCE

from .conftest import listening, pair


async def echo(stream):
    while data := await stream.read(10):
        stream.write(data)
        await stream.drain(10)
    await stream.close()


async def read_all(stream, timeout=10):
    pieces = []
    while data := await stream.read(timeout):
        pieces.append(data)
    return b"".join(pieces)


def raw(listener):
    sock = socket.create_connection((listener.address.host, listener.address.port))
    sock.setblocking(False)
    return sock


def test_echo_and_addresses(run):
    async def main():
        async with pair(echo) as client:
            assert client.peer.host == client.local.host == "127.0.0.1"
            assert client.tls is None
            client.write(b"a")
            client.writelines([b"b", b"c"])
            got = b""
            while len(got) < 3:
                got += await client.read(5)
            assert got == b"abc"
            await client.close()

    run(main())


def test_large_transfer_arrives_whole(run):
    payload = bytes(range(256)) * 20_000  # 5 MB: far above every limit

    async def main():
        async with pair(echo) as client:

            async def send():
                for i in range(0, len(payload), 100_000):
                    client.write(payload[i : i + 100_000])
                    await client.drain(10)

            sender = asyncio.ensure_future(send())
            got = bytearray()
            while len(got) < len(payload):
                got += await client.read(10)
            await sender
            assert bytes(got) == payload

    run(main())


def test_read_timeout_leaves_the_stream_usable(run):
    async def main():
        async with pair(echo) as client:
            for _ in range(2):
                with pytest.raises(NetError) as caught:
                    await client.read(0.02)
                assert caught.value.kind == "timeout"
            client.write(b"x")
            assert await client.read(5) == b"x"

    run(main())


def test_a_later_longer_wait_is_not_cut_by_the_timer_of_an_earlier_one(run):
    async def main():
        async with pair(echo) as client:
            client.write(b"x")
            await client.read(0.05)  # leaves its timer behind
            asyncio.get_running_loop().call_later(0.15, client.write, b"y")
            assert await client.read(5) == b"y"
            asyncio.get_running_loop().call_later(5, client.write, b"z")
            with pytest.raises(NetError):  # and a shorter one is not stretched by it
                await client.read(0.02)

    run(main())


def test_two_readers_are_a_bug(run):
    async def main():
        async with pair(echo) as client:
            first = asyncio.ensure_future(client.read(5))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError):
                await client.read(5)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            client.write(b"x")
            assert await client.read(5) == b"x"

    run(main())


def test_reading_pauses_above_the_limit(run):
    async def main():
        held = asyncio.Event()
        done = asyncio.Event()
        amount = 8 * 1024 * 1024
        got = 0

        async def lazy(stream):
            nonlocal got
            await held.wait()
            assert READ_HIGH < stream.buffered < READ_HIGH + 512 * 1024
            while data := await stream.read(5):
                got += len(data)
            done.set()

        async with pair(lazy) as client:
            client.write(bytes(amount))
            with pytest.raises(NetError) as caught:  # the peer takes only so much
                await client.drain(0.2)
            assert caught.value.kind == "timeout"
            held.set()
            await client.drain(10)
            await client.close()
            await done.wait()
            assert got == amount

    run(main())


def test_a_client_that_never_reads_cannot_grow_the_buffer_unseen(run):
    async def main():
        outcome = asyncio.get_running_loop().create_future()

        async def talker(stream):
            try:
                for _ in range(10_000):
                    stream.write(bytes(65_536))
                    await stream.drain(0.1)
            except NetError as e:
                outcome.set_result((e.kind, stream._transport.get_write_buffer_size()))

        async with pair(talker) as client:
            client._hold()
            kind, unsent = await outcome
            assert kind == "timeout"
            assert unsent <= WRITE_HIGH + 65_536

    run(main())


def test_half_close_still_gets_the_answer(run):
    async def answer_at_end(stream):
        text = await read_all(stream)
        stream.write(text.upper())
        await stream.close()

    async def main():
        async with listening(answer_at_end) as listener:
            loop = asyncio.get_running_loop()
            with raw(listener) as sock:
                await loop.sock_sendall(sock, b"hello")
                sock.shutdown(socket.SHUT_WR)
                assert await loop.sock_recv(sock, 100) == b"HELLO"
                assert await loop.sock_recv(sock, 100) == b""

    run(main())


@pytest.mark.parametrize("before", [b"", b"partial"])
def test_reset_is_lost_and_not_an_end(run, before):
    async def main():
        outcome = asyncio.get_running_loop().create_future()

        async def reader(stream):
            got = b""
            try:
                while data := await stream.read(5):
                    got += data
                outcome.set_result((got, "end"))
            except NetError as e:
                outcome.set_result((got, e.kind))
                with pytest.raises(NetError):
                    await stream.read(5)
                with pytest.raises(NetError):
                    await stream.drain(5)
                stream.write(b"into the void")
                await stream.close()

        async with listening(reader) as listener:
            sock = raw(listener)
            if before:
                await asyncio.get_running_loop().sock_sendall(sock, before)
                await asyncio.sleep(0.02)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            assert await outcome == (before, "lost")

    run(main())


def test_reset_wakes_a_waiting_drain(run):
    async def main():
        outcome = asyncio.get_running_loop().create_future()

        async def talker(stream):
            try:
                while True:
                    stream.write(bytes(65_536))
                    await stream.drain(10)
            except NetError as e:
                outcome.set_result(e.kind)

        async with listening(talker) as listener:
            sock = raw(listener)
            await asyncio.sleep(0.05)
            sock.close()
            assert await outcome == "lost"

    run(main())


def test_the_last_reply_survives_a_peer_that_is_still_sending(run):
    """Closing over unread input would reset the connection and take the reply with it."""

    async def refuse(stream):
        await stream.read(5)
        stream.write(b"552 too large\r\n")
        await stream.close()

    async def main():
        async with listening(refuse) as listener:
            loop = asyncio.get_running_loop()
            with raw(listener) as sock:
                await loop.sock_sendall(sock, bytes(400_000))
                await asyncio.sleep(0.05)
                await loop.sock_sendall(sock, bytes(1000))
                assert await loop.sock_recv(sock, 100) == b"552 too large\r\n"

    run(main())


def test_close_is_bounded_by_a_peer_that_never_ends(run, monkeypatch):
    monkeypatch.setattr("kurir.net.stream.LINGER_SECONDS", 0.05)
    monkeypatch.setattr("kurir.net.stream.CLOSE_SECONDS", 0.1)

    async def main():
        closed = asyncio.Event()

        async def bye(stream):
            stream.write(b"221 bye\r\n")
            await stream.close()
            closed.set()

        async with listening(bye) as listener:
            with raw(listener):
                await asyncio.wait_for(closed.wait(), PATIENCE)

    run(main())


def test_close_flushes_what_is_queued(run):
    amount = 3_000_000

    async def sender(stream):
        stream.write(bytes(amount))
        await stream.close()

    async def main():
        async with pair(sender) as client:
            assert len(await read_all(client)) == amount

    run(main())


def test_abort_wakes_the_reader(run):
    async def main():
        async with pair(echo) as client:
            asyncio.get_running_loop().call_later(0.02, client.abort)
            with pytest.raises(NetError) as caught:
                await client.read(5)
            assert caught.value.kind == "lost"
            client.abort()
            await client.close()

    run(main())


def test_unix_socket_peer_has_no_port(run, tmp_path):
    async def main():
        async with listening(echo, f"unix:{tmp_path}/s") as listener:
            assert listener.address == Endpoint(f"{tmp_path}/s", 0)
            from kurir.net import connect

            client = await connect([listener.address])
            client.write(b"x")
            assert await client.read(5) == b"x"
            assert client.peer == Endpoint(f"{tmp_path}/s", 0)
            await client.close()

    run(main())
