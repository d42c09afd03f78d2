"""The brain's role: the queue with its store, its clockwork, and the socket on which the other roles ask.

It holds the lock of the state folder for as long as it lives, so that there is one writer.
"""

import asyncio
import contextlib
import os
import random
import shutil
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kurir.app.ipc.channel import KEEP_SOCKET, Channel
from kurir.app.ipc.doors import LocalDoor
from kurir.app.ipc.wire import Result
from kurir.app.keys.dkim import KeyDesk
from kurir.app.operating.housekeeping import Housekeeping
from kurir.app.operating.operations import Operations
from kurir.app.process.clock import SystemClock
from kurir.app.process.eventlog import LoggedStore
from kurir.app.process.logs import Log
from kurir.app.process.part import StallMeter, StartError, Stop
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.identity import ConnectionBrake, LoginBrake
from kurir.model import Observation
from kurir.model.told import told
from kurir.queue import Brain, Health, Store, StoreError, Turn
from kurir.storage import KeyFolder, SqliteAccounts, SqliteFacts, SqliteObservations, StateLock, StateLocked
from kurir.web import Figures

from .seat import Seat

LOCK_PATIENCE = 15.0
DRAIN_MARGIN = 5.0  # the hands have `server.drain` seconds; then they still say what became of it
OBSERVE_EVERY = 0.2
MAX_OBSERVATIONS = 10_000
FIGURES_FRESH = 20.0


