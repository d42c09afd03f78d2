"""Is the sender genuine?  A whole server behind a real resolver (Unbound), mail signed by somebody else (dkimpy).

Strangers come from addresses of their own on loopback: 127.0.0.2 is the server of good.test, 127.0.0.3 is nobody's.
"""

import base64
import smtplib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kurir.message import scan
from kurir.senderauth.arc import Sealer, own_results
from kurir.senderauth.dkim import SigningKey
from tests.harness import PATIENCE, Kurir, Sink, login, text
from tests.harness.unbound import Unbound
from tests.unit.senderauth.oracle import dkimpy

GOOD, STRANGER = "127.0.0.2", "127.0.0.3"
OURS = "Authentication-Results: example.test;"
DEADLINE = 10  # seconds for all checks of a message


@dataclass
class World:
    kurir: Kurir
    key: bytes
    password: str

    def send(self, message: bytes, sender: str, source: str = STRANGER, to: str = "you@example.test") -> None:
        with smtplib.SMTP("127.0.0.1", self.kurir.smtp, "mx.good.test", PATIENCE, (source, 0)) as s:
            s.sendmail(sender, [to], message)

    def refused(self, message: bytes, sender: str, source: str = STRANGER) -> tuple[int, str]:
        with pytest.raises(smtplib.SMTPDataError) as e:
            self.send(message, sender, source)
        return e.value.smtp_code, e.value.smtp_error.decode()

    def arrived(self, subject: str) -> str:
        """Return the message in the Maildir whose subject is this."""
        line = f"\r\nSubject: {subject}\r\n".encode().replace(b"\r\n", b"\n")

        def there() -> bytes | None:
            mails = (m.replace(b"\r\n", b"\n") for m in self.kurir.mail("you"))
            return next((m for m in mails if line in m), None)

        return str(self.kurir.wait(f"the mail {subject!r}", there).decode())

    def checks(self, subject: str, lang: str = "en") -> dict[str, tuple[str, str]]:
        """Return what the trace says was found: method -> result and words."""
        story = self.kurir.ask("trace", f"<{subject.replace(' ', '.')}@client.test>", "--lang", lang)
        return {c["method"]: (c["result"], c["text"]) for c in story["messages"][0]["checks"]}

    def signed(self, message: bytes, domain: str) -> bytes:
        return dkimpy().sign(message, b"s", domain.encode(), self.key) + message

    def sealed(self, message: bytes, domain: str) -> bytes:
        """What a forwarder does: write what it found, seal it."""
        server = f"mx.{domain}"
        found = f"Authentication-Results: {server}; arc=none; dmarc=pass header.from=strict.test\r\n"
        message = found.encode() + message
        head = scan(message)
        sealer = Sealer(SigningKey.from_pem(domain, "s", self.key))
        body = [message[head.header_end :]]
        return sealer.seal(head, body, own_results(head, server), time.time()) + message


