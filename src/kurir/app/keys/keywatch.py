"""Are the keys in the DNS?  A watcher looks and tells the one writer, who decides (`KeyDesk.seen`)."""

from collections.abc import Awaitable, Callable
from typing import Any

from kurir.app.ipc.wire import Result
from kurir.model import Clock
from kurir.senderauth import SenderDns
from kurir.senderauth.dkim import Selector, SelectorState, Sighting, record_text, sighting_of
from kurir.storage import KeyFolder

Operate = Callable[[str, dict[str, Any]], Awaitable[Result]]

_LOOK = {SelectorState.PENDING: 60.0, SelectorState.ACTIVE: 3_600.0, SelectorState.RETIRING: 3_600.0}
STEP = 30.0  # seconds between two steps


class KeyWatch:
    """One step: `look`.  A domain with a key that waits for its record is looked at each minute, others each hour.

    `fresh` makes a resolver without a memory, so that a record is seen as soon as it is there.
    """

    def __init__(
        self, folder: KeyFolder, fresh: Callable[[], SenderDns], clock: Clock, operate: Operate
    ) -> None:
        self._folder = folder
        self._fresh = fresh
        self._clock = clock
        self._operate = operate
        self._looked: dict[str, float] = {}

    async def look(self) -> list[list[str]]:
        """Look at what is due and tell what was seen; return what follows: (domain, selector, step).

        Raises OSError or ValueError where keys cannot be read.
        """
        now = self._clock.monotonic()
        dns = self._fresh()
        found: dict[str, dict[str, Sighting]] = {}
        for domain, selectors in self._folder.selectors().items():
            due = [_LOOK[s.state] for s in selectors if s.state in _LOOK]
            if not due or now - self._looked.get(domain, float("-inf")) < min(due):
                continue
            self._looked[domain] = now
            found[domain] = {
                s.name: await self._sighting(dns, domain, s) for s in selectors if s.state in _LOOK
            }
        if not found:
            return []
        said = {d: {name: s.value for name, s in seen.items()} for d, seen in found.items()}
        result = await self._operate("dkim.seen", {"sightings": said})
        steps: list[list[str]] = result.value["steps"] if result.error is None else []
        return steps

    async def _sighting(self, dns: SenderDns, domain: str, selector: Selector) -> Sighting:
        expected = record_text(self._folder.key(domain, selector.name).public)
        return sighting_of(await dns.txt(f"{selector.name}._domainkey.{domain}"), expected)
