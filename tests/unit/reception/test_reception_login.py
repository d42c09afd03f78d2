"""AUTH with the clients people use, over STARTTLS and implicit TLS; and what must not work."""

import asyncio
import base64
import smtplib
import ssl
from pathlib import Path

import aiosmtplib
import pytest
import trustme
from reception_fakes import MESSAGE, MX, SUBMISSION, SUBMISSIONS, House, Raw, certificate
from scramp import ScramClient
from tests.harness import PATIENCE

from kurir.model import Cause, ObservationKind
from kurir.net import ServerTls

Tls = tuple[trustme.CA, ServerTls]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder: Path = tmp_path_factory.mktemp("tls")
    return certificate(folder)


def trusting(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_smtplib_over_starttls(tls: Tls, mechanism: str) -> None:
    house = House(tls=tls[1])
    house.people()

    def send(port: int) -> None:
        with smtplib.SMTP("localhost", port, local_hostname="client.example") as smtp:
            smtp.starttls(context=trusting(tls[0]))
            smtp.ehlo()
            assert set(smtp.esmtp_features["auth"].split()) == {"PLAIN", "LOGIN"}
            smtp.user, smtp.password = "alice@local.example", "alice's secret"
            smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower()}"))
            smtp.sendmail("alice@local.example", ["x@far.example"], MESSAGE)

    async with house.open(SUBMISSION) as port:
        await asyncio.to_thread(send, port)
    (got,) = house.brain.incoming
    assert got.proven_sender
    assert got.origin.account == "alice@local.example"
    assert got.origin.protocol == "ESMTPSA"
    assert got.origin.tls is not None
    assert b"127.0.0.1" not in got.trace_block
    assert b"client.example" not in got.trace_block
    assert b"with ESMTPSA" in got.trace_block
    assert house.brain.logins == [("127.0.0.1", "alice@local.example", True)]
    assert house.brain.seen(ObservationKind.LOGIN)[0].detail == mechanism


async def test_aiosmtplib_on_465(tls: Tls) -> None:
    house = House(tls=tls[1])
    house.people()
    async with house.open(SUBMISSIONS) as port:
        client = aiosmtplib.SMTP(
            hostname="localhost", port=port, use_tls=True, tls_context=trusting(tls[0]), timeout=PATIENCE
        )
        async with client:
            await client.login("alice@local.example", "alice's secret")
            await client.sendmail("alice@local.example", ["x@far.example", "y@far.example"], MESSAGE)
    assert len(house.brain.incoming[0].envelope.recipients) == 2


class Encrypted(Raw):
    """A raw client that said STARTTLS."""

    @classmethod
    async def upgrade(cls, port: int, ca: trustme.CA) -> "Encrypted":
        client = await cls.dial(port)
        await client.hello()
        assert (await client.say("STARTTLS")).startswith("220")
        await client.writer.start_tls(trusting(ca), server_hostname="localhost")
        assert "AUTH" in await client.say("EHLO client.example")
        return client


