"""The public doors: HTTP/1.1 with strangers, one request a connection, bounded in time, size and number.

A connection that is slow, too large or one too many is closed; nothing is logged of it.  Certificates are those of the mail
doors, chosen by the name that is asked for (SNI).
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import urlsplit

import h11

from kurir.model import Clock
from kurir.net import Listener, NetError, ServerTls, SocketStream, serve

from .site import BODY_OCTETS, Request, Response

HEAD_OCTETS = 8 * 1024


@dataclass(frozen=True, slots=True)
class PublicSettings:
    """`seconds` are for a whole request and its answer; `connections` are served at once."""

    seconds: float = 10.0
    connections: int = 200


class PublicServer:
    """Serves `answer` on sockets until it is closed."""

    def __init__(
        self, answer: Callable[[Request], Response], clock: Clock, settings: PublicSettings | None = None
    ) -> None:
        self._answer = answer
        self._clock = clock
        self._settings = settings or PublicSettings()
        self._listeners: list[Listener] = []

    def listen(self, sock: socket.socket, tls: ServerTls | None = None) -> None:
        """Take connections of a socket made by `kurir.net.bind`; must be called inside the running loop."""
        self._listeners.append(serve(sock, self._talk, tls=tls, handshake=self._settings.seconds))

    async def close(self) -> None:
        """Let go of the sockets and of what is under way."""
        for listener in self._listeners:
            await listener.close()

    async def _talk(self, stream: SocketStream) -> None:
        if sum(listener.sessions for listener in self._listeners) > self._settings.connections:
            return
        talk = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_OCTETS)
        try:
            async with asyncio.timeout(self._settings.seconds):
                request, response = await self._hear(stream, talk)
                stream.write(self._said(talk, request, response))
                await stream.drain()
                await stream.close()
        except (TimeoutError, NetError, h11.LocalProtocolError):
            return  # too slow, gone, or beyond any answer: the listener cuts it off

    async def _hear(self, stream: SocketStream, talk: h11.Connection) -> tuple[h11.Request | None, Response]:
        head: h11.Request | None = None
        body = bytearray()
        try:
            while True:
                event = talk.next_event()
                if event is h11.NEED_DATA:
                    if talk.they_are_waiting_for_100_continue:
                        stream.write(talk.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                    talk.receive_data(await stream.read())
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > BODY_OCTETS:
                        return head, Response(413, b"too large\n")
                elif isinstance(event, h11.EndOfMessage) and head is not None:
                    request = _request(head, bytes(body), secure=stream.tls is not None)
                    return head, self._answer(request) if request else Response(400, b"what?\n")
                else:
                    raise NetError("lost", "closed before a whole request")
        except h11.RemoteProtocolError as e:
            return None, Response(e.error_status_hint, b"what?\n")

    def _said(self, talk: h11.Connection, request: h11.Request | None, response: Response) -> bytes:
        headers = [
            ("Date", formatdate(self._clock.now(), usegmt=True)),
            ("Connection", "close"),
            ("Content-Length", str(len(response.body))),
            *((("Content-Type", response.kind),) if response.body else ()),
            *response.headers,
        ]
        events: list[h11.Event] = [h11.Response(status_code=response.status, headers=headers)]
        if response.body and (request is None or request.method != b"HEAD"):
            events.append(h11.Data(data=response.body))
        return b"".join(talk.send(event) or b"" for event in (*events, h11.EndOfMessage()))


def _request(head: h11.Request, body: bytes, *, secure: bool) -> Request | None:
    """Return the request; None where its host or target cannot be understood."""
    hosts = [value for name, value in head.headers if name == b"host"]
    try:
        host = urlsplit(f"//{hosts[0].decode('ascii')}").hostname if len(hosts) == 1 else None
        path = head.target.decode("ascii").partition("?")[0]
    except (UnicodeDecodeError, ValueError):
        return None
    if not host or not path.startswith("/") or path.startswith("//"):
        return None
    return Request(head.method.decode("ascii"), host, path, secure, body)
