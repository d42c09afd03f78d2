"""The whole server with TLS on the way out: configuration, trace, memory over restarts, ``kurir tls``, the doctor."""

import asyncio
import smtplib
import threading
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from kurir.net.tlsa import association
from tests.certs import make
from tests.harness import PATIENCE, Kurir, text
from tests.integration.scripted_peer import Peer, ehlo

from .servers.peer import free_port
from .servers.signeddns import SignedDns

pytestmark = pytest.mark.interop
EHLO, NO_TLS = ehlo("PIPELINING", "STARTTLS"), ehlo("PIPELINING")


class Threaded:
    """Scripted peers in a thread of their own, so that a server in another process can talk to them."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        async def end():
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    def serve(self, script, host, port, tls):
        peer = Peer(script, tls=tls)
        start = asyncio.start_server(peer.serve, host, port, limit=2**20)
        asyncio.run_coroutine_threadsafe(start, self.loop).result(5)
        return peer


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    port = free_port()
    public = make("public root", ca=True)
    (folder / "ca.pem").write_bytes(public.certificate.public_bytes(Encoding.PEM))
    good, other, plain = make("mx.good.test"), make("mx.bad.test"), make("mx.plain.test", public)
    right, wrong = (f"3 1 1 {association(m.certificate, 1, 1).hex()}" for m in (good, make("x")))
    zones = {
        "good.test": {"@": {"MX": ["10 mx"], "A": ["127.0.3.9"]}, "mx": {"A": ["127.0.3.1"]}, f"_{port}._tcp.mx": {"TLSA": [right]}},
        "wrong.test": {"@": {"MX": ["10 mx"]}, "mx": {"A": ["127.0.3.2"]}, f"_{port}._tcp.mx": {"TLSA": [wrong]}},
        "plain.test": {"@": {"MX": ["10 mx"]}, "mx": {"A": ["127.0.3.3"]}},
        "bare.test": {"@": {"MX": ["10 mx"]}, "mx": {"A": ["127.0.3.4"]}},
        "gone.test": {"@": {"MX": ["10 mx"]}, "mx": {"A": ["127.0.3.5"]}},
        "bogus.test": {"@": {"A": ["127.0.3.9"]}},
    }  # fmt: skip
    with (
        SignedDns(
            folder / "dns",
            zones,
            unsigned=["plain.test", "bare.test", "gone.test"],
            broken={"bogus.test": "A"},
        ) as dns,
        Threaded() as peers,
    ):
        shown = {"good": good, "wrong": other, "plain": plain}
        hosts = {
            name: peers.serve({"EHLO": EHLO}, f"127.0.3.{i + 1}", port, made.context(folder))
            for i, (name, made) in enumerate(shown.items())
        }
        hosts["bare"] = peers.serve({"EHLO": NO_TLS}, "127.0.3.4", port, None)
        toml = f"""
[net]
resolvers = ["{dns.address}"]
mx_port = {port}
allow_loopback_peers = true
ca_file = "{folder / "ca.pem"}"
dnssec_good = "good.test"
dnssec_bogus = "bogus.test"

[queue]
retry = [1, 2]
delay_notice = [1]

[tls_out]
loss_delay = "1h"
"""
        server = Kurir(folder / "kurir", playground=False, trust=("127.0.0.0/8",))
        text = server.config.read_text()
        lines, skip = [], False
        for line in text.splitlines():  # the sections that we set ourselves
            if line.startswith("["):
                skip = line in ("[net]", "[queue]", "[tls_out]")
            if not skip:
                lines.append(line)
        server.config.write_text("\n".join(lines) + "\n" + toml)
        with server:
            yield server, hosts


def hand_in(server, sender, recipients):
    with smtplib.SMTP("127.0.0.1", server.smtp, local_hostname="client.test", timeout=PATIENCE) as s:
        s.sendmail(sender, recipients, text(sender, recipients[0], "x"))


def history(server, recipient, count=1):
    """Wait for `count` attempts, return them."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = server.ask("trace", recipient)
        steps = [
            s for m in found["messages"] for r in m["recipients"] if r["address"] == recipient
            for s in r["history"] if s["result"]
        ]  # fmt: skip
        if len(steps) >= count:
            return steps
        time.sleep(0.1)
    raise AssertionError(found)


def test_dane_in_a_running_server(world):
    server, hosts = world
    hand_in(server, "a@example.test", ["x@good.test"])
    hand_in(server, "a@example.test", ["x@wrong.test"])
    good, wrong = history(server, "x@good.test")[0], history(server, "x@wrong.test")[0]
    assert (good["protection"], good["tls"]["policy"]) == ("dane", "dane")
    assert (wrong["result"], wrong["cause"]) == ("deferred", "tls_untrusted")
    assert hosts["wrong"].messages == []
    shown = server.cli("trace", "x@good.test", "--full").stdout.decode()
    assert "demands this certificate in signed DNS" in shown


