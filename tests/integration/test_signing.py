"""Mail leaves with two valid signatures, in every form it travels in; somebody else's code (dkimpy) says whether they are."""

import contextlib
import re
import smtplib

import pytest

from kurir.senderauth.dkim import txt_strings
from tests.harness import Kurir, Sink, hand_in, login, text
from tests.harness.dns import Names
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


@contextlib.contextmanager
def outside(kurir: Kurir, name: str, address: str = "127.0.0.1"):
    """A session on port 25."""
    with smtplib.SMTP("127.0.0.1", kurir.smtp, local_hostname=name, source_address=(address, 0)) as s:
        s.ehlo()
        yield s


BOTH = ["rsa-sha256", "ed25519-sha256"]


TOML = """
[aliases]
"club@example.test" = ["member@far.test"]

[[roads]]
name = "seven"
url = "smtp://127.0.0.1:{seven}?tls=none"
recipients = ["seven.test"]

[[roads]]
name = "far"
url = "smtp://127.0.0.1:{far}?tls=none"
"""


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    """A server that sends everything to a sink, and mail for seven.test to one that takes 7-bit mail only."""
    folder = tmp_path_factory.mktemp("signing") / "k"
    with Sink() as far, Sink(extensions=SEVEN_BIT) as seven:
        toml = TOML.format(far=far.port, seven=seven.port)
        with Kurir(folder, trust=("127.0.0.9/32",), toml=toml) as kurir:
            yield kurir, far, seven, kurir.user("ann")


@pytest.fixture
def server(relay):
    kurir, far, seven, password = relay
    del far.messages[:], seven.messages[:]
    far.script = None
    return kurir, far, password


def arrived(kurir, sink, count=1):
    kurir.wait("the mail", lambda: len(sink.messages) >= count)
    return [m.data for m in sink.messages]


def test_submitted_mail_has_two_signatures(server):
    kurir, sink, password = server
    with login(kurir, "ann", password) as s:
        hand_in(
            s,
            "ann@example.test",
            ["x@far.test", "y@far.test"],
            text("ann@example.test", "x@far.test", "hello"),
        )
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
def test_what_was_derived_is_what_is_signed(server, relay, repeat):
    kurir, sink, password = server
    seven = relay[2]
    message = text("ann@example.test", "x@far.test", "umlauts", "schöne Grüße\n" * repeat)
    message = message.replace(
        b"\r\n\r\n",
        b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        1,
    )
    with login(kurir, "ann", password) as s:
        hand_in(s, "ann@example.test", ["x@far.test", "x@seven.test"], message, mail=["BODY=8BITMIME"])
    (as_it_came,), (derived,) = arrived(kurir, sink), arrived(kurir, seven)
    assert derived.isascii() and b"quoted-printable" in derived and not as_it_came.isascii()
    assert verified(kurir, derived) == verified(kurir, as_it_came) == BOTH


def test_strangers_mail_is_not_signed_as_ours(server):
    """From an outside client to an alias: it says From our domain, and gets no signature of ours."""
    kurir, sink, _ = server
    with outside(kurir, "evil.test") as s:
        hand_in(
            s, "ann@evil.test", "club@example.test", text("ann@example.test", "club@example.test", "forged")
        )
    (message,) = arrived(kurir, sink)
    assert b"DKIM-Signature" not in message


def test_a_trusted_network_is_signed_and_a_foreign_author_is_not(server):
    kurir, sink, _ = server
    with outside(kurir, "web", "127.0.0.9") as s:
        hand_in(s, "app@example.test", "x@far.test", text("app@example.test", "x@far.test", "one"))
        hand_in(s, "app@example.test", "x@far.test", text("root@web1.example.test", "x@far.test", "two"))
        hand_in(s, "app@example.test", "x@far.test", text("app@other.test", "x@far.test", "three"))
    found = {
        re.search(rb"Subject: (\w+)", m)[1].decode(): verified(kurir, m) for m in arrived(kurir, sink, 3)
    }
    assert found == {"one": BOTH, "two": BOTH, "three": []}


def test_a_notice_of_ours_is_signed(server):
    kurir, sink, password = server
    sink.script = lambda verb, line, _: (
        b"550 5.1.1 nobody\r\n" if verb == "RCPT" and "gone@" in line else None
    )
    with login(kurir, "ann", password) as s:
        hand_in(
            s, "ann@example.test", "gone@dead.test", text("ann@example.test", "gone@dead.test", "refused")
        )
    kurir.wait("the report", lambda: kurir.mail("ann"))
    assert b"DKIM-Signature" not in kurir.mail("ann")[0]  # the end of the way: nobody checks it behind us
    # The same report on its way to somebody outside: a local program's mail from <>.
    kurir.cli(
        "send", "--to", "x@far.test", "--from", "ann@example.test",
        stdin="From: MAILER-DAEMON@example.test\nTo: x@far.test\nSubject: Undelivered\n\nIt came back.\n",
    )  # fmt: skip
    (message,) = arrived(kurir, sink)
    assert verified(kurir, message) == BOTH


