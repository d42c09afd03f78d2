"""Both event loops, a development authority, and small servers on loopback."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
import uvloop

from kurir.net import (
    ClientTlsFactory,
    ClientTlsSettings,
    PeerPolicy,
    ServerTls,
    ServerTlsSettings,
    bind,
    connect,
    serve,
)
from kurir.net.devca import ensure_ca, ensure_leaf
from tests.harness import PATIENCE

LOOPBACK = PeerPolicy(allow_loopback=True)
RUNNERS = {"asyncio": asyncio.run, "uvloop": uvloop.run}


@pytest.fixture(params=RUNNERS)
def run(request):
    """Run a coroutine to its end on one of the loops, with a bound on time."""

    def runner(coroutine):
        async def bounded():
            async with asyncio.timeout(PATIENCE):
                return await coroutine

        return RUNNERS[request.param](bounded())

    runner.name = request.param
    return runner


@pytest.fixture(scope="session")
def ca(tmp_path_factory):
    return ensure_ca(tmp_path_factory.mktemp("ca"), now=time.time())


@pytest.fixture(scope="session")
def server_tls(ca, tmp_path_factory):
    files = ensure_leaf(ca, tmp_path_factory.mktemp("leaf"), ["mail.example"], now=time.time())
    return ServerTls(ServerTlsSettings((files,)))


@pytest.fixture(scope="session")
def client_tls(ca):
    return ClientTlsFactory(ClientTlsSettings(bundle=ca.certificate), now=time.time)


@asynccontextmanager
async def listening(handler, spec="127.0.0.1:0", **options):
    """Serve `handler`; yields the listener."""
    (sock,) = bind(spec)
    listener = serve(sock, handler, **options)
    try:
        yield listener
    finally:
        await listener.close()


@asynccontextmanager
async def pair(handler, **options):
    """A client stream connected to `handler` on the server's side."""
    async with listening(handler, **options) as listener:
        stream = await connect([listener.address], policy=LOOPBACK)
        try:
            yield stream
        finally:
            stream.abort()
