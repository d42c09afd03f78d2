"""Binding, accepting, PROXY headers in front of TLS, and what happens when there are no descriptors left."""

import asyncio
import os
import resource
import socket
import stat

import pytest

from kurir.net import BindError, BindSpec, Endpoint, NetError, TlsLevel, bind, connect, parse_bind, serve
from kurir.net.addresses import endpoint_of, ip_of, is_own_host

from .conftest import LOOPBACK, listening


async def echo(stream):
    while data := await stream.read(10):
        stream.write(data)
    await stream.close()


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ("127.0.0.1:25", BindSpec("127.0.0.1", 25)),
        ("*:25", BindSpec("0.0.0.0", 25)),
        (":25", BindSpec("0.0.0.0", 25)),
        ("localhost:0", BindSpec("127.0.0.1", 0)),
        ("[::]:587", BindSpec("::", 587)),
        ("[2001:DB8::1]:587", BindSpec("2001:db8::1", 587)),
        ("unix:/run/kurir/lmtp", BindSpec(path="/run/kurir/lmtp")),
    ],
)
def test_bind_specs(spec, place):
    assert parse_bind(spec) == place
    assert parse_bind(str(place)) == place


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "25",
        "::1:25",
        "mail.example:25",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "unix:relative",
        "unix:/" + "x" * 120,
    ],
)
def test_malformed_bind_specs(spec):
    with pytest.raises(ValueError, match=r"write|is not|must be|is written"):
        parse_bind(spec)


def test_one_socket_for_each_worker(run):
    async def main():
        socks = bind("127.0.0.1:0", 3)
        assert len({s.getsockname() for s in socks}) == 1
        seen = [0, 0, 0]

        def counting(i):
            async def handler(stream):
                seen[i] += 1

            return handler

        listeners = [serve(sock, counting(i)) for i, sock in enumerate(socks)]
        for _ in range(60):
            client = await connect([listeners[0].address], policy=LOOPBACK)
            assert await client.read(5) == b""
            client.abort()
        assert sum(seen) == 60
        assert all(seen)
        for listener in listeners:
            await listener.close()

    run(main())


def test_connections_wait_in_a_socket_that_nobody_serves_yet(run):
    async def main():
        (sock,) = bind("127.0.0.1:0")
        client = await connect([Endpoint(*sock.getsockname())], policy=LOOPBACK)
        client.write(b"early")
        listener = serve(sock, echo)
        assert await client.read(5) == b"early"
        client.abort()
        await listener.close()

    run(main())


def test_address_in_use_says_by_whom_and_what_to_do():
    other = socket.create_server(("127.0.0.1", 0))
    with other, pytest.raises(BindError, match=r"already in use.*choose another port"):
        bind(f"127.0.0.1:{other.getsockname()[1]}")
    (ours,) = bind("127.0.0.1:0")  # a second server of ours does not slip in beside the first
    with pytest.raises(BindError):
        bind(f"127.0.0.1:{ours.getsockname()[1]}", 2)
    ours.close()


def test_address_of_another_machine():
    with pytest.raises(BindError, match="does not have the address"):
        bind("192.0.2.1:0")


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_unix_socket_mode_and_stale_file(tmp_path, mode):
    path = tmp_path / "s"
    old_umask = os.umask(0o022)
    try:
        first, second = bind(f"unix:{path}", 2, mode=mode)
    finally:
        os.umask(old_umask)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    with pytest.raises(BindError, match="another process listens"):
        bind(f"unix:{path}")
    first.close()
    second.close()
    assert path.exists()  # stale now
    (again,) = bind(f"unix:{path}", mode=mode)
    again.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(BindError, match="no socket"):
        bind(f"unix:{path}")
    assert path.read_text() == "data"


def test_stop_keeps_sessions_and_close_ends_them(run):
    async def main():
        (sock,) = bind("127.0.0.1:0")
        listener = serve(sock, echo)
        client = await connect([listener.address], policy=LOOPBACK)
        client.write(b"x")
        await client.read(5)
        listener.stop()
        listener.stop()
        client.write(b"y")
        assert await client.read(5) == b"y"
        assert listener.sessions == 1
        await listener.close(grace=0.05)
        assert listener.sessions == 0
        with pytest.raises(NetError) as caught:
            await connect([listener.address], policy=LOOPBACK)
        assert caught.value.kind == "refused"
        client.abort()

    run(main())


def test_a_failing_session_is_reported_and_the_next_is_served(run):
    async def main():
        reported = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(context["exception"])
        )

        async def handler(stream):
            if await stream.read(5) == b"die":
                raise ZeroDivisionError
            stream.write(b"ok")
            await stream.close()

        async with listening(handler) as listener:
            for said, answered in ((b"die", b""), (b"x", b"ok")):
                client = await connect([listener.address], policy=LOOPBACK)
                client.write(said)
                assert await client.read(5) == answered
                client.abort()
        assert [type(e) for e in reported] == [ZeroDivisionError]

    run(main())


