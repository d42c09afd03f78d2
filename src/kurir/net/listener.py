"""Accepting connections: one task per connection, from a socket that the supervisor holds.

`bind` makes listening sockets (one per worker with SO_REUSEPORT, already listening, so that a
worker that died loses no waiting connection); `serve` takes connections from one of them, reads
the PROXY header where a trusted proxy speaks, does TLS where the port is TLS from the first byte,
and calls `on_stream`.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .addresses import IPNetwork, endpoint_of, within
from .ports import Endpoint, NetError
from .proxyproto import ProxyError, ProxyHeader, parse_proxy
from .stream import CLOSE_SECONDS, HANDSHAKE_SECONDS, SocketStream
from .tls import ServerTls, describe_tls_error
from .tlsinput import TlsInput

BACKLOG = 1024
ACCEPTS_PER_TURN = 64  # so that a flood of connections does not starve the sessions
PAUSE_SECONDS = 0.5  # after running out of file descriptors or memory
PROXY_SECONDS = 5.0  # for the PROXY header
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

OnStream = Callable[[SocketStream], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that ended before a session began, or that stops new ones.

    `kind` is "tls", "proxy", "lost" (one connection; `peer` says whose) or "full" (no descriptors or memory).
    """

    kind: str
    text: str
    peer: Endpoint | None = None


class Listener:
    """One listening socket being served; made by `serve`."""

    def __init__(
        self,
        sock: socket.socket,
        on_stream: OnStream,
        *,
        tls: ServerTls | None,
        proxy: tuple[IPNetwork, ...],
        handshake: float,
        on_trouble: Callable[[Trouble], None] | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock: socket.socket | None = sock
        self._on_stream = on_stream
        self._tls = tls
        self._proxy = proxy
        self._handshake = handshake
        self._on_trouble = on_trouble
        self._paused: asyncio.TimerHandle | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self.address = endpoint_of(sock.getsockname())
        self._loop.add_reader(sock.fileno(), self._accept)

    @property
    def sessions(self) -> int:
        """Connections being handled now."""
        return len(self._sessions)

    def stop(self) -> None:
        """Accept no more and let go of the socket; sessions go on."""
        if self._sock is None:
            return
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        self._sock = None

    async def close(self, grace: float = 0.0) -> None:
        """Stop, give sessions `grace` seconds to end by themselves, then cancel the rest."""
        self.stop()
        if self._sessions and grace > 0:
            await asyncio.wait(self._sessions, timeout=grace)
        left = list(self._sessions)
        for task in left:
            task.cancel()
        if left:
            await asyncio.gather(*left, return_exceptions=True)

    def _accept(self) -> None:
        if self._sock is None:
            return
        for _ in range(ACCEPTS_PER_TURN):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as e:
                if e.errno not in _NO_ROOM:
                    raise
                self._pause(e)
                return
            task = self._loop.create_task(self._session(sock, address))
            self._sessions.add(task)
            task.add_done_callback(self._ended)

    def _pause(self, error: OSError) -> None:
        """Leave connections in the kernel's queue for a moment instead of spinning on them."""
        assert self._sock is not None
        self._loop.remove_reader(self._sock.fileno())
        self._paused = self._loop.call_later(PAUSE_SECONDS, self._unpause)
        self._tell(Trouble("full", f"no new connections for {PAUSE_SECONDS:g} s: {error.strerror}"))

    def _unpause(self) -> None:
        self._paused = None
        if self._sock is not None:
            self._loop.add_reader(self._sock.fileno(), self._accept)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sessions.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler(
                {"message": "a session failed", "exception": error, "task": task}
            )

    def _tell(self, trouble: Trouble) -> None:
        if self._on_trouble is not None:
            self._on_trouble(trouble)

    async def _session(self, sock: socket.socket, address: object) -> None:
        peer = endpoint_of(address)
        local = None
        stream: SocketStream | None = None
        try:
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._proxy and within(peer.host, self._proxy):
                    async with asyncio.timeout(PROXY_SECONDS):
                        header = await _read_proxy_header(self._loop, sock)
                    peer, local = header.source or peer, header.destination
            stream = SocketStream(self._loop, peer, local)
            await self._attach(stream, sock)
        except (OSError, ProxyError, NetError) as e:
            _drop(stream, sock)
            self._tell(_trouble(e, peer))
            return
        except BaseException:
            _drop(stream, sock)
            raise
        try:
            await self._on_stream(stream)
        except NetError:
            pass  # the connection ended while the handler was busy with it: nothing to tell
        finally:
            stream.abort()

    async def _attach(self, stream: SocketStream, sock: socket.socket) -> None:
        """Give the socket to a transport: with TLS from the first byte, so that none is taken for clear text."""
        tls, loop = self._tls, self._loop
        if tls is None:
            await loop.connect_accepted_socket(lambda: stream, sock)
            return
        try:
            await loop.connect_accepted_socket(
                lambda: TlsInput(stream),
                sock,
                ssl=tls.context,
                ssl_handshake_timeout=self._handshake,
                ssl_shutdown_timeout=CLOSE_SECONDS,
            )
        except (OSError, RuntimeError, ValueError) as e:
            raise describe_tls_error(e, None, self._handshake) from e
        stream.secured(tls)


def _trouble(error: OSError | ProxyError | NetError, peer: Endpoint) -> Trouble:
    if isinstance(error, ProxyError):
        return Trouble("proxy", str(error), peer)
    if isinstance(error, TimeoutError):
        return Trouble("proxy", f"no whole PROXY header within {PROXY_SECONDS:g} seconds", peer)
    if isinstance(error, NetError):
        return Trouble(error.kind, str(error), peer)
    return Trouble("lost", error.strerror or str(error), peer)


def _drop(stream: SocketStream | None, sock: socket.socket) -> None:
    if stream is not None:
        stream.abort()
    with contextlib.suppress(OSError):
        sock.close()  # where no transport owns it yet; a second close does nothing


async def _read_proxy_header(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> ProxyHeader:
    """Read exactly the header: what follows it may belong to TLS, so it must stay in the socket."""
    seen = b""
    while True:
        await _readable(loop, sock)
        try:
            peeked = sock.recv(4096 + 16, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            continue
        if not peeked:
            raise ProxyError("closed before the PROXY header")
        parsed = parse_proxy(seen + peeked)
        # An unfinished header takes everything that was peeked, so the socket does not stay readable.
        sock.recv(parsed.consumed - len(seen))
        if parsed.header is not None:
            return parsed.header
        seen += peeked


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready = asyncio.Event()
    loop.add_reader(sock.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sock.fileno())


def serve(
    sock: socket.socket,
    on_stream: OnStream,
    *,
    backlog: int = BACKLOG,
    tls: ServerTls | None = None,
    proxy: tuple[IPNetwork, ...] = (),
    handshake: float = HANDSHAKE_SECONDS,
    on_trouble: Callable[[Trouble], None] | None = None,
) -> Listener:
    """Call `on_stream` for every connection of a socket made by `bind`; takes the socket over.

    With `tls` the handshake is done first, within `handshake` seconds.  From addresses in `proxy` a PROXY header is demanded, from
    others none is looked for.  `on_stream` owns the stream until it returns; then it is cut off if still
    open (`await stream.close()` is polite).  Must be called inside the running loop.
    """
    sock.setblocking(False)
    sock.listen(max(backlog, 1))
    return Listener(sock, on_stream, tls=tls, proxy=proxy, handshake=handshake, on_trouble=on_trouble)
