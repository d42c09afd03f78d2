"""Frames between the brain and the other roles: msgpack on a unix stream socket, calls and notes both ways.

A *note* expects nothing back; a *call* is answered by the value its handler returns.  All notes, calls and
answers of one turn of the event loop go out in one write.  The other side is a process of our own,
started from the same code, so frames are trusted but bounded.
"""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec

MAX_FRAME = 64 * 1024 * 1024
# From Python 3.13 on a server that closes removes the file of its socket; but the brain that comes next, after a
# reload or a failure, listens on the same one, and nobody would find it any more.
KEEP_SOCKET: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
_LENGTH = 4


class ChannelClosed(ConnectionError):
    """The other role is gone; what was asked has no answer."""


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    """`kind`: 0 note, 1 call, 2 answer, 3 failure.  `id` ties an answer to its call."""

    kind: int
    id: int
    name: str
    body: msgspec.Raw


_NOTE, _CALL, _ANSWER, _FAILURE = range(4)
_frames = msgspec.msgpack.Decoder(_Frame)

Handler = Callable[[Any], Any | Awaitable[Any]]


class Channel(asyncio.Protocol):
    """One end.  `handlers` maps a name to (type of the body, function); an async function is awaited in a task."""

    def __init__(
        self,
        handlers: dict[str, tuple[Any, Handler]],
        answers: dict[str, Any],
        on_close: Callable[["Channel"], None] | None = None,
        on_open: Callable[["Channel"], None] | None = None,
    ) -> None:
        self._handlers = {
            name: (msgspec.msgpack.Decoder(kind), handler) for name, (kind, handler) in handlers.items()
        }
        self._answers = {name: msgspec.msgpack.Decoder(kind) for name, kind in answers.items()}
        self._on_close = on_close
        self._on_open = on_open
        self._encoder = msgspec.msgpack.Encoder()
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in = bytearray()
        self._out: list[bytes] = []
        self._flushing = False
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    # -- saying -----------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the other side is there."""
        return self._transport is not None

    def note(self, name: str, body: object) -> None:
        """Say something that needs no answer; lost when the other side is gone."""
        self._put(_NOTE, 0, name, body)

    async def call(self, name: str, body: object) -> Any:
        """Ask, and wait for the answer.  Raises `ChannelClosed`, or RuntimeError when the other side failed."""
        if self._transport is None:
            raise ChannelClosed(name)
        number = next(self._ids)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[number] = (name, future)
        self._put(_CALL, number, name, body)
        return await future

    def close(self) -> None:
        """Flush and close."""
        self._flush()
        if self._transport:
            self._transport.close()

    def _put(self, kind: int, number: int, name: str, body: object) -> None:
        encode = self._encoder.encode
        payload = encode(_Frame(kind, number, name, msgspec.Raw(encode(body))))
        self._out.append(len(payload).to_bytes(_LENGTH, "big"))
        self._out.append(payload)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        out, self._out = self._out, []
        if self._transport and out:
            self._transport.write(b"".join(out))

    # -- hearing ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self._transport.set_write_buffer_limits(high=MAX_FRAME)
        if self._on_open:
            self._on_open(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what still waits, and say so."""
        self._transport = None
        waiting, self._waiting = self._waiting, {}
        for name, future in waiting.values():
            if not future.done():
                future.set_exception(ChannelClosed(name))
        if self._on_close:
            self._on_close(self)

    def data_received(self, data: bytes) -> None:
        """Take whole frames out of what has come in."""
        buffer = self._in
        buffer += data
        start = 0
        while len(buffer) - start >= _LENGTH:
            size = int.from_bytes(buffer[start : start + _LENGTH], "big")
            if size > MAX_FRAME:
                raise ValueError(f"a frame of {size} octets")
            end = start + _LENGTH + size
            if len(buffer) < end:
                break
            self._frame(_frames.decode(bytes(buffer[start + _LENGTH : end])))
            start = end
        del buffer[:start]

    def _frame(self, frame: _Frame) -> None:
        if frame.kind == _ANSWER or frame.kind == _FAILURE:
            name, future = self._waiting.pop(frame.id, ("", None))
            if future is None or future.done():
                return
            if frame.kind == _FAILURE:
                future.set_exception(RuntimeError(f"{name}: {msgspec.msgpack.decode(frame.body)}"))
            else:
                future.set_result(self._answers[name].decode(frame.body))
            return
        decoder, handler = self._handlers[frame.name]
        result = handler(decoder.decode(frame.body))
        if isinstance(result, Awaitable):
            task = asyncio.ensure_future(self._finish(frame, result))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif frame.kind == _CALL:
            self._put(_ANSWER, frame.id, frame.name, result)

    async def _finish(self, frame: _Frame, result: Awaitable[Any]) -> None:
        try:
            value = await result
        except Exception as e:  # noqa: BLE001 - the caller is told; a bug of one call must not end the brain
            if frame.kind == _CALL:
                self._put(_FAILURE, frame.id, frame.name, f"{type(e).__name__}: {e}")
            return
        if frame.kind == _CALL:
            self._put(_ANSWER, frame.id, frame.name, value)
