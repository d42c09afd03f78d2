"""Reception's role: the doors of one process, and all that its sessions need."""

import asyncio
import hashlib
import os
import random
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from kurir.app.keys.dkim import rewriting
from kurir.app.learnt import lessons
from kurir.app.learnt.suppressing import ListPart
from kurir.app.process.clock import SystemClock
from kurir.app.process.logs import Log
from kurir.app.process.part import StallMeter, StartError
from kurir.app.reports.seencounts import SeenCounts
from kurir.app.roles.foresight import LateForesight
from kurir.app.wiring import roads, settings
from kurir.config import Config
from kurir.delivery import DeliverySettings, Genuine, NetDialer, NextHopVerifier
from kurir.delivery.connecting.opening import Opener
from kurir.delivery.routing.plan import Planner
from kurir.identity import Directory, Passwords, PasswordSettings, TokenChecker, make_token_checker
from kurir.model.told import told
from kurir.net import (
    CachingResolver,
    CertificateError,
    ClientTlsFactory,
    ClientTrust,
    ServerTls,
    TlsLevel,
    WebClient,
    authorities,
)
from kurir.queue import StoreError
from kurir.reception import BrainDoor, Desk, ListenerSettings, Reception
from kurir.senderauth import PublicSuffixes
from kurir.senderauth.screening import Screener
from kurir.storage import FileBodies, KeyFolder, SqliteAccounts
from kurir.web import Figures

CERTIFICATE_EVERY = 2.0
WARN_DAYS = 14
WARN_EVERY = 86_400.0

Doors = Sequence[tuple[ListenerSettings, socket.socket]]


