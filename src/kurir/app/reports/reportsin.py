"""Reports of others, read where they arrive, whether the mail ends in a Maildir here or is passed on.

That is at the postmaster's of each of our domains, and at the addresses named for it.  DMARC (RFC 9990), TLS (RFC 8460) and feedback about single messages (RFC 5965, RFC 6591), and bounces of
our own reports.

A mail is read before it is delivered, so that one that is to stay out of the mailbox is settled only when what it
said is safe.  Delivering twice is no harm: a report that is there already is not kept again.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from kurir.app.process.logs import Log
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.delivery.ports import Bodies, BodyDamaged
from kurir.message import scan
from kurir.model import Cause, Clock, Outcome, OutcomeKind, Stage, parse_address
from kurir.queue import Lease, StoreError
from kurir.queue.asks import Work
from kurir.reports import (
    AggregateReport,
    Complaint,
    Feedback,
    KeptAggregate,
    KeptTls,
    ReportError,
    TlsReport,
    read_report_mail,
    returned_ids,
)
from kurir.senderauth import MethodResult, parse_results
from kurir.senderauth.dmarc import author_of
from kurir.storage import SqliteReports, TraceQuery, TraceReader

MAX_OCTETS = 32 * 1024 * 1024  # of a mail that is read
_ALWAYS = ("postmaster", "abuse")  # of each domain (RFC 2142): where complaints go

Delivered = tuple[tuple[int, Outcome], ...]


def watched(config: Config) -> frozenset[str]:
    """Return the addresses at which reports are read, as keys: all of our own domains, local and relayed."""
    usual = {f"{name}@{domain}" for domain in config.domains for name in _ALWAYS}
    named = [*map(parse_address, config.reports.addresses), settings.postmaster(config)]
    return frozenset(usual | {address.key for address in named if address.domain in config.domains})


@dataclass(frozen=True, slots=True)
class Origin:
    """From whom a report came: the domain of its author, and whether that is genuine."""

    sender: str
    proven: bool


class MailReader:
    """Reads one mail and keeps what it reports.  `read` blocks."""

    def __init__(
        self, config: Config, clock: Clock, log: Log, open_store: Callable[[], SqliteReports]
    ) -> None:
        self._own = frozenset(config.domains)
        self._server = settings.reception(config).results_ids
        self._trace = TraceReader(settings.layout(config))
        self._clock = clock
        self._log = log
        self._open = open_store

    def read(self, trace_block: bytes, message: bytes, *, bounce: bool) -> bool:
        """Keep what a mail reports; return whether it was a report that is safe now.  `bounce`: its sender is empty."""
        try:
            if bounce and (ids := returned_ids(message)):
                return self._returned(ids)
            report = read_report_mail(message)
            return report is not None and self._keep(report, self._origin(trace_block, message))
        except ReportError as e:
            self._log.warning("report_not_read", why=str(e))
        except StoreError as e:
            self._log.warning("report_not_kept", why=str(e))
        except Exception as e:  # noqa: BLE001  a bug here must not keep the mail from its mailbox
            self._log.error("report_not_read", why=f"{type(e).__name__}: {e}")
        return False

    def _returned(self, ids: Sequence[str]) -> bool:
        store = self._open()
        try:
            address = store.bounced([i for i in ids if i.startswith("<dmarc.")])
        finally:
            store.close()
        if address:
            self._log.warning("dmarc_report_refused", to=address, fate="returned")
        return bool(address)

    def _keep(self, report: AggregateReport | TlsReport | Feedback, origin: Origin) -> bool:
        now = self._clock.now()
        store = self._open()
        try:
            if isinstance(report, AggregateReport):
                if not self._is_ours(report.policy.domain):
                    self._log.info("report_of_others", domain=report.policy.domain, by=report.org_name)
                    return False
                new = store.keep_aggregate(KeptAggregate(report, now, origin.sender, origin.proven))
                self._log.info("dmarc_report_read", domain=report.policy.domain, by=report.org_name, new=new)
            elif isinstance(report, TlsReport):
                if not any(self._is_ours(policy.domain) for policy in report.policies):
                    return False
                new = store.keep_tls(KeptTls(report, now, origin.sender, origin.proven))
                self._log.info("tls_report_read", by=report.org_name, new=new)
            else:
                complaint = self._of_ours(Complaint(report, now, origin.sender, origin.proven))
                new = store.keep_complaint(complaint)
                self._log.info(
                    "complaint_read", kind=report.type, by=origin.sender, account=complaint.account
                )
        finally:
            store.close()
        return True

    def _is_ours(self, domain: str) -> bool:
        while domain and domain not in self._own:
            domain = domain.partition(".")[2]
        return bool(domain)

    def _of_ours(self, complaint: Complaint) -> Complaint:
        """Find the message that a complaint is about among ours, by its Message-ID."""
        message_id = complaint.feedback.message_id
        found = self._trace.search(TraceQuery(message_id=message_id), 2) if message_id else []
        # Mail of strangers passes through here, too, and nobody complains about that to us.
        ours = [m for m in found if m.account or self._is_ours(m.sender.rpartition("@")[2])]
        if not ours:
            return complaint
        return replace(complaint, number=ours[0].number, account=ours[0].account or ours[0].sender)

    def _origin(self, trace_block: bytes, message: bytes) -> Origin:
        domains = author_of(scan(message)).domains
        author = domains[0] if len(domains) == 1 else ""
        said = [parse_results(value) for value in scan(trace_block).all(b"Authentication-Results")]
        own = [field.results for field in said if field.authserv_id.lower() in self._server]
        # Nothing was checked: it came from an account, or from a network that is trusted.
        return Origin(author, not own or (bool(author) and proves(own[0], author)))


def proves(results: Collection[MethodResult], author: str) -> bool:
    """Whether results of ours say that `author` is genuine: DMARC, or without a policy an aligned signature or SPF."""
    dmarc = next((r.result for r in results if r.method == "dmarc"), "none")
    if dmarc != "none":
        return dmarc == "pass"
    domains = {
        (result.get("header.d") or result.get("smtp.mailfrom") or "").rpartition("@")[2].lower()
        for result in results
        if result.result == "pass" and result.method in ("dkim", "spf")
    }
    return any(d and (d == author or d.endswith("." + author) or author.endswith("." + d)) for d in domains)


class ReportDesk:
    """Implements `kurir.delivery.ports.ReportReader`: mail for `addresses` is read; all other mail goes on at once.

    `deliver` False: what was read is not delivered.
    """

    def __init__(
        self, reader: MailReader, bodies: Bodies, clock: Clock, addresses: frozenset[str], *, deliver: bool
    ) -> None:
        self._reader = reader
        self._bodies = bodies
        self._clock = clock
        self._addresses = addresses
        self._domains = frozenset(address.rpartition("@")[2] for address in addresses)
        self._deliver = deliver

    def wants(self, lease: Lease) -> bool:
        """Whether one of the recipients is an address that reports come to, or was before an alias turned it into another."""
        for work in lease.work:
            recipient = work.recipient
            asked = recipient.wanted or recipient.address
            if asked.domain in self._domains and self._is_read(work):
                return True
        return False

    async def read(self, lease: Lease) -> Delivered:
        """Keep what the message reports; return the recipients that get nothing more than that."""
        if lease.size > MAX_OCTETS:
            return ()
        try:
            message = await self._message(lease)
        except BodyDamaged:
            return ()  # delivering it finds the same, and says so
        kept = await asyncio.to_thread(
            self._reader.read, lease.trace_block, message, bounce=lease.reverse_path is None
        )
        if not kept or self._deliver:
            return ()
        return tuple((work.index, self._ended(lease)) for work in lease.work if self._is_read(work))

    def _is_read(self, work: Work) -> bool:
        asked, found = work.recipient.wanted, work.recipient.address
        return found.key in self._addresses or (asked is not None and asked.key in self._addresses)

    async def _message(self, lease: Lease) -> bytes:
        if lease.body is not None:
            return lease.body
        if lease.body_file is None:
            return await self._bodies.whole(lease)
        return b"".join([chunk async for chunk in self._bodies.chunks(lease)])

    def _ended(self, lease: Lease) -> Outcome:
        return Outcome(
            kind=OutcomeKind.DELIVERED,
            cause=Cause.OK,
            at=self._clock.now(),
            stage=Stage.STORE,
            road=lease.road.name,
            detail="it is a report: it was read and kept, and not put into the mailbox",
        )
