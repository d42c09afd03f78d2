"""What mail waits for that is no trouble of its own, as it is told: whose limit, what it allows, how much is used, when the mail goes."""

from typing import Any

import msgspec


class LimitFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipient waits for.

    `label` is who set the limit; `limit` its line of the atlas as plain data (``unit``, ``value``, ``per`` at least), None
    where there is no limit: `label` is spared at present because of how it answered.
    `used` of the `stop` at which it stops count now; `reserve` more are kept for urgent mail.  `free_at` (epoch seconds) is when the mail goes, None where the end
    of another delivery decides; with `not_before` it is the earliest time.
    """

    road: str
    label: str
    limit: dict[str, Any] | None
    used: int
    stop: int
    free_at: float | None
    not_before: bool = False
    reserve: int = 0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a waiting recipient (by its index) stands, as only the running server knows.

    Either it is being tried at this moment (`trying`), or it goes at `next_at` (epoch seconds, None where nobody knows),
    which is when `limit` lets it where it waits for one.
    """

    recipient: int
    trying: bool
    next_at: float | None
    limit: LimitFacts | None
