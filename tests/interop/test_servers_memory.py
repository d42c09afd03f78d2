"""A large message costs disk, not memory: at most 16 MiB more than an idle server has, whichever way it leaves."""

import binascii
import hashlib
from contextlib import ExitStack

import pytest

from tests.harness import Sink

from .servers.bodies import CASES
from .servers.dovecot import Dovecot
from .servers.memory import MIB, Watch
from .servers.office import Office, fates, road
from .servers.peer import crlf
from .servers.postfix import Postfix
from .servers.wire import Wire

pytestmark = pytest.mark.interop

GROWTH = 16.0
SIZES = [pytest.param(10), pytest.param(100, marks=pytest.mark.full)]
WAYS = ("postfix", "dovecot", "maildir", "seven")
HEADER = (
    b"From: tester@example.test\r\nSubject: besar\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
)


def body(size):
    """Return `size` MiB of lines, no two alike, some with dots in front and beyond ASCII."""
    line = b".%08d titik di depan, \xc3\xa9 dan sebagainya: " + b"x" * 70 + b"\r\n"
    count = size * MIB // len(line % 0)
    return b"".join([line % i for i in range(count)])


class Workshop:
    def __init__(self, stack: ExitStack, folder, workers: int) -> None:
        self.missing = {}
        self.peers = {}
        roads = []
        for name, make in {"postfix": Postfix, "dovecot": Dovecot}.items():
            try:
                self.peers[name] = stack.enter_context(make())
            except pytest.skip.Exception as reason:
                self.missing[name] = str(reason)
                continue
            scheme = "lmtp" if name == "dovecot" else "smtp"
            roads.append(road(name, f"{scheme}://127.0.0.1:{self.peers[name].port}", [f"{name}.test"]))
        self.sink = stack.enter_context(Sink(extensions=("PIPELINING",)))
        roads.append(road("seven", f"smtp://127.0.0.1:{self.sink.port}", ["seven.test"]))
        self.office = stack.enter_context(
            Office(folder / "office", roads, workers=workers, sections='[limits]\nmessage_size = "150MiB"\n')
        )


@pytest.fixture(scope="module", params=[0, 1], ids=["one-process", "workers"])
def workshop(request, tmp_path_factory):
    with ExitStack() as stack:
        workshop = Workshop(stack, tmp_path_factory.mktemp("memory"), request.param)
        for name in WAYS:  # idle is a server that has worked already
            if name not in workshop.missing:
                workshop.office.send(address(name), CASES["plain"].message)
        workshop.office.wait_empty()
        yield workshop
        assert workshop.office.audit()["balanced"]


def address(way):
    return "tester@example.test" if way == "maildir" else f"box@{way}.test"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", SIZES)
def test_a_large_message_costs_no_memory(workshop, way, size):
    if way in workshop.missing:
        pytest.skip(workshop.missing[way])
    office = workshop.office
    message = HEADER + body(size)
    del workshop.sink.messages[:]
    assert office.process is not None
    with Watch(office.process.pid) as watch:
        id = office.send(address(way), message, parameters="BODY=8BITMIME")
        story = office.ended(id, 120)
    assert set(fates(story).values()) <= {"handed_over", "delivered"}
    assert watch.samples > 3
    assert watch.growth <= GROWTH, f"{watch.growth:.1f} MiB over {watch.idle / MIB:.0f} MiB"
    if way == "seven":
        (came,) = workshop.sink.messages
        assert came.data.isascii()
        head, _, text = came.data.partition(b"\r\n\r\n")
        assert b"Content-Transfer-Encoding: quoted-printable" in head
        assert digest(binascii.a2b_qp(text)) == digest(message.partition(b"\r\n\r\n")[2])
        return
    boxes = {"postfix": lambda: workshop.peers["postfix"].mail("box"), "dovecot": lambda: workshop.peers["dovecot"].mail("box"), "maildir": lambda: [crlf(m) for m in office.mail("tester")]}  # fmt: skip
    stored = office.wait("the message", lambda: [m for m in boxes[way]() if len(m) >= len(message)], 60)[-1]
    assert digest(stored[-len(message) :]) == digest(message)


def digest(octets):
    return hashlib.sha256(octets).hexdigest()


def test_many_large_messages_at_once(workshop):
    """Ten of 2 MiB each at the same time: what counts is the server, not the message."""
    message = HEADER + body(2)
    stuffed = message.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    office = workshop.office
    del workshop.sink.messages[:]
    assert office.process is not None
    with ExitStack() as stack, Watch(office.process.pid) as watch:
        wires = [stack.enter_context(Wire(office.smtp)) for _ in range(10)]
        for wire in wires:
            wire.command("MAIL FROM:<tester@example.test> BODY=8BITMIME")
            wire.command("RCPT TO:<box@seven.test>")
            wire.command("DATA", "3")
        for at in range(0, len(stuffed), 256 * 1024):
            for wire in wires:
                wire.say(stuffed[at : at + 256 * 1024])
        for wire in wires:
            wire.hear()
        office.wait("ten messages", lambda: len(workshop.sink.messages) == 10)
    office.wait_empty()
    assert watch.growth <= 3 * GROWTH, f"{watch.growth:.1f} MiB over {watch.idle / MIB:.0f} MiB"
