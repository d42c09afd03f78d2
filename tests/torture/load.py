"""Real senders: threads that speak SMTP over loopback and enter each 250 in the ledger.

Sizes are mixed, 1 KB to 200 KB, so that bodies both in rows and in files are hit; recipients are local,
relayed, and refused by the next server (which makes bounces).  A sender that loses its connection tries
again; what it had not yet heard a 250 for is nobody's promise.
"""

import base64
import contextlib
import itertools
import random
import socket
import threading
import time
from dataclasses import dataclass, field

from .ledger import SENDER, Ledger, Sent, digest

LOCAL = ("box0@example.test", "box1@example.test")
RELAYED = tuple(f"r{n}@sink.test" for n in range(12))
REFUSED = tuple(f"refused{n}@sink.test" for n in range(3))
_BLOCK = 1 << 19


@dataclass(slots=True)
class Load:
    """`threads` senders to `port`; they wait until `resume` and pause between messages for `pause` seconds."""

    port: int
    ledger: Ledger
    seed: int
    threads: int = 3
    rest: float = 0.01
    local: bool = True
    refused: bool = True
    hello: str = "client.test"
    _open: threading.Event = field(default_factory=threading.Event)
    _end: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _count: "itertools.count[int]" = field(default_factory=itertools.count)
    _text: bytes = b""

    def __enter__(self) -> "Load":
        text = base64.encodebytes(random.Random(self.seed).randbytes(_BLOCK)).replace(b"\n", b"\r\n")
        self._text = text[text.index(b"\r\n") + 2 :]
        for n in range(self.threads):
            thread = threading.Thread(target=self._run, args=(n,), daemon=True)
            thread.start()
            self._running.append(thread)
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._open.set()
        for thread in self._running:
            thread.join(15)

    def resume(self) -> None:
        """Send."""
        self._open.set()

    def pause(self) -> None:
        """Finish what is on its way, then wait."""
        self._open.clear()
        end = time.monotonic() + 15
        while self._busy and time.monotonic() < end:
            time.sleep(0.01)

    def _run(self, n: int) -> None:
        draw = random.Random(f"{self.seed}/{n}/{time.time_ns()}")
        while not self._end.is_set():
            self._open.wait()
            with self._lock:
                self._busy += 1
            with contextlib.suppress(OSError):
                self._session(draw)
            with self._lock:
                self._busy -= 1
            time.sleep(0.03)

    def _session(self, draw: random.Random) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 5) as s, s.makefile("rb") as lines:
            s.settimeout(15)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if _reply(lines)[:1] != b"2":
                return
            s.sendall(f"EHLO {self.hello}\r\n".encode())
            pipelining = b"PIPELINING" in _reply(lines)
            for _ in range(draw.randint(1, 25)):
                if not self._open.is_set() or self._end.is_set():
                    break
                message, rcpts = self.compose(draw)
                self.submit(s, lines, message, rcpts, pipelining=pipelining)
                time.sleep(self.rest * draw.random() * 2)
            s.sendall(b"QUIT\r\n")

    def compose(self, draw: random.Random, size: int | None = None) -> tuple[bytes, tuple[str, ...]]:
        """Return a new message of `size` octets (drawn where None) and its recipients."""
        if size is None:
            low, high = draw.choices(((600, 4000), (16_000, 64_000), (135_000, 200_000)), (14, 3, 2))[0]
            size = draw.randint(low, high)
        pool = [draw.choice(RELAYED)]
        if self.local:
            pool.append(draw.choice(LOCAL))
        rcpts = draw.sample(pool, draw.randint(1, len(pool)))
        if draw.random() < 0.3:
            rcpts += draw.sample(RELAYED, 2)
        if self.refused and draw.random() < 0.04:
            rcpts.append(draw.choice(REFUSED))
        name = f"{self.seed:x}.{next(self._count)}.{draw.getrandbits(48):x}"
        start = 78 * draw.randrange((len(self._text) - size) // 78)
        body = self._text[start : start + size]
        body = body[: body.rindex(b"\r\n") + 2]
        head = (
            f"X-Torture: {name}\r\nFrom: <{SENDER}>\r\nTo: <{rcpts[0]}>\r\nSubject: {name}\r\n"
            f"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{name}@example.test>\r\n\r\n"
        )
        return head.encode() + body, tuple(dict.fromkeys(rcpts))

    def submit(self, s: socket.socket, lines: object, message: bytes, rcpts: tuple[str, ...],
               *, pipelining: bool = True) -> bytes:  # fmt: skip
        """One transaction; returns the last reply."""
        envelope = [f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{r}>" for r in rcpts), "DATA"]
        began = time.monotonic()
        replies = []
        if pipelining:
            s.sendall("".join(line + "\r\n" for line in envelope).encode())
        for line in envelope:
            if not pipelining:
                s.sendall(f"{line}\r\n".encode())
            replies.append(_reply(lines))
        replies = [r.splitlines()[-1] for r in replies]
        if not replies[-1].startswith(b"354"):
            worst = next((r for r in replies if r[:1] not in (b"2", b"3")), replies[-1])
            self.ledger.answered(worst)
            s.sendall(b"RSET\r\n")
            _reply(lines)
            time.sleep(0.05)
            return worst
        taken = tuple(r for r, said in zip(rcpts, replies[1:-1], strict=True) if said[:1] == b"2")
        s.sendall(message + b".\r\n")
        said = _reply(lines)
        if said.startswith(b"250"):
            name = message[11 : message.index(b"\r\n")].decode()
            sent = Sent(name, taken, digest(message), len(message), began, time.monotonic())
            self.ledger.acknowledged(sent)
        else:
            self.ledger.answered(said)
            time.sleep(0.05)
        return said


def _reply(lines: object) -> bytes:
    """Read one whole reply."""
    said = b""
    while True:
        line: bytes = lines.readline()  # type: ignore[attr-defined]
        if not line.endswith(b"\n"):
            raise ConnectionError("closed in the middle of a reply")
        said += line
        if line[3:4] != b"-":
            return said


reply = _reply
