"""Servers that do what they like to whom they get mail from: nothing is lost, held up, believed or shown as it came.

All of them are peers of one running server at once, beside an honest one.  Whatever they do, the message to them
waits with its reason in printable words; the honest one gets its mail at once; memory and the event loop stay calm.
"""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import PATIENCE, TRIES, Kurir, Sink

from .test_hostile_messages import Scene, Wire

Play = Callable[[socket.socket], None]
_BANNER = b"220 hostile.test\r\n"
_HELLO = b"250 hostile.test\r\n"
_TLS_HELLO = b"250-hostile.test\r\n250 STARTTLS\r\n"
_ALL_AT_ONCE = _BANNER + _HELLO + b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go\r\n250 2.0.0 taken\r\n221 bye\r\n"
LATE = 5.0  # seconds that the server waits for each step here


def _listen(s: socket.socket) -> None:
    """Read until the other side has enough."""
    while s.recv(65536):
        pass


def says(*replies: bytes) -> Play:
    """Say each reply once something came for the one before, then nothing more."""

    def play(s: socket.socket) -> None:
        for reply in replies[:-1]:
            s.sendall(reply)
            if not s.recv(65536):
                return
        s.sendall(replies[-1])
        _listen(s)

    return play


def flood(octets: bytes, *before: bytes) -> Play:
    """Say something in order, then the same without end."""

    def play(s: socket.socket) -> None:
        for reply in before:
            s.sendall(reply)
            s.recv(65536)
        while True:
            s.sendall(octets * (65536 // len(octets)))

    return play


def drip(octets: bytes) -> Play:
    """An octet now and then, for ever."""

    def play(s: socket.socket) -> None:
        while True:
            for i in range(len(octets)):
                s.sendall(octets[i : i + 1])
                time.sleep(0.2)

    return play


PLAYS: dict[str, Play] = {
    "endless banner": flood(b"220-welcome\r\n"),
    "endless banner line": flood(b"2" * 64),
    "endless EHLO": flood(b"250-X\r\n", _BANNER),
    "endless RCPT": flood(b"550-no\r\n", _BANNER, _HELLO, b"250 ok\r\n"),
    "endless NULs": flood(b"\0" * 64),
    "endless empty lines": flood(b"\r\n"),
    "endless whole replies": flood(b"220 again\r\n"),
    "endless 250 to MAIL": flood(b"250 ok\r\n", _BANNER, _HELLO),
    "megabyte in a line": says(_BANNER, _HELLO, b"550 " + b"x" * 1_000_000 + b"\r\n"),
    "thousand lines": says(_BANNER, _HELLO, b"550-x\r\n" * 1000 + b"550 x\r\n"),
    "everything before it is asked": says(_ALL_AT_ONCE),
    "220 twice": says(_BANNER * 2),
    "220 twice then refusals": says(_BANNER * 2, b"550 go away\r\n"),
    "NUL in the banner": says(b"220 a\0b\r\n220\0 x\r\n"),
    "negative code": says(_BANNER, _HELLO, b"-550 no\r\n"),
    "code 199": says(_BANNER, _HELLO, b"199 what\r\n"),
    "code 600": says(_BANNER, _HELLO, b"600 what\r\n"),
    "code 000": says(_BANNER, _HELLO, b"000 what\r\n"),
    "code of two digits": says(_BANNER, _HELLO, b"55 no\r\n"),
    "code of four digits": says(_BANNER, _HELLO, b"5500 no\r\n"),
    "code in full-width digits": says(_BANNER, _HELLO, "\uff15\uff15\uff10 no\r\n".encode()),
    "changing codes": says(_BANNER, _HELLO, b"250-a\r\n550 b\r\n"),
    "334 to EHLO": says(_BANNER, b"334 \r\n"),
    "354 to MAIL": says(_BANNER, _HELLO, b"354 go\r\n"),
    "250 to DATA": says(_BANNER, _HELLO, b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n"),
    "drips": drip(b"220-slow\r\n"),
    "drips without a line": drip(b"220 slow "),
    "silence": _listen,
    "end at once": lambda s: None,
    "HTTP": says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "SSH": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "terminal tricks": says(_BANNER, _HELLO, b"451 4.7.1 \x1b[2J\x1b]0;x\x07\x9b2J\r\x08 \xe2\x80\xae later\r\n"),
    "forged log line": says(_BANNER, _HELLO, b'451 4.7.1 x","fate":"delivered"\rHANDED OVER {0} %s ${x}\r\n'),
    "garbage for TLS": says(_BANNER, _TLS_HELLO, b"220 go\r\n" + b"\xff" * 500),
    "replies behind STARTTLS": says(_BANNER, _TLS_HELLO, b"220 go\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n"),
    "silence for TLS": says(_BANNER, _TLS_HELLO, b"220 go\r\n"),
    "endless TLS record": flood(b"\x16\x03\x03\xff\xff" + b"\0" * 59, _BANNER, _TLS_HELLO, b"220 go\r\n"),
}  # fmt: skip


class Hostile:
    """One of them, for as many connections as come."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                s, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s: socket.socket) -> None:
        s.settimeout(PATIENCE)
        with s, contextlib.suppress(OSError):
            self._play(s)


class Street:
    """The server, the honest peer, and all the others, each behind a road of its own."""

    def __init__(self, folder: Path) -> None:
        self.honest = Sink()
        self.peers = {f"h{i}": Hostile(play) for i, play in enumerate(PLAYS.values())}
        self.names = dict(zip(PLAYS, self.peers, strict=True))
        ports = {name: peer.port for name, peer in self.peers.items()} | {"honest": self.honest.port}
        roads = "".join(
            f'[[roads]]\nname = "{name}"\nurl = "smtp://127.0.0.1:{port}?tls=opportunistic"\nrecipients = ["{name}.test"]\n'
            for name, port in ports.items()
        )
        timeouts = "".join(
            f"{step} = {LATE}\n"
            for step in ("connect", "banner", "hello", "tls", "auth", "command", "data", "final_dot")
        )
        self.kurir = Kurir(
            folder,
            trust=("127.0.0.0/8",),
            toml=f"[queue]\nretry = [600]\n[delivery.timeouts]\n{timeouts}{roads}",
        )
        self.kurir.start()

    def close(self) -> None:
        try:
            assert self.kurir.stop() == 0
        finally:
            self.honest.__exit__()
            for peer in self.peers.values():
                peer.close()


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    made = Street(tmp_path_factory.mktemp("street") / "k")
    yield made
    made.close()


def _id(said: bytes) -> str:
    found = re.search(rb"250 2\.0\.0 (\S+) accepted", said)
    assert found is not None, said
    return found[1].decode()


def test_all_of_them_at_once(street: Street) -> None:
    kurir = street.kurir
    watch = Scene.__new__(Scene)  # only its figures are wanted
    watch.kurir = kurir
    watch.lags()
    before = watch.memory()
    wire = Wire(kurir.smtp, "127.7.0.1")
    letter = b"Subject: x\r\n\r\nhello\r\n"
    ids = {play: _id(wire.send(letter, f"x@{name}.test")) for play, name in street.names.items()}
    begun = time.monotonic()
    for _ in range(20):
        wire.send(letter, "x@honest.test")
    kurir.wait("honest mail", lambda: len(street.honest.messages) == 20, 60)
    honest = time.monotonic() - begun
    for attempts in range(1, TRIES + 1):
        for play, number in ids.items():

            def tried(number: str = number, wanted: int = attempts) -> bool:
                (message,) = kurir.ask("trace", number)["messages"]
                return bool(message["recipients"][0]["attempts"] >= wanted)

            kurir.wait(f"the attempt: {play}", tried)
        lags, grown = watch.lags(), watch.memory() - before
        if max(lags.values()) <= 0.25:
            break
        kurir.inside("queue", "retry", *ids.values(), "--yes")
    print(
        f"honest mail in {honest:.1f} s, loop {max(lags.values()) * 1000:.0f} ms, {grown / 1e6:.0f} MB more"
    )
    assert {m.rcpts[0] for m in street.honest.messages} == {"RCPT TO:<x@honest.test>"} or len(
        street.honest.messages
    ) == 20
    assert max(lags.values()) <= 0.25
    assert grown < 64_000_000
    waiting = kurir.ask("queue", "list")["total"]
    assert waiting == len(PLAYS), waiting  # nobody was believed, nobody's message was given up
    kurir.audit()


@pytest.mark.parametrize("play", PLAYS)
def test_its_words_are_shown_harmlessly(street: Street, play: str) -> None:
    """What `trace` prints and what the log holds is printable, line by line."""
    code, said, errors = street.kurir.inside("trace", f"x@{street.names[play]}.test")
    assert code in (0, 1), errors
    assert street.names[play] in said
    for line in said.splitlines():
        assert all(c.isprintable() or c == "\t" for c in line), (play, line)
    assert b"\x1b" not in street.kurir.log.read_bytes()
    assert "\u202e" not in said
