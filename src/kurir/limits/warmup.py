"""Warm-up: an address or provider that is new sends little at first, and twice as much each day.

Receivers know no new sender, and take a sudden thousand for abuse.  The table is what providers of sending services recommend
alike: 50 messages on the first day to each receiver, doubled daily; after `DAYS` days nothing is held back any more.
"""

from datetime import UTC, date, datetime

from .atlas import Known, quota_key
from .limit import DAY, Beyond, Confidence, Limit, Per, Quota, Scope, Unit

FIRST = 50
DAYS = 12
WARM_UP = "warm-up"
"""The id of the limit, by which it is told from the limits of others."""


def midnight(start: date) -> float:
    """Return the moment at which a day begins (UTC)."""
    return datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp()


def warm_up(road: str, start: float, now: float) -> Limit | None:
    """Return what a road that began at `start` may send to each receiver today; None once it is warm."""
    day = max(0, int((now - start) // DAY))
    if day >= DAYS:
        return None
    return Limit(
        id=WARM_UP,
        unit=Unit.MESSAGES,
        value=FIRST << day,
        per=Per.DAY,
        scope=Scope.ACCOUNT,
        beyond=Beyond.DELAY,
        source=road,
        seen=datetime.fromtimestamp(start, UTC).date().isoformat(),
        confidence=Confidence.OPERATOR,
        note=f"{day + 1}/{DAYS}",
    )


def warmed(known: Known, warm: Limit) -> Known:
    """Return what is known of a receiver with what a road may send there while it warms up; nobody else uses that budget."""
    key = quota_key(known.entry, warm, warm.source)
    quota = Quota(key, warm.unit, warm.value, warm.per.window, warm.value)
    return Known(known.entry, (*known.limits, warm), (*known.quotas, quota))
