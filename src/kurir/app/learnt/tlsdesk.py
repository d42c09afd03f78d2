"""The TLS desk of a delivery process: its store behind a thread, its alarms in the log, its counts in the figures."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from kurir.app.process.logs import Log
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.delivery.tlspolicy import Alarm, TlsDesk, Validation
from kurir.model import Clock
from kurir.net import CachingResolver, ClientTlsFactory, TlsLevel, WebClient
from kurir.queue import StoreError
from kurir.storage import SqliteTls

_STRENGTH = {0: "none", 1: "encrypted", 2: "name", 3: "dane"}


class DeskPart:
    """Makes the desk and ends it.  A store that cannot be opened is said and done without."""

    def __init__(
        self, config: Config, resolver: CachingResolver, tls: ClientTlsFactory, clock: Clock, log: Log
    ) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="kurir-tls")
        self._store: SqliteTls | None = None
        try:
            self._store = SqliteTls(settings.layout(config), clock)
        except StoreError as e:
            log.warning("tls_memory_unavailable", why=str(e))
        fetch = WebClient(resolver, tls.level(TlsLevel.VERIFIED), settings.web(config)).fetch
        self.desk = TlsDesk(
            settings.tls_out(config, trusted_resolver=resolver.vouched),
            resolver,
            fetch,
            clock,
            store=self._store,
            post=self._post,
            alarm=self._alarm,
        )
        self.desk.dane.told = self._tested
        try:
            self.desk.load()
        except StoreError as e:
            log.warning("tls_memory_unavailable", why=str(e))

    def start(self) -> None:
        """Test the resolver now, so that the first mail need not wait for it."""
        self._testing = self._loop.create_task(self.desk.dane.tested())

    async def stop(self) -> None:
        """Keep the last counts, close the store."""
        self._testing.cancel()
        self.desk.give_counts()
        await asyncio.to_thread(self._threads.shutdown)
        if self._store is not None:
            self._store.close()

    def counters(self) -> dict[str, float]:
        """Return the alarms so far, by kind."""
        return {f"kurir_tls_alarms{{kind={kind}}}": float(n) for kind, n in self.desk.alarms.items()}

    def gauges(self) -> dict[str, float]:
        """Return whether DANE is in use."""
        return {"kurir_dane_in_use": float(self.desk.dane.validation is Validation.WORKS)}

    def _post(self, call: Callable[[], Any], then: Callable[[Any], None] | None) -> None:
        def run() -> None:
            try:
                result = call()
            except StoreError as e:
                self._log.warning("tls_memory_failed", why=str(e))
                return
            if then is not None:
                self._loop.call_soon_threadsafe(then, result)

        self._threads.submit(run)

    def _alarm(self, alarm: Alarm) -> None:
        say = self._log.info if alarm.kind == "recovered" else self._log.error
        say(
            "tls_alarm",
            kind=alarm.kind,
            host=alarm.host,
            domain=alarm.domain,
            best=_STRENGTH[int(alarm.best)],
            since=datetime.fromtimestamp(alarm.since, UTC).isoformat(timespec="seconds"),
            detail=alarm.detail,
        )

    def _tested(self, validation: Validation) -> None:
        say = self._log.info if validation in (Validation.WORKS, Validation.OFF) else self._log.warning
        say("dane", resolver=validation.value, in_use=validation is Validation.WORKS)
