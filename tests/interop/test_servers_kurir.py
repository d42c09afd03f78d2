"""Kurir behind Kurir: by smarthost with login, by MX, and as the next server of a relayed domain."""

import ssl
import time
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from tests.harness.dns import Names

from .servers.bodies import CASES
from .servers.certificates import Certificates
from .servers.notices import notices
from .servers.office import Office, fates, last, road
from .servers.peer import crlf, has_ipv6
from .servers.wire import Refused, Wire

pytestmark = pytest.mark.interop

STRANGER = "::1"  # not in the trusted networks, which 127.0.0.0/8 is
PASSWORD = "kata sandi: ünïk/42"
# road -> scheme, user, password
INNS = {
    "inn": ("smtp", "relayer", PASSWORD),
    "inn-tls": ("smtps", "relayer", PASSWORD),
    "inn-scram": ("smtp", "scrammer", PASSWORD),
    "inn-wrong": ("smtp", "relayer", "wrong"),
}


class Pair:
    """`front` sends; `back` receives, and is found by MX, as a smarthost and as the server of a relayed domain.

    ``back.test`` is local at the back, and has it as its MX.  ``behind.test`` is relayed by the front; only `box`
    lives there.  ``inn*.test`` are local at the back too, reached through its submission doors with a login.
    """

    def __init__(self, stack: ExitStack, folder) -> None:
        certificates = Certificates(folder)
        own = [f'[domains."{name}.test"]\n' for name in ("behind", *INNS)]
        tls = f'[tls]\ncertificate = "{certificates.trusted}"\nkey = "{certificates.trusted}"\n'
        self.back = Office(folder / "back", domain="back.test", sections=tls + "".join(own))
        zone = {"back.test": {"MX": ["10 localhost."]}, "localhost": {"A": ["127.0.0.1"]}}
        names = stack.enter_context(Names(zone))
        ports = {"smtp": self.back.submission, "smtps": self.back.submissions}
        inns = [
            road(
                name,
                f"{scheme}://{user}%40back.test:{quote(password, safe='')}@localhost:{ports[scheme]}",
                [f"{name}.test"],
            )
            for name, (scheme, user, password) in INNS.items()
        ]
        self.front = Office(
            folder / "front",
            inns,
            sections=f'[net]\nca_file = "{certificates.ca}"\nresolvers = ["{names.address}"]\n'
            f"mx_port = {self.back.smtp}\nallow_loopback_peers = true\n"
            f'[domains."behind.test"]\nrelay_to = "smtp://localhost:{self.back.smtp}?tls=require"\n',
        )
        stack.enter_context(self.back)
        stack.enter_context(self.front)
        boxes = [f"--also=box@{name}.test" for name in ("behind", *INNS)]
        self.back.cli("user", "add", "box@back.test", *boxes)
        for user, more in (("relayer", []), ("scrammer", ["--scram"])):
            self.back.cli(
                "user", "add", f"{user}@back.test", "--also=*@example.test", "--password-stdin", *more,
                stdin=PASSWORD + "\n",
            )  # fmt: skip


needs_stranger = pytest.mark.skipif(not has_ipv6(), reason="no IPv6: there is no address that is not trusted")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with ExitStack() as stack:
        pair = Pair(stack, tmp_path_factory.mktemp("kurir"))
        yield pair
        for office in (pair.front, pair.back):
            assert office.audit()["balanced"]


def arrived(office, local, message, domain=None):
    def found():
        return [m for m in map(crlf, office.mail(local, domain)) if m.endswith(message)]

    return office.wait("the message", found)


def test_by_mx_with_verified_tls(pair):
    message = CASES["eightbit-utf8"].message
    story = pair.front.ended(pair.front.send("box@back.test", message, parameters="BODY=8BITMIME"))
    step = last(story)
    assert fates(story) == {"box@back.test": "handed_over"}
    assert (step["road"], step["protection"], step["tls"]["verified"]) == ("mx", "name", "name")
    (stored,) = arrived(pair.back, "box", message)
    assert b"with ESMTPS" in stored


def test_both_traces_tell_of_the_same_message(pair):
    message = CASES["plain"].message
    story = pair.front.ended(pair.front.send("box@back.test", message))
    there = pair.back.json("trace", "<plain@client.test>")["messages"]
    assert {m["message_id"] for m in there} == {story["message_id"]}
    assert last(story)["reply"]["lines"] == [f"{there[0]['id']} accepted, safe on disk"]


