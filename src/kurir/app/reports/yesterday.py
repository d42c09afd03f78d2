"""Reports about yesterday, of both kinds: when each is due, and the round that looks for them again and again.

A report goes out some time in the first hours of the next day (UTC), each domain at a time of its own, so that
who gets many does not get them all at once.  What cannot be sent is tried again for two days.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from kurir.app.process.logs import Log
from kurir.queue import StoreError

EVERY = 900.0
SPREAD = 4 * 3600  # seconds by which all reports of the day before have been sent
GIVE_UP_DAYS = 2


async def keep_sending(send_due: Callable[[], Awaitable[None]], failed: Callable[[StoreError], None]) -> None:
    """Send what is due, again and again, until cancelled; `failed` is told of a store that fails meanwhile."""
    while True:
        await asyncio.sleep(EVERY)
        try:
            await send_due()
        except StoreError as e:
            failed(e)


class Unsent:
    """Tells the log of reports that did not go; each thing once, though every round finds it again."""

    def __init__(self, log: Log, kind: str) -> None:
        self._log = log
        self._kind = kind
        self._told: deque[tuple[str, ...]] = deque(maxlen=1_000)

    def waits(self, day: str) -> None:
        """Say that reports about a day wait: no key of ours has been seen in the DNS, so that nothing would be signed."""
        self._tell("wait", day, "no key (DKIM) has been seen in the DNS")

    def given_up(self, day: str, why: str, *domain: str) -> None:
        """Say that the report about a day for a domain, or for all, is not tried any more."""
        self._tell("given_up", day, why, *domain)

    def _tell(self, what: str, day: str, why: str, *domain: str) -> None:
        if (what, day, *domain) not in self._told:
            self._told.append((what, day, *domain))
            self._log.warning(
                f"{self._kind}_reports_{what}", day=day, domain="".join(domain) or "all", why=why
            )


def end_of(day: str) -> datetime:
    """Return when a day (``YYYY-MM-DD``) ended."""
    return datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(days=1)


def turn_of(domain: str) -> timedelta:
    """Return how long after that a domain has its turn: always the same for one domain."""
    return timedelta(seconds=zlib.crc32(domain.encode()) % SPREAD)
