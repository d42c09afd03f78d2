"""TLS on live streams, on both loops: the STARTTLS injection, certificates of every badness, reload, SNI."""

import asyncio
import datetime as dt
import select
import socket
import ssl
import time

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kurir.net import (
    CertificateError,
    CertificateFiles,
    ClientTlsFactory,
    ClientTlsSettings,
    Endpoint,
    NetError,
    ServerTls,
    ServerTlsSettings,
    TlsLevel,
    bind,
    connect,
    serve,
)
from kurir.net.devca import ensure_ca, ensure_leaf, issue
from kurir.net.groups import limit_groups
from kurir.net.trust import _authorities
from tests.certs import make
from tests.harness import PATIENCE

from .conftest import LOOPBACK, listening, pair

DAY = 86_400


async def echo(stream):
    while data := await stream.read(10):
        stream.write(data)
    await stream.close()


def starttls(tls, outcome=None):
    """A server that upgrades after one line, then echoes."""

    async def handler(stream):
        assert await stream.read(5)
        stream.write(b"220 go\r\n")
        try:
            facts = await stream.upgrade_server(tls, timeout=PATIENCE)
        except NetError as e:
            if outcome is not None:
                outcome.set_result(e)
            return
        if outcome is not None:
            outcome.set_result((facts, stream.channel_binding("tls-server-end-point")))
        await echo(stream)

    return handler


async def start(client, tls, name="mail.example", **options):
    client.write(b"STARTTLS\r\n")
    assert await client.read(5) == b"220 go\r\n"
    return await client.upgrade_client(tls, name, **options)


def test_starttls_both_roles(run, server_tls, client_tls):
    async def main():
        outcome = asyncio.get_running_loop().create_future()
        async with pair(starttls(server_tls, outcome)) as client:
            facts = await start(client, client_tls.level(TlsLevel.VERIFIED))
            assert (facts.version, facts.verified, facts.why_not) == ("TLSv1.3", "name", None)
            assert client.tls == facts
            payload = bytes(range(256)) * 10_000
            client.write(payload)
            got = bytearray()
            while len(got) < len(payload):
                got += await client.read(5)
            assert bytes(got) == payload
            server_facts, binding = await outcome
            assert (server_facts.version, server_facts.verified) == ("TLSv1.3", None)
            assert binding is not None
            assert binding == client.channel_binding("tls-server-end-point")
            assert client.channel_binding("tls-unique") is None
            await client.close()
            assert await client.read(1) == b""

    run(main())


def test_implicit_tls(run, server_tls, client_tls):
    async def main():
        async with pair(echo, tls=server_tls) as client:
            await client.upgrade_client(client_tls.level(TlsLevel.OPPORTUNISTIC), "mail.example")
            assert client.tls.verified == "name"
            assert client.tls.peer_name == "mail.example"
            client.write(b"x")
            assert await client.read(5) == b"x"
            await client.close()

    run(main())


def test_implicit_tls_with_the_client_hello_waiting_before_anybody_serves(run, server_tls, client_tls):
    """The first record is in the kernel when the connection is accepted: it must not pass for clear text."""

    async def main():
        (sock,) = bind("127.0.0.1:0")
        client = await connect([Endpoint(*sock.getsockname())], policy=LOOPBACK)
        handshake = asyncio.ensure_future(
            client.upgrade_client(client_tls.level(TlsLevel.VERIFIED), "mail.example")
        )
        while not select.select([sock], [], [], 0)[0]:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        troubles = []
        listener = serve(sock, echo, tls=server_tls, on_trouble=troubles.append)
        await handshake
        assert troubles == []
        client.write(b"x")
        assert await client.read(5) == b"x"
        await client.close()
        await listener.close()

    run(main())


