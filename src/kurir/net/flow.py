"""Bytes on one `asyncio.Protocol`: chunks in, bytes out, back-pressure both ways, deadlines.

Rule of the file: nothing waits unless it must.  Bytes that are already here are returned without a
future, a task or a timer; a wait costs one future, and one lazy timer serves all waits of a flow.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from .ports import NetError

READ_HIGH = 256 * 1024  # octets buffered before reading pauses
WRITE_HIGH = 64 * 1024  # octets unsent before `drain` waits
_NO_DEADLINE = float("inf")

Hear = Callable[[bytes], float | None]
"""Takes what came in; returns how many seconds the peer may stay silent now, or None to be called no more."""


class Flow(asyncio.Protocol):
    """What a stream does with its bytes; the transport's loop may be asyncio's or uvloop's.

    One reader and one drainer at a time.  Timeouts are seconds for that call; when one passes,
    `NetError` of kind ``"timeout"`` is raised and the flow stays usable.
    """

    __slots__ = (
        "_chunks",
        "_drain_by",
        "_drainer",
        "_ended",
        "_full",
        "_half",
        "_hear",
        "_held",
        "_loop",
        "_lost",
        "_read_by",
        "_reader",
        "_size",
        "_timer",
        "_transport",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._held = False  # reading is paused
        self._full = False  # the write buffer is above its limit
        self._ended = False  # the peer sent its end of file
        self._half = True  # our direction stays open then: never so within TLS
        self._lost: NetError | None = None
        self._reader: asyncio.Future[None] | None = None
        self._hear: Hear | None = None
        self._drainer: asyncio.Future[None] | None = None
        self._read_by = self._drain_by = _NO_DEADLINE
        self._timer: asyncio.TimerHandle | None = None

    @property
    def buffered(self) -> int:
        """Octets that came in and were not read yet."""
        return self._size

    # -- reading ------------------------------------------------------------------------------

    async def read(self, timeout: float | None = None) -> bytes:
        """Return everything that has come in (at least one byte), b"" at end of file.

        Raises `NetError` "timeout" after `timeout` seconds without a byte, "lost" when the connection broke.
        """
        if not self._chunks:
            if not self._at_end():
                await self._wait_for_input(timeout)
            if not self._chunks and self._at_end():
                return b""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._held:
            self._resume()
        return data

    def _at_end(self) -> bool:
        """Tell whether the peer ended its side; raises `NetError` where the connection broke instead."""
        if not self._ended and self._lost is not None:
            raise self._gone()
        return self._ended

    async def _wait_for_input(self, timeout: float | None) -> None:
        if self._reader is not None:
            raise RuntimeError("two reads at once on one stream")
        self._reader = self._loop.create_future()
        if timeout is not None:
            self._read_by = self._loop.time() + timeout
            self._arm(self._read_by)
        try:
            await self._reader
        finally:
            self._reader = None
            self._read_by = _NO_DEADLINE

    async def listen(self, hear: Hear, timeout: float) -> None:
        """Give what comes in to `hear`, as it comes, until that returns None; b"" is the end of file.

        `hear` is called without waking a task, so it may `write` but not wait; a dialogue of short lines costs
        half as much as with `read`.  Also returns when what was written waits for a `drain`.  Raises what `hear`
        raises, and `NetError` as `read` does.
        """
        if self._chunks or self._at_end():
            left = hear(await self.read())
            if left is None or self._full:
                return
            timeout = left
        self._hear = hear
        try:
            await self._wait_for_input(timeout)
            told = self._hear is None
        finally:
            self._hear = None
        if not told:  # the end came, in one way or the other
            hear(await self.read())

    def _tell(self, hear: Hear, data: bytes) -> None:
        reader = self._reader
        assert reader is not None
        try:
            left = hear(data)
        except Exception as e:  # noqa: BLE001 - it belongs to the task that listens
            self._hear = None
            reader.set_exception(e)
            return
        if left is None or self._full:
            self._hear = None
            _wake(reader)
        else:
            self._read_by = self._loop.time() + left
            self._arm(self._read_by)

    def _hold(self) -> None:
        if not self._held and self._transport is not None:
            self._held = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        self._held = False
        transport = self._transport
        if self._lost is None and not self._ended and transport is not None and not transport.is_closing():
            transport.resume_reading()

    # -- writing ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Queue bytes; never blocks.  After a loss it does nothing: the next `read` or `drain` says so."""
        if data and self._lost is None and self._transport is not None:
            self._transport.write(data)

    def writelines(self, pieces: list[bytes]) -> None:
        """Queue several pieces as one write."""
        if self._lost is None and self._transport is not None:
            self._transport.writelines(pieces)

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until less than `WRITE_HIGH` octets are unsent.

        Raises `NetError` "timeout" when the peer does not read for that long, "lost" when the connection broke.
        """
        if self._lost is not None:
            raise self._gone()
        if not self._full:
            return
        if self._drainer is not None:
            raise RuntimeError("two drains at once on one stream")
        self._drainer = self._loop.create_future()
        if timeout is not None:
            self._drain_by = self._loop.time() + timeout
            self._arm(self._drain_by)
        try:
            await self._drainer
        finally:
            self._drainer = None
            self._drain_by = _NO_DEADLINE
        if self._lost is not None:
            raise self._gone()

    # -- the one timer ------------------------------------------------------------------------

    def _arm(self, when: float) -> None:
        """Make sure the timer fires at `when` or before; a timer left over from an earlier wait is kept."""
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time() + 0.001  # timers of uvloop have a resolution of a millisecond
        if self._reader is not None and self._read_by <= now:
            _fail(self._reader, NetError("timeout", "the other side sent nothing in time"))
        if self._drainer is not None and self._drain_by <= now:
            _fail(
                self._drainer, NetError("timeout", "the other side did not take what was sent to it in time")
            )
        pending = [by for by in (self._read_by, self._drain_by) if now < by < _NO_DEADLINE]
        if pending:
            self._arm(min(pending))

    # -- the end ------------------------------------------------------------------------------

    def abort(self) -> None:
        """Close at once; what was not sent is dropped."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        if self._lost is None:
            self._lose(NetError("lost", "the connection was closed by us"))

    # -- called by the transport --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)

    def data_received(self, data: bytes) -> None:
        """Keep a chunk, wake the reader, pause above the limit; or give it to who listens."""
        hear, reader = self._hear, self._reader
        if hear is not None and reader is not None and not reader.done():
            self._tell(hear, data)
            return
        self._chunks.append(data)
        self._size += len(data)
        if self._reader is not None:
            _wake(self._reader)
        if self._size > READ_HIGH and not self._held:
            self._hold()

    def eof_received(self) -> bool:
        """Keep our direction open in the clear: a client may end its side and still wait for replies."""
        self._ended = True
        if self._reader is not None:
            _wake(self._reader)
        return self._half

    def pause_writing(self) -> None:
        """Remember that the write buffer is above its limit."""
        self._full = True

    def resume_writing(self) -> None:
        """Wake the drainer."""
        self._full = False
        if self._drainer is not None:
            _wake(self._drainer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember the end: an orderly one reads as end of file, any other as "lost"."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if exc is None:
            self._ended = self._ended or self._lost is None
            self._lose(NetError("lost", "the connection is closed"))
        else:
            self._lose(NetError("lost", f"the connection was lost: {_words(exc)}"))

    def _lose(self, error: NetError) -> None:
        if self._lost is None:
            self._lost = error
        for waiter in (self._reader, self._drainer):
            if waiter is not None:
                _wake(waiter)

    def _gone(self) -> NetError:
        # A new exception each time: a raised one gathers tracebacks.
        lost = self._lost
        return NetError(lost.kind, str(lost)) if lost else NetError("lost", "the connection is closed")


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _fail(waiter: asyncio.Future[None], error: NetError) -> None:
    if not waiter.done():
        waiter.set_exception(error)


def _words(exc: Exception) -> str:
    if isinstance(exc, ConnectionResetError):
        return "reset by the other side"
    if isinstance(exc, BrokenPipeError):
        return "the other side had closed it"
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
