"""Dates as mail writes them, from seconds since the epoch (RFC 5322 section 3.3; no clock in here)."""

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format_date(at: float, offset_minutes: int = 0) -> str:
    """Return ``Mon, 23 Nov 2026 08:07:00 +0000`` for epoch seconds `at`, in the zone `offset_minutes` east of UTC."""
    return _written(int(at // 1), offset_minutes)


@lru_cache(16)  # of all that comes in a second, the first pays
def _written(second: int, offset_minutes: int) -> str:
    zone = UTC if not offset_minutes else timezone(timedelta(minutes=offset_minutes))
    t = datetime.fromtimestamp(second, zone)
    sign = "-" if offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(offset_minutes), 60)
    return (
        f"{_DAYS[t.weekday()]}, {t.day:02} {_MONTHS[t.month - 1]} {t.year:04} "
        f"{t.hour:02}:{t.minute:02}:{t.second:02} {sign}{hours:02}{minutes:02}"
    )
