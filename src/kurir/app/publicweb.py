"""The public doors of the control role: what they serve follows from the configuration, certificates are those of the mail doors."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from kurir.config import Config
from kurir.doctor import sts_policy
from kurir.model import Clock
from kurir.net import CertificateError, ServerTls, parse_bind
from kurir.web import MailServers, PublicServer, Site

from . import settings
from .logs import Log

CERTIFICATE_EVERY = 2.0


def site(config: Config, challenge: Callable[[str], str | None]) -> Site:
    """Return what is served."""
    mode, hostname = config.web.mta_sts, config.server.hostname
    host, _, port = (config.web.imap or f"{hostname}:993").rpartition(":")
    return Site(
        hostname=hostname,
        policies={} if mode == "off" else {d: sts_policy(hostname, mode).encode() for d in config.domains},
        mail=frozenset(mail_domains(config)),
        servers=MailServers(
            smtp=hostname,
            submissions=door(config.listen.submissions),
            submission=door(config.listen.submission),
            imap=host,
            imap_port=int(port),
        )
        if config.web.autoconfig
        else None,
        challenge=challenge,
        https=bool(config.listen.https),
    )


def mail_domains(config: Config) -> list[str]:
    """Return the domains whose people have their mail here."""
    return [d for d, section in config.domains.items() if not section.relay_to]


def names(config: Config) -> list[str]:
    """Return the host names under which [web] serves something over TLS."""
    if not config.listen.https:
        return []
    policies = [f"mta-sts.{d}" for d in config.domains] if config.web.mta_sts != "off" else []
    return policies + ([f"autoconfig.{d}" for d in mail_domains(config)] if config.web.autoconfig else [])


def door(places: Sequence[str]) -> int | None:
    """Return the first port of these places."""
    ports = [parse_bind(place).port for place in places]
    return next((p for p in ports if p), None)


class PublicWeb:
    """Listens on `http` and `https` until it is stopped."""

    def __init__(
        self, site: Site, config: Config, clock: Clock, log: Log, http: Sequence[socket.socket],
        https: Sequence[socket.socket],
    ) -> None:  # fmt: skip
        self._server = PublicServer(site.answer, clock)
        self._config = config
        self._log = log
        self._http, self._https = http, https
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin.  Raises `CertificateError`."""
        for sock in self._http:
            self._server.listen(sock)
        if self._https:
            tls = ServerTls(settings.server_tls(self._config))
            for sock in self._https:
                self._server.listen(sock, tls)
            self._watching = asyncio.create_task(self._watch(tls))

    async def stop(self) -> None:
        """Close the doors."""
        if self._watching is not None:
            self._watching.cancel()
        await self._server.close()

    async def _watch(self, tls: ServerTls) -> None:
        while True:
            await asyncio.sleep(CERTIFICATE_EVERY)
            try:
                if tls.changed():
                    tls.reload()
            except CertificateError as e:
                self._log.error("certificate_not_reloaded", why=str(e), next="the old one stays in use")