def test_bytes_in_the_same_segment_as_starttls_are_seen_before_the_upgrade(run):
    """They come out of the same read: the protocol core sees them behind STARTTLS and closes."""

    async def main():
        seen = asyncio.get_running_loop().create_future()

        async def handler(stream):
            seen.set_result(await stream.read(5))

        async with pair(handler) as client:
            client.write(b"STARTTLS\r\nMAIL FROM:<evil@example>\r\n")
            assert await seen == b"STARTTLS\r\nMAIL FROM:<evil@example>\r\n"

    run(main())


def test_bytes_in_a_second_segment_refuse_the_upgrade(run, server_tls):
    async def main():
        outcome = asyncio.get_running_loop().create_future()

        async def handler(stream):
            assert await stream.read(5) == b"STARTTLS\r\n"
            stream.write(b"220 go\r\n")
            while not stream.buffered:
                await asyncio.sleep(0)
            try:
                await stream.upgrade_server(server_tls)
            except NetError as e:
                outcome.set_result(e)
                with pytest.raises(NetError):
                    await stream.read(1)

        async with listening(handler) as listener:
            loop = asyncio.get_running_loop()
            with socket.create_connection((listener.address.host, listener.address.port)) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setblocking(False)
                await loop.sock_sendall(sock, b"STARTTLS\r\n")
                assert await loop.sock_recv(sock, 100) == b"220 go\r\n"
                await loop.sock_sendall(sock, b"MAIL FROM:<evil@example>\r\n")
                error = await outcome
                assert error.kind == "tls"
                assert "in the clear" in str(error)

    run(main())


def test_clear_bytes_that_arrive_during_the_handshake_reach_only_tls(run, server_tls):
    """The kernel holds them while reading is paused; the TLS layer finds no record in them."""

    async def main():
        outcome = asyncio.get_running_loop().create_future()

        async def handler(stream):
            await stream.read(5)
            stream._hold()  # the moment between the paused socket and the TLS layer, made long
            stream.write(b"220 go\r\n")
            injected = asyncio.get_running_loop().create_future()
            states.append(injected)
            await injected
            try:
                await stream.upgrade_server(server_tls, timeout=PATIENCE)
            except NetError as e:
                outcome.set_result(e)
                assert not stream.buffered

        states = []
        async with listening(handler) as listener:
            loop = asyncio.get_running_loop()
            with socket.create_connection((listener.address.host, listener.address.port)) as sock:
                sock.setblocking(False)
                await loop.sock_sendall(sock, b"STARTTLS\r\n")
                await loop.sock_recv(sock, 100)
                await loop.sock_sendall(sock, b"MAIL FROM:<evil@example>\r\n")
                states[0].set_result(None)
                error = await outcome
                assert error.kind == "tls"
                assert "not TLS" in str(error)

    run(main())


def test_a_server_that_speaks_before_the_handshake_is_refused_by_the_client(run, client_tls):
    async def main():
        async def handler(stream):
            await stream.read(5)
            stream.write(b"220 go\r\n250-AUTH PLAIN\r\n")
            await stream.read(5)

        async with pair(handler) as client:
            client.write(b"STARTTLS\r\n")
            got = await client.read(5)
            if got == b"220 go\r\n":  # the rest may come apart
                while not client.buffered:
                    await asyncio.sleep(0)
                with pytest.raises(NetError):
                    await client.upgrade_client(client_tls.level(TlsLevel.OPPORTUNISTIC), "mail.example")
            else:
                assert got.endswith(b"250-AUTH PLAIN\r\n")

    run(main())


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "tls", "HTTP"),
        (b"\x16", "tls", "within"),
        (b"", "tls", "within"),
        (b"MAIL FROM:<>\r\n", "tls", "not TLS"),
    ],
)
def test_garbage_and_stalls_in_the_handshake(run, server_tls, said, kind, words):
    async def main():
        outcome = asyncio.get_running_loop().create_future()

        async def handler(stream):
            try:
                await stream.upgrade_server(server_tls, timeout=0.2 if words == "within" else PATIENCE)
            except NetError as e:
                outcome.set_result(e)

        async with pair(handler) as client:
            client.write(said)
            error = await outcome
            assert error.kind == kind
            assert words in str(error)

    run(main())


