"""Plays a `Case` to a real server: over each transport, cut into segments as wanted.  No code of Kurir's is used."""

import contextlib
import random
import re
import socket
import ssl
import struct
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Self

from tests.harness import PATIENCE

from .cases import HELLO, Case, End, Transport

PAUSE = 0.0002  # so that segments reach the server one by one, mostly
USER, PASSWORD = "user@example.test", "correct-horse-battery"
STRANGER = "someone@sender.test"
_SIZE = re.compile(rb"%SIZE:(.*?)%(?= LAST\r\n|\r\n)", re.DOTALL)
_PROOF = re.compile(rb"%PROOF:([^%]*)%")

Cut = Callable[[bytes], Iterable[bytes]]
"""How the octets of a step become segments."""


def whole(octets: bytes) -> Iterable[bytes]:
    """One segment."""
    return (octets,)


def bytewise(octets: bytes) -> Iterable[bytes]:
    """A segment for each octet."""
    return (octets[i : i + 1] for i in range(len(octets)))


def at(place: int) -> Cut:
    """Two segments; a step that is too short stays whole."""
    return lambda octets: (octets[:place], octets[place:]) if 0 < place < len(octets) else (octets,)


def at_line_ends(octets: bytes) -> Iterable[bytes]:
    """Cut within each CRLF."""
    pieces = octets.split(b"\n")
    return (*(p + b"\n" for p in pieces[:-1]), *((pieces[-1],) if pieces[-1] else ()))


def by_chance(seed: int, most: int = 20) -> Cut:
    """Pieces of one to `most` octets."""

    def cut(octets: bytes) -> Iterator[bytes]:
        chance = random.Random(seed)
        start = 0
        while start < len(octets):
            size = chance.randint(1, most)
            yield octets[start : start + size]
            start += size

    return cut


class Strangers:
    """Source addresses on loopback, each in a network of its own, so that no brake of one run holds up another."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def next(self) -> str:
        n = next(self._numbers)
        return f"127.{1 + n // 250 % 190}.{n % 250}.{1 + n // 47500 % 250}"


class Disagreement(AssertionError):
    """What the server did is not what the case says."""


class Client:
    """One connection."""

    def __init__(
        self, port: int, source: str, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.socket: socket.socket = socket.socket(socket.AF_INET)
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind((source, 0))
        self.socket.connect((host, port))
        self._buffer = b""
        self.heard: list[str] = []
        if tls is not None:
            self.start_tls(tls)

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands."""
        self.socket = context.wrap_socket(self.socket, server_hostname="example.test")

    def send(self, pieces: Iterable[bytes]) -> None:
        """Send segments; a server that hung up in the middle of it is no mistake here."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            for i, piece in enumerate(pieces):
                if i:
                    time.sleep(PAUSE)
                self.socket.sendall(piece)

    def reply(self) -> str | None:
        """Return the last line of the next reply, None at the end of the connection."""
        while True:
            while b"\r\n" not in self._buffer:
                try:
                    got = self.socket.recv(65536)
                except (ConnectionResetError, ssl.SSLError):
                    got = b""
                if not got:
                    return None
                self._buffer += got
            line, self._buffer = self._buffer.split(b"\r\n", 1)
            text = line.decode("utf-8", "backslashreplace")
            if text[3:4] != "-":
                self.heard.append(text)
                return text

    def expect(self, *wanted: str) -> None:
        """Read as many replies as are wanted."""
        for beginning in wanted:
            try:
                said = self.reply()
            except TimeoutError:
                raise Disagreement(f"wanted {beginning!r}, heard nothing; before: {self.heard}") from None
            if said is None or not said.startswith(beginning):
                raise Disagreement(f"wanted {beginning!r}, heard {said!r}; all: {self.heard}")

    def ask(self, line: bytes, *wanted: str) -> None:
        """Say a line, whole, and read the replies."""
        self.send((line,))
        self.expect(*wanted)

    def hello(self, line: bytes) -> bytes:
        """Say a line and return the whole reply."""
        self.send((line,))
        said = b""
        while not re.search(rb"(?:^|\n)\d{3} [^\n]*\n$", said):
            got = self.socket.recv(65536)
            if not got:
                break
            said += got
        return said

    def rest(self) -> bytes:
        """Read to the end of the connection."""
        said, self._buffer = self._buffer, b""
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            while got := self.socket.recv(65536):
                said += got
        return said

    def hang_up(self) -> None:
        """End it in order."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def reset(self) -> None:
        """End it with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()


class Player:
    """Plays cases to one server and remembers what each run must leave behind."""

    def __init__(self, smtp: int, submissions: int, submission: int, ca: Path) -> None:
        self._ports = {Transport.PLAIN: smtp, Transport.STARTTLS: smtp, Transport.TLS: submissions}
        self._login_ports = {Transport.STARTTLS: submission, Transport.TLS: submissions}
        self.tls = ssl.create_default_context(cafile=str(ca))
        self.strangers = Strangers()
        self.runs: dict[str, tuple[Case, Transport]] = {}
        self._ids = count(1)

    def connect(self, transport: Transport, source: str | None = None, *, login: bool = True) -> Client:
        """Return a connection that is ready for MAIL; with `login` False one that is ready for AUTH."""
        source = source or self.strangers.next()
        context = self.tls if transport is Transport.TLS else None
        ports = self._ports if login else self._login_ports
        client = Client(ports[transport], source, tls=context)
        client.expect("220")
        client.ask(HELLO, "250")
        if transport is Transport.STARTTLS:
            client.ask(b"STARTTLS\r\n", "220")
            client.start_tls(self.tls)
            client.ask(HELLO, "250")
        if transport is Transport.TLS and login:
            proof = b64encode(f"\0{USER}\0{PASSWORD}".encode())
            client.ask(b"AUTH PLAIN " + proof + b"\r\n", "235")
        return client

    def anonymous(self, port: int, source: str | None = None) -> Client:
        """Return a connection that has said EHLO in the clear."""
        client = Client(port, source or self.strangers.next())
        client.expect("220")
        client.ask(HELLO, "250")
        return client

    def play(self, case: Case, transport: Transport, cut: Cut, *, login: bool = True) -> None:
        """Play one case once.  Raises `Disagreement`."""
        run = f"{next(self._ids):08x}"
        self.runs[run] = (case, transport)
        sender = USER if transport is Transport.TLS else STRANGER
        with self.connect(transport, login=login) as client:
            client.heard.clear()
            for step in case.steps:
                client.send(cut(filled(step.send, run, sender)))
                client.expect(*step.replies)
            self._finish(case.end, client)

    def _finish(self, end: End, client: Client) -> None:
        if end is End.KEPT:
            client.ask(b"NOOP\r\nQUIT\r\n", "250 2.0.0 OK", "221")
        if end in (End.KEPT, End.CLOSED):
            said = client.reply()
            if said is not None:
                raise Disagreement(f"the end was wanted, heard {said!r}; all: {client.heard}")
        elif end is End.RESET:
            client.reset()
        else:
            client.hang_up()


def filled(octets: bytes, run: str, sender: str) -> bytes:
    """Put in the run's id and sender, and count the chunks, encode the proofs."""
    octets = octets.replace(b"%ID%", run.encode()).replace(b"%FROM%", sender.encode())
    octets = _PROOF.sub(lambda m: b64encode(m[1].replace(b"|", b"\0")), octets)
    return _SIZE.sub(lambda m: b"%d" % len(m[1]), octets)