def test_running_out_of_descriptors_pauses_and_recovers(run, monkeypatch):
    monkeypatch.setattr("kurir.net.listener.PAUSE_SECONDS", 0.05)

    async def main():
        troubles = []
        async with listening(echo, on_trouble=troubles.append) as listener:
            warm = await connect([listener.address], policy=LOOPBACK)  # whatever is opened lazily is open now
            warm.write(b"x")
            await warm.read(5)
            client = socket.socket()
            client.setblocking(False)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), hard))
            try:
                await asyncio.get_running_loop().sock_connect(
                    client, (listener.address.host, listener.address.port)
                )
                while not troubles:
                    await asyncio.sleep(0.01)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert troubles[0].kind == "full"
            await asyncio.get_running_loop().sock_sendall(client, b"late")
            assert await asyncio.get_running_loop().sock_recv(client, 10) == b"late"
            assert len(troubles) < 20  # it did not spin
            client.close()
            warm.abort()

    run(main())


# -- PROXY --------------------------------------------------------------------------------------

NETWORK = (__import__("ipaddress").ip_network("127.0.0.0/8"),)
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 25\r\n"


async def tell_peer(stream):
    stream.write(f"{stream.peer.host}:{stream.peer.port} {stream.local.port} ".encode())
    stream.write(await stream.read(5))
    await stream.close()


@pytest.mark.parametrize("pieces", [[V1 + b"EHLO"], [V1, b"EHLO"], [bytes([b]) for b in V1 + b"EHLO"]])
def test_proxy_header_replaces_the_peer(run, pieces):
    async def main():
        async with listening(tell_peer, proxy=NETWORK) as listener:
            client = await connect([listener.address], policy=LOOPBACK)
            for piece in pieces[:-1]:
                client.write(piece)
                await asyncio.sleep(0)
            client.write(pieces[-1])
            got = b""
            while data := await client.read(5):
                got += data
            assert got.startswith(b"192.0.2.7:5000 25 ")
            client.abort()

    run(main())


def test_proxy_header_and_client_hello_in_one_segment(run, server_tls, client_tls):
    """Exactly the header is taken from the socket; the first TLS record stays for the TLS layer."""

    async def main():
        async with listening(tell_peer, proxy=NETWORK, tls=server_tls) as listener:
            client = await connect([listener.address], policy=LOOPBACK)
            client._transport.pause_reading()
            client.write(V1)
            await client.upgrade_client(client_tls.level(TlsLevel.VERIFIED), "mail.example")
            client.write(b"EHLO")
            got = b""
            while data := await client.read(5):
                got += data
            assert got == b"192.0.2.7:5000 25 EHLO"
            client.abort()

    run(main())


@pytest.mark.parametrize("said", [b"EHLO x\r\n", b"PROXY TCP4 x y 1 2\r\n", b"PROXY " + b"x" * 200, b""])
def test_without_a_good_header_a_proxy_is_cut_off(run, said):
    async def main():
        told = asyncio.get_running_loop().create_future()
        async with listening(tell_peer, proxy=NETWORK, on_trouble=told.set_result) as listener:
            client = await connect([listener.address], policy=LOOPBACK)
            client.write(said)
            if not said:
                await client.close()
            assert (await told).kind == "proxy"
            if said:
                try:
                    assert await client.read(5) == b""
                except NetError as e:
                    assert e.kind == "lost"
            client.abort()

    run(main())


def test_others_cannot_claim_an_address(run):
    networks = (__import__("ipaddress").ip_network("192.0.2.0/24"),)

    async def main():
        async with listening(tell_peer, proxy=networks) as listener:
            client = await connect([listener.address], policy=LOOPBACK)
            client.write(V1)
            got = await client.read(5)
            assert got.startswith(b"127.0.0.1:")
            client.abort()

    run(main())


# -- addresses and systemd ------------------------------------------------------------------------


def test_mapped_addresses_are_their_ipv4(run):
    assert endpoint_of(("::ffff:192.0.2.1", 25, 0, 0)) == Endpoint("192.0.2.1", 25)
    assert endpoint_of(("fe80::1%eth0", 25, 0, 2)) == Endpoint("fe80::1", 25)
    assert endpoint_of("") == Endpoint("", 0)
    assert str(ip_of("::FFFF:127.0.0.1")) == "127.0.0.1"
    own = [
        "127.0.0.1",
        "127.255.0.9",
        "::1",
        "::",
        "0.0.0.0",
        "0.1.2.3",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
    ]
    assert [h for h in own if not is_own_host(h)] == []
    assert not is_own_host("192.0.2.1")
    assert not is_own_host("example")
