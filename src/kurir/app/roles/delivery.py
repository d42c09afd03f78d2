"""Delivery's role: one hand of the brain, with resolver, TLS, Maildirs and the writer of reports."""

import asyncio
import os
import random
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kurir.app.keys.dkim import FolderRing, rewriting
from kurir.app.learnt import lessons
from kurir.app.learnt.suppressing import Suppressing
from kurir.app.learnt.tlsdesk import DeskPart
from kurir.app.process.clock import SystemClock
from kurir.app.process.logs import Log
from kurir.app.process.part import StallMeter, StartError
from kurir.app.reports.reportsin import MailReader, ReportDesk, watched
from kurir.app.wiring import roads, settings
from kurir.config import Config
from kurir.delivery import (
    AccessTokens,
    Allowed,
    BrainSide,
    DeliveryHand,
    Maildir,
    MaildirStore,
    NetDialer,
    Route,
    RouteKind,
    Sealing,
    SourceTurn,
)
from kurir.model import Cause
from kurir.model.told import told
from kurir.net import CachingResolver, CertificateError, ClientTlsFactory, TlsLevel, WebClient
from kurir.queue import Incoming, NoticeWork
from kurir.reports import ReportSettings, render, wants_full
from kurir.storage import KeyFolder, SqliteReports, StoredBodies
from kurir.trace import Catalogue, Lang, Sentence
from kurir.web import Figures

KEYS_EVERY = 2.0


class DeliveryPart:
    """Delivers what the brain leases."""

    name = "delivery"

    def __init__(self, config: Config, log: Log, brain: BrainSide) -> None:
        self._config = config
        self._log = log
        self._brain = brain
        self._clock = SystemClock()
        self._stalls = StallMeter()
        self.hand: DeliveryHand

    async def start(self) -> None:
        """Make the hand; who made this part introduces it to the brain."""
        config, clock = self._config, self._clock
        layout = settings.layout(config)
        try:
            tls = ClientTlsFactory(settings.client_tls(config), now=clock.now)
            dialer = NetDialer(
                tls,
                source=(config.net.source,) if config.net.source else (),
            )
        except CertificateError as e:
            raise StartError(told("net.ca_file: {why}", why=e)) from None
        routes = roads.delivery(config)
        allowed = lessons.allowed(config, layout, clock, self._cannot_learn)
        self._bodies = StoredBodies(layout)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="kurir-maildir")
        maildir = Maildir(Path(routes.maildir_root), clock, config.server.hostname)
        resolver = CachingResolver(settings.resolver(config), clock=clock.monotonic)
        web = WebClient(resolver, tls.level(TlsLevel.VERIFIED), settings.named_web(config))
        self._tls = DeskPart(config, resolver, tls, clock, self._log)
        self._suppressing = Suppressing(config, routes, self._bodies, clock, self._log)
        self.hand = DeliveryHand(
            routes,
            brain=self._brain,
            bodies=self._bodies,
            resolver=resolver,
            dialer=dialer,
            clock=clock,
            random=random.Random(),  # noqa: S311 - order of equal MX hosts
            writer=_Writer(config, routes.routes, allowed),
            tokens=AccessTokens(web.fetch, clock, config.server.state / settings.TOKENS),
            stores={RouteKind.MAILDIR: MaildirStore(maildir, self._bodies, clock, self._threads)},
            desk=self._tls.desk,
            sealing=self._sealing(),
            watch=self._suppressing,
            reader=self._reader(),
            allowed=allowed,
            left=self._source_turned,
        )
        self._suppressing.start()
        self._tls.start()
        self._looking = asyncio.create_task(self._look_at_keys())
        self._stalls.start()

    async def stop(self) -> None:
        """Finish what is being sent, give the rest back."""
        self._stalls.stop()
        await self.hand.drain(self._config.server.drain)
        await self._tls.stop()
        await self._suppressing.stop()
        self._looking.cancel()
        self._threads.shutdown()
        self._bodies.close()

    def _reader(self) -> ReportDesk | None:
        """Return who reads the reports among the mail, where that is wanted."""
        config, clock = self._config, self._clock
        if not config.reports.read:
            return None
        layout = settings.layout(config)
        reader = MailReader(config, clock, self._log, lambda: SqliteReports(layout, clock))
        return ReportDesk(reader, self._bodies, clock, watched(config), deliver=config.reports.deliver)

    def _sealing(self) -> Sealing:
        signing, folder = self._config.signing, KeyFolder(settings.layout(self._config))
        self._ring = FolderRing(folder, dkim=signing.dkim, arc=signing.arc)
        self._look_once()
        srs = rewriting(folder, wanted=signing.srs)
        return Sealing(settings.sealing(self._config), self._ring, self._clock, srs)

    def _source_turned(self, turn: SourceTurn) -> None:
        facts = {"road": turn.road, "site": turn.site, "source": turn.source}
        if turn.left:
            self._log.error("source_left", **facts, words=turn.words, next="mail leaves from the others")
        else:
            self._log.info("source_back", **facts)

    def _cannot_learn(self, why: str) -> None:
        self._log.warning("lessons_not_kept", why=why, next="they will be learnt again")

    def _look_once(self) -> None:
        try:
            self._ring.look()
        except (OSError, ValueError) as e:
            self._log.error("keys_not_read", why=str(e), next="those that were read before stay in use")
        while self._ring.problems:
            name, why = self._ring.problems.popitem()
            self._log.error("key_not_usable", key=name, why=why, next="mail leaves without this signature")

    async def _look_at_keys(self) -> None:
        """Take new keys into use, and let retiring ones go."""
        while True:
            await asyncio.sleep(KEYS_EVERY)
            self._look_once()

    def figures(self) -> Figures:
        """Return what delivery counted."""
        return Figures(
            role="delivery",
            pid=os.getpid(),
            counters=self._tls.counters() | self._suppressing.counters(),
            gauges={
                **self._tls.gauges(),
                **self._suppressing.gauges(),
                "kurir_deliveries_in_work": float(len(self.hand.busy())),
                "kurir_delivery_loop_lag_max_seconds": round(self._stalls.take(), 4),
            },
        )


class _Writer:
    """Renders the reports that the queue owes: `delivery.ports.NoticeWriter`."""

    def __init__(self, config: Config, routes: Sequence[Route], allowed: Allowed) -> None:
        languages: tuple[Lang, ...] = ("id", "en") if config.server.language == "id" else ("en", "id")
        self._settings = ReportSettings(
            hostname=config.server.hostname, domain=settings.postmaster(config).domain, languages=languages
        )
        self._catalogue = Catalogue.load()
        self._routes, self._allowed = routes, allowed
        self._clock = SystemClock()

    def wants_full(self, work: NoticeWork) -> bool:
        """Whether the whole original comes back."""
        return wants_full(work, self._settings)

    def write(self, work: NoticeWork, original: bytes) -> Incoming:
        """Return the report as mail."""
        at = self._clock.now()
        token = secrets.token_hex(8)
        names = self._allowed.names(self._routes)
        report = render(work, original, self._settings, self._explain, at=at, token=token, names=names)
        return report.incoming(at)

    def _explain(self, cause: Cause, lang: Lang, *, final: bool | None = None, **values: object) -> Sentence:
        words = {name: str(value) for name, value in values.items()}
        return self._catalogue.explain_cause(cause, lang, final=final, **words)
