"""No spelling makes this server a relay for a stranger, through no door, in the clear or over TLS.

Every way out leads to one recording server, so whatever got through would be there.  Doors: MX plain and with
STARTTLS, submission with STARTTLS and 465 (both without a login), LMTP.  The other way round, trusted networks
and accounts reach exactly the domain they wrote, and a trick gets them no further than anybody else.
"""

import base64
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.harness import PATIENCE, Kurir, Sink

# What is written behind "RCPT TO:"; numbers are those of the catalogue.  Every one is refused for good.
SPELLINGS = [
    "<u@far.test>",  # 32
    "<u@FAR.TEST>",
    "<u@far.test.>",
    " <u@far.test>",
    "u@far.test",
    "<u@far.test",
    "<<u@far.test>>",
    "<u%far.test@example.test>",  # 33
    "<u%far.test%x.test@example.test>",
    "<u%far.test@behind.test>",
    "<u%far.test>",
    "<u%far.test@[127.0.0.1]>",
    "<@example.test:u@far.test>",  # 34
    "<@a.test,@example.test:u@far.test>",
    "<@behind.test:u@far.test>",
    "<far.test!u@example.test>",  # 35
    "<far.test!u@behind.test>",
    "<example.test!far.test!u>",
    "<far.test!u>",
    '<"u@far.test"@example.test>',  # 36
    '<"u@far.test"@behind.test>',
    '<"u@far.test">',
    "<u@far.test@example.test>",
    "<u@example.test@far.test>",
    '<"u"@far.test>',
    "<u\\@far.test@example.test>",
    "<u@[127.0.0.1]>",  # 37
    "<u@[IPv6:::1]>",
    "<u@[::ffff:127.0.0.1]>",
    "<u@[IPv6:::ffff:127.0.0.1]>",
    "<u@127.0.0.1>",
    "<u@2130706433>",
    "<u@0177.0.0.1>",
    "<u@0x7f.1>",
    "<u@localhost>",
    "<u@far>",
    "<u@sub.example.test>",  # 38
    "<u@evilexample.test>",
    "<u@example.test.far.test>",
    "<u@far.test#example.test>",
    "<u@far.test,v@example.test>",
    "<u@far.test> <alice@example.test>",
    "<alice@example.test>,<u@far.test>",
    "<alice@example.test\\r\\nRCPT TO:<u@far.test>>",
    "<alice@example.test\x00@far.test>",
    "<u@far.test\x00@example.test>",
    "<alice@example.test\rRCPT TO:<u@far.test>",
    "<alice@example.test\nRCPT TO:<u@far.test>",  # a bare LF ends no command
    "<u@xn--far-test.test>",
    "<postmaster@far.test>",  # 39
    "<>",
    "<u+far.test@example.test>",
    "<;sleep 5;@far.test>",  # 45
    "<|u@far.test>",
    "<-oQ/x@far.test>",
    "<${run{x}}@far.test>",  # 46
    "<../../u@far.test>",  # 47
    "<u@far.test\u2028@example.test>",  # 48
    "<u\uff20far.test@example.test>",  # 49
    "<u@far\uff0etest>",
    "<u@far\u3002test>",
    "<u@FAR.TEST> NOTIFY=SUCCESS",  # 53
]
# These are ours, whatever else they say; nothing of them may leave.
OURS = [
    "<alice@example.test> ORCPT=rfc822;u@far.test",
    "<@far.test:alice@example.test>",
    "<alice+far.test@example.test>",
]
# A stranger's reverse-path gives him nothing, however much it looks like one of ours.
SENDERS = [
    "<s@far.test>",
    "<alice@example.test>",
    "<>",
    "<postmaster@example.test>",
    "<s@far.test> AUTH=<alice@example.test>",
    "<root@localhost>",
    "<@example.test:s@far.test>",
]
DOORS = ("mx", "mx-tls", "submission", "submission-tls", "submissions", "lmtp")


@dataclass
class World:
    kurir: Kurir
    sink: Sink
    behind: Sink

    def nothing_left(self) -> None:
        assert self.sink.messages == []
        assert all("far" not in line for m in self.behind.messages for line in m.rcpts)