def b64(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


BAD_LOGINS = [
    ("AUTH PLAIN " + b64("\0alice@local.example\0wrong"), "535 5.7.8"),
    ("AUTH PLAIN " + b64("\0nobody@local.example\0wrong"), "535 5.7.8"),
    ("AUTH PLAIN " + b64("alice@local.example"), "535 5.7.8"),
    ("AUTH PLAIN " + b64("\0alice@local.example\0alice's\0secret"), "535 5.7.8"),
    ("AUTH PLAIN " + b64("bob@local.example\0alice@local.example\0alice's secret"), "535 5.7.8"),
    ("AUTH PLAIN " + b64("\0alice@local.example\0" + "x" * 2000), "535 5.7.8"),
    ("AUTH PLAIN " + b64(b"\0alice@local.example\0\xff\xfe"), "535 5.7.8"),
    ("AUTH PLAIN !!!", "501"),
    ("AUTH PLAIN =", "535"),
    ("AUTH GSSAPI", "504"),
]


@pytest.mark.parametrize(("line", "expected"), BAD_LOGINS)
async def test_bad_logins(tls: Tls, line: str, expected: str) -> None:
    house = House(tls=tls[1])
    house.people()
    async with house.open(SUBMISSION) as port:
        client = await Encrypted.upgrade(port, tls[0])
        assert (await client.say(line)).startswith(expected)
        assert (await client.say("MAIL FROM:<alice@local.example>")).startswith("530")
        good = "AUTH PLAIN " + b64("\0alice@local.example\0alice's secret")
        assert (await client.say(good)).startswith("235 2.7.0")
        assert (await client.say(good)).startswith("503")
        await client.close()
    told = [o for o in house.brain.observations if "secret" in repr(o) or "wrong" in o.account]
    assert told == []


async def test_the_brake_and_the_limit_of_failures(tls: Tls) -> None:
    house = House(tls=tls[1])
    house.people()
    async with house.open(SUBMISSION) as port:
        client = await Encrypted.upgrade(port, tls[0])
        bad = "AUTH PLAIN " + b64("\0alice@local.example\0guess")
        replies = [await client.say(bad) for _ in range(6)]
        assert [r[:9] for r in replies[:5]] == ["535 5.7.8"] * 5
        assert replies[5].startswith(("535 5.7.8", "421 4.7.0"))
        assert (await client.reader.read()).startswith((b"", b"421"))
        await client.close()
        house.brain.wait = 30.0
        client = await Encrypted.upgrade(port, tls[0])
        assert (await client.say("AUTH PLAIN " + b64("\0alice@local.example\0alice's secret"))).startswith(
            "421 4.7.0"
        )
        assert await client.ended()
        await client.close()
    assert len(house.brain.logins) == 5
    assert not any(success for _, _, success in house.brain.logins)


@pytest.mark.parametrize("plus", [False, True])
async def test_scram(tls: Tls, plus: bool) -> None:
    house = House(tls=tls[1])
    house.people(scram=True)
    async with house.open(SUBMISSION) as port:
        client = await Encrypted.upgrade(port, tls[0])
        session = client.writer.get_extra_info("ssl_object")
        binding = ("tls-server-end-point", session) if plus else None
        name = "SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256"
        scram = ScramClient([name], "bob@local.example", "bob's secret", channel_binding=binding)
        first = await client.say(f"AUTH {name} " + b64(scram.get_client_first()))
        assert first.startswith("334 ")
        scram.set_server_first(base64.b64decode(first[4:]).decode())
        final = await client.say(b64(scram.get_client_final()))
        assert final.startswith("334 "), final
        scram.set_server_final(base64.b64decode(final[4:]).decode())
        assert (await client.say("")).startswith("235")
        assert (await client.say("MAIL FROM:<anything@bob.example>")).startswith("250")
        await client.close()
    assert house.brain.logins == [("127.0.0.1", "bob@local.example", True)]


async def test_scram_is_offered_only_where_all_can_use_it(tls: Tls) -> None:
    for scram in (False, True):
        house = House(tls=tls[1])
        house.people(scram=scram)
        async with house.open(SUBMISSION) as port:
            client = await Encrypted.upgrade(port, tls[0])
            assert ("SCRAM-SHA-256" in await client.say("EHLO again.example")) is scram
            await client.close()


async def test_a_sender_has_only_its_own_addresses(tls: Tls) -> None:
    house = House(tls=tls[1])
    house.people()
    async with house.open(SUBMISSION) as port:
        client = await Encrypted.upgrade(port, tls[0])
        await client.say("AUTH PLAIN " + b64("\0alice@local.example\0alice's secret"))
        assert (await client.say("MAIL FROM:<bob@local.example>")).startswith("553 5.7.1")
        assert (await client.say("MAIL FROM:<alice+tag@local.example>")).startswith("250")
        await client.say("RCPT TO:<x@far.example>")
        await client.say("DATA")
        forged = MESSAGE.replace(b"alice@", b"bob@")
        assert (await client.say(forged + b".\r\n")).startswith("550 5.7.1")
        await client.say("MAIL FROM:<alice@local.example>")
        await client.say("RCPT TO:<x@far.example>")
        await client.say("DATA")
        bare = b"From: alice@local.example\r\nBcc: secret@far.example\r\nSubject: hi\r\n\r\nhello\r\n"
        assert (await client.say(bare + b".\r\n")).startswith("250")
        await client.close()
    (refused,) = house.brain.seen(ObservationKind.REFUSED_MESSAGE)
    assert refused.cause is Cause.SENDER_NOT_YOURS
    assert refused.sender == "bob@local.example"  # who it claims to be, not who is on the envelope
    (got,) = house.brain.incoming
    assert got.body == b"From: alice@local.example\r\nSubject: hi\r\n\r\nhello\r\n"
    assert got.size == len(got.body)
    assert b"\r\nDate: " in got.trace_block
    assert f"\r\nMessage-ID: {got.message_id}\r\n".encode() in got.trace_block
    assert got.message_id.endswith("@mx.local.example>")
    assert got.body[got.header_end :] == b"hello\r\n"


async def test_what_comes_behind_starttls_in_the_clear_is_void(tls: Tls) -> None:
    house = House(tls=tls[1])
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        client.send("STARTTLS\r\nMAIL FROM:<evil@far.example>\r\n")
        assert not (await client.reply()).startswith("250")
        assert await client.ended()
        await client.close()
    assert house.brain.incoming == []


async def test_tls_forgets_what_was_said_before(tls: Tls) -> None:
    house = House(tls=tls[1])
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        await client.say("STARTTLS")
        await client.writer.start_tls(trusting(tls[0]), server_hostname="localhost")
        assert (await client.say("MAIL FROM:<a@far.example>")).startswith("503 5.5.1")
        assert "STARTTLS" not in await client.say("EHLO client.example")
        assert (await client.say("STARTTLS")).startswith("503")
        await client.close()


async def test_a_broken_handshake_ends_the_connection(tls: Tls) -> None:
    house = House(tls=tls[1])
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        await client.say("STARTTLS")
        client.send("MAIL FROM:<a@far.example>\r\n")
        await client.reader.read()
        await client.close()
    assert len(house.brain.seen(ObservationKind.TLS_FAILED)) == 1
