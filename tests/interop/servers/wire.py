"""A sender of raw SMTP: what it is told to send is what goes over the wire, octet by octet."""

import contextlib
import socket
import ssl
from collections.abc import Sequence
from typing import Self

from tests.harness import PATIENCE


class Refused(Exception):
    """The server's reply where another was hoped for."""


class Wire:
    """One session with a server on loopback; made to be used by one test at a time."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection((host, port), PATIENCE)
        self._socket.settimeout(PATIENCE)
        self._buffer = b""
        self._expect(self._reply(), "2")
        self.extensions = self.command("EHLO client.test")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(b"QUIT\r\n")
            self._reply()
        self._socket.close()

    def _reply(self) -> str:
        lines = []
        while True:
            while b"\r\n" not in self._buffer:
                data = self._socket.recv(65536)
                if not data:
                    raise ConnectionError("the server closed the connection")
                self._buffer += data
            line, self._buffer = self._buffer.split(b"\r\n", 1)
            lines.append(line.decode())
            if line[3:4] != b"-":
                return "\n".join(lines)

    @staticmethod
    def _expect(reply: str, klass: str) -> str:
        if reply[0] != klass:
            raise Refused(reply)
        return reply

    def command(self, line: str, klass: str = "2") -> str:
        """Send a line; return the reply.  Raises `Refused` for one of another class."""
        self._socket.sendall(line.encode() + b"\r\n")
        return self._expect(self._reply(), klass)

    def say(self, octets: bytes) -> None:
        """Send octets as they are."""
        self._socket.sendall(octets)

    def hear(self, klass: str = "2") -> str:
        """Return the next reply.  Raises `Refused` for one of another class."""
        return self._expect(self._reply(), klass)

    def start_tls(self, context: ssl.SSLContext, name: str = "localhost") -> None:
        """Go over to TLS and say hello again."""
        self.command("STARTTLS")
        self._socket = context.wrap_socket(self._socket, server_hostname=name)
        self.extensions = self.command("EHLO client.test")

    def send(
        self,
        sender: str,
        recipients: Sequence[str],
        message: bytes,
        *,
        parameters: str = "",
        whole: bool = False,
    ) -> str:
        """Send a message; return its queue id.

        DATA adds the CRLF that a message without one lacks; `whole` sends it by BDAT, which does not.
        Each recipient may carry parameters: ``"a@example NOTIFY=NEVER"``.
        """
        self.command(f"MAIL FROM:<{sender}>" + (f" {parameters}" if parameters else ""))
        for recipient in recipients:
            address, _, rest = recipient.partition(" ")
            self.command(f"RCPT TO:<{address}>" + (f" {rest}" if rest else ""))
        if whole:
            self._socket.sendall(f"BDAT {len(message)} LAST\r\n".encode())
            self._socket.sendall(message)
        else:
            self.command("DATA", "3")
            stuffed = message.replace(b"\r\n.", b"\r\n..")
            if stuffed.startswith(b"."):
                stuffed = b"." + stuffed
            if stuffed and not stuffed.endswith(b"\r\n"):
                stuffed += b"\r\n"
            self._socket.sendall(stuffed)
            self._socket.sendall(b".\r\n")
        reply = self._expect(self._reply(), "2")
        return reply.split()[2]
