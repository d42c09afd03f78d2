"""Which roads would make mail look forged: found out while its sender waits, who can still do something else.

The same question as for a plan (`authentic`), for all roads of a sender at once, since it depends on no recipient.  Answers are kept for a
short time, and what DNS does not tell in time is held against no road.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable

from kurir.delivery.settings import DeliverySettings, Route
from kurir.model import Clock
from kurir.senderauth import SenderDns

from .allowed import included
from .authentic import authenticity

PATIENCE = 5.0
"""Seconds that a sender is kept waiting for DNS."""
KEPT = 60.0
"""Seconds that an answer counts: for one submission, and for those that come together with it."""
MEMORY = 10_000


class Genuine:
    """What DNS said of (sender domain, road).  `ask` asks, `barred` remembers."""

    def __init__(self, dns: SenderDns, settings: DeliverySettings, clock: Clock) -> None:
        self._dns = dns
        self._settings = settings
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], tuple[float, bool]] = OrderedDict()

    def barred(self, sender: str, route: Route) -> bool:
        """Whether mail of the domain `sender` is known to look forged by `route`."""
        known = self._known.get((sender, route.name))
        return known is not None and known[1]

    async def ask(self, sender: str, routes: Iterable[Route]) -> None:
        """Find out by which of `routes` mail of the domain `sender` looks genuine.  Never raises."""
        now = self._clock.monotonic()
        wanted = [r for r in routes if self._known.get((sender, r.name), (0.0, False))[0] <= now]
        for route in wanted:
            self._known.pop((sender, route.name), None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                for route in wanted:
                    self._remember(sender, route, forged=await self._looks_forged(sender, route))

    async def _looks_forged(self, sender: str, route: Route) -> bool:
        names = included(self._settings.atlas, route)
        return await authenticity(self._dns, self._settings, route, sender, names) is not None

    def _remember(self, sender: str, route: Route, *, forged: bool) -> None:
        self._known[sender, route.name] = (self._clock.monotonic() + KEPT, forged)
        self._known.move_to_end((sender, route.name))
        while len(self._known) > MEMORY:
            self._known.popitem(last=False)
