"""Parts of the server, and running some of them in one event loop.

A *part* is one role: the brain, reception, delivery or control.  With workers each process runs one part;
without, one process runs them all.  Parts are started in order and stopped in reverse.
"""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from .logs import Log
from .supervisor import Lifeline

STALL_INTERVAL = 0.1
# Hardly anything here forms cycles; with Python's own 700 the collector runs for 3 % of the time.
COLLECTOR = (10_000, 20, 20)
_M_MMAP_THRESHOLD = -3  # malloc.h


class Part(Protocol):
    """One role in an event loop."""

    name: str

    async def start(self) -> None:
        """Begin to serve.  Raises `StartError` when it cannot."""
        ...

    async def stop(self) -> None:
        """Drain: take nothing new, finish what was begun (bounded), let go of everything."""
        ...


class StartError(Exception):
    """A part cannot start; the text names the thing, the cause and the next step."""


class StallMeter:
    """Measures how long the event loop was blocked: the lateness of a timer that fires every 100 ms."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin."""
        self._due = time.monotonic() + STALL_INTERVAL
        self._handle = asyncio.get_running_loop().call_later(STALL_INTERVAL, self._tick)

    def stop(self) -> None:
        """End."""
        if self._handle:
            self._handle.cancel()

    def take(self) -> float:
        """Return the longest stall since the last call, in seconds."""
        longest, self.longest = self.longest, 0.0
        return longest

    def _tick(self) -> None:
        self.longest = max(self.longest, time.monotonic() - self._due)
        self.start()


def run(parts: Callable[["Stop"], Awaitable[Sequence[Part]]], lifeline: Lifeline, log: Log) -> int:
    """Run the parts that `parts` makes until SIGTERM or the supervisor's end; return the exit code."""
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:  # uvloop is faster, asyncio does the same
        runner = asyncio.Runner()
    _map_large_buffers()
    try:
        with runner:
            runner.get_loop().set_default_executor(_Threads(thread_name_prefix="kurir-aside"))
            return runner.run(_run(parts, lifeline, log))
    finally:
        log.close()


class _Threads(ThreadPoolExecutor):
    """What runs `asyncio.to_thread`.  A part waits for what it needs; nobody waits for the rest at the end.

    One of these threads may be handing in mail at a door behind which nobody is any more, while the process that is to
    open it again waits for the end of this one.
    """

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End those that rest, and wait for none."""
        super().shutdown(wait=False, cancel_futures=True)


def _map_large_buffers() -> None:
    """Let glibc give each block of 256 KiB its own mapping, always.

    uvloop has such a buffer for each TLS session and touches its first pages only.  Left alone, glibc raises its
    threshold once one was freed and serves the next ones from used memory: 51 KiB an idle TLS session, not 33.
    """
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 256 * 1024)


@contextlib.contextmanager
def _calm_collector() -> Iterator[None]:
    """Keep the cycle collector off a start, which may load 100,000 messages; then let it look at what is new, rarely."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*COLLECTOR)
        gc.enable()


class Stop:
    """Why and how this process is to end; parts may ask for it themselves (a store that failed)."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.code = 0

    def ask(self, code: int = 0) -> None:
        """Ask for the end of the process with this exit code."""
        self.code = max(self.code, code)
        self._event.set()

    async def wait(self) -> None:
        """Wait until somebody asks."""
        await self._event.wait()


async def _start(make: Callable[[Stop], Awaitable[Sequence[Part]]], stop: Stop, started: list[Part]) -> None:
    """Start the parts in order; `started` takes each that serves.  Raises `StartError`."""
    with _calm_collector():
        for part in await make(stop):
            await part.start()
            started.append(part)


async def _run(make: Callable[[Stop], Awaitable[Sequence[Part]]], lifeline: Lifeline, log: Log) -> int:
    loop = asyncio.get_running_loop()
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.ask)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # the supervisor reloads
    loop.add_reader(lifeline.parent, lambda: os._exit(1))  # its end closed: the supervisor is gone
    started: list[Part] = []
    starting = asyncio.create_task(_start(make, stop, started))
    asked = asyncio.create_task(stop.wait())
    # Who is to end may be waiting, in its start, for another that is to end as well.
    await asyncio.wait((starting, asked), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    try:
        await starting
    except asyncio.CancelledError:
        pass
    except StartError as e:
        print(f"kurir: {e}", file=sys.stderr)
        stop.ask(1)
    else:
        with contextlib.suppress(OSError):
            os.write(lifeline.ready, b"1")
    os.close(lifeline.ready)
    await asked
    for part in reversed(started):
        try:
            await part.stop()
        except Exception:
            log.exception("stop_failed", part=part.name)
            stop.ask(1)
    return stop.code
