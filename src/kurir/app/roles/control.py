"""Control's role: the control socket, the admin port, the public web, our certificate, and the sandbox of a playground."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn

from kurir.app.ipc.wire import Result
from kurir.app.keys import keywatch
from kurir.app.keys.dkim import awaits_key
from kurir.app.keys.keywatch import KeyWatch
from kurir.app.operating import control
from kurir.app.operating.control import ControlError
from kurir.app.operating.submit import SubmitError, submit
from kurir.app.process.clock import SystemClock
from kurir.app.process.logs import Log
from kurir.app.process.part import StartError
from kurir.app.reports.dmarcreports import DmarcReports
from kurir.app.reports.mornings import Mornings
from kurir.app.reports.tlsreports import TlsReports
from kurir.app.wiring import roads, settings, website
from kurir.config import Config
from kurir.model import Fate, decode_id
from kurir.model.told import told, unpack
from kurir.net import CachingResolver, CertificateError, ClientTlsFactory, TlsLevel, WebClient
from kurir.sandbox import SandboxServer
from kurir.storage import KeyFolder, SqliteReports, SqliteTls, TraceReader
from kurir.web import Figures, Health, make_application

from .acmepart import AcmePart
from .publicweb import PublicWeb
from .reception import suffix_list

Operate = Callable[[str, dict[str, Any]], Awaitable[Result]]
Gather = Callable[[], Awaitable[Sequence[Figures]]]


@dataclass(frozen=True, slots=True)
class WebDoors:
    """The sockets of everything that speaks HTTP."""

    admin: Sequence[socket.socket] = ()
    http: Sequence[socket.socket] = ()
    https: Sequence[socket.socket] = ()


class ControlPart:
    """Serves operators, and those who ask our domains over HTTP."""

    name = "control"

    def __init__(
        self,
        config: Config,
        log: Log,
        operate: Operate,
        gather: Gather,
        doors: WebDoors,
        asked: socket.socket,
    ) -> None:
        self._config = config
        self._log = log
        self._operate = operate
        self._gather = gather
        self._doors = doors
        self._asked = asked
        self._certificate = AcmePart(config, SystemClock(), log)
        self._public: PublicWeb | None = None
        self._web: uvicorn.Server | None = None
        self._sandbox: SandboxServer | None = None
        self._reports: list[asyncio.Task[None]] = []
        self._watching: asyncio.Task[None] | None = None
        self._mornings: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the sandbox, the web doors, and last the control socket.  Raises `StartError`."""
        state = self._config.server.state
        if roads.has_sandbox(self._config):
            self._sandbox = SandboxServer(
                state / "sandbox", state / roads.SANDBOX_SOCKET, hostname=f"sandbox.{self._config.server.hostname}",
                tls=settings.server_tls(self._config), clock=SystemClock(), submit=self._bounce,
            )  # fmt: skip
            await self._sandbox.start()
        if self._doors.admin:
            application = make_application(self._gather, self._health)
            config = uvicorn.Config(
                application, log_config=None, access_log=False, lifespan="off", server_header=False
            )
            self._web = _Web(config)
            self._serving = asyncio.create_task(self._web.serve(sockets=list(self._doors.admin)))
        self._open_to_all()
        self._certificate.start()
        if not self._config.server.playground:
            self._watching = asyncio.create_task(self._watch_keys())
            if self._config.tls_out.reports:
                self._reports.append(asyncio.create_task(self._tls_reports().run()))
            if settings.counts_senders(self._config):
                self._reports.append(asyncio.create_task(self._dmarc_reports().run()))
        self._mornings = asyncio.create_task(
            Mornings(self._config, SystemClock(), self._log, self._hand_in).run()
        )
        self._server = await control.serve(self._asked, self._ask)

    def _open_to_all(self) -> None:
        """Serve what belongs to our domains, and the proofs for our certificate."""
        if not (self._doors.http or self._doors.https):
            return
        site = website.site(self._config, self._certificate.challenge)
        self._public = PublicWeb(
            site, self._config, SystemClock(), self._log, self._doors.http, self._doors.https
        )
        try:
            self._public.start()
        except CertificateError as e:
            raise StartError(told("tls: {why}", why=e)) from None

    async def stop(self) -> None:
        """Close everything."""
        await self._certificate.stop()
        if self._public:
            await self._public.stop()
        for task in (self._watching, self._mornings):
            if task:
                task.cancel()
        self._server.close()
        for reports in self._reports:
            reports.cancel()
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
        if op in self._certificate.verbs:
            return await self._certificate.verbs[op](**args)
        result = await self._operate(op, args)
        if result.error is not None:
            raise ControlError(unpack(result.error))
        return result.value

    def _tls_reports(self) -> TlsReports:
        config, clock = self._config, SystemClock()
        resolver = CachingResolver(settings.resolver(config), clock=clock.monotonic)
        tls = ClientTlsFactory(settings.client_tls(config), now=clock.now).level(TlsLevel.VERIFIED)
        return TlsReports(
            config, resolver, WebClient(resolver, tls, settings.web(config)).fetch, clock, self._log,
            open_store=lambda: SqliteTls(settings.layout(config), clock), send=self._hand_in, unsigned=self._unsigned,
        )  # fmt: skip

    def _dmarc_reports(self) -> DmarcReports:
        config, clock = self._config, SystemClock()
        layout = settings.layout(config)
        resolver = CachingResolver(settings.resolver(config), clock=clock.monotonic)

        def send(to: str, message: bytes) -> int | None:
            sender = str(settings.postmaster(config))
            done = submit(config.server.state, sender, [to], message, rcpt_options=["NOTIFY=NEVER"])
            return decode_id(done.id)

        return DmarcReports(
            config, resolver, clock, self._log, open_store=lambda: SqliteReports(layout, clock), send=send,
            fates=_Fates(TraceReader(layout)), unsigned=self._unsigned, suffixes=suffix_list(config),
        )  # fmt: skip

    def _unsigned(self) -> bool:
        """Whether mail of the postmaster's leaves unsigned though it is meant to be signed (blocks)."""
        config = self._config
        try:
            return config.signing.dkim and awaits_key(
                KeyFolder(settings.layout(config)), settings.postmaster(config).domain
            )
        except (OSError, ValueError):
            return True  # unreadable keys sign nothing; the watch over them says so

    def _hand_in(self, to: str, message: bytes) -> None:
        """Send mail in the postmaster's name (blocks).  Raises `SubmitError`."""
        submit(self._config.server.state, str(settings.postmaster(self._config)), [to], message)

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


class _Fates:
    """What became of reports of ours: `dmarcreports.Fates`."""

    def __init__(self, reader: TraceReader) -> None:
        self._reader = reader

    def fate(self, number: int) -> Fate | None:
        """Return the fate of the only recipient.  Raises KeyError where the trace does not know the message."""
        found = self._reader.trace(number)
        if found is None:
            raise KeyError(number)
        return found.recipients[0][1].fate


class _Web(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one way to end."""

    def install_signal_handlers(self) -> None:
        """Leave signals alone."""

    def capture_signals(self) -> Any:
        """Leave signals alone."""
        return nullcontext()