class ReceptionPart:
    """Serves `doors` until it is stopped."""

    name = "reception"

    def __init__(self, config: Config, log: Log, door: BrainDoor, doors: Doors) -> None:
        self._config = config
        self._log = log
        self._door = door
        self._doors = doors
        self._clock = SystemClock()
        self._stalls = StallMeter()

    async def start(self) -> None:
        """Load certificates, open the accounts, take connections."""
        config, clock = self._config, self._clock
        layout = settings.layout(config)
        self._accounts = SqliteAccounts(layout, clock)
        try:
            self._tls = ServerTls(settings.server_tls(config))
            self._asking = self._make_asking()
            client_tls = ClientTlsFactory(settings.client_tls(config), now=clock.now)
        except CertificateError as e:
            raise StartError(told("tls: {why}", why=e)) from None
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="kurir-password")
        self._resolver = CachingResolver(settings.resolver(config), clock=clock.monotonic)
        routes: DeliverySettings = roads.delivery(config)
        planner = Planner(routes, self._resolver, clock, random.Random())  # noqa: S311 - order of equal MX hosts
        rest = routes.verify_rest
        patience = replace(
            routes,
            host_backoff=min(routes.host_backoff, rest),
            host_backoff_max=min(routes.host_backoff_max, rest),
        )
        allowed = lessons.allowed(config, layout, clock, self._cannot_learn)
        self._sizes = roads.road_sizes(config, allowed, Genuine(self._resolver, routes, clock))
        opener = Opener(patience, planner, self._resolver, NetDialer(client_tls), clock)
        self._foresight = LateForesight(config, self._resolver, client_tls, clock, self._log)
        self._seen = SeenCounts(config, clock, self._log) if settings.counts_senders(config) else None
        self._suppressed = ListPart(layout, clock, self._log)
        self._suppressed.start()
        desk = Desk(
            settings=settings.reception(config),
            door=self._door,
            directory=Directory(settings.directory(config), self._accounts, clock),
            passwords=Passwords(PasswordSettings(), executor=self._threads, clock=clock, random=os.urandom),
            verifier=NextHopVerifier(routes, planner, opener, clock),
            body_files=FileBodies(layout),
            clock=clock,
            random=os.urandom,
            secret=_secret(layout.folder / "tls" / "server.key"),
            tls=self._tls,
            roads=self._sizes,
            tls_asking=self._asking,
            tokens=self._make_tokens(client_tls),
            rehashed=self._accounts.put,
            screener=_screener(config, self._resolver),
            srs=rewriting(KeyFolder(layout), wanted=config.signing.srs),
            foresight=self._foresight,
            seen=self._seen.tally if self._seen else None,
            barred=self._suppressed.barred,
        )
        self.reception = Reception(desk)
        self.reception.serve(self._doors)
        self._watch = asyncio.create_task(self._watch_certificate())
        self._stalls.start()
        if self._seen:
            self._seen.start()

    async def stop(self) -> None:
        """Finish bodies in flight, say 421 to the rest."""
        self._stalls.stop()
        self._watch.cancel()
        await self.reception.drain(self._config.server.drain)
        if self._seen:
            await self._seen.stop()
        await self._suppressed.stop()
        self._threads.shutdown(cancel_futures=True)
        self._foresight.close()
        self._accounts.close()

    def _cannot_learn(self, why: str) -> None:
        self._log.warning("lessons_not_read", why=why, next="the limits that are known already are kept")

    def _make_asking(self) -> ServerTls | None:
        """Return the certificates of doors that ask clients for theirs, where there are such doors."""
        if not self._config.submission.client_certificates:
            return None
        try:
            return ServerTls(settings.server_tls(self._config), self._clients())
        except (OSError, ValueError) as e:
            raise StartError(told("submission.client_ca: {why}", why=e)) from None

    def _clients(self) -> ClientTrust:
        """Return whose certificates are taken: those of accounts, and those of our own authority for clients."""
        file = self._config.submission.client_ca
        known = frozenset(c.der for a in self._accounts.accounts() for c in a.certificates)
        return ClientTrust(known, authorities(file) if file is not None else ())

    def _make_tokens(self, tls: ClientTlsFactory) -> TokenChecker | None:
        wanted = settings.oauth(self._config)
        if wanted is None:
            return None
        web = WebClient(self._resolver, tls.level(TlsLevel.VERIFIED), settings.named_web(self._config))
        return make_token_checker(wanted, web.fetch, self._clock)

    async def _watch_certificate(self) -> None:
        """Take renewed certificates, and certificates of clients, into use without touching live sessions."""
        warned = float("-inf")
        while True:
            try:
                if self._tls.changed():
                    for tls in (self._tls, self._asking):
                        if tls is not None:
                            tls.reload()
                    self._log.info("certificate_reloaded", names=list(self._tls.names))
                    warned = float("-inf")
                if self._asking is not None:
                    self._asking.trust_clients(self._clients())
            except (CertificateError, StoreError, OSError, ValueError) as e:
                self._log.error("certificate_not_reloaded", why=str(e), next="the old one stays in use")
            self._sizes.refresh()
            if self._clock.monotonic() - warned >= WARN_EVERY:
                warned = self._clock.monotonic()
                self._warn_of_expiry()
            await asyncio.sleep(CERTIFICATE_EVERY)

    def _warn_of_expiry(self) -> None:
        for name, at in self._tls.expiries:
            days = (at - self._clock.now()) / 86_400
            if days < WARN_DAYS:
                say = self._log.error if days <= 0 else self._log.warning
                say(
                    "certificate_expires",
                    certificate=name,
                    days=round(days, 1),
                    next="renew it; see kurir doctor",
                )

    def figures(self) -> Figures:
        """Return what reception counted."""
        counts = self.reception.counts
        return Figures(
            role="reception",
            pid=os.getpid(),
            counters={
                **{f"kurir_sessions{{listener={k}}}": n for k, n in counts.sessions.items()},
                **{f"kurir_replies{{class={k}xx}}": n for k, n in counts.replies.items()},
                **{f"kurir_received_messages{{listener={k}}}": n for k, n in counts.accepted.items()},
                **{f"kurir_screened_messages{{action={k}}}": n for k, n in counts.screened.items()},
                "kurir_received_octets": counts.octets,
            },
            gauges={
                "kurir_open_sessions": float(self.reception.open),
                "kurir_reception_loop_lag_max_seconds": round(self._stalls.take(), 4),
                "kurir_certificate_expires_seconds": round(self._tls.not_after),
            },
        )


def _screener(config: Config, resolver: CachingResolver) -> Screener | None:
    """Return who checks mail of strangers."""
    if not config.senderauth.enabled:
        return None
    return Screener(settings.screening(config), resolver, suffix_list(config))


def suffix_list(config: Config) -> PublicSuffixes | None:
    """Return the list of public suffixes: a second opinion, which may be missing."""
    path = config.senderauth.suffix_list
    if path is None or not path.exists():
        return None
    with path.open(encoding="utf-8") as lines:
        return PublicSuffixes(lines)


def _secret(key: os.PathLike[str]) -> bytes:
    """Return 32 octets that all workers share and nobody else knows: derived from the server's own key file."""
    try:
        with open(key, "rb") as f:
            return hashlib.sha256(b"kurir scram salt\0" + f.read()).digest()
    except OSError:
        return os.urandom(32)
