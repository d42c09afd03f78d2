"""A deterministic event loop: virtual time, seeded order, processes that can be killed.

Only documented behaviour of `asyncio.AbstractEventLoop` is kept, and only what Kurir uses; sockets and threads do
not exist here.  Rules:

1. Time stands still while anything is ready, then jumps to the next timer.
2. What became ready together runs in the order of its making (as asyncio promises), or, with `shuffle`, in an order
   drawn from the seed: a harder world than the real one, where the kernel decides only some of the order.
3. Each callback belongs to the `Process` of its context.  A killed process runs nothing any more, not even
   its `finally` blocks: that is what `kill -9` means.
4. A world that never comes to rest is ended, and says what kept it busy, before it has eaten the machine (`Bounds`).
"""

import asyncio
import contextvars
import heapq
import sys
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any

_process: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("process", default=None)

MAX_AT_ONCE = 200_000  # callbacks without time passing: more is a spin


class Stuck(AssertionError):
    """Nothing is ready, no timer is set, and what was waited for has not come."""


class Spinning(AssertionError):
    """Callbacks follow callbacks and time does not pass."""


class Livelock(AssertionError):
    """Time passes and things happen, but far more of them than any run needs."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a run may use.  Of 100 seeds the largest took 340,000 steps, 1,400 tasks and 2,700 timers."""

    steps: int = 4_000_000
    tasks: int = 10_000
    handles: int = 100_000  # callbacks that are ready or wait for their time


class Process:
    """What dies together.  `context` is where its callbacks run; `on_kill` is what the kernel does then."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.context = contextvars.Context()
        self.context.run(_process.set, self)
        self.tasks: list[asyncio.Task[Any]] = []
        self.prune_at = 500
        self.on_kill: list[Callable[[], None]] = []

    def kill(self) -> None:
        """End it at once."""
        if self.alive:
            self.alive = False
            for call in list(self.on_kill):
                call()

    def living_tasks(self) -> list["asyncio.Task[Any]"]:
        return [t for t in self.tasks if not t.done()]


NATURE = Process("nature")  # the network and the peers: never dies


def current_process() -> Process:
    return _process.get() or NATURE


class Handle:
    """A callback that has not run yet.  `when` is for `asyncio.TimerHandle`'s users."""

    __slots__ = ("_args", "_at", "_call", "context", "dead")

    def __init__(
        self,
        call: Callable[..., object],
        args: tuple[object, ...],
        context: contextvars.Context | None,
        at: float,
    ) -> None:
        self._call: Callable[..., object] | None = call
        self._args = args
        self._at = at
        self.context = contextvars.copy_context() if context is None else context
        self.dead = False

    def cancel(self) -> None:
        self.dead = True
        self._call, self._args = None, ()

    def cancelled(self) -> bool:
        return self.dead

    def when(self) -> float:
        return self._at

    def run(self) -> None:
        assert self._call is not None
        self.context.run(self._call, *self._args)


