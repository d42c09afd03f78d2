"""Control's role: the control socket, the admin port, and the sandbox of a playground."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Any

import uvicorn

from kurir.config import Config
from kurir.model.told import unpack
from kurir.net import CachingResolver, ClientTlsFactory, TlsLevel, WebClient
from kurir.sandbox import SandboxServer
from kurir.storage import KeyFolder, SqliteTls
from kurir.web import Figures, Health, make_application

from . import control, keywatch, roads, settings
from .clock import SystemClock
from .control import ControlError
from .keywatch import KeyWatch
from .logs import Log
from .submit import SubmitError, submit
from .tlsreports import TlsReports
from .wire import Result

Operate = Callable[[str, dict[str, Any]], Awaitable[Result]]
Gather = Callable[[], Awaitable[Sequence[Figures]]]


class ControlPart:
    """Serves operators."""

    name = "control"

    def __init__(
        self, config: Config, log: Log, operate: Operate, gather: Gather, admin: Sequence[socket.socket]
    ) -> None:
        self._config = config
        self._log = log
        self._operate = operate
        self._gather = gather
        self._admin = admin
        self._web: uvicorn.Server | None = None
        self._sandbox: SandboxServer | None = None
        self._reports: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the sandbox, the admin port, and last the control socket."""
        state = self._config.server.state
        if roads.has_sandbox(self._config):
            self._sandbox = SandboxServer(
                state / "sandbox", state / roads.SANDBOX_SOCKET, hostname=f"sandbox.{self._config.server.hostname}",
                tls=settings.server_tls(self._config), clock=SystemClock(), submit=self._bounce,
            )  # fmt: skip
            await self._sandbox.start()
        if self._admin:
            application = make_application(self._gather, self._health)
            config = uvicorn.Config(
                application, log_config=None, access_log=False, lifespan="off", server_header=False
            )
            self._web = _Web(config)
            self._serving = asyncio.create_task(self._web.serve(sockets=list(self._admin)))
        if self._config.tls_out.reports and not self._config.server.playground:
            self._reports = asyncio.create_task(self._tls_reports().run())
        if not self._config.server.playground:
            self._watching = asyncio.create_task(self._watch_keys())
        self._server = await control.serve(state / settings.CONTROL_SOCKET, self._ask)

    async def stop(self) -> None:
        """Close everything."""
        if self._watching:
            self._watching.cancel()
        self._server.close()
        if self._reports:
            self._reports.cancel()
        with suppress(FileNotFoundError):
            (self._config.server.state / settings.CONTROL_SOCKET).unlink()
        if self._web:
            self._web.should_exit = True
            with suppress(TimeoutError):
                async with asyncio.timeout(3.0):
                    await self._serving
        if self._sandbox:
            await self._sandbox.stop()

    async def _watch_keys(self) -> None:
        """Look for our keys in the DNS: new ones are used when they are there."""
        clock = SystemClock()

        def fresh() -> CachingResolver:
            return CachingResolver(settings.resolver(self._config), clock=clock.monotonic)

        watch = KeyWatch(KeyFolder(settings.layout(self._config)), fresh, clock, self._operate)
        while True:
            try:
                for domain, selector, step in await watch.look():
                    self._log.info("dkim_key", domain=domain, selector=selector, step=step)
            except (OSError, ValueError) as e:
                self._log.warning("keys_not_looked_at", why=str(e))
            await asyncio.sleep(keywatch.STEP)

    async def _ask(self, op: str, args: dict[str, Any]) -> Any:
        result = await self._operate(op, args)
        if result.error is not None:
            raise ControlError(unpack(result.error))
        return result.value

    def _tls_reports(self) -> TlsReports:
        config, clock = self._config, SystemClock()
        resolver = CachingResolver(settings.resolver(config), clock=clock.monotonic)
        tls = ClientTlsFactory(settings.client_tls(config), now=clock.now).level(TlsLevel.VERIFIED)

        def send(to: str, message: bytes) -> None:
            submit(config.server.state, str(settings.postmaster(config)), [to], message)

        return TlsReports(
            config, resolver, WebClient(resolver, tls, settings.web(config)).fetch, clock, self._log,
            open_store=lambda: SqliteTls(settings.layout(config), clock), send=send,
        )  # fmt: skip

    async def _health(self) -> Health:
        result = await self._operate("status", {})
        if result.error is not None:
            return Health(ready=False, problems=(unpack(result.error),))
        return Health(
            ready=result.value["ready"], problems=(result.value["why"],) if result.value["why"] else ()
        )

    async def _bounce(self, sender: str, recipient: str, message: bytes) -> None:
        """Hand in mail that the sandbox writes (a bounce that comes later)."""
        try:
            await asyncio.to_thread(submit, self._config.server.state, sender, [recipient], message)
        except SubmitError as e:
            self._log.warning("sandbox_bounce_not_taken", why=str(e))

    def figures(self) -> Figures:
        """Return that control lives."""
        return Figures(role="control", pid=os.getpid())


class _Web(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one way to end."""

    def install_signal_handlers(self) -> None:
        """Leave signals alone."""

    def capture_signals(self) -> Any:
        """Leave signals alone."""
        return nullcontext()
