"""Catalogue A, 19 and 20: nothing that came in, by whatever door, is two messages for a lenient next hop.

The next hop here ends a message at anything that anybody ever took for an end of data, and drops NULs before it
looks.  First it is shown that it does.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import PATIENCE, Kurir

from .catalogue_a_framing import SEQUENCES, WITH_NUL
from .client import PASSWORD, USER

_END = re.compile(rb"(?:\r\n|\n|\r)\.(?:\r\r\n|\r\n|\n|\r)")
_LINE = re.compile(rb"\r\n|\n|\r")
SMUGGLED = b"MAIL FROM:<evil@sender.test>\r\nRCPT TO:<victim@elsewhere.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nhello\r\n.\r\n"
HEAD = b"From: <user@example.test>\r\nSubject: outer\r\n\r\n"
ALL = (*((name, octets) for _, name, octets in SEQUENCES), *WITH_NUL)
IDS = [name for name, _ in ALL]


class Lenient:
    """A next hop that believes every end of data; `messages` are (envelope lines, body)."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.messages: list[tuple[list[bytes], bytes]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                s, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s: socket.socket) -> None:
        with s, contextlib.suppress(OSError):
            s.sendall(b"220 lenient.test\r\n")
            buffer, envelope, in_data = b"", [], False
            while data := s.recv(65536):
                buffer += data.replace(b"\0", b"")
                while True:
                    found = (_END if in_data else _LINE).search(b"\r\n" + buffer if in_data else buffer)
                    if found is None:
                        break
                    if in_data:
                        text = b"\r\n" + buffer
                        self.messages.append((envelope, text[2 : found.start()]))
                        buffer, envelope, in_data = text[found.end() :], [], False
                        s.sendall(b"250 2.0.0 taken\r\n")
                        continue
                    line, buffer = buffer[: found.start()], buffer[found.end() :]
                    if not line:
                        continue
                    verb = line[:4].upper()
                    if verb in (b"MAIL", b"RCPT"):
                        envelope.append(line)
                    in_data = verb == b"DATA"
                    s.sendall(
                        b"354 go\r\n" if in_data else b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n"
                    )
                    if verb == b"QUIT":
                        return


class Scene:
    """Kurir in front of the lenient one; it relays for our network and for who logs in."""

    def __init__(self, folder: Path) -> None:
        self.hop = Lenient()
        self.kurir = Kurir(
            folder,
            playground=False,
            smarthost=f"smtp://127.0.0.1:{self.hop.port}?tls=none",
            trust=("127.0.0.0/8",),
        )
        self.kurir.start()
        self.kurir.user("user", PASSWORD)

    def close(self) -> None:
        try:
            assert self.kurir.stop() == 0
        finally:
            self.hop.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("out") / "k")
    yield made
    made.close()


def _talk(port: int, *steps: bytes) -> bytes:
    """Say steps, each once the one before was answered; return everything that was said."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as s, contextlib.suppress(OSError):
        said += s.recv(9999)
        for step in steps:
            s.sendall(step)
            got = s.recv(99999)
            while got and not re.search(rb"(?m)^\d{3} [^\n]*\n\Z", got):
                got += s.recv(99999)
            said += got
        while steps[-1] == b"QUIT\r\n" and s.recv(9999):
            pass  # until it has understood everything
    return said


def _came(scene: Scene, accepted: int) -> list[tuple[list[bytes], bytes]]:
    """Wait until everything has left; return what arrived."""
    scene.kurir.wait_empty()
    came, scene.hop.messages = scene.hop.messages, []
    assert len(came) == accepted
    for envelope, body in came:
        assert envelope == [b"MAIL FROM:<user@example.test>", b"RCPT TO:<x@elsewhere.test>"] or (
            len(envelope) == 2 and envelope[0].startswith(b"MAIL FROM:<user@example.test>") and b"x@elsewhere.test" in envelope[1]
        )  # fmt: skip
        assert b"Subject: outer" in body
    return came


_OPEN = b"MAIL FROM:<user@example.test>\r\nRCPT TO:<x@elsewhere.test>\r\n"


@pytest.mark.parametrize(("name", "octets"), ALL, ids=IDS)
def test_the_next_hop_is_as_lenient_as_it_says(name: str, octets: bytes) -> None:
    hop = Lenient()
    _talk(hop.port, b"EHLO x\r\n", b"MAIL FROM:<user@example.test>\r\n", b"RCPT TO:<x@elsewhere.test>\r\n", b"DATA\r\n",
          HEAD + b"mid" + octets + SMUGGLED, b"QUIT\r\n")  # fmt: skip
    assert len(hop.messages) == 2
    hop.close()


@pytest.mark.parametrize(("name", "octets"), ALL, ids=IDS)
@pytest.mark.parametrize("way", ["data", "bdat"])
def test_in_by_smtp(scene: Scene, way: str, name: str, octets: bytes) -> None:
    body = HEAD + b"mid" + octets + SMUGGLED
    if way == "data":
        said = _talk(scene.kurir.smtp, b"EHLO c.test\r\n", _OPEN, b"DATA\r\n", body)
    else:
        said = _talk(scene.kurir.smtp, b"EHLO c.test\r\n", _OPEN, b"BDAT %d LAST\r\n" % len(body) + body)
    assert said.count(b"accepted, safe on disk") == 0
    assert re.search(rb"(?m)^550 5\.(5\.2|6\.0)", said)
    _came(scene, 0)


@pytest.mark.parametrize(("name", "octets"), ALL, ids=IDS)
def test_in_by_the_local_commands(scene: Scene, name: str, octets: bytes) -> None:
    """`kurir send` takes files as programs write them: what is accepted leaves as one message, or it is refused."""
    done = scene.kurir.cli(
        "send",
        "--to",
        "x@elsewhere.test",
        "--from",
        USER,
        "--json",
        stdin=HEAD + b"mid" + octets + SMUGGLED,
        check=None,
    )
    _came(scene, 1 if done.returncode == 0 else 0)


@pytest.mark.parametrize("way", ["data", "bdat"])
def test_true_ends_inside_a_message_stay_inside(scene: Scene, way: str) -> None:
    """A body that rightly holds CRLF.CRLF (stuffed, or counted) leaves stuffed."""
    body = HEAD + b"mid\r\n.\r\n" + SMUGGLED
    if way == "data":
        wire = re.sub(rb"\r\n\.", rb"\r\n..", body) + b".\r\n"
        said = _talk(scene.kurir.smtp, b"EHLO c.test\r\n", _OPEN, b"DATA\r\n", wire)
    else:
        said = _talk(scene.kurir.smtp, b"EHLO c.test\r\n", _OPEN, b"BDAT %d LAST\r\n" % len(body) + body)
    assert said.count(b"accepted, safe on disk") == 1
    ((_, came),) = _came(scene, 1)
    assert came.replace(b"\r\n..", b"\r\n.").endswith(body.removesuffix(b"\r\n"))


def test_harmless_nuls_pass_and_do_no_harm(scene: Scene) -> None:
    body = HEAD + b"a\0b\r\n\0\r\n.\0x\r\n"
    said = _talk(
        scene.kurir.smtp,
        b"EHLO c.test\r\n",
        _OPEN,
        b"DATA\r\n",
        re.sub(rb"\r\n\.", rb"\r\n..", body) + b".\r\n",
    )
    _came(scene, said.count(b"accepted, safe on disk"))