def test_kurir_tls_says_so_in_words(world):
    server, _ = world
    said = server.cli("tls", "good.test").stdout.decode()
    assert "proven through signed DNS (DANE)" in said and "Mail would be sent to it now." in said
    said = server.cli("tls", "wrong.test", "--lang", "id", check=1).stdout.decode()
    assert "DNS bertanda tangan menyebut sertifikat lain" in said and "TIDAK akan dikirim" in said
    found = server.ask("tls", "good.test")
    assert (found["strength"], found["dnssec"], found["hosts"][0]["sent"]) == ("dane", "works", True)
    assert server.ask("tls", "plain.test")["strength"] == "name"
    assert server.ask("tls", "nowhere.test")["failure"]


SEALED = {
    "good.test": ("--sealed", None),
    "plain.test": ("--sealed", None),
    "wrong.test": (
        "--sealed",
        "550 5.7.30 Mail to wrong.test cannot travel sealed: the certificate of mx.wrong.test is",
    ),
    "bare.test": (
        "--sealed",
        "550 5.7.10 Mail to bare.test cannot travel sealed: mx.bare.test offers no TLS at all",
    ),
    "gone.test": (
        "--sealed",
        "whether it can travel sealed shows when it is sent: mx.gone.test could not be asked",
    ),
}
STRICT = {
    "good.test": "550 5.7.30 Mail to good.test cannot travel sealed: mx.good.test does not announce REQUIRETLS",
    "plain.test": "550 5.7.30 Mail to plain.test cannot travel sealed: nothing proves that mx.plain.test is",
}  # fmt: skip


@pytest.mark.parametrize(
    ("domain", "option", "said"),
    [*((d, *case) for d, case in SEALED.items()), *((d, "--strict", said) for d, said in STRICT.items())],
)
def test_sealed_is_answered_when_it_is_handed_in(world, domain, option, said):
    server, hosts = world
    taken = not said or "shows when" in said
    done = server.cli(
        "send", option, "--to", f"sealed@{domain}", "--from", "a@example.test", "--subject", "x",
        stdin=b"hello\n", check=0 if taken else 1,
    )  # fmt: skip
    assert (said or "") in done.stderr.decode()
    if taken and not said:
        assert history(server, f"sealed@{domain}")[0]["result"] == "handed_over"
        shown = server.cli("trace", f"sealed@{domain}", "--full").stdout.decode()
        assert "proven encryption to the next server" in " ".join(shown.split())
        assert not any(b"Kurir-Sealed" in message for message in hosts[domain.partition(".")[0]].messages)


def test_the_weakest_link_is_named_in_both_languages_and_over_smtp(world):
    server, _ = world
    done = server.cli(
        "send", "--sealed", "--to", "b@bare.test", "--subject", "x", "--lang", "id", stdin=b"x\n", check=1
    )
    assert "Surel ke bare.test tidak dapat dikirim tersegel: mx.bare.test sama sekali" in done.stderr.decode()
    message = b"Kurir-Sealed: yes\r\n" + text("a@example.test", "b@bare.test", "x")
    with smtplib.SMTP("127.0.0.1", server.smtp, local_hostname="client.test", timeout=PATIENCE) as s:
        with pytest.raises(smtplib.SMTPDataError, match="offers no TLS at all"):
            s.sendmail("a@example.test", ["b@bare.test", "x@good.test"], message)


def test_memory_over_a_restart_and_accepting(world):
    server, hosts = world
    server.user("a")  # has a mailbox, but hands in by trust
    hand_in(server, "a@example.test", ["x@plain.test"])
    assert history(server, "x@plain.test")[0]["protection"] == "name"
    server.stop()
    hosts["plain"].script["EHLO"] = NO_TLS
    server.start()
    hand_in(server, "a@example.test", ["y@plain.test"])
    first = history(server, "y@plain.test")[0]
    assert (first["result"], first["cause"]) == ("deferred", "tls_lost"), first
    found = server.ask("doctor")["findings"]
    assert any(f["key"] == "tls_lost_encryption" for f in found) and any(
        f["key"] == "dnssec_works" for f in found
    )
    assert '"tls_alarm"' in server.said()
    notice = server.wait("the delay notice", lambda: server.mail("a"))[0]
    assert b"Action: delayed" in notice and b"rfc822; y@plain.test" in notice
    done = server.ask("tls", "accept", "plain.test", "--until", "2d")
    assert done["name"] == "plain.test"
    server.wait("the sealed one and the plain one", lambda: len(hosts["plain"].messages) == 2)
