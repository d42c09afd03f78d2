"""What the command line knows of reports: those that were kept, a file at hand, and whether a source may send for us."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

from kurir.app.process.clock import SystemClock
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.model.told import told
from kurir.net import CachingResolver
from kurir.queue import StoreError
from kurir.reports import (
    AggregateReport,
    Complaint,
    Digest,
    Feedback,
    KeptAggregate,
    KeptTls,
    ReportError,
    judge,
    read_any,
)
from kurir.reports.arriving import Report
from kurir.senderauth import ReverseSettings, SenderDns, check_reverse
from kurir.senderauth.spf import SpfQuery, SpfResult, check_mail_from
from kurir.storage import NoDatabase, SqliteReports

from .control import ControlError

MAX_LOOKED_UP = 100  # sources of one domain, those with most mail first
AT_ONCE = 10
PATIENCE = 30.0  # seconds for all questions to the DNS together
MAX_FILE = 64 * 1024 * 1024

_T = TypeVar("_T")


def aggregates(config: Config, domain: str, since: float) -> list[KeptAggregate]:
    """Return DMARC reports that tell of times since then; `domain` "" for all.  Raises `ControlError`."""
    return _asked(config, lambda store: store.aggregates(since, domain), [])


def tls_reports(config: Config, since: float) -> list[KeptTls]:
    """Return TLS reports that came since then.  Raises `ControlError`."""
    return _asked(config, lambda store: store.tls_reports(since), [])


def complaints(config: Config, since: float = 0.0, number: int | None = None) -> list[Complaint]:
    """Return complaints that came since then; `number` only about that message of ours.  Raises `ControlError`."""
    return _asked(config, lambda store: store.complaints(since, number), [])


def read_file(path: Path) -> Report:
    """Read a report that somebody saved, packed or not, or the whole mail.  Raises `ControlError`, `OSError`."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    try:
        return read_any(data)
    except ReportError as e:
        raise ControlError(told("{path} cannot be read: {why}", path=path, why=e)) from None


def of_report(report: Report, at: float) -> KeptAggregate | KeptTls | Complaint:
    """Return a report at hand as one that was kept: whoever shows it stands for where it came from."""
    if isinstance(report, Feedback):
        return Complaint(report, at)
    return KeptAggregate(report, at) if isinstance(report, AggregateReport) else KeptTls(report, at)


def _asked(config: Config, question: Callable[[SqliteReports], _T], nothing: _T) -> _T:
    try:
        store = SqliteReports(settings.layout(config), SystemClock(), writable=False)
    except NoDatabase:
        return nothing
    except StoreError as e:
        raise ControlError(
            told("the reports cannot be read: {why}; run this as the server's user or as root", why=e)
        ) from None
    try:
        return question(store)
    finally:
        store.close()


async def judged(config: Config, digests: Iterable[Digest], dns: SenderDns | None = None) -> dict[str, str]:
    """Say of each source whether it may send for us, and return the names of their addresses.

    Without an answer in time a name is unknown and a source is not ours.
    """
    if dns is None:
        dns = CachingResolver(settings.resolver(config), clock=SystemClock().monotonic)
    found = list(digests)
    gate = asyncio.Semaphore(AT_ONCE)
    names: dict[str, str] = {}
    listed: dict[str, dict[str, str]] = {one.domain: {} for one in found}

    async def ask(answer: Awaitable[str], into: dict[str, str], ip: str) -> None:
        async with gate:
            if text := await answer:
                into[ip] = text

    questions = []
    for one in found:
        for source in one.sources[:MAX_LOOKED_UP]:
            questions.append(ask(_listed(source.ip, one.domain, dns), listed[one.domain], source.ip))
            if source.ip not in names:
                names[source.ip] = ""
                questions.append(ask(_name(source.ip, dns), names, source.ip))
    tasks = [asyncio.ensure_future(question) for question in questions]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=PATIENCE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    own = own_addresses(config)
    for one in found:
        judge(one, own, listed[one.domain])
    return names


async def _name(ip: str, dns: SenderDns) -> str:
    """Return the name of an address that leads back to it: any other could be anybody's."""
    return (await check_reverse(ip, dns, ReverseSettings())).name


async def _listed(ip: str, domain: str, dns: SenderDns) -> str:
    """Return the term of the SPF record that allows the address, such as ``include:spf.example``; ``""`` for none."""
    verdict = await check_mail_from(SpfQuery(ip, domain, f"postmaster@{domain}"), dns)
    return verdict.mechanism or domain if verdict.result is SpfResult.PASS else ""


def own_addresses(config: Config) -> frozenset[str]:
    """Return the addresses that this server surely sends from."""
    hosts = [spec.rpartition(":")[0].strip("[]") for spec in config.listen.smtp]
    texts = [*config.server.addresses, *hosts, *([config.net.source] if config.net.source else [])]
    found = set()
    for text in texts:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        if not address.is_unspecified:
            found.add(str(address))
    return frozenset(found)
