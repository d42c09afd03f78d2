"""The part of control that has our certificate from an authority: its desk, its proofs, and what commands may ask of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from kurir.app.keys.acme import CertificateDesk, DeskSettings, shown
from kurir.app.keys.proofs import HookedProofs, ServedProofs
from kurir.app.operating.control import ANSWER_TIMEOUT, ControlError
from kurir.app.process.logs import Log
from kurir.app.wiring import settings, website
from kurir.config import Config
from kurir.config.tls_schema import AcmeSection
from kurir.identity.acme import AcmeError, AcmeSettings, Challenge, ExternalAccount
from kurir.model import Clock
from kurir.model.told import of_error, told
from kurir.net import CachingResolver, ClientTlsFactory, TlsLevel, WebClient
from kurir.storage import CertificateFolder

PATIENCE = ANSWER_TIMEOUT / 2  # seconds that a command is kept waiting; it asks again then


def desk_settings(config: Config, acme: AcmeSection) -> DeskSettings:
    """Return what is to be in the certificate, and whom it is had from."""
    external = ExternalAccount(acme.eab_key_id, acme.eab_key) if acme.eab_key_id else None
    challenge = Challenge(acme.challenge)
    return DeskSettings(
        acme=AcmeSettings(
            acme.directory,
            contact=acme.contact or "",
            agreed=acme.agree,
            challenge=challenge,
            external=external,
            settle=acme.settle if challenge is Challenge.DNS else 0.0,
        ),
        names=tuple(acme.names) or (config.server.hostname,),
        perhaps=() if acme.names else tuple(website.names(config)),
        tlsa=f"_25._tcp.{config.server.hostname}",
    )


class AcmePart:
    """Does nothing where the configuration names no authority; `challenge` is what port 80 asks for."""

    def __init__(self, config: Config, clock: Clock, log: Log) -> None:
        self._config = config
        self._clock = clock
        self._folder = CertificateFolder(settings.layout(config))
        self._served = ServedProofs()
        self._desk = self._make_desk(log)
        self._watching: asyncio.Task[None] | None = None
        self._asked: asyncio.Task[str] | None = None
        self.challenge = self._served.value
        self.verbs: dict[str, Callable[..., Awaitable[Any]]] = {
            "cert.order": self._order,
            "cert.roll": self._roll,
        }

    def start(self) -> None:
        """Look after the certificate from now on; what an earlier run has left half done is finished."""
        if self._desk is not None:
            with suppress(OSError, ValueError):  # said when it is looked at
                self._folder.mend()
            self._watching = asyncio.create_task(self._desk.watch())

    async def stop(self) -> None:
        """Look after it no more; proofs that are published are taken away."""
        tasks = [task for task in (self._watching, self._asked) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._config.server.drain)

    def _make_desk(self, log: Log) -> CertificateDesk | None:
        config, acme, clock = self._config, self._config.tls.acme, self._clock
        if acme is None:
            return None

        def fresh() -> CachingResolver:
            return CachingResolver(settings.resolver(config), clock=clock.monotonic)

        tls = ClientTlsFactory(settings.client_tls(config), now=clock.now).level(TlsLevel.VERIFIED)
        return CertificateDesk(
            desk_settings(config, acme), self._folder,
            WebClient(fresh(), tls, settings.named_web(config)).fetch,
            HookedProofs(acme.hook) if acme.hook is not None else self._served,
            fresh=fresh, clock=clock, roll=random.random, log=log,
        )  # fmt: skip

    # -- what commands ask ------------------------------------------------------------------------

    def _asked_desk(self) -> CertificateDesk:
        if self._desk is None:
            raise ControlError(
                told(
                    "no authority is configured; add [tls.acme] to the configuration, see docs/how-to/certificate.md"
                )
            )
        return self._desk

    async def _order(self, *, force: bool = False, again: bool = False, by: str = "") -> dict[str, Any]:
        """Have a certificate; where that takes long, `working` says that the command is to ask `again`."""
        desk = self._asked_desk()
        finished = self._asked is not None and self._asked.done()
        if self._asked is None or (
            finished and not again
        ):  # what an asker who went away had wanted is old news
            self._asked = asyncio.create_task(desk.renew(force=force))
        done, _ = await asyncio.wait({self._asked}, timeout=PATIENCE)
        if not done:
            return {"working": True}
        asked, self._asked = self._asked, None
        try:
            why = asked.result()
        except (AcmeError, OSError, ValueError) as e:
            raise ControlError(of_error(e)) from None
        return {"working": False, "ordered": why, **self._shown()}

    async def _roll(self, *, by: str = "") -> dict[str, Any]:
        """Prepare the key that is to take over."""
        try:
            self._asked_desk().prepare_next()
        except OSError as e:
            raise ControlError(str(e)) from None
        return self._shown()

    def _shown(self) -> dict[str, Any]:
        return shown(self._folder, self._clock.now(), managed=self._desk is not None)