@pytest.fixture(scope="module", params=[0, 1], ids=["one process", "workers"])
def world(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[World]:
    dkimpy()
    private = generate_private_key(65537, 2048)
    key = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = f"TXT v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
    records = {
        "good.test": ["TXT v=spf1 ip4:127.0.0.2 -all"],
        "2.0.0.127.in-addr.arpa": ["PTR mx.good.test."],
        "mx.good.test": ["A 127.0.0.2"],
        "strict.test": ["TXT v=spf1 -all"],
        "_dmarc.strict.test": ["TXT v=DMARC1; p=reject"],
        "lax.test": ["TXT v=spf1 -all"],
        "_dmarc.lax.test": ["TXT v=DMARC1; p=quarantine"],
        "_dmarc.watching.test": ["TXT v=DMARC1; p=none"],
        **{f"s._domainkey.{d}.test": [record] for d in ("strict", "list", "evil")},
    }
    folder = tmp_path_factory.mktemp("genuine")
    (folder / "unbound").mkdir()
    with ExitStack() as stack:
        dns = stack.enter_context(
            Unbound(folder / "unbound", ("test", "127.in-addr.arpa"), records, ["silent.example"])
        )
        behind = stack.enter_context(Sink(lambda verb, *_: b"550 5.7.1 no\r\n" if verb == "DATA" else None))
        toml = f"""
[net]
resolvers = ["{dns.address}"]
[senderauth]
exempt = []
deadline = {DEADLINE}
trusted_sealers = ["list.test"]
[domains."behind.test"]
relay_to = "smtp://127.0.0.1:{behind.port}?tls=none"
"""
        kurir = stack.enter_context(Kurir(folder / "kurir", workers=request.param, toml=toml))
        yield World(kurir, key, kurir.user("you"))
        assert kurir.audit()["balanced"]


def test_spf_passes_and_the_trace_says_so_in_both_languages(world: World) -> None:
    world.send(text("a@good.test", "you@example.test", "spf pass"), "a@good.test", GOOD)
    mail = world.arrived("spf pass")
    assert mail.count("Authentication-Results") == 1
    assert mail.index(OURS) < mail.index("Received:")
    assert "spf=pass" in mail and "iprev=pass (mx.good.test)" in mail
    assert f"(mx.good.test [{GOOD}])" in mail
    checks = world.checks("spf pass")
    assert checks["spf"] == (
        "pass",
        f"The domain good.test names {GOOD} as one of its servers (SPF, the list of allowed servers).",
    )
    assert "Domain good.test menyebut" in world.checks("spf pass", "id")["spf"][1]
    said = world.kurir.cli("trace", "<spf.pass@client.test>", "--lang", "id").stdout.decode()
    assert "bernama mx.good.test" in " ".join(said.split())


def test_a_signature_proves_the_author_where_spf_does_not(world: World) -> None:
    message = world.signed(text("a@strict.test", "you@example.test", "signed"), "strict.test")
    world.send(message, "a@strict.test")
    mail = world.arrived("signed")
    assert "dmarc=pass" in mail and "dkim=pass" in mail and "spf=fail" in mail


def test_a_broken_signature_is_refused_where_the_owner_asks_for_that(world: World) -> None:
    message = world.signed(text("a@strict.test", "you@example.test", "broken"), "strict.test")
    code, said = world.refused(message.replace(b"hello", b"hallo"), "a@strict.test")
    wish = "strict.test asks to refuse mail that does not prove to come from it (DMARC)"
    assert code == 550
    assert said == f"5.7.1 {wish}, and neither SPF nor a valid DKIM signature does"
    seen = world.kurir.wait(
        "the observation", lambda: world.kurir.ask("trace", "a@strict.test")["observations"]
    )[-1]
    assert (seen["kind"], seen["cause"]) == ("refused_message", "sender_unproven")
    assert seen["detail"] == "dmarc=fail (strict.test), spf=fail, dkim=fail"


def test_quarantine_marks_and_none_only_notes(world: World) -> None:
    for domain, marked in (("lax.test", True), ("watching.test", False)):
        world.send(text(f"a@{domain}", "you@example.test", f"from {domain}"), f"a@{domain}")
        mail = world.arrived(f"from {domain}")
        assert "dmarc=fail" in mail
        assert ("X-Spam-Flag: YES" in mail) is marked
    assert world.checks("from lax.test")["policy"] == ("mark", "So the message was marked as suspicious.")


def test_a_trusted_forwarder_vouches_for_what_it_changed(world: World) -> None:
    for forwarder, taken in (("list.test", True), ("evil.test", False)):
        subject = f"by {forwarder}"
        message = world.signed(text("a@strict.test", "you@example.test", subject), "strict.test")
        message = world.sealed(message.replace(b"hello", b"hello, said the list"), forwarder)
        if not taken:
            assert world.refused(message, f"bounces@{forwarder}")[0] == 550
            continue
        world.send(message, f"bounces@{forwarder}")
        mail = world.arrived(subject)
        assert "arc=pass" in mail and "dmarc=fail" in mail and "X-Spam-Flag" not in mail
        assert world.checks(subject)["policy"] == ("accept", "So the message was taken like any other.")


def test_results_that_pose_as_ours_are_gone(world: World) -> None:
    forged = b"Authentication-Results: example.test; dmarc=pass\r\nAuthentication-Results: other.test; spf=pass\r\n"
    world.send(forged + text("a@watching.test", "you@example.test", "posing"), "a@watching.test")
    mail = world.arrived("posing")
    assert mail.count(OURS) == 1 and "dmarc=pass" not in mail and "other.test; spf=pass" in mail


def test_a_silent_name_service_takes_a_bounded_time_and_refuses_nothing(world: World) -> None:
    began = time.monotonic()
    world.send(text("a@silent.example", "you@example.test", "silent"), "a@silent.example")
    assert time.monotonic() - began < 4 * DEADLINE
    mail = world.arrived("silent")
    assert "spf=temperror" in mail and "dmarc=temperror" in mail
    assert world.checks("silent")["dmarc"][0] == "temperror"


def test_accounts_are_not_checked(world: World) -> None:
    with login(world.kurir, "you", world.password) as s:
        s.sendmail(
            "you@example.test", ["you@example.test"], text("you@example.test", "you@example.test", "own")
        )
    assert "Authentication-Results" not in world.arrived("own")
    assert world.checks("own") == {}


def test_only_a_proven_sender_is_told_of_a_late_refusal(world: World) -> None:
    kurir = world.kurir
    world.send(text("a@good.test", "x@behind.test", "proven late"), "a@good.test", GOOD, "x@behind.test")
    world.send(text("b@good.test", "x@behind.test", "forged late"), "b@good.test", STRANGER, "x@behind.test")

    def states() -> dict[str, str] | None:
        found = {}
        for subject in ("proven.late", "forged.late"):
            stories = kurir.ask("trace", f"<{subject}@client.test>")["messages"]
            found[subject] = stories[0]["recipients"][0]["state"] if stories else ""
        return found if found == {"proven.late": "ended", "forged.late": "held"} else None

    kurir.wait("a bounce and a hold", states)
    told = kurir.wait(
        "the report", lambda: [m["recipients"] for m in kurir.ask("sandbox", "list")["messages"]]
    )
    assert "a@good.test" in str(told)
    assert "b@good.test" not in str(told)
    kurir.wait("word to the postmaster", lambda: any(b"forged late" in m for m in kurir.mail("postmaster")))
    held = kurir.ask("queue", "list")["messages"]
    kurir.cli("queue", "drop", held[0]["id"], "--reason", "the test is over", check=None)


@pytest.mark.parametrize("blank", [" ", "\t"])
def test_a_message_that_begins_with_a_continuation_continues_no_field_of_ours(
    world: World, blank: str
) -> None:
    forged = f"{blank}dkim=pass header.d=bank.test; dmarc=pass header.from=bank.test\r\n".encode()
    message = forged + text("a@good.test", "you@example.test", f"continued {ord(blank)}")
    assert world.refused(message, "a@good.test", GOOD)[0] == 550
