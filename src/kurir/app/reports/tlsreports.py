"""Sends yesterday's TLS reports to the domains that ask for them (RFC 8460), by mail through our own queue or HTTPS.

A report goes out some time in the first hours of the next day (UTC), each domain at a time of its own.  What
cannot be sent is tried again for two days; what nobody wants is noted and forgotten.  One that goes by mail has to be
signed (section 3): it waits until our key has been seen in the DNS.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from kurir.app.operating.submit import SubmitError
from kurir.app.process.logs import Log
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.model import Clock
from kurir.net import DnsStatus, Fetch, Resolver, WebError, WebRequest
from kurir.reports import Reporter, mail_tls_report, pack_tls_report, read_rua, write_tls_report
from kurir.storage import SqliteTls

from .yesterday import GIVE_UP_DAYS, Unsent, end_of, keep_sending, turn_of

KEEP_DAYS = 30

Send = Callable[[str, bytes], None]
"""Hands in a report for an address (blocks); raises `SubmitError`."""


class TlsReports:
    """One per server.  `open_store` opens the counts; `send` hands mail in.

    `unsigned` says whether what is handed in now leaves without a signature (blocks).
    """

    def __init__(
        self,
        config: Config,
        resolver: Resolver,
        fetch: Fetch,
        clock: Clock,
        log: Log,
        *,
        open_store: Callable[[], SqliteTls],
        send: Send,
        unsigned: Callable[[], bool] = lambda: False,
    ) -> None:
        postmaster = settings.postmaster(config)
        self._reporter = Reporter(config.server.hostname, str(postmaster), postmaster.domain)
        self._resolver = resolver
        self._fetch = fetch
        self._clock = clock
        self._log = log
        self._open = open_store
        self._send = send
        self._unsigned = unsigned
        self._unsent = Unsent(log, "tls")

    async def run(self) -> None:
        """Send what is due, again and again, until cancelled."""
        await keep_sending(self.round, lambda e: self._log.warning("tls_reports_failed", why=str(e)))

    async def round(self) -> None:
        """Send what is due now.  Raises `StoreError`."""
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        store = await asyncio.to_thread(self._open)
        try:
            for day, domain in await asyncio.to_thread(store.unreported, f"{now:%Y-%m-%d}"):
                ended = end_of(day)
                if now < ended + turn_of(domain):
                    continue
                outcome = await self._report(store, day, domain)
                if outcome is None and now < ended + timedelta(days=GIVE_UP_DAYS):
                    continue
                if outcome is None:
                    self._unsent.given_up(day, "failed", domain)
                oldest = f"{now - timedelta(days=KEEP_DAYS):%Y-%m-%d}"
                await asyncio.to_thread(store.reported, day, domain, outcome or "failed", oldest)
        finally:
            await asyncio.to_thread(store.close)

    async def _report(self, store: SqliteTls, day: str, domain: str) -> str | None:
        """Return what became of one report; None where it should be tried again."""
        answer = await self._resolver.txt(f"_smtp._tls.{domain}")
        if answer.status in (DnsStatus.SERVFAIL, DnsStatus.TIMEOUT):
            return None
        wanted = read_rua(t for t in answer.records if isinstance(t, bytes))
        if not wanted:
            return "not wanted"
        counts = await asyncio.to_thread(store.results, day, domain)
        report = write_tls_report(day, domain, counts, self._reporter)
        sent = [uri for uri in wanted if await self._deliver(uri, day, domain, report)]
        if not sent:
            return None
        self._log.info("tls_report_sent", domain=domain, day=day, to=", ".join(sent))
        return "sent"

    async def _deliver(self, uri: str, day: str, domain: str, report: bytes) -> bool:
        now = self._clock.now()
        try:
            if uri.startswith("mailto:"):
                if await asyncio.to_thread(self._unsigned):
                    self._unsent.waits(day)
                    return False
                to = unquote(uri.removeprefix("mailto:").partition("?")[0])
                message = mail_tls_report(day, domain, to, report, self._reporter, at=now)
                await asyncio.to_thread(self._send, to, message)
                return True
            packed = pack_tls_report(report, now)
            kind = ("Content-Type", "application/tlsrpt+gzip")
            answer = await self._fetch(WebRequest(uri, packed, (kind,)))
        except (SubmitError, WebError, ValueError) as e:
            self._log.warning("tls_report_failed", domain=domain, day=day, to=uri, why=str(e))
            return False
        return 200 <= answer.status < 300