class Wire:
    """A client that says exactly what it is told."""

    def __init__(self, host: str, port: int, *, tls: bool = False, source: str = "127.0.0.1") -> None:
        self._s: socket.socket = socket.create_connection((host, port), PATIENCE, source_address=(source, 0))
        self._file = self._s.makefile("rb")
        if tls:
            self._upgrade()
        self.reply()

    def _upgrade(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._s = context.wrap_socket(self._s)
        self._file = self._s.makefile("rb")

    def starttls(self) -> None:
        assert self.say("STARTTLS").startswith("220")
        self._upgrade()

    def reply(self) -> str:
        """Return the last line of the next reply, or "" where the server has hung up."""
        line = b"???-"
        while line[3:4] == b"-":
            line = self._file.readline()
        return line.decode("utf-8", "replace").rstrip()

    def say(self, command: str) -> str:
        try:
            self._s.sendall(command.encode() + b"\r\n")
            return self.reply()
        except OSError:
            return ""

    def close(self) -> None:
        self._file.close()
        self._s.close()


@contextmanager
def session(world: World, door: str, *, source: str = "127.0.0.1") -> Iterator[Wire]:
    kurir = world.kurir
    port = {
        "mx": kurir.smtp, "mx-tls": kurir.smtp, "submission": kurir.submission, "submission-tls": kurir.submission,
        "submissions": kurir.submissions, "lmtp": kurir.lmtp,
    }[door]  # fmt: skip
    wire = Wire("127.0.0.1", port, tls=door == "submissions", source=source)
    hello = "LHLO stranger.test" if door == "lmtp" else "EHLO stranger.test"
    try:
        wire.say(hello)
        if door.endswith("-tls"):
            wire.starttls()
            wire.say(hello)
        yield wire
    finally:
        wire.close()


@pytest.fixture(scope="module", params=[0, 1], ids=["one-process", "workers"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        sink, behind = stack.enter_context(Sink()), stack.enter_context(Sink())
        toml = f"""
[limits]
connections_per_minute = 100000

[domains."behind.test"]
relay_to = "smtp://127.0.0.1:{behind.port}?tls=none"

[[roads]]
name = "out"
url = "smtp://127.0.0.1:{sink.port}?tls=none"
"""
        folder = tmp_path_factory.mktemp("relay") / "kurir"
        kurir = Kurir(folder, workers=request.param, trust=("127.0.0.2/32",), toml=toml)
        stack.enter_context(kurir).user("alice", "correct horse")
        yield World(kurir, sink, behind)


@pytest.mark.parametrize("door", DOORS)
def test_no_spelling_relays_for_a_stranger(world: World, door: str) -> None:
    wrong = []
    for path in SPELLINGS:
        with session(world, door) as wire:
            wire.say("MAIL FROM:<s@far.test>")
            said = wire.say(f"RCPT TO:{path}")
            data = wire.say("DATA")
            hung_up = not said and any(c in path for c in "\r\n\x00")
            if (said[:1] != "5" and not hung_up) or data[:1] not in ("5", ""):
                wrong.append((path, said, data))
    assert wrong == []
    world.kurir.wait_empty()
    world.nothing_left()


@pytest.mark.parametrize("path", OURS)
def test_what_is_ours_stays_here(world: World, path: str) -> None:
    before = len(world.kurir.mail("alice"))
    with session(world, "mx") as wire:
        assert wire.say("MAIL FROM:<s@far.test>")[:3] == "250"
        assert wire.say(f"RCPT TO:{path}")[:3] == "250"
        assert wire.say("DATA")[:3] == "354"
        assert wire.say("Subject: ours\r\n\r\nours\r\n.")[:3] == "250"
    world.kurir.wait_empty()
    assert len(world.kurir.mail("alice")) == before + 1
    world.nothing_left()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("sender", SENDERS)
def test_no_sender_makes_a_stranger_trusted(world: World, door: str, sender: str) -> None:
    with session(world, door) as wire:
        wire.say(f"MAIL FROM:{sender}")
        assert wire.say("RCPT TO:<u@far.test>")[:1] == "5"
        assert wire.say("DATA")[:1] == "5"
    world.nothing_left()


def test_nobody_talks_himself_into_a_trusted_network(world: World) -> None:
    for trick in (
        "XCLIENT ADDR=127.0.0.2 LOGIN=alice@example.test",
        "XFORWARD ADDR=127.0.0.2",
        "PROXY TCP4 127.0.0.2 127.0.0.1 5 25",
        "HELO localhost",
        "EHLO [127.0.0.2]",
        "AUTH EXTERNAL YWxpY2VAZXhhbXBsZS50ZXN0",
        "AUTH PLAIN "
        + base64.b64encode(b"\0alice@example.test\0correct horse").decode(),  # right, but not on 25
        "VRFY u@far.test",
        "ETRN far.test",
        "TURN",
    ):
        for door in ("mx", "mx-tls"):
            with session(world, door) as wire:
                wire.say(trick)
                wire.say("MAIL FROM:<s@far.test>")
                assert wire.say("RCPT TO:<u@far.test>")[:1] in ("5", ""), (trick, door)
                assert wire.say("DATA")[:1] in ("5", "")
    world.nothing_left()


def test_a_failed_login_is_no_login(world: World) -> None:
    with session(world, "submissions") as wire:
        assert (
            wire.say("AUTH PLAIN " + base64.b64encode(b"\0alice@example.test\0wrong").decode())[:3] == "535"
        )
        assert wire.say("MAIL FROM:<alice@example.test>")[:3] == "530"
        assert wire.say("RCPT TO:<u@far.test>")[:1] == "5"
    world.nothing_left()


def test_commands_behind_starttls_are_not_obeyed(world: World) -> None:
    with session(world, "mx") as wire:
        said = wire.say("STARTTLS\r\nMAIL FROM:<s@far.test>\r\nRCPT TO:<u@far.test>\r\nDATA\r\n\r\nx\r\n.")
        assert said[:1] in ("5", "2", "")
        assert wire.say("NOOP") == ""
    world.nothing_left()


# What the accounts and trusted networks reach: the address as it travels on, or a refusal.
INSIDE = {
    "<u@far.test>": "u@far.test",
    "<u@FAR.test.>": "u@far.test",
    "<@example.test:u@far.test>": "u@far.test",
    '<"a b"@far.test>': '"a b"@far.test',
    "<u%x.test@far.test>": "u%x.test@far.test",  # a name: what far.test makes of it is its own affair
    "<u%far.test@example.test>": None,
    "<far.test!u@example.test>": None,
    '<"u@far.test"@example.test>': None,
    "<u@far.test@example.test>": None,
}


@pytest.mark.parametrize("who", ["trusted", "account"])
def test_insiders_reach_what_they_wrote_and_nothing_else(world: World, who: str) -> None:
    door, source = ("mx", "127.0.0.2") if who == "trusted" else ("submissions", "127.0.0.1")
    before = len(world.sink.messages)
    expected = []
    try:
        for path, arrives in INSIDE.items():
            with session(world, door, source=source) as wire:
                if who == "account":
                    token = base64.b64encode(b"\0alice@example.test\0correct horse").decode()
                    assert wire.say(f"AUTH PLAIN {token}")[:3] == "235"
                assert wire.say("MAIL FROM:<alice@example.test>")[:3] == "250"
                said = wire.say(f"RCPT TO:{path}")
                assert (said[:1] == "2") is (arrives is not None), (path, said)
                if arrives:
                    expected.append(arrives)
                    assert wire.say("DATA")[:3] == "354"
                    assert wire.say("From: <alice@example.test>\r\nSubject: x\r\n\r\nx\r\n.")[:3] == "250"
        world.kurir.wait_empty()
        arrived = [
            line.partition("<")[2].rpartition(">")[0]
            for m in world.sink.messages[before:]
            for line in m.rcpts
        ]
        assert sorted(arrived) == sorted(expected)
    finally:
        world.sink.messages.clear()


def test_an_account_sends_only_as_itself(world: World) -> None:
    with session(world, "submissions") as wire:
        token = base64.b64encode(b"\0alice@example.test\0correct horse").decode()
        assert wire.say(f"AUTH PLAIN {token}")[:3] == "235"
        for sender in (
            "<bob@example.test>",
            "<alice@far.test>",
            '<"alice@example.test"@far.test>',
            "<x%alice@example.test>",
        ):
            assert wire.say(f"MAIL FROM:{sender}")[:3] == "553", sender
        assert wire.say("MAIL FROM:<alice@example.test>")[:3] == "250"
        assert wire.say("RCPT TO:<u@far.test>")[:3] == "250"
        assert wire.say("DATA")[:3] == "354"
        assert wire.say("From: <boss@example.test>\r\nSubject: x\r\n\r\nx\r\n.")[:1] == "5"
    world.kurir.wait_empty()
    world.nothing_left()


def test_the_audit_balances_after_all_that(world: World) -> None:
    assert world.kurir.audit()["balanced"]
    assert "Traceback" not in world.kurir.said()
