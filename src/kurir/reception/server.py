"""All doors of one process: sockets in, sessions out, a drain at the end."""

import asyncio
import socket
from collections.abc import Iterable
from functools import partial

from kurir.model import Cause, Observation, ObservationKind
from kurir.net.listener import Listener, Trouble, serve
from kurir.net.ports import NetError
from kurir.net.stream import SocketStream

from . import replies
from .desk import Counts, Desk
from .session import Session
from .settings import ListenerSettings


class Reception:
    """Serves connections with one `Desk`.  Use inside a running loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._listeners: list[Listener] = []
        self._sessions: set[Session] = set()
        self._draining = False

    @property
    def counts(self) -> Counts:
        """Numbers for metrics."""
        return self._desk.counts

    @property
    def open(self) -> int:
        """Sessions that are open now."""
        return len(self._sessions)

    def serve(self, doors: Iterable[tuple[ListenerSettings, socket.socket]]) -> None:
        """Take connections from bound sockets (see `kurir.net.bind`); returns at once."""
        for listener, sock in doors:
            tls = self._desk.tls_of(listener)
            if listener.implicit_tls and tls is None:
                raise ValueError(f"the listener {listener.name!r} needs a certificate")
            self._listeners.append(
                serve(
                    sock,
                    partial(self.session, listener),
                    tls=tls if listener.implicit_tls else None,
                    proxy=listener.proxy,
                    handshake=self._desk.settings.deadlines.handshake,
                    on_trouble=partial(self._trouble, listener),
                )
            )

    async def session(self, listener: ListenerSettings, stream: SocketStream) -> None:
        """Serve one connection to its end."""
        if self._draining or len(self._sessions) >= self._desk.settings.max_sessions:
            await self._turn_away(listener, stream)
            return
        session = Session(self._desk, listener, stream)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)

    async def _turn_away(self, listener: ListenerSettings, stream: SocketStream) -> None:
        reply = replies.SHUTTING_DOWN if self._draining else replies.TOO_BUSY
        self._observe(
            listener, ObservationKind.REFUSED_CONNECTION, stream.peer.host, replies.CAUSES[reply], str(reply)
        )
        stream.write(reply.render())
        try:
            await stream.drain(1.0)
        except NetError:
            return
        await stream.close()

    def _trouble(self, listener: ListenerSettings, trouble: Trouble) -> None:
        kind, cause = _TROUBLES.get(trouble.kind, (ObservationKind.DROPPED_CONNECTION, Cause.CONNECTION_LOST))
        host = trouble.peer.host if trouble.peer is not None else ""
        self._observe(listener, kind, host, cause, trouble.text)

    def _observe(
        self, listener: ListenerSettings, kind: ObservationKind, client: str, cause: Cause, detail: str
    ) -> None:
        self._desk.door.observe(
            (
                Observation(
                    kind=kind,
                    at=self._desk.clock.now(),
                    client=client,
                    listener=listener.name,
                    cause=cause,
                    detail=detail,
                ),
            )
        )

    async def drain(self, timeout: float) -> None:
        """Take no more connections, say 421 where no body is in flight, wait for the rest, then cut it off.

        Returns when no session is left, after `timeout` seconds (and a moment) at the latest.
        """
        self._draining = True
        for listener in self._listeners:
            listener.stop()
        for session in tuple(self._sessions):
            session.stop()
        await asyncio.gather(*(listener.close(timeout) for listener in self._listeners))
        self._listeners.clear()


_TROUBLES = {
    "tls": (ObservationKind.TLS_FAILED, Cause.TLS_FAILED),
    "proxy": (ObservationKind.PROTOCOL_ERROR, Cause.PROTOCOL_ERROR),
    "full": (ObservationKind.REFUSED_CONNECTION, Cause.BUSY),
}