def test_unknown_recipient_by_mx_bounces_at_the_front_only(pair):
    message = CASES["leading-dots"].message
    story = pair.front.ended(pair.front.send(["ghost@back.test", "box@back.test"], message))
    assert fates(story) == {"ghost@back.test": "bounced", "box@back.test": "handed_over"}
    (notice,) = notices(pair.front, "<leading-dots@client.test>")
    assert notice.about["diagnostic-code"] == "smtp;550 5.1.1 No such mailbox here"


@pytest.mark.parametrize("name", INNS)
def test_by_smarthost_with_a_login(pair, name):
    message = CASES["leading-dots"].message.replace(b"Subject: ", f"Subject: {name} ".encode())
    id = pair.front.send(f"box@{name}.test", message)
    if name == "inn-wrong":
        story = pair.front.attempted(id)
        assert (last(story)["cause"], fates(story)) == ("auth_failed", {"box@inn-wrong.test": None})
        # A try may be under way.
        hold = ("queue", "hold", id, "--reason", "test")
        pair.front.wait("the hold", lambda: not pair.front.cli(*hold, check=None).returncode)
        pair.front.wait("the end", lambda: not pair.front.cli("queue", "drop", id, check=None).returncode)
        return
    story = pair.front.ended(id)
    assert (last(story)["tls"]["verified"], fates(story)) == ("name", {f"box@{name}.test": "handed_over"})
    (stored,) = arrived(pair.back, "box", message)
    assert b"with ESMTPSA" in stored


def test_a_login_sends_only_for_its_own_addresses(pair):
    message = CASES["plain"].message
    story = pair.front.ended(pair.front.send("box@inn.test", message, sender="stranger@elsewhere.test"))
    assert fates(story) == {"box@inn.test": "bounced"}
    assert last(story)["cause"] == "sender_not_yours"


def test_requiretls_is_kept(pair):
    """RFC 8689: a road that we named goes on; the name of an MX from a DNS that proves nothing could be anybody's."""
    tls, message = ssl.create_default_context(cafile=pair.front.ca), CASES["nul"].message
    with Wire(pair.front.smtp) as wire:
        wire.start_tls(tls)
        with pytest.raises(
            Refused, match=r"^550 5\.7\.30 .*nothing proves that \S+ is the mail host of back\.test"
        ):
            wire.send("tester@example.test", ["box@back.test"], message, parameters="REQUIRETLS")
        id = wire.send("tester@example.test", ["box@inn.test"], message, parameters="REQUIRETLS")
    story = pair.front.ended(id)
    assert (last(story)["tls"]["verified"], fates(story)) == ("name", {"box@inn.test": "handed_over"})


@needs_stranger
def test_relayed_domain_is_asked_at_rcpt(pair):
    message = CASES["lines-998"].message
    with Wire(pair.front.smtp, host=STRANGER) as wire:
        wire.command("MAIL FROM:<stranger@elsewhere.test>")
        with pytest.raises(Refused, match=r"^550 5\.1\.1 .*No such mailbox here"):
            wire.command("RCPT TO:<ghost@behind.test>")
        wire.command("RSET")
        id = wire.send("stranger@elsewhere.test", ["box@behind.test"], message)
    story = pair.front.ended(id)
    assert (last(story)["tls"]["verified"], fates(story)) == ("name", {"box@behind.test": "handed_over"})
    arrived(pair.back, "box", message)
    seen = pair.front.json("trace", "ghost@behind.test")["observations"]
    assert [o["kind"] for o in seen] == ["refused_recipient"]


def test_an_insider_gets_a_report_instead(pair):
    message = CASES["blank-lines"].message
    story = pair.front.ended(pair.front.send("ghost@behind.test", message))
    assert fates(story) == {"ghost@behind.test": "bounced"}
    notices(pair.front, "<blank-lines@client.test>")


@needs_stranger
def test_a_relayed_domain_whose_server_is_away_waits_at_the_sender(pair):
    with Wire(pair.front.smtp, host=STRANGER) as wire:
        wire.command("MAIL FROM:<stranger@elsewhere.test>")
        pair.back.stop()
        try:
            with pytest.raises(Refused, match=r"^45[01] 4\.4\.1"):
                wire.command("RCPT TO:<postmaster@behind.test>")
        finally:
            pair.back.start()
    pair.front.wait("the back to be asked again", lambda: _takes(pair.front, "postmaster@behind.test"))


def _takes(server, address):
    """Ask anew each time: a session that is refused again and again is ended."""
    with Wire(server.smtp, host=STRANGER) as wire:
        wire.command("MAIL FROM:<stranger@elsewhere.test>")
        try:
            return wire.command(f"RCPT TO:<{address}>")
        except Refused:
            time.sleep(0.5)
            return None
