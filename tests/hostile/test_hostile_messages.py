"""Catalogue F, 77 to 84: a hostile message never holds up the others, whatever becomes of it.

Each message goes through a running server twice: from a stranger to a mailbox, and from a trusted client to a next
hop that takes seven bits only, so that its MIME structure is surveyed and derived anew.  Afterwards the longest time
that an event loop was blocked is read from the metrics.
"""

import contextlib
import re
import socket
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import PATIENCE, TRIES, Kurir, Sink
from tests.shared import shared

from .hostile_mail import letters

PROMISE = 0.05  # seconds, on a quiet machine
BOUND = 0.25  # what is asserted: this machine may be busy
MEMORY = 200 * 1024 * 1024  # octets that the whole flood may add


class Wire:
    """A trusted client of one server."""

    def __init__(self, port: int, source: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(source, 0))
        self._lines = self.socket.makefile("rb")
        self.reply()
        self.ask(b"EHLO client.test\r\n")

    def reply(self) -> bytes:
        while True:
            line = self._lines.readline()
            if line[3:4] != b"-":
                return line

    def ask(self, line: bytes) -> bytes:
        self.socket.sendall(line)
        return self.reply()

    def send(self, message: bytes, recipient: str) -> bytes:
        """Return what the server said to the message."""
        self.ask(b"RSET\r\n")
        self.ask(b"MAIL FROM:<someone@sender.test>\r\n")
        self.ask(f"RCPT TO:<{recipient}>\r\n".encode())
        said = self.ask(b"DATA\r\n")
        if not said.startswith(b"354"):
            return said
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(stuffed + (b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n"))
        return self.reply()


class Scene:
    """The server, the hop behind it, and its figures."""

    def __init__(self, folder: Path) -> None:
        self.sink = Sink(extensions=("PIPELINING", "SIZE 200000000", "ENHANCEDSTATUSCODES"))
        self.kurir = Kurir(folder, playground=False, smarthost=f"smtp://127.0.0.1:{self.sink.port}?tls=none",
                           trust=("127.7.0.0/16",),
                           toml="[limits]\nconnections_per_minute = 100000\nnetwork_connections_per_minute = 100000\n")  # fmt: skip
        self.kurir.start()
        self.kurir.user("box")
        self.lags()

    def metrics(self) -> str:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.kurir.admin}/metrics", timeout=PATIENCE
        ) as answer:
            return str(answer.read().decode())

    def lags(self) -> dict[str, float]:
        """The longest blocks since the last reading, by role."""
        found = re.findall(
            r"^kurir_(\w+)_loop_lag_max_seconds(?:\{[^}]*\})? (\S+)", self.metrics(), re.MULTILINE
        )
        return {role: float(value) for role, value in found}

    def memory(self) -> int:
        """Octets that all processes of the server account for."""
        total = 0
        for pid in self.kurir.pids().values():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += 1024 * int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]
        return total

    def send(self, message: bytes) -> tuple[bytes, bytes]:
        """Send it both ways and wait until the next hop has it (or nothing is left to wait for)."""
        stranger = Wire(self.kurir.smtp, "127.8.0.1")
        first = stranger.send(message, "box@example.test")
        stranger.socket.close()
        friend = Wire(self.kurir.smtp, "127.7.0.1")
        second = friend.send(message, "x@elsewhere.test")
        friend.socket.close()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            waiting = re.search(r"^kurir_waiting_messages(?:\{[^}]*\})? (\S+)", self.metrics(), re.MULTILINE)
            if waiting is None or float(waiting[1]) == 0:
                break
            time.sleep(0.05)
        time.sleep(0.11)  # the meter looks ten times a second
        return first, second

    def close(self) -> None:
        try:
            assert self.kurir.stop() == 0
        finally:
            self.sink.__exit__()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("slow") / "k")
    yield made
    made.close()


class Onlooker(threading.Thread):
    """An honest client that says NOOP all the time and remembers the longest wait for its answer.

    The server's own meter looks ten times a second and may miss a short block; this one does not, but it also
    counts what the machine's other work costs.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._over = threading.Event()
        self.longest = 0.0

    def run(self) -> None:
        while not self._over.is_set():
            wire = Wire(self._port, "127.9.0.1")
            for _ in range(90):
                begun = time.perf_counter()
                wire.ask(b"NOOP\r\n")
                self.longest = max(self.longest, time.perf_counter() - begun)
                if self._over.wait(0.002):
                    break
            wire.socket.close()

    def __enter__(self) -> "Onlooker":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self.join()


LETTERS = list(letters())


@pytest.mark.parametrize(("group", "name", "message"), LETTERS, ids=[f"{g}-{n}" for g, n, _ in LETTERS])
def test_nobody_waits_for_a_hostile_message(scene: Scene, group: int, name: str, message: bytes) -> None:
    for _ in range(TRIES):
        scene.lags()
        with Onlooker(scene.kurir.smtp) as onlooker:
            said = scene.send(message)
        lags = scene.lags()
        if max(lags.values()) <= BOUND and onlooker.longest <= 2 * BOUND:
            break
    print(
        f"{name}: loop {max(lags.values()) * 1000:.0f} ms, NOOP {onlooker.longest * 1000:.0f} ms, {said[0][:9]!r}"
    )
    assert all(reply[:1] in b"25" for reply in said), said
    assert max(lags.values()) <= BOUND, f"{name}: {lags}"
    assert onlooker.longest <= 2 * BOUND, name


def test_nobody_waits_for_the_malformed_mail_of_others(scene: Scene) -> None:
    path = shared("data", "mime", "mail-parser-rfc-malformed.tar.xz")
    if path is None:
        pytest.skip("the shared test material has no data/mime (set KURIR_SHARED to its folder)")
    with tarfile.open(path) as tar:
        found = [m for m in tar.getmembers() if m.isfile() and m.name.endswith((".eml", ".txt"))]
        malformed = {m.name: tar.extractfile(m).read() for m in found}  # type: ignore[union-attr]
    for _ in range(TRIES):
        scene.lags()
        for name, octets in malformed.items():
            message = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
            said = scene.send(message)
            assert all(reply[:1] in b"25" for reply in said), (name, said)
        lags = scene.lags()
        if max(lags.values()) <= BOUND:
            break
    print(f"others' malformed mail: {max(lags.values()) * 1000:.0f} ms")
    assert max(lags.values()) <= BOUND


def test_memory_comes_back_and_the_books_balance(scene: Scene) -> None:
    before = scene.memory()
    for _, _, message in LETTERS[::4]:
        scene.send(message)
    assert scene.memory() - before < MEMORY
    scene.kurir.audit()
