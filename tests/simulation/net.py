"""A network in memory: TCP streams with weather, and the local sockets between Kurir's own processes.

Each connection draws its *weather* once: latency, how writes are cut into segments (down to one octet), and sometimes
a doom: after so many octets in one direction it is reset, goes silent for ever, or ends.  A write is never delivered
out of order within its direction; between connections everything may be.  When a process is killed the kernel
closes its sockets: the other side sees an end or a reset, after what was still in flight or without it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from kurir.model import TlsFacts
from kurir.net.ports import Endpoint, NetError

from .loop import NATURE, Handle, Process, SimLoop, current_process

WRITE_HIGH = 64 * 1024
LINGER = 2.0
TLS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", None, "the certificate is self-made", None)


@dataclass(slots=True)
class Weather:
    """How one connection behaves.  `doom` is (what, side, after how many octets)."""

    latency: float = 0.001
    jitter: float = 0.0
    cut: str = "whole"  # whole | mixed | ones
    doom: tuple[str, int, int] | None = None
    tls_fails: bool = False


def draw_weather(random: Random, badness: float) -> Weather:
    """Return fair weather at badness 0, storms more often towards 1."""
    if random.random() >= 0.3 + badness:
        return Weather(random.choice((0.0005, 0.02, 0.15)))
    doom = None
    if random.random() < badness * 0.5:
        after = int(10 ** random.uniform(0, 4))
        doom = (random.choice(("reset", "stall", "end")), random.randrange(2), after)
    return Weather(
        latency=random.choice((0.001, 0.05, 0.3, 3.0)),
        jitter=random.choice((0.0, 0.1, 1.0)),
        cut=random.choice(("whole", "mixed", "mixed", "ones")),
        doom=doom,
        tls_fails=random.random() < badness * 0.3,
    )


class SimStream:
    """One end.  Implements `kurir.net.ports.Stream` and `kurir.reception.ports.ServerStream`."""

    def __init__(self, net: "Net", owner: Process, local: Endpoint, peer: Endpoint, weather: Weather) -> None:
        self.net, self.owner = net, owner
        self.local, self.peer = local, peer
        self.tls: TlsFacts | None = None
        self.weather = weather
        self.side = 0
        self.other: SimStream
        self._in: list[bytes] = []
        self.buffered = 0
        self._ended = self._shut = self._silent = False
        self.closed = False
        self._lost: NetError | None = None
        self._reader: asyncio.Future[None] | None = None
        self._drainer: asyncio.Future[None] | None = None
        self._hear: Callable[[bytes], float | None] | None = None
        self._timer: Handle | None = None
        self._unread = 0  # octets we wrote that the other side has not read
        self._sent = 0
        self._road: deque[tuple[Callable[..., None], tuple[object, ...]]] = deque()
        self._last_at = 0.0
        net.open[self] = None
        owner.on_kill.append(self._killed)

    # -- the port -----------------------------------------------------------------------------

    async def read(self, timeout: float | None = None) -> bytes:
        if not self._in and not self._ended:
            if self._lost is not None:
                raise NetError(self._lost.kind, str(self._lost))
            self._reader = await self._wait("_reader", timeout, "the other side sent nothing in time")
        if self._in:
            data = b"".join(self._in)
            self._in.clear()
            self.buffered = 0
            self.other._was_read(len(data))
            return data
        return b""

    async def listen(self, hear: Callable[[bytes], float | None], timeout: float) -> None:
        if self._in or self._ended or self._lost is not None:
            left = hear(await self.read())
            if left is None or self._unread >= WRITE_HIGH:
                return
            timeout = left
        self._hear = hear
        try:
            await self._wait("_reader", timeout, "the other side sent nothing in time")
            told = self._hear is None
        finally:
            self._hear = None
        if not told:
            hear(await self.read())

    def _tell(self, hear: Callable[[bytes], float | None], data: bytes) -> None:
        assert self._reader is not None
        try:
            left = self.owner.context.copy().run(hear, data)
        except Exception as error:
            self._hear = None
            self._reader.set_exception(error)
            return
        self.other._was_read(len(data))
        if self._reader is None or self._reader.done():
            return
        if left is None or self._unread >= WRITE_HIGH:
            self._hear = None
            _wake(self._reader)
        elif self._timer is not None:
            self._timer.cancel()
            context = self.owner.context.copy()
            error = NetError("timeout", "the other side sent nothing in time")
            self._timer = self.net.loop.call_later(left, _fail, self._reader, error, context=context)

    def write(self, data: bytes) -> None:
        if not data or self._lost is not None or self._shut:
            return
        self._unread += len(data)
        for piece in self._cut(data):
            self._sent += len(piece)
            doom = self.weather.doom
            if doom is not None and doom[1] == self.side and self._sent >= doom[2]:
                self.weather.doom = None
                self._meet(doom[0])
            if self._lost is not None or self._silent:
                return
            self._carry(self.other._arrived, piece)

    async def drain(self, timeout: float | None = None) -> None:
        if self._lost is not None:
            raise NetError(self._lost.kind, str(self._lost))
        if self._unread < WRITE_HIGH:
            return
        self._drainer = await self._wait("_drainer", timeout, "the other side did not take what was sent")

    async def close(self) -> None:
        if self._lost is None and not self.closed:
            self._end()
            if not self._ended:
                with contextlib.suppress(NetError, RuntimeError):
                    self._reader = await self._wait("_reader", LINGER, "")
        self.abort()

    def abort(self) -> None:
        if not self.closed:
            self._gone(NetError("lost", "the connection was closed on this side"))
            if not self._shut:
                self._shut = True
                self._carry(
                    self.other._hear_end if self.net.random.random() < 0.5 else self.other._hear_reset
                )

    def half_close(self) -> None:
        """Send the end of file and go on reading."""
        self._end()

    async def upgrade_server(self, tls: object, *, timeout: float = 10.0) -> TlsFacts:
        raise NetError("tls", "no TLS in here")

    @property
    def client_certificate(self) -> None:
        return None

    def channel_binding(self, kind: str) -> bytes | None:
        return None

    # -- inside ---------------------------------------------------------------------------------

    async def _wait(self, name: str, timeout: float | None, why: str) -> None:
        if getattr(self, name) is not None:
            raise RuntimeError("two waits at once on one stream")
        future: asyncio.Future[None] = self.net.loop.create_future()
        setattr(self, name, future)
        timer = None
        if timeout is not None:
            timer = self.net.loop.call_later(max(0.0, timeout), _fail, future, NetError("timeout", why))
        if name == "_reader":
            self._timer = timer
        try:
            await future
        finally:
            setattr(self, name, None)
            if name == "_reader":
                timer, self._timer = self._timer, None  # `_tell` may have set another one
            if timer is not None:
                timer.cancel()

    def _cut(self, data: bytes) -> Sequence[bytes]:
        cut = self.weather.cut
        if cut == "whole" or len(data) == 1:
            return (data,)
        if cut == "ones" and self._sent < 300:
            head = data[:200]
            return [head[i : i + 1] for i in range(len(head))] + ([data[200:]] if len(data) > 200 else [])
        pieces, at, random = [], 0, self.net.random
        while at < len(data):
            size = random.choice((1, 2, 3, 7, 100, 1460, 9000))
            pieces.append(data[at : at + size])
            at += size
            if len(pieces) > 20:
                pieces.append(data[at:])
                break
        return pieces

    def _carry(self, call: Callable[..., None], *args: object) -> None:
        """Let `call` happen at the other side, behind everything sent before."""
        weather, loop = self.weather, self.net.loop
        at = loop.time() + weather.latency + weather.jitter * self.net.random.random()
        self._last_at = max(self._last_at, at)
        self._road.append((call, args))  # what is sent first arrives first, even where the loop shuffles
        loop.call_at(self._last_at, self._next_arrives, context=NATURE.context.copy())

    def _next_arrives(self) -> None:
        call, args = self._road.popleft()
        call(*args)

    def _meet(self, doom: str) -> None:
        self.net.trace("net", doom, self.local.host, self.peer.host, self._sent)
        if doom == "stall":
            self._silent = self.other._silent = True
        elif doom == "end":
            self._end()
        else:
            error = NetError("lost", "connection reset by peer")
            self._gone(error)
            self.other._gone(error)

    def _end(self) -> None:
        if not self._shut:
            self._shut = True
            if not self._silent:
                self._carry(self.other._hear_end)

    def _arrived(self, piece: bytes) -> None:
        if self.closed or self._lost is not None:
            if self.closed:
                self._carry(self.other._hear_reset)
            return
        if self._shut and self._ended:
            return
        if self._hear is not None and self._reader is not None and not self._reader.done():
            self._tell(self._hear, piece)
            return
        self._in.append(piece)
        self.buffered += len(piece)
        _wake(self._reader)

    def _was_read(self, count: int) -> None:
        self._unread -= count
        if self._unread < WRITE_HIGH:
            _wake(self._drainer)

    def _hear_end(self) -> None:
        self._ended = True
        _wake(self._reader)

    def _hear_reset(self) -> None:
        self._gone(NetError("lost", "connection reset by peer"))

    def _gone(self, error: NetError) -> None:
        """Nothing goes on here."""
        self.closed = self.closed or "this side" in str(error)
        self.net.open.pop(self, None)
        if self._lost is None:
            self._lost = error
        for future in (self._reader, self._drainer):
            if future is not None and not future.done():
                future.set_exception(NetError(error.kind, str(error)))
        if self._killed in self.owner.on_kill:
            self.owner.on_kill.remove(self._killed)

    def _killed(self) -> None:
        self.net.open.pop(self, None)
        self.closed = True
        self._lost = NetError("lost", "killed")
        if not self._shut:
            self._shut = True
            if not self._silent:
                self._carry(
                    self.other._hear_end if self.net.random.random() < 0.5 else self.other._hear_reset
                )


def _fail(future: "asyncio.Future[None]", error: NetError) -> None:
    if not future.done():
        future.set_exception(error)


def _wake(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)


Serve = Callable[[SimStream], Awaitable[None]]


@dataclass(slots=True)
class Door:
    """Somebody listens: `serve` runs in `owner` for each connection."""

    owner: Process
    serve: Serve


class Net:
    """All hosts.  `shut` maps an address to ``refused``, ``silent``, ``unreachable`` or ``tls`` (handshakes fail); `badness` is 0 to 1.

    `weather` returns that of the next connection, `tls` is what a handshake proves.
    """

    def __init__(self, loop: SimLoop, random: Random, trace: Callable[..., None]) -> None:
        self.loop, self.random, self.trace = loop, random, trace
        self.doors: dict[tuple[str, int], Door] = {}
        self.shut: dict[str, str] = {}
        self.badness = 0.0
        self.weather: Callable[[], Weather] = lambda: draw_weather(self.random, self.badness)
        self.tls = TLS
        self.open: dict[SimStream, None] = {}
        self._ports = 40_000

    def listen(self, host: str, port: int, serve: Serve, owner: Process = NATURE) -> None:
        self.doors[host, port] = Door(owner, serve)

    async def connect(self, source: str, endpoint: Endpoint, timeout: float) -> SimStream:
        """Connect from `source`.  Raises `NetError`."""
        weather = self.weather()
        trouble = self.shut.get(endpoint.host)
        weather.tls_fails |= trouble == "tls"
        door = self.doors.get((endpoint.host, endpoint.port))
        if trouble == "silent" or weather.latency > timeout:
            await asyncio.sleep(timeout)
            raise NetError("timeout", f"no answer from {endpoint.host} within {timeout:.0f} seconds")
        await asyncio.sleep(weather.latency)
        door = self.doors.get((endpoint.host, endpoint.port))
        if trouble == "unreachable":
            raise NetError("unreachable", f"no route to {endpoint.host}")
        if trouble == "refused" or door is None or not door.owner.alive:
            raise NetError("refused", f"{endpoint.host} refused the connection")
        self._ports += 1
        here = Endpoint(source, self._ports)
        near = SimStream(self, current_process(), here, endpoint, weather)
        far = SimStream(self, door.owner, endpoint, here, weather)
        near.other, far.other, far.side = far, near, 1
        self.loop.spawn(door.owner, self._serve(door, far))
        return near

    async def _serve(self, door: Door, stream: SimStream) -> None:
        try:
            await door.serve(stream)
        except NetError:
            pass
        except Exception as error:
            self.loop.call_exception_handler({"message": "a session failed", "exception": error})
        finally:
            stream.abort()


class SimDialer:
    """Implements `kurir.delivery.ports.Dialer`."""

    def __init__(self, net: Net, source: str) -> None:
        self._net, self._source = net, source

    async def connect(
        self, endpoints: Sequence[Endpoint], timeout: float, *, source: Sequence[str] = ()
    ) -> SimStream:
        failure: NetError | None = None
        for endpoint in endpoints:
            try:
                return await self._net.connect(self._source, endpoint, timeout / len(endpoints))
            except NetError as error:
                failure = error
        raise failure or NetError("unreachable", "no address")

    async def start_tls(self, stream: Any, name: str, *, verify: bool, timeout: float) -> TlsFacts:
        assert isinstance(stream, SimStream)
        await asyncio.sleep(2 * stream.weather.latency)
        if stream.weather.tls_fails or stream.closed or stream.buffered:
            stream.abort()
            raise NetError("tls", "the handshake failed")
        stream.tls = stream.other.tls = self._net.tls
        return self._net.tls


# -- sockets between Kurir's own processes -------------------------------------------------------


class SimTransport(asyncio.Transport):
    """One end of a unix stream socket."""

    def __init__(self, sockets: "Sockets", owner: Process, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.owner, self.protocol = owner, protocol
        self.other: SimTransport
        self._sockets = sockets
        self._closed = False
        self._inbox: deque[bytes | None] = deque()
        self._last_at = 0.0
        self._writes = 0
        owner.on_kill.append(self.close)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            return
        random, data = self._sockets.random, bytes(data)
        self._writes += 1
        if self._writes > 1 and random.random() < 0.1:  # the first frame carries our real process id
            at = random.randrange(len(data) + 1)
            self._send(data[:at])
            self._send(data[at:])
        else:
            self._send(data)

    def _send(self, data: bytes | None) -> None:
        loop, other = self._sockets.loop, self.other
        self._last_at = max(self._last_at, loop.time() + self._sockets.random.choice((0.0, 0.0001, 0.002)))
        other._inbox.append(data)
        loop.call_at(self._last_at, other._take, context=other.owner.context.copy())

    def _take(self) -> None:
        data = self._inbox.popleft()
        if self._closed and data is not None:
            return
        if data is None:
            self._finish()
        elif data:
            self.protocol.data_received(data)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._send(None)
            if self.owner.alive:
                loop = self._sockets.loop
                loop.call_soon(self.protocol.connection_lost, None, context=self.owner.context.copy())
            self._forget()

    abort = close

    def _finish(self) -> None:
        if not self._closed:
            self._closed = True
            self._forget()
            self.protocol.connection_lost(None)

    def _forget(self) -> None:
        if self.close in self.owner.on_kill:
            self.owner.on_kill.remove(self.close)

    def is_closing(self) -> bool:
        return self._closed

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return


class Sockets:
    """Unix sockets by path."""

    def __init__(self, loop: SimLoop, random: Random) -> None:
        self.loop, self.random = loop, random
        self._listening: dict[str, tuple[Process, Callable[[], asyncio.Protocol]]] = {}
        loop.connect_unix = self.connect

    def listen(self, path: str, owner: Process, factory: Callable[[], asyncio.Protocol]) -> None:
        self._listening[path] = (owner, factory)

    async def connect(
        self, factory: Callable[[], asyncio.Protocol], path: str
    ) -> tuple[SimTransport, asyncio.Protocol]:
        owner, make = self._listening.get(path, (None, None))
        if owner is None or make is None or not owner.alive:
            raise ConnectionRefusedError(path)
        near = SimTransport(self, current_process(), factory())
        far = SimTransport(self, owner, make())
        near.other, far.other = far, near
        self.loop.call_soon(far.protocol.connection_made, far, context=owner.context.copy())
        near.protocol.connection_made(near)
        return near, near.protocol
