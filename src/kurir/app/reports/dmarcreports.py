"""Sends yesterday's DMARC reports to the domains that ask for them (RFC 9990), through our own queue.

Careless reporting gets servers onto blocklists, so a domain gets reports only
- where mail of it has passed DMARC here before, the first time some days ago (`senderauth.dmarc_reports_after`);
- at addresses of its own organization, or at others that say that they take them;
- up to a number a day, in all and for one host;
- and not where a report was refused or came back: that address rests for a month;
- and only while our own mail is signed: a report that proves nothing is a careless one.

A report goes out some time in the first hours of the next day (UTC), each domain at a time of its own, with
NOTIFY=NEVER: nobody is to write a notice about it, and what became of it stands in the trace.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from kurir.app.operating.submit import SubmitError
from kurir.app.process.logs import Log
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.model import Address, Clock, Fate
from kurir.reports import AggregateMail, Reporter, SentReport, aggregates, mail_aggregate
from kurir.senderauth import SuffixList
from kurir.senderauth.dmarc import Discovery, DnsFailed, destinations
from kurir.senderauth.ports import SenderDns
from kurir.storage import SqliteReports

from .yesterday import GIVE_UP_DAYS, Unsent, end_of, keep_sending, turn_of

SETTLE = timedelta(seconds=600)  # after midnight: by then all processes have given their counts away
MAX_A_DAY = 1_000  # reports in 24 hours
MAX_A_HOST = 200  # of these to one host: one service may take reports for many domains
NO_REPLY = "noreply-dmarc"  # the local part in From; the envelope has the postmaster's address, which exists
_GOOD = frozenset({Fate.DELIVERED, Fate.HANDED_OVER, Fate.CAPTURED, Fate.DISCARDED, Fate.DELETED})

Send = Callable[[str, bytes], int | None]
"""Hands in a report for an address (blocks) and returns its number; raises `SubmitError`."""


class Fates(Protocol):
    """Knows what became of our messages."""

    def fate(self, number: int) -> Fate | None:
        """Return the fate of the only recipient of a message; None where it waits.  Raises KeyError for an unknown one."""
        ...


class DmarcReports:
    """One per server.  `open_store` opens the counts; `send` hands mail in; `fates` says what became of it.

    `unsigned` says whether what is handed in now leaves without a signature (blocks).
    """

    def __init__(
        self,
        config: Config,
        dns: SenderDns,
        clock: Clock,
        log: Log,
        *,
        open_store: Callable[[], SqliteReports],
        send: Send,
        fates: Fates,
        unsigned: Callable[[], bool] = lambda: False,
        suffixes: SuffixList | None = None,
    ) -> None:
        postmaster = settings.postmaster(config)
        self._reporter = Reporter(config.server.hostname, str(postmaster), postmaster.domain)
        self._from = Address(NO_REPLY, postmaster.domain)
        self._after = timedelta(seconds=config.senderauth.dmarc_reports_after)
        self._dns = dns
        self._suffixes = suffixes
        self._clock = clock
        self._log = log
        self._open = open_store
        self._send = send
        self._fates = fates
        self._unsigned = unsigned
        self._unsent = Unsent(log, "dmarc")

    async def run(self) -> None:
        """Send what is due, again and again, until cancelled."""
        await keep_sending(self.round, lambda e: self._log.warning("dmarc_reports_failed", why=str(e)))

    async def round(self) -> None:
        """See what became of the reports that are under way, and send what is due.  Raises `StoreError`."""
        store = await asyncio.to_thread(self._open)
        try:
            await asyncio.to_thread(self._follow, store)
            unsigned = await asyncio.to_thread(self._unsigned)
            now = datetime.fromtimestamp(self._clock.now(), UTC)
            for day, domain in await asyncio.to_thread(store.due, f"{now:%Y-%m-%d}"):
                ended = end_of(day)
                if now < ended + SETTLE + turn_of(domain):
                    continue
                outcome = None if unsigned else await self._report(store, day, domain)
                if outcome is None and now < ended + timedelta(days=GIVE_UP_DAYS):
                    if unsigned:
                        self._unsent.waits(day)
                    continue
                if outcome is None:
                    outcome = "unsigned" if unsigned else "failed"
                    self._unsent.given_up(day, outcome, *(() if unsigned else (domain,)))
                await asyncio.to_thread(store.dealt, day, domain, outcome)
        finally:
            await asyncio.to_thread(store.close)

    def _follow(self, store: SqliteReports) -> None:
        """Look up the fates of reports (blocks): whoever refuses one gets no more for a while."""
        for report in store.under_way():
            try:
                fate = self._fates.fate(report.number)
            except KeyError:
                fate = Fate.DISCARDED  # the trace has forgotten it
            if fate is None:
                continue
            if fate in _GOOD:
                store.arrived(report.message_id)
                continue
            address = store.refused(report.message_id, fate.value)
            self._log.warning("dmarc_report_refused", domain=report.domain, to=address, fate=fate.value)

    async def _report(self, store: SqliteReports, day: str, domain: str) -> str | None:
        """Return what became of the reports about a day and domain; None where it should be tried again."""
        refusal = await asyncio.to_thread(self._unknown, store, day, domain)
        if refusal:
            return refusal
        try:
            record = await Discovery(self._dns).record(domain)
            wanted = await destinations(domain, record, self._dns, self._suffixes) if record else ()
        except DnsFailed:
            return None
        if not wanted:
            return "not wanted"
        return await asyncio.to_thread(self._hand_in, store, day, domain, wanted)

    def _hand_in(
        self, store: SqliteReports, day: str, domain: str, wanted: tuple[Address, ...]
    ) -> str | None:
        """Write the reports about a day and domain and hand them in (blocks); None where it should be tried again."""
        outcomes: dict[str, list[str]] = {}
        for report in aggregates(day, domain, store.seen(day, domain), self._reporter):
            for to in wanted:
                mail = mail_aggregate(report, to, self._from, self._reporter, at=self._clock.now())
                outcomes.setdefault(self._deliver(store, day, to, mail), []).append(str(to))
        if "failed" in outcomes:
            return None
        if "sent" not in outcomes:
            return ", ".join(sorted(outcomes))
        self._log.info("dmarc_report_sent", domain=domain, day=day, to=", ".join(outcomes["sent"]))
        return "sent"

    def _unknown(self, store: SqliteReports, day: str, domain: str) -> str:
        """Return why this domain gets no report, ``""`` where it may get one (blocks)."""
        since = store.known_since(domain)
        if since is None:
            return "never proven"
        known = datetime.fromisoformat(day) - datetime.fromisoformat(since)
        return "not known long enough" if known < self._after else ""

    def _deliver(self, store: SqliteReports, day: str, to: Address, mail: AggregateMail) -> str:
        """Hand one report in (blocks); return sent, failed, refused, resting or capped."""
        domain = mail.report.policy.domain
        if mail.message_id in store.sent_about(day, domain):
            return "sent"
        if str(to) in store.resting():
            return "resting"
        now = self._clock.now()
        hosts = Counter(report.address.rpartition("@")[2] for report in store.sent_since(now - 86_400))
        if hosts.total() >= MAX_A_DAY or hosts[to.domain] >= MAX_A_HOST:
            return "capped"
        try:
            number = self._send(str(to), mail.message)
        except SubmitError as e:
            self._log.warning("dmarc_report_failed", domain=domain, day=day, to=str(to), why=str(e))
            return "refused" if e.final else "failed"
        if number is not None:
            store.sent(SentReport(day, domain, str(to), number, mail.message_id, now))
        return "sent"
