"""How mail is protected: keys that sign it, and hosts that protect it worse than before."""

import asyncio
from typing import Any

from kurir.app.keys.dkim import KeyDesk, shown
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.delivery.tlspolicy import Acceptance
from kurir.model import AddressError, Clock, normalise_domain
from kurir.model.told import told
from kurir.senderauth.dkim import Selector, Sighting
from kurir.storage import Layout, SqliteTls

from .verbs import Verbs, Wrong


class ProtectionVerbs:
    """``dkim...`` and ``tls.accept``."""

    def __init__(self, config: Config, layout: Layout, clock: Clock, keys: KeyDesk) -> None:
        self._layout = layout
        self._clock = clock
        self._keys = keys
        self._selectors = settings.keys(config).selectors
        self.verbs: Verbs = {
            "dkim.rotate": self._dkim_rotate,
            "dkim.retire": self._dkim_retire,
            "dkim.seen": self._dkim_seen,
            "tls.accept": self._tls_accept,
        }

    async def _dkim_rotate(self, *, domain: str, kinds: list[str], by: str = "") -> dict[str, Any]:
        made = await asyncio.to_thread(self._keys.new, domain, kinds)
        return {"keys": [self._shown_key(domain, s) for s in made]}

    async def _dkim_retire(self, *, domain: str, selector: str, by: str = "") -> dict[str, Any]:
        return self._shown_key(domain, await asyncio.to_thread(self._keys.retire, domain, selector))

    async def _dkim_seen(self, *, sightings: dict[str, dict[str, str]], by: str = "") -> dict[str, Any]:
        seen = {d: {name: Sighting(s) for name, s in some.items()} for d, some in sightings.items()}
        happened = await asyncio.to_thread(self._keys.seen, seen)
        return {"steps": [[t.domain, t.decision.selector, t.decision.step.value] for t in happened]}

    def _shown_key(self, domain: str, selector: Selector) -> dict[str, Any]:
        return shown(normalise_domain(domain), selector, self._selectors)

    async def _tls_accept(self, *, name: str, until: float, by: str = "") -> dict[str, Any]:
        """Accept that a domain or a mail host protects mail worse than before."""
        try:
            domain = normalise_domain(name)
        except AddressError as e:
            raise Wrong(told("{name}: {why}", name=name, why=e)) from None
        now = self._clock.now()
        if not now < until:
            raise Wrong(told("the time until when it is accepted lies in the past"))

        def write() -> None:
            store = SqliteTls(self._layout, self._clock)
            try:
                store.accept(Acceptance(domain, until, by, now))
            finally:
                store.close()

        await asyncio.to_thread(write)
        return {"name": domain, "until": until, "by": by}