class SimLoop(asyncio.AbstractEventLoop):
    """The loop.  `run(main)` drives it; `failures` are exceptions that reached nobody (each is a finding)."""

    def __init__(self, random: Random, *, shuffle: bool, bounds: Bounds | None = None) -> None:
        self._random = random
        self._shuffle = shuffle
        self.bounds = bounds or Bounds()
        self.runaway = ""  # why the run must end: set where it is noticed, raised where nobody can catch it
        self._now = 0.0
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._count = 0
        self._closed = self._running = False
        self._tasks: list[asyncio.Task[Any]] = []
        self.steps = 0
        self.at_step: tuple[int, Callable[[], None]] | None = None
        self.failures: list[dict[str, Any]] = []
        self.connect_unix: Callable[..., Coroutine[Any, Any, Any]] | None = None

    # -- what asyncio asks for ------------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(self, callback, *args, context=None):  # type: ignore[no-untyped-def,override]
        handle = Handle(callback, args, context, self._now)
        if not self._closed:
            self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay, callback, *args, context=None):  # type: ignore[no-untyped-def,override]
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):  # type: ignore[no-untyped-def,override]
        handle = Handle(callback, args, context, when)
        if not self._closed:
            self._count += 1
            heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def create_future(self):  # type: ignore[no-untyped-def,override]
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None):  # type: ignore[no-untyped-def,override]
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        owner = current_process() if context is None else (context.get(_process) or NATURE)
        owner.tasks.append(task)
        if len(owner.tasks) > owner.prune_at:
            owner.tasks = owner.living_tasks()
            owner.prune_at = max(500, 2 * len(owner.tasks))
        self._tasks.append(task)  # a dead process's tasks must not be collected while we run
        if len(self._tasks) > self._prune_at:
            self._tasks = [t for t in self._tasks if not t.done()]
            self._prune_at = max(2000, 2 * len(self._tasks))
            if len(self._tasks) > self.bounds.tasks:
                self.runaway = f"{len(self._tasks)} living tasks"
        return task

    _prune_at = 2000

    async def create_unix_connection(self, protocol_factory, path=None, **_):  # type: ignore[no-untyped-def,override]
        assert self.connect_unix is not None
        return await self.connect_unix(protocol_factory, path)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    # -- driving it -------------------------------------------------------------------------------

    def spawn(self, process: Process, coro: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Start a task that belongs to `process`."""
        return self.create_task(coro, context=process.context.copy())

    def in_process(
        self, process: Process, delay: float, call: Callable[..., object], *args: object
    ) -> Handle:
        """Run `call` after `delay` seconds on behalf of `process`."""
        handle: Handle = self.call_later(delay, call, *args, context=process.context.copy())
        return handle

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run until `main` ends; return its result.  Raises `Stuck`, `Spinning`, and what `main` raises."""
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=lambda _: None, finalizer=lambda _: None)
        asyncio._set_running_loop(self)
        self._running = True
        try:
            task = self.spawn(NATURE, main)
            while not task.done():
                self._turn()
            return task.result()
        finally:
            self._running = False
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    def _turn(self) -> None:
        if not self._ready and not self._jump():
            raise Stuck("nothing is left to happen")
        batch = list(self._ready)
        self._ready.clear()
        if self._shuffle and len(batch) > 1:
            self._random.shuffle(batch)
        started = self.steps
        for handle in batch:
            if handle.dead:
                continue
            owner = handle.context.get(_process)
            if owner is not None and not owner.alive:
                continue
            self.steps += 1
            self._bound(handle)
            if self.at_step is not None and self.steps >= self.at_step[0]:
                call, self.at_step = self.at_step[1], None
                call()
                if owner is not None and not owner.alive:
                    continue
            try:
                handle.run()
            except Exception as error:
                self.call_exception_handler({"message": "a callback failed", "exception": error})
        self._at_once = self._at_once + self.steps - started
        if self._at_once > MAX_AT_ONCE:
            raise Spinning(f"{self._at_once} callbacks at {self._now:.3f} s, the last one {batch[-1]._call}")

    _at_once = 0

    def _bound(self, handle: Handle) -> None:
        """Raise `Livelock` when the run has used more than it may."""
        handles = len(self._ready) + len(self._timers)
        if self.steps > self.bounds.steps:
            self.runaway = f"{self.steps} steps"
        elif handles > self.bounds.handles:
            self._timers = [t for t in self._timers if not t[2].dead]
            heapq.heapify(self._timers)
            if len(self._ready) + len(self._timers) > self.bounds.handles // 2:
                self.runaway = f"{handles} callbacks that wait"
        if self.runaway:
            busy = Counter(t.get_coro().__qualname__ for t in self._tasks if not t.done())  # type: ignore[union-attr]
            raise Livelock(
                f"{self.runaway} at {self._now:.3f} s; living tasks {busy.most_common(5)}; now {handle._call}"
            )

    def _jump(self) -> bool:
        timers = self._timers
        while timers and timers[0][2].dead:
            heapq.heappop(timers)
        if not timers:
            return False
        if timers[0][0] > self._now:
            self._at_once = 0
            self._now = timers[0][0]
        while timers and timers[0][0] <= self._now:
            handle = heapq.heappop(timers)[2]
            if not handle.dead:
                self._ready.append(handle)
        return bool(self._ready) or self._jump()

    def close(self) -> None:
        """Take the world apart: what is unfinished is dropped without a word."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # killed on purpose
            coro = task.get_coro()
            if not task.done() and coro is not None:
                try:
                    coro.close()  # type: ignore[union-attr]
                except BaseException:
                    continue
        self._tasks.clear()