def test_a_peer_that_closes_in_the_handshake(run, server_tls):
    async def main():
        outcome = asyncio.get_running_loop().create_future()

        async def handler(stream):
            try:
                await stream.upgrade_server(server_tls, timeout=PATIENCE)
            except NetError as e:
                outcome.set_result(e.kind)

        async with pair(handler) as client:
            client.write(b"\x16\x03\x01")
            client.abort()
            assert await outcome in ("tls", "lost")

    run(main())


def test_failed_implicit_handshake_is_told(run, server_tls):
    async def main():
        told = asyncio.get_running_loop().create_future()
        async with pair(echo, tls=server_tls, on_trouble=told.set_result) as client:
            client.write(b"EHLO plain\r\n")
            trouble = await told
            assert trouble.kind == "tls"
            assert trouble.peer.host == "127.0.0.1"

    run(main())


def test_old_protocol_versions_are_refused(run, server_tls, recwarn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
    recwarn.clear()

    async def main():
        outcome = asyncio.get_running_loop().create_future()
        async with pair(starttls(server_tls, outcome)) as client:
            with pytest.raises(NetError) as caught:
                await start(client, context)
            assert caught.value.kind == "tls"
            assert "1.2" in str(await outcome)

    run(main())


# -- the matrix of certificates -----------------------------------------------------------------


def write(tmp_path, stem, certificate, key):
    files = CertificateFiles(tmp_path / f"{stem}.pem", tmp_path / f"{stem}.key")
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def self_signed(name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    at = dt.datetime.fromtimestamp(time.time() - DAY, dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(at)
        .not_valid_after(at + dt.timedelta(days=10))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


MATRIX = {
    "good": (None, None),
    "expired": ("expired on", "expired"),
    "not yet": ("valid only from", "not valid yet"),
    "wrong name": ("not for mail.example but for other.example", "another name"),
    "self-signed": ("signed by itself", "signed by itself"),
    "unknown CA": ("not trusted here", "not trusted here"),
    "wildcard": (None, None),
}


def bad_certificate(case, ca, tmp_path):
    now = time.time()
    if case == "self-signed":
        return write(tmp_path, "x", *self_signed("mail.example"))
    if case == "unknown CA":
        stranger = ensure_ca(tmp_path / "stranger", now=now)
        return ensure_leaf(stranger, tmp_path, ["mail.example"], now=now)
    names = {"wrong name": ["other.example"], "wildcard": ["*.example"]}.get(case, ["mail.example"])
    if case == "wildcard":
        names = ["*.mail.example"]
    since = {"expired": now - 40 * DAY, "not yet": now + 10 * DAY}.get(case, now - DAY)
    return write(tmp_path, "x", *issue(ca, names, not_before=since, days=30))


@pytest.mark.parametrize("case", MATRIX)
def test_certificate_matrix(run, ca, client_tls, tmp_path, case):
    why, refused = MATRIX[case]
    tls = ServerTls(ServerTlsSettings((bad_certificate(case, ca, tmp_path),)))
    name = "in.mail.example" if case == "wildcard" else "mail.example"

    async def main():
        async with pair(starttls(tls)) as client:  # opportunistic: goes on, and says why it proved nothing
            facts = await start(client, client_tls.level(TlsLevel.OPPORTUNISTIC), name)
            assert facts.verified == (None if why else "name")
            assert (why is None and facts.why_not is None) or why in facts.why_not
            client.write(b"x")
            assert await client.read(5) == b"x"
        async with pair(starttls(tls)) as client:  # verified: refuses, and says why
            if refused is None:
                facts = await start(client, client_tls.level(TlsLevel.VERIFIED), name)
                assert facts.verified == "name"
                return
            with pytest.raises(NetError) as caught:
                await start(client, client_tls.level(TlsLevel.VERIFIED), name)
            assert caught.value.kind == "tls"
            assert refused in str(caught.value)
            with pytest.raises(NetError):
                await client.read(1)

    run(main())


def test_several_faults_are_all_told(run, ca, client_tls, tmp_path):
    stranger = ensure_ca(tmp_path / "stranger", now=time.time())
    files = write(tmp_path, "x", *issue(stranger, ["a.example"], not_before=time.time() - 40 * DAY, days=30))
    tls = ServerTls(ServerTlsSettings((files,)))

    async def main():
        async with pair(starttls(tls)) as client:
            facts = await start(client, client_tls.level(TlsLevel.OPPORTUNISTIC))
            for words in ("expired", "not for mail.example", "not trusted"):
                assert words in facts.why_not

    run(main())


def test_extra_ca_is_trusted_besides_the_bundle(run, ca, server_tls, tmp_path):
    other = ensure_ca(tmp_path / "other", now=time.time())
    factory = ClientTlsFactory(
        ClientTlsSettings(bundle=other.certificate, extra_ca=ca.certificate), now=time.time
    )

    async def main():
        for level in TlsLevel:
            async with pair(starttls(server_tls)) as client:
                facts = await start(client, factory.level(level))
                assert facts.verified == "name"

    run(main())


def test_address_as_the_name(run, server_tls, client_tls):
    async def main():
        for level in TlsLevel:
            async with pair(starttls(server_tls)) as client:
                assert (await start(client, client_tls.level(level), "127.0.0.1")).verified == "name"

    run(main())


def test_third_party_chain_with_intermediate_is_proved(run, tmp_path):
    """Certificates that we did not make ourselves, with an intermediate authority."""
    root = trustme.CA()
    intermediate = root.create_child_ca()
    leaf = intermediate.issue_cert("mail.example")
    leaf.private_key_pem.write_to_path(tmp_path / "k")
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(tmp_path / "c", append=True)
    root.cert_pem.write_to_path(tmp_path / "root")
    tls = ServerTls(ServerTlsSettings((CertificateFiles(tmp_path / "c", tmp_path / "k"),)))
    factory = ClientTlsFactory(ClientTlsSettings(bundle=tmp_path / "root"), now=time.time)

    async def main():
        for level in TlsLevel:
            async with pair(starttls(tls)) as client:
                facts = await start(client, factory.level(level))
                assert (facts.verified, facts.why_not) == ("name", None)

    run(main())


# -- server certificates: SNI and reload ----------------------------------------------------------


async def shown_to(listener, client_tls, name):
    client = await connect([listener.address], policy=LOOPBACK)
    try:
        facts = await client.upgrade_client(client_tls.level(TlsLevel.OPPORTUNISTIC), name)
        return facts.peer_name, client.channel_binding("tls-server-end-point")
    finally:
        await client.close()


def test_certificate_by_name(run, ca, client_tls, tmp_path):
    first = write(tmp_path, "1", *issue(ca, ["a.example"], not_before=time.time(), days=30))
    second = write(tmp_path, "2", *issue(ca, ["b.example", "*.c.example"], not_before=time.time(), days=30))
    tls = ServerTls(ServerTlsSettings((first, second)))
    assert set(tls.names) == {"a.example", "b.example", "*.c.example"}

    async def main():
        bindings = []

        async def handler(stream):
            bindings.append(stream.channel_binding("tls-server-end-point"))
            await echo(stream)

        async with listening(handler, tls=tls) as listener:
            for asked, shown in {
                "a.example": "a.example",
                "B.EXAMPLE": "b.example",
                "x.c.example": "b.example",
                "unknown.example": "a.example",
                "127.0.0.1": "a.example",
            }.items():
                name, binding = await shown_to(listener, client_tls, asked)
                assert name == shown, asked
                assert bindings.pop() == binding

    run(main())


def test_reload_swaps_for_new_handshakes_only(run, ca, client_tls, tmp_path):
    files = write(tmp_path, "x", *issue(ca, ["old.example"], not_before=time.time(), days=30))
    tls = ServerTls(ServerTlsSettings((files,)))

    async def main():
        async with listening(echo, tls=tls) as listener:
            live = await connect([listener.address], policy=LOOPBACK)
            await live.upgrade_client(client_tls.level(TlsLevel.OPPORTUNISTIC), "old.example")
            assert not tls.changed()
            files.key.write_text("half a file")
            assert tls.changed()
            with pytest.raises(CertificateError):
                tls.reload()
            assert (await shown_to(listener, client_tls, "x"))[0] == "old.example"
            write(tmp_path, "x", *issue(ca, ["new.example"], not_before=time.time(), days=30))
            tls.reload()
            assert not tls.changed()
            assert (await shown_to(listener, client_tls, "x"))[0] == "new.example"
            live.write(b"still here")
            assert await live.read(5) == b"still here"
            await live.close()

    run(main())


def test_load_errors_in_words(ca, tmp_path):
    files = write(tmp_path, "a", *issue(ca, ["a.example"], not_before=time.time(), days=30))
    other = write(tmp_path, "b", *issue(ca, ["b.example"], not_before=time.time(), days=30))
    locked = tmp_path / "locked.key"
    key = ec.generate_private_key(ec.SECP256R1())
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

    locked.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    garbage = tmp_path / "garbage"
    garbage.write_text("not a certificate")
    cases = [
        ((tmp_path / "none", files.key), "does not exist"),
        ((files.certificate, tmp_path / "none"), "does not exist"),
        ((files.certificate, other.key), "does not belong to"),
        ((garbage, files.key), "no certificate in PEM form"),
        ((files.certificate, garbage), "not a private key"),
        ((files.certificate, locked), "password"),
    ]
    for (certificate, its_key), words in cases:
        with pytest.raises(CertificateError) as caught:
            ServerTls(ServerTlsSettings((CertificateFiles(certificate, its_key),)))
        assert words in str(caught.value), words
    with pytest.raises(CertificateError):
        ServerTls(ServerTlsSettings(()))
    with pytest.raises(CertificateError):
        ClientTlsFactory(ClientTlsSettings(extra_ca=garbage), now=time.time)


def test_a_server_certificate_cannot_issue_others(ca, client_tls):
    """The oldest hole of certificate checking: a leaf that plays authority."""
    middle, middle_key = issue(ca, ["middle.example"], not_before=time.time(), days=30)
    key = ec.generate_private_key(ec.SECP256R1())
    at = dt.datetime.now(dt.UTC)
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bank.example")]))
        .issuer_name(middle.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(at - dt.timedelta(hours=1))
        .not_valid_after(at + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=False)
        .sign(middle_key, hashes.SHA256())
    )
    chain = tuple(c.public_bytes(Encoding.DER) for c in (forged, middle))
    judgement = client_tls.level(TlsLevel.OPPORTUNISTIC).trust.judge(chain, "bank.example")
    assert judgement.why_not is not None
    assert "chain of certificates does not hold" in judgement.why_not


def test_one_authority_that_cannot_be_read_does_not_cost_the_others(tmp_path):
    from tests.certs import make

    good = make("a root", ca=True).certificate.public_bytes(serialization.Encoding.PEM)
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert [c.subject.rfc4514_string() for c in _authorities((broken + good).decode())] == ["CN=a root"]


@pytest.mark.parametrize(
    ("curve", "agreed"), [("prime256v1", True), ("secp384r1", True), ("secp521r1", False)]
)
def test_keys_are_agreed_in_the_groups_of_the_intermediate_profile(tmp_path, curve, agreed):
    made = make("mx.example")
    shown = made.context(tmp_path)
    assert limit_groups(shown)
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    asking.set_ecdh_curve(curve)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = asking.wrap_bio(back, there), shown.wrap_bio(there, back, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with pytest.raises(ssl.SSLWantReadError if agreed else ssl.SSLError) as refused:
        server.do_handshake()
    assert agreed or not isinstance(refused.value, ssl.SSLWantReadError)