class BrainPart:
    """Runs the queue.  `door` is how parts in the same process ask it."""

    name = "brain"

    def __init__(self, config: Config, log: Log, stop: Stop, listener: socket.socket | None = None) -> None:
        self._config = config
        self._log = log
        self._stop_process = stop
        self._listener = listener
        self._clock = SystemClock()
        self._stalls = StallMeter()
        self._pending: list[Observation] = []
        self._reported: dict[str, tuple[float, Figures]] = {}
        self._channels: set[Channel] = set()
        self._turns: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.gather_local: list[Callable[[], Figures]] = []

    # -- life -------------------------------------------------------------------

    async def start(self) -> None:
        """Lock, open, load, listen."""
        self._loop_thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        layout = settings.layout(self._config)
        self._lock = await self._take_lock()
        try:
            self.facts = SqliteFacts(layout, self._clock)
            self.accounts = SqliteAccounts(layout, self._clock)
            self._observations = SqliteObservations(layout, self._clock, settings.observations(self._config))
        except StoreError as e:
            self._lock.release()
            raise StartError(str(e)) from None
        store: Store = LoggedStore(self.facts, self._log)
        self.brain = Brain(
            store,
            settings.queue(self._config, hands_here=self._listener is None),
            clock=self._clock,
            roll=random.random,
            free_space=lambda: _free_octets(layout.folder),
            post=self._post,
            wake=self._wake,
            on_failure=self._failed,
            on_turn=self._turned,
        )
        loaded = self.brain.load()
        self.door = LocalDoor(
            self.brain,
            ConnectionBrake(settings.connection_brake(self._config), self._clock),
            LoginBrake(settings.login_brake(self._config), self._clock),
            self._observe,
            lambda number: self.operations.foresee(number),
        )
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="kurir-observe")
        self._housekeeping = Housekeeping(
            self._config, layout, self.facts, self._observations, self._clock, self._log
        )
        self._keys = KeyDesk(KeyFolder(layout), settings.keys(self._config), self._clock)
        self.operations = Operations(
            self._config,
            self.brain,
            self.accounts,
            layout,
            self._clock,
            self._housekeeping.erase,
            self._keys,
        )
        self._preparing = asyncio.create_task(self._prepare_keys())
        self._housekeeping.start()
        self._stalls.start()
        self._observing = asyncio.create_task(self._write_observations())
        if self._listener is not None:
            self._server = await self._loop.create_unix_server(
                self._channel, sock=self._listener, **KEEP_SOCKET
            )
        self._wake(0.0)
        self._log.info("queue_loaded", recipients=loaded, epoch=self.brain.epoch)

    async def _take_lock(self) -> StateLock:
        """Wait for a brain that is just ending; a living one is an error."""
        end = self._clock.monotonic() + LOCK_PATIENCE
        while True:
            try:
                return StateLock(settings.layout(self._config))
            except StateLocked as e:
                if self._clock.monotonic() > end:
                    raise StartError(str(e)) from None
                await asyncio.sleep(0.05)
            except OSError as e:
                raise StartError(told("the state folder cannot be used: {why}", why=e)) from None

    async def stop(self) -> None:
        """Let leases come home, commit everything, close."""
        done = asyncio.Event()
        self.brain.drain(done.set)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(
                0.2 if self.brain.failed else self._config.server.drain + DRAIN_MARGIN
            ):
                await done.wait()
        if self._timer:
            self._timer.cancel()
        self._stalls.stop()
        if self._server:
            self._server.close()
        for channel in list(self._channels):
            channel.close()
        self._observing.cancel()
        await self._preparing
        await self._flush_observations()
        await asyncio.to_thread(self._housekeeping.stop)
        await asyncio.to_thread(self.brain.close)
        self._threads.shutdown()
        self._observations.close()
        self.accounts.close()
        self.facts.close()
        self._lock.release()

    async def _prepare_keys(self) -> None:
        """Make the keys of domains that are new in the configuration: beside the mail, since it takes a while."""
        try:
            for t in await asyncio.to_thread(self._keys.prepare):
                step, selector = t.decision.step.value, t.decision.selector
                self._log.info("dkim_key", domain=t.domain, selector=selector, step=step)
        except (OSError, ValueError) as e:
            self._log.error("keys_not_prepared", why=str(e), next="mail leaves unsigned; mend it and restart")

    def _failed(self, failure: BaseException) -> None:
        """The store has failed: nothing more is acknowledged; a new process recovers what is safe."""
        self._log.error("store_failed", why=str(failure), next="restarting to recover from what is safe")
        self._loop.call_later(0.2, self._stop_process.ask, 1)

    def _turned(self, turn: Turn) -> None:
        """A road broke, or is back: that is said loudly, since mail now takes another way."""
        broke = turn.health is Health.BROKEN
        say = self._log.error if broke else self._log.info
        more: dict[str, object] = {"words": turn.words} if turn.words else {}
        if not broke:
            more["closed_seconds"] = round(turn.seconds)
        say(
            "road_closed" if broke else "road_back",
            road=turn.road,
            site=turn.site,
            cause=turn.cause.value,
            **more,
        )
        self._turns[f"kurir_road_{'closings' if broke else 'returns'}{{road={turn.road}}}"] += 1

    def _post(self, call: Callable[[], None]) -> None:
        """Run `call` on the loop soon; at the very end of the process there may be no loop any more."""
        with contextlib.suppress(RuntimeError):
            if threading.get_ident() == self._loop_thread:
                self._loop.call_soon(call)  # without the system calls that wake a loop which sleeps
            else:
                self._loop.call_soon_threadsafe(call)

    # -- clockwork --------------------------------------------------------------

    def _wake(self, delay: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        delay = self.brain.tick()
        if delay is not None:
            self._wake(delay)

    # -- observations -------------------------------------------------------------

    def _observe(self, observations: Sequence[Observation]) -> None:
        room = MAX_OBSERVATIONS - len(self._pending)
        self._pending += observations[:room]

    async def _write_observations(self) -> None:
        while True:
            await asyncio.sleep(OBSERVE_EVERY)
            await self._flush_observations()

    async def _flush_observations(self) -> None:
        batch, self._pending = self._pending, []
        if not batch:
            return
        for o in batch:
            self._log.info("observed", **_words(o))
        try:
            await self._loop.run_in_executor(self._threads, self._observations.add, batch)
        except StoreError as e:
            self._log.warning("observations_lost", count=len(batch), why=str(e))

    # -- figures ------------------------------------------------------------------

    def figures(self) -> Figures:
        """Return what the brain counted."""
        f = self.brain.figures()
        return Figures(
            role="brain",
            pid=os.getpid(),
            counters={
                "kurir_accepted_messages": f.accepted_messages,
                "kurir_accepted_recipients": f.accepted_recipients,
                "kurir_possibly_delivered": f.possibly_delivered,
                "kurir_commits": f.batches,
                "kurir_refused_full": f.refused_full,
                "kurir_slowed": f.slowed,
                **{f"kurir_fates{{fate={fate}}}": n for fate, n in f.fates.items()},
                **{f"kurir_attempts{{outcome={kind}}}": n for kind, n in f.attempts.items()},
                **self._turns,
            },
            gauges={
                "kurir_waiting_recipients": f.waiting,
                "kurir_waiting_messages": f.messages,
                "kurir_open_leases": f.open_leases,
                "kurir_open_notices": f.open_notices,
                "kurir_paces": f.paced,
                "kurir_oldest_waiting_seconds": round(f.oldest, 1),
                "kurir_disk_full": float(f.full),
                "kurir_roads_closed": float(
                    sum(s.health is not Health.SOUND for s in self.brain.roads.states())
                ),
                "kurir_brain_loop_lag_max_seconds": round(self._stalls.take(), 4),
            },
        )

    def gather(self) -> list[Figures]:
        """Return the figures of all roles that reported lately."""
        now = self._clock.monotonic()
        fresh = [f for at, f in self._reported.values() if now - at < FIGURES_FRESH]
        return [self.figures(), *(local() for local in self.gather_local), *fresh]

    def report(self, figures: Figures) -> None:
        """Keep what another role counted."""
        self._reported[f"{figures.role}-{figures.pid}"] = (self._clock.monotonic(), figures)

    # -- the other processes --------------------------------------------------------

    def _channel(self) -> Channel:
        seat = Seat(self)
        channel = Channel(seat.handlers(), {}, on_open=self._channels.add, on_close=self._closed(seat))
        seat.channel = channel
        return channel

    def _closed(self, seat: Seat) -> Callable[[Channel], None]:
        def closed(channel: Channel) -> None:
            self._channels.discard(channel)
            seat.gone()

        return closed

    async def operate(self, op: str, args: dict[str, Any]) -> Result:
        """Do what an operator asks."""
        return await self.operations.run(op, args)


def _free_octets(folder: object) -> int:
    return shutil.disk_usage(str(folder)).free


def _words(o: Observation) -> dict[str, object]:
    values = {
        "kind": o.kind.value, "client": o.client, "listener": o.listener, "account": o.account,
        "sender": o.sender, "recipient": o.recipient, "reply": str(o.reply) if o.reply else "",
        "cause": o.cause.value if o.cause else "", "detail": o.detail,
    }  # fmt: skip
    return {k: v for k, v in values.items() if v}
