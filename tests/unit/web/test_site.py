"""The public doors: what is served to whom, and nothing else; strangers that are slow, large or odd."""

import asyncio
import contextlib
import time
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness import PATIENCE

from kurir.net import bind
from kurir.web import MailServers, PublicServer, PublicSettings, Request, Response, Site
from kurir.web.autoconfig import asked_address, outlook, thunderbird
from kurir.web.site import BODY_OCTETS

SERVERS = MailServers("mail.a.test", 465, 587, "imap.a.test", 993)
SITE = Site(
    hostname="mail.a.test",
    policies={"a.test": b"version: STSv1\r\n"},
    mail=frozenset({"a.test"}),
    servers=SERVERS,
    challenge={"tok": "tok.print"}.get,
)
ASKED = b"<Autodiscover><Request><EMailAddress>ana@a.test</EMailAddress></Request></Autodiscover>"


def ask(host: str, path: str, *, secure: bool = True, method: str = "GET", body: bytes = b"") -> Response:
    return SITE.answer(Request(method, host, path, secure, body))


STS, XML, DISCOVER = "/.well-known/mta-sts.txt", "/mail/config-v1.1.xml", "/autodiscover/autodiscover.xml"


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("mta-sts.a.test", STS, 200), ("MTA-STS.A.test.", STS, 200), ("mta-sts.b.test", STS, 404),
        ("a.test", STS, 404), ("mta-sts.a.test", "/", 404), ("mta-sts.a.test", STS + "/", 404),
        ("autoconfig.a.test", XML, 200), ("a.test", "/.well-known/autoconfig" + XML, 200), ("mail.a.test", XML, 404),
        ("autoconfig.b.test", XML, 404), ("mail.a.test", DISCOVER, 405), ("a.test", DISCOVER.upper(), 405),
        ("b.test", DISCOVER, 404), ("a.test", "/.well-known/acme-challenge/tok", 404), ("", "/", 404),
    ],
)  # fmt: skip
def test_pages_over_tls(host, path, status):
    said = ask(host, path)
    assert said.status == status
    names = {name for name, _ in said.headers}
    assert {"X-Content-Type-Options", "Content-Security-Policy"} <= names


def test_strict_transport_only_where_nobody_else_lives():
    strict = "Strict-Transport-Security"
    assert strict in dict(ask("mta-sts.a.test", STS).headers)
    assert strict not in dict(ask("a.test", "/.well-known/autoconfig" + XML).headers)


def test_the_plain_door_proves_and_sends_on():
    said = ask("any.where", "/.well-known/acme-challenge/tok", secure=False)
    assert (said.status, said.body) == (200, b"tok.print")
    assert ask("any.where", "/.well-known/acme-challenge/other", secure=False).status == 404
    said = ask("mta-sts.a.test", STS, secure=False)
    assert said.status == 301 and dict(said.headers)["Location"] == f"https://mta-sts.a.test{STS}"
    for host, path in (("mta-sts.evil.test", STS), ("a.test", "/"), ("mail.a.test", STS)):
        assert ask(host, path, secure=False).status == 404
    assert (
        ask("a.test", DISCOVER, secure=False, method="POST", body=ASKED).status == 404
    )  # never in the clear


def test_autodiscover():
    said = ask("mail.a.test", "/Autodiscover/Autodiscover.xml", method="POST", body=ASKED)
    assert said.status == 200 and b"<LoginName>ana@a.test</LoginName>" in said.body
    for body in (
        b"",
        b"<x>",
        ASKED.replace(b"a.test", b"b.test"),
        b"<EMailAddress>no address</EMailAddress>",
    ):
        assert ask("mail.a.test", DISCOVER, method="POST", body=body).status == 404


def test_both_forms_are_xml_and_say_the_same():
    root = ET.fromstring(thunderbird("a.test", SERVERS))
    found = {
        e.attrib["type"]: (e.findtext("hostname"), e.findtext("port"))
        for e in root.iter()
        if "type" in e.attrib
    }
    assert found == {"imap": ("imap.a.test", "993"), "smtp": ("mail.a.test", "465")}
    address = asked_address(ASKED)
    assert address is not None
    ns = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
    protocols = ET.fromstring(outlook(address, SERVERS)).iter(f"{ns}Protocol")
    assert {p.findtext(f"{ns}Type"): p.findtext(f"{ns}Port") for p in protocols} == {
        "IMAP": "993",
        "SMTP": "465",
    }
    starttls = thunderbird("a.test", MailServers("m.test", None, 587, "m.test"))
    assert b"STARTTLS" in starttls and b">587<" in starttls


@given(st.binary(max_size=300), st.text(max_size=50), st.text(max_size=80))
def test_any_request_is_answered(body, host, path):
    for secure in (True, False):
        for method in ("GET", "POST", "PUT"):
            said = SITE.answer(Request(method, host, "/" + path, secure, body))
            assert said.status in (200, 301, 404, 405)


# -- the server --------------------------------------------------------------------------------------


class Clock:
    def now(self) -> float:
        return time.time()

    monotonic = now


@contextlib.asynccontextmanager
async def serving(**more: float) -> AsyncIterator[int]:
    (sock,) = bind("127.0.0.1:0")
    port = sock.getsockname()[1]
    server = PublicServer(SITE.answer, Clock(), PublicSettings(**more))
    server.listen(sock)
    try:
        yield port
    finally:
        await server.close()


async def said_to(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()


PROOF = b" /.well-known/acme-challenge/tok HTTP/1.1\r\nHost: x:80\r\n"


async def test_one_request_a_connection():
    async with serving() as port:
        said = await said_to(port, b"GET" + PROOF + b"\r\nGET" + PROOF + b"\r\n")
        assert said.startswith(b"HTTP/1.1 200") and said.endswith(b"\r\n\r\ntok.print")
        assert b"Connection: close" in said and b"\r\nDate: " in said
        said = await said_to(port, b"HEAD" + PROOF + b"\r\n")
        assert b"Content-Length: 9" in said and said.endswith(b"\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST" + PROOF + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"x")
        assert (await reader.read()).startswith(b"HTTP/1.1 405")
        writer.close()


ODD = {
    "not HTTP": b"EHLO x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a bad host": b"GET / HTTP/1.1\r\nHost: [x\r\n\r\n",
    "another server's target": b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "a target that is a host": b"GET //evil.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "an endless header": b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 9000,
    "a large body": b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 99999\r\n\r\n"
    + b"x" * (BODY_OCTETS + 1),
    "both lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\nabc",
}


@pytest.mark.parametrize("case", ODD)
async def test_odd_requests_are_refused(case):
    async with serving() as port:
        said = await said_to(port, ODD[case])
    assert said[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 431", b"HTTP/1.1 501"), said


async def test_slow_and_many():
    async with serving(seconds=1.5, connections=1) as port:
        slow, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HT")
        await asyncio.sleep(0.05)
        with contextlib.suppress(ConnectionError):
            assert await said_to(port, b"GET" + PROOF + b"\r\n") == b""  # one too many
        assert await asyncio.wait_for(slow.read(), PATIENCE) == b""
        writer.close()
