"""Dialling: who wins, what is said when nobody does, whom we never call."""

import asyncio
import ipaddress
import socket
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.net import Endpoint, NetError, PeerPolicy, connect
from kurir.net.connect import interleave, refusal

from .conftest import LOOPBACK, listening


async def hello(stream):
    stream.write(b"hello")
    await stream.close()


def closed_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def black_hole():
    """A socket whose queue is full: connections to it get no answer."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(sock.getsockname())
        fillers.append(filler)
    return sock, fillers


@pytest.mark.parametrize("dead", [0, 1, 3])
def test_a_refused_address_goes_to_the_next_at_once(run, dead):
    async def main():
        async with listening(hello) as listener:
            endpoints = [Endpoint("127.0.0.1", closed_port()) for _ in range(dead)] + [listener.address]
            client = await connect(endpoints, policy=LOOPBACK, stagger=10)
            assert client.peer == listener.address
            assert await client.read(5) == b"hello"
            client.abort()

    run(main())


def test_a_silent_address_is_overtaken_after_the_stagger(run):
    async def main():
        hole, fillers = black_hole()
        async with listening(hello) as listener:
            client = await connect(
                [Endpoint(*hole.getsockname()), listener.address], policy=LOOPBACK, stagger=0.05, timeout=10
            )
            assert client.peer == listener.address
            client.abort()
        for sock in (hole, *fillers):
            sock.close()

    run(main())


@pytest.mark.parametrize("count", [1, 2])
def test_silence_is_a_timeout_that_lists_each_address(run, count):
    async def main():
        hole, fillers = black_hole()
        endpoints = [Endpoint(*hole.getsockname()), Endpoint("::1", hole.getsockname()[1])][:count]
        with pytest.raises(NetError) as caught:
            await connect(endpoints, policy=LOOPBACK, timeout=0.2, stagger=0.05)
        assert caught.value.kind in ("timeout", "refused")
        assert str(caught.value).count("127.0.0.1") == 1
        assert "no answer" in str(caught.value)
        for sock in (hole, *fillers):
            sock.close()

    run(main())


def test_every_failure_is_told(run):
    async def main():
        ports = [closed_port(), closed_port()]
        endpoints = [*(Endpoint("127.0.0.1", p) for p in ports), Endpoint("224.0.0.1", 25)]
        with pytest.raises(NetError) as caught:
            await connect(endpoints, policy=LOOPBACK)
        assert caught.value.kind == "refused"
        for port in ports:
            assert f"127.0.0.1:{port}: connection refused" in str(caught.value)
        assert "multicast" in str(caught.value)
        with pytest.raises(NetError, match="no address"):
            await connect([], policy=LOOPBACK)

    run(main())


def test_cancelling_leaves_no_connection_behind(run):
    async def main():
        hole, fillers = black_hole()
        endpoint = Endpoint(*hole.getsockname())
        for endpoints in ([endpoint], [endpoint, Endpoint("127.0.0.2", endpoint.port)]):
            task = asyncio.ensure_future(connect(endpoints, policy=LOOPBACK, stagger=5))
            await asyncio.sleep(0.02)
            task.cancel()
            assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
        for sock in (hole, *fillers):
            sock.close()

    run(main())


def test_source_address(run):
    async def main():
        async with listening(hello) as listener:
            client = await connect([listener.address], policy=LOOPBACK, source=["127.0.0.9"])
            assert client.local.host == "127.0.0.9"
            client.abort()
            with pytest.raises(NetError, match="no IPv4 source"):
                await connect([listener.address], policy=LOOPBACK, source=["2001:db8::1"])
            with pytest.raises(NetError, match="source address"):
                await connect([listener.address], policy=LOOPBACK, source=["192.0.2.1"])

    run(main())


def test_missing_unix_socket(run, tmp_path):
    async def main():
        with pytest.raises(NetError, match="does not exist") as caught:
            await connect([Endpoint(f"{tmp_path}/none", 0)])
        assert caught.value.kind == "unreachable"

    run(main())


DENIED = {
    "127.0.0.1": "itself",
    "127.9.9.9": "itself",
    "::1": "itself",
    "0.0.0.0": "itself",
    "::": "itself",
    "::ffff:127.0.0.1": "itself",
    "::ffff:0.0.0.0": "itself",
    "198.51.100.7": "our own",
    "::ffff:198.51.100.7": "our own",
    "10.1.2.3": "not to be dialled",
    "::ffff:10.1.2.3": "not to be dialled",
    "224.0.0.1": "multicast",
    "ff02::1": "multicast",
    "mail.example": "not an IP address",
    "2130706433": "not an IP address",
    "0x7f.1": "not an IP address",
}


@pytest.mark.parametrize("host", DENIED)
def test_whom_we_never_call(host):
    policy = PeerPolicy(deny=(ipaddress.ip_network("10.0.0.0/8"),), own=frozenset({"198.51.100.7"}))
    error = refusal(Endpoint(host, 25), policy)
    assert error is not None
    assert error.kind == "denied"
    assert DENIED[host] in str(error)


def test_whom_we_may_call():
    assert refusal(Endpoint("192.0.2.1", 25), PeerPolicy()) is None
    assert refusal(Endpoint("/run/socket", 0), PeerPolicy()) is None
    assert refusal(Endpoint("127.0.0.1", 25), LOOPBACK) is None


@given(st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"])))
def test_interleaving_loses_none_and_alternates(hosts):
    endpoints = [Endpoint(host, 25) for host in hosts]
    mixed = interleave(endpoints)
    assert set(mixed) == set(endpoints)
    assert len(mixed) == len(set(mixed))
    assert mixed[:1] == endpoints[:1]
    families = [":" in e.host for e in mixed]
    fewer = min(families.count(True), families.count(False))
    assert all(a != b for a, b in pairwise(families[: 2 * fewer]))