def test_forwarded_mail_has_a_sender_of_ours_and_reports_find_back(server):
    kurir, sink, _ = server
    with outside(kurir, "mx.far.test") as s:
        hand_in(
            s,
            "carl@origin.test",
            "club@example.test",
            text("carl@origin.test", "club@example.test", "to all"),
        )
        arrived(kurir, sink)
        mail = sink.messages[0].mail
        sender = re.search(r"<(SRS0=[^>]+=origin\.test=carl@example\.test)>", mail)[1]
        assert sink.messages[0].rcpts[0].startswith("RCPT TO:<member@far.test>")
        s.rset()
        # the receiving side reports that it could not deliver
        hand_in(s, "", sender.lower(), text("MAILER-DAEMON@far.test", sender, "Undelivered"))
        arrived(kurir, sink, 2)
        assert sink.messages[1].mail.startswith("MAIL FROM:<>")
        assert sink.messages[1].rcpts[0].startswith("RCPT TO:<carl@origin.test>")
        # nobody else can use it, and a forged one leads nowhere
        assert s.docmd("MAIL FROM:<spam@far.test>")[0] == 250
        assert s.docmd(f"RCPT TO:<{sender}>")[:1] == (550,)
        s.rset()
        assert s.docmd("MAIL FROM:<>")[0] == 250
        assert s.docmd(f"RCPT TO:<{sender.replace('carl', 'other')}>") == (550, b"5.1.1 No such mailbox here")


def test_keys_change_without_a_broken_message(server):
    kurir, sink, password = server
    before = records(kurir)
    assert [k["state"] for k in kurir.json("dkim", "rotate", kurir.domain)["keys"]] == ["active", "active"]
    states = {k["selector"]: k["state"] for k in kurir.json("dkim", "list")["keys"]}
    assert sorted(states.values()) == ["active", "active", "retiring", "retiring"]
    assert before.items() <= records(kurir).items()  # what was signed before can still be checked

    def signed_with_new_ones():
        del sink.messages[:]
        with login(kurir, "ann", password) as s:
            hand_in(s, "ann@example.test", "x@far.test", text("ann@example.test", "x@far.test", "rotated"))
        (message,) = arrived(kurir, sink)
        assert verified(kurir, message) == BOTH
        used = {m.decode() for m in re.findall(rb"s=(k\d+[re]\d*);", message)}
        return all(states[s] == "active" for s in used)

    kurir.wait("new signatures", signed_with_new_ones)


def test_a_key_signs_when_the_dns_shows_it(tmp_path):
    """A server for the world: unsigned until the records are there, then signed, and the check is green."""
    with Names({}) as names, Sink() as sink:
        resolvers = {"KURIR_NET__RESOLVERS": f'["{names.address}"]'}
        with Kurir(
            tmp_path / "k",
            playground=False,
            smarthost=f"smtp://127.0.0.1:{sink.port}?tls=none",
            env=resolvers,
        ) as kurir:
            password = kurir.user("ann")
            assert {k["state"] for k in kurir.json("dkim", "list")["keys"]} == {"pending"}
            with login(kurir, "ann", password) as s:
                hand_in(s, "ann@example.test", "x@far.test", text("ann@example.test", "x@far.test", "early"))
            assert b"DKIM-Signature" not in arrived(kurir, sink)[0]
            assert kurir.json("dns", "check", kurir.domain, check=1)["ok"] is False

            needed = kurir.json("dns", kurir.domain, "--address", "127.0.0.1")["records"]
            zone: dict[str, dict[str, list[str]]] = {}
            for r in needed:
                value = (
                    r["value"] if r["type"] != "TXT" else " ".join(f'"{p}"' for p in txt_strings(r["value"]))
                )
                zone.setdefault(r["name"], {}).setdefault(r["type"], []).append(value)
            names.zone = zone
            found = kurir.json("dns", "check", kurir.domain)
            assert found["ok"] and {r["severity"] for r in found["records"]} == {"green"}

            kurir.stop()
            kurir.start()  # a watch looks at once, and then each minute
            kurir.wait(
                "keys in use",
                lambda: {k["state"] for k in kurir.json("dkim", "list")["keys"]} == {"active"},
            )

            def signed():
                del sink.messages[:]
                with login(kurir, "ann", password) as s:
                    hand_in(
                        s, "ann@example.test", "x@far.test", text("ann@example.test", "x@far.test", "late")
                    )
                return verified(kurir, arrived(kurir, sink)[0]) == BOTH

            kurir.wait("signatures", signed)
