"""Servers that ask for a client certificate: who gets in with which, who is told from whom, and that nobody must have one."""

import ssl
import time

import pytest

from kurir.net import ClientTrust, NetError, ServerTls, ServerTlsSettings
from kurir.net.devca import ensure_leaf
from tests.harness.clientcerts import make

from .conftest import pair


@pytest.fixture(scope="module")
def files(ca, tmp_path_factory):
    return ensure_leaf(ca, tmp_path_factory.mktemp("leaf"), ["mail.example"], now=time.time())


def asking(files, *, known=(), authorities=()):
    trust = ClientTrust(frozenset(m.der for m in known), tuple(m.der for m in authorities))
    return ServerTls(ServerTlsSettings((files,)), trust)


def client(ca, made=None, *, version=None):
    context = ssl.create_default_context(cafile=ca.certificate)
    if made is not None:
        context.load_cert_chain(made.pem, made.key_pem)
    if version is not None:
        context.maximum_version = version
    return context


async def shown(tls, context):
    """Return what the server saw of the client, None where the connection came to nothing."""
    seen = []

    async def handler(stream):
        seen.append(stream.client_certificate)
        stream.write(b"x")
        await stream.close()

    try:
        async with pair(handler, tls=tls) as stream:
            await stream.upgrade_client(context, "mail.example")
            got = await stream.read(5)  # TLS 1.3: the client learns of the refusal only now
            assert got == (b"x" if seen else b"")
    except NetError:
        return "refused"
    return seen[0] if seen else "refused"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_gets_in(run, ca, files, tmp_path, version):
    authority = make(tmp_path, "clients", ca=True)
    registered = make(tmp_path, "registered", ca=True)  # as `openssl req -x509` makes them
    cases = {
        "none": (None, None),
        "registered": (registered, (registered.der, False)),
        "by the authority": (make(tmp_path, "good", issuer=authority, email="a@x.example"), True),
        "by a registered one": (make(tmp_path, "evil", issuer=registered, email="a@x.example"), False),
        "by itself": (make(tmp_path, "stranger", email="a@x.example"), "refused"),
        "expired": (
            make(tmp_path, "old", issuer=authority, email="a@x.example", from_days=-9, days=-1),
            "refused",
        ),
        "for servers": (
            make(tmp_path, "server", issuer=authority, email="a@x.example", server_only=True),
            "refused",
        ),
    }

    async def main():
        tls = asking(files, known=[registered], authorities=[authority])
        for what, (made, expected) in cases.items():
            got = await shown(tls, client(ca, made, version=version))
            if expected in (None, "refused"):
                assert got == expected, what
            elif isinstance(expected, tuple):
                assert (got.certificate, got.by_authority) == expected, what
            else:
                assert (got.certificate, got.by_authority) == (made.der, expected), what

    run(main())


def test_who_is_asked_changes_without_a_restart(run, ca, files, tmp_path):
    one, two = make(tmp_path, "one"), make(tmp_path, "two")

    async def main():
        tls = asking(files)
        assert await shown(tls, client(ca, one)) is None  # nobody could be let in: nobody is asked
        tls.trust_clients(ClientTrust(frozenset({one.der})))
        before = tls.context
        tls.trust_clients(ClientTrust(frozenset({one.der})))
        assert tls.context is before
        assert (await shown(tls, client(ca, one))).certificate == one.der
        tls.trust_clients(ClientTrust(frozenset({two.der})))
        assert await shown(tls, client(ca, one)) == "refused"
        tls.reload()
        assert (await shown(tls, client(ca, two))).certificate == two.der

    run(main())


def test_other_listeners_ask_nobody(run, ca, server_tls, tmp_path):
    async def main():
        assert await shown(server_tls, client(ca, make(tmp_path, "any"))) is None

    run(main())


def test_every_name_asks(run, ca, files, tmp_path):
    other = ensure_leaf(ca, tmp_path / "other", ["other.example"], now=time.time())
    made = make(tmp_path, "one")
    tls = ServerTls(ServerTlsSettings((files, other)), ClientTrust(frozenset({made.der})))

    async def main():
        seen = []

        async def handler(stream):
            seen.append(stream.client_certificate)
            await stream.close()

        async with pair(handler, tls=tls) as stream:
            await stream.upgrade_client(client(ca, made), "other.example")
            await stream.read(5)
        assert seen[0].certificate == made.der

    run(main())
    assert dict(tls.expiries).keys() == {"mail.example", "other.example"}
    assert tls.not_after == min(at for _, at in tls.expiries)
