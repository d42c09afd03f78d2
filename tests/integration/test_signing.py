"""Mail leaves with two valid signatures, in every form it travels in; somebody else's code (dkimpy) says whether they are."""

import re

import pytest

from tests.harness import Kurir, Sink, hand_in, login, text
from tests.unit.senderauth.oracle import dkimpy

SEVEN_BIT = ("PIPELINING", "SIZE 200000000", "ENHANCEDSTATUSCODES")


def records(kurir: Kurir) -> dict[str, bytes]:
    """Return the TXT records that the server says it needs, by name."""
    return {
        r["name"]: r["value"].encode()
        for r in kurir.json("dns", kurir.domain)["records"]
        if r["type"] == "TXT"
    }


def verified(kurir: Kurir, message: bytes) -> list[str]:
    """Return the algorithms of the signatures, each of which is valid."""
    dkim, zone = dkimpy(), records(kurir)

    def txt(name: bytes, timeout: float = 5) -> bytes | None:
        return zone.get(name.decode().rstrip("."))

    fields = re.findall(rb"^DKIM-Signature:.*?\r\n(?![ \t])", message, re.MULTILINE | re.DOTALL)
    for i in range(len(fields)):
        assert dkim.DKIM(message).verify(i, dnsfunc=txt), fields[i]
    return [m[1].decode() for m in (re.search(rb"\ba=([a-z0-9-]+);", f) for f in fields) if m]


BOTH = ["rsa-sha256", "ed25519-sha256"]


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    """A server that sends everything to a sink; the sink's extensions may be changed."""
    folder = tmp_path_factory.mktemp("signing")
    with Sink() as sink:
        aliases = '[aliases]\n"club@example.test" = ["member@far.test"]\n'
        with Kurir(
            folder / "k", smarthost=f"smtp://127.0.0.1:{sink.port}?tls=none", trust=("127.0.0.9/32",), toml=aliases
        ) as kurir:
            yield kurir, sink, kurir.user("ann")


@pytest.fixture
def server(relay):
    kurir, sink, password = relay
    del sink.messages[:]
    sink.extensions = Sink.__dataclass_fields__["extensions"].default
    return kurir, sink, password


def arrived(kurir, sink, count=1):
    kurir.wait("the mail", lambda: len(sink.messages) >= count)
    return [m.data for m in sink.messages]


def test_submitted_mail_has_two_signatures(server):
    kurir, sink, password = server
    with login(kurir, "ann", password) as s:
        hand_in(s, "ann@example.test", ["x@far.test", "y@far.test"], text("ann@example.test", "x@far.test", "hello"))
    (message,) = arrived(kurir, sink)
    assert verified(kurir, message) == BOTH
    assert message.startswith(b"DKIM-Signature:")
    covered = re.search(rb"h=([^;]*);", message)[1].replace(b"\r\n ", b"").lower().replace(b" ", b"")
    assert covered.split(b":").count(b"from") == 2  # one more than there is: none can be added


def test_large_mail_is_signed_while_it_streams(server):
    kurir, sink, password = server
    body = "line of a large body  \n" * 40_000
    with login(kurir, "ann", password) as s:
        hand_in(s, "ann@example.test", "x@far.test", text("ann@example.test", "x@far.test", "large", body))
    (message,) = arrived(kurir, sink)
    assert len(message) > 900_000
    assert verified(kurir, message) == BOTH


@pytest.mark.parametrize("repeat", [1, 20_000], ids=["small", "large"])
def test_what_was_derived_is_what_is_signed(server, repeat):
    kurir, sink, password = server
    sink.extensions = SEVEN_BIT
    message = text("ann@example.test", "x@far.test", "umlauts", "schöne Grüße\n" * repeat)
    message = message.replace(b"\r\n\r\n", b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", 1)
    with login(kurir, "ann", password) as s:
        hand_in(s, "ann@example.test", "x@far.test", message, mail=["BODY=8BITMIME"])
    (sent,) = arrived(kurir, sink)
    assert sent.isascii() and b"quoted-printable" in sent
    assert verified(kurir, sent) == BOTH


def test_strangers_mail_is_not_signed_as_ours(server):
    """From an outside client to an alias: it says From our domain, and gets no signature of ours."""
    import smtplib

    kurir, sink, _ = server
    with smtplib.SMTP("127.0.0.1", kurir.smtp, local_hostname="evil.test") as s:
        hand_in(s, "ann@evil.test", "club@example.test", text("ann@example.test", "club@example.test", "forged"))
    (message,) = arrived(kurir, sink)
    assert b"DKIM-Signature" not in message


def test_a_trusted_network_is_signed_and_a_foreign_author_is_not(server):
    import smtplib

    kurir, sink, _ = server
    with smtplib.SMTP("127.0.0.1", kurir.smtp, local_hostname="web", source_address=("127.0.0.9", 0)) as s:
        hand_in(s, "app@example.test", "x@far.test", text("app@example.test", "x@far.test", "one"))
        hand_in(s, "app@example.test", "x@far.test", text("root@web1.example.test", "x@far.test", "two"))
        hand_in(s, "app@example.test", "x@far.test", text("app@other.test", "x@far.test", "three"))
    found = {re.search(rb"Subject: (\w+)", m)[1].decode(): verified(kurir, m) for m in arrived(kurir, sink, 3)}
    assert found == {"one": BOTH, "two": BOTH, "three": []}


