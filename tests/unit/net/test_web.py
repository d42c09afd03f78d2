"""Asking web servers: bounds, redirects, proof of the name; nothing is asked that may not be."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from kurir.net import WebError, WebRequest
from tests.certs import make
from tests.harness import PATIENCE
from tests.harness.dns import Names
from tests.harness.web import web_client


@contextlib.asynccontextmanager
async def answering(said: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A web server that says the same to everybody; yields its port and what was asked."""
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            if said:
                writer.write(said)
                await writer.drain()
                writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()


def answer(body: bytes = b"ok", status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


async def test_a_redirect_is_an_answer():
    async with answering(answer(b"", "301 Gone", "Location: http://127.0.0.1/\r\n")) as (port, asked):
        said = await web_client().fetch(WebRequest(f"http://127.0.0.1:{port}/a?b=c"))
    assert (said.status, said.header("location")) == (301, "http://127.0.0.1/")
    assert len(asked) == 1 and asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port)


async def test_a_body_is_posted_and_types_are_told():
    async with answering(answer(b"{}", more="Content-Type: Application/JSON; charset=x\r\n")) as (
        port,
        asked,
    ):
        said = await web_client().fetch(WebRequest(f"http://localhost:{port}", b"abc", (("X-A", "1"),)))
    assert said.content_type == "application/json" and said.body == b"{}"
    assert asked[0].startswith(b"POST / HTTP/1.1") and b"X-A: 1\r\nContent-Length: 3\r\n" in asked[0]


BROKEN = {
    "too large": (answer(b"x" * 2000), "too_large"),
    "endless header": (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 9000, "protocol"),
    "not HTTP": (b"220 hello\r\n\r\n", "protocol"),
    "cut": (answer(b"abc")[:-1], "protocol"),
    "silent": (b"", "timeout"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_bad_servers(case):
    said, kind = BROKEN[case]
    async with answering(said) as (port, _):
        with pytest.raises(WebError) as e:
            await web_client(timeout=0.3 if kind == "timeout" else PATIENCE, size=1000).fetch(
                WebRequest(f"http://127.0.0.1:{port}/")
            )
    assert e.value.kind == kind


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/", "ftp://127.0.0.1/", "https://u@127.0.0.1/", "file:///etc", "x"]
)
async def test_what_may_not_be_asked(url):
    with pytest.raises(WebError) as e:
        await web_client().fetch(WebRequest(url))
    assert e.value.kind == "denied"


async def test_names_are_looked_up_where_we_always_do(tmp_path):
    ca = make("Test CA", ca=True)
    file = tmp_path / "ca.pem"
    file.write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    with Names({"web.test": {"A": ["127.0.0.1"]}, "lost.test": "SERVFAIL"}) as names:
        async with answering(answer(), make("web.test", ca).context(tmp_path)) as (port, asked):
            client = web_client(file, resolver=names.address, port=port)
            assert (await client.fetch(WebRequest("https://web.test/"))).status == 200
            assert b"Host: web.test\r\n" in asked[0]
            for host, words in (("lost.test", "could not be looked up"), ("no.test", "has no address")):
                with pytest.raises(WebError, match=words) as e:
                    await client.fetch(WebRequest(f"https://{host}/"))
                assert e.value.kind == "dns"


async def test_the_name_must_be_proven(tmp_path):
    ca = make("Test CA", ca=True)
    file = tmp_path / "ca.pem"
    file.write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    async with answering(answer(), make("localhost", ca).context(tmp_path)) as (port, _):
        url = f"https://localhost:{port}/"
        assert (await web_client(file).fetch(WebRequest(url))).body == b"ok"
        with pytest.raises(WebError) as e:
            await web_client().fetch(WebRequest(url))
        assert e.value.kind == "certificate" and e.value.verify_code
