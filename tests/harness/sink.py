"""A receiving SMTP server for tests: records every message byte by byte, and misbehaves when told to.

Written without Kurir's own protocol code, on purpose: a bug there must not hide in the tests.  One thread
per connection; loopback only.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


@dataclass(slots=True)
class Received:
    """One message as it came over the wire, dots unstuffed."""

    mail: str
    rcpts: list[str]
    data: bytes
    hello: str


# What a script may answer: bytes to send, None for the ordinary answer, or one of these words.
Script = Callable[[str, str, int], bytes | str | tuple[bytes, str] | None]
"""(verb, line, attempt) -> bytes to say instead; "hang"; "close"; "close-after" (take it, then close);
"swallow" (BODY: take the message, but hang up without a word); (bytes, "close") to say that and hang up; None.  `attempt` counts the same verb with the same line from 1."""


class _Swallowed(ConnectionError):
    """The message was taken, and nobody was told."""


@dataclass(slots=True)
class Sink:
    """Listens on `host`; `script` decides about each command (verbs BANNER EHLO MAIL RCPT DATA BODY QUIT).

    Port 0 is one that the kernel chooses.
    """

    script: Script | None = None
    extensions: tuple[str, ...] = (
        "PIPELINING",
        "8BITMIME",
        "SIZE 200000000",
        "SMTPUTF8",
        "DSN",
        "ENHANCEDSTATUSCODES",
    )
    lmtp: bool = False
    messages: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    host: str = "127.0.0.1"
    _listener: socket.socket = field(init=False)
    _open: set[socket.socket] = field(default_factory=set)
    _counts: dict[str, int] = field(default_factory=dict)
    _closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family, backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for s in list(self._open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    @property
    def busy(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def _accept(self) -> None:
        while not self._closed:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(s)
            threading.Thread(target=self._guard, args=(s,), daemon=True).start()

    def _guard(self, s: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._session(s)
        self._open.discard(s)  # before the other side can know of it and come back
        with contextlib.suppress(OSError):
            s.close()

    def _says(self, s: socket.socket, verb: str, line: str, usual: bytes) -> bool:
        """Answer; True when the usual positive answer was given."""
        with self._lock:
            key = f"{verb} {line}"
            self._counts[key] = attempt = self._counts.get(key, 0) + 1
        said = self.script(verb, line, attempt) if self.script else None
        if said == "hang":
            while s.recv(65536):
                pass
            raise ConnectionError
        if said == "close":
            raise ConnectionError
        if said == "swallow":
            raise _Swallowed
        if isinstance(said, tuple):
            s.sendall(said[0])
            raise ConnectionError
        answer = usual if said is None or isinstance(said, str) else said
        s.sendall(answer)
        if said == "close-after":
            raise ConnectionError
        return answer[:1] in b"23"

    def _session(self, s: socket.socket) -> None:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._says(s, "BANNER", "", b"220 sink.test ESMTP\r\n"):
            return
        buffer = b""
        hello, mail, rcpts = "", "", []
        while True:
            while b"\r\n" not in buffer:
                data = s.recv(262144)
                if not data:
                    return
                buffer += data
            raw, buffer = buffer.split(b"\r\n", 1)
            line = raw.decode("utf-8", "replace")
            verb = line.split(" ")[0].split(":")[0].upper()
            if verb in ("EHLO", "LHLO", "HELO"):
                hello = line
                lines = ["sink.test", *self.extensions]
                text = "".join(f"250{'-' if i < len(lines) - 1 else ' '}{x}\r\n" for i, x in enumerate(lines))
                self._says(s, "EHLO", "", text.encode() if verb != "HELO" else b"250 sink.test\r\n")
            elif verb == "MAIL":
                if self._says(s, "MAIL", line, b"250 2.1.0 ok\r\n"):
                    mail, rcpts = line, []
            elif verb == "RCPT":
                if not mail:
                    s.sendall(b"503 5.5.1 MAIL first\r\n")
                elif self._says(s, "RCPT", line, b"250 2.1.5 ok\r\n"):
                    rcpts.append(line)
            elif verb == "DATA":
                if not rcpts:
                    s.sendall(b"554 5.5.1 no valid recipients\r\n")
                    continue
                if not self._says(s, "DATA", "", b"354 go\r\n"):
                    continue
                while not (buffer.startswith(b".\r\n") or b"\r\n.\r\n" in buffer):
                    data = s.recv(1 << 20)
                    if not data:
                        return
                    buffer += data
                if buffer.startswith(b".\r\n"):
                    body, buffer = b"", buffer[3:]
                else:
                    body, buffer = buffer.split(b"\r\n.\r\n", 1)
                    body += b"\r\n"
                    if body.startswith(b"."):
                        body = body[1:]
                    body = body.replace(b"\r\n.", b"\r\n")
                message = Received(mail, list(rcpts), body, hello)
                replies = len(rcpts) if self.lmtp else 1
                taken = False
                for i in range(replies):
                    try:
                        taken |= self._says(
                            s, "BODY", rcpts[i] if self.lmtp else mail, b"250 2.0.0 taken\r\n"
                        )
                    except _Swallowed:
                        with self._lock:
                            self.messages.append(message)
                        raise
                if taken:
                    with self._lock:
                        self.messages.append(message)
                mail, rcpts = "", []
            elif verb == "RSET":
                mail, rcpts = "", []
                s.sendall(b"250 2.0.0 ok\r\n")
            elif verb == "STARTTLS":
                self._says(s, "STARTTLS", "", b"454 4.7.0 no TLS today\r\n")
            elif verb == "AUTH":
                self._says(s, "AUTH", line, b"235 2.7.0 welcome\r\n")
            elif verb == "QUIT":
                self._says(s, "QUIT", "", b"221 2.0.0 bye\r\n")
                return
            else:
                s.sendall(b"250 2.0.0 ok\r\n")
