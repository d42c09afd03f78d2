"""The public web of the control role: its doors, with the certificates of the mail doors."""

import asyncio
import socket
from collections.abc import Sequence

from kurir.app.process.logs import Log
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.model import Clock
from kurir.net import CertificateError, ServerTls
from kurir.web import PublicServer, Site

CERTIFICATE_EVERY = 2.0


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
