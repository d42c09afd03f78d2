"""Dates as mail writes them, from and to seconds since the epoch (RFC 5322 section 3.3; no clock in here)."""

import re
from datetime import UTC, datetime, timedelta, timezone

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBER = {name.lower(): i for i, name in enumerate(_MONTHS, 1)}
# RFC 5322 section 4.3; military letters mean nothing reliable and are read as UTC.
_ZONES = {"ut": 0, "gmt": 0, "utc": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300}
_ZONES |= {"mst": -420, "mdt": -360, "pst": -480, "pdt": -420}

_MAX_OCTETS = 200
_COMMENT = re.compile(r"\([^()]*+\)")
_DATE = re.compile(
    r"\s*+(?:[A-Za-z]{3,9}\s*+,?\s*+)?(\d{1,2})[\s-]++([A-Za-z]{3})[A-Za-z]{0,6}[\s-]++(\d{2,4})\s++"
    r"(\d{1,2})\s*+:\s*+(\d{2})(?:\s*+:\s*+(\d{2}))?(?:\s++([+-]\d{4}|[A-Za-z]{1,5}))?\s*+",
    re.ASCII,
)


def format_date(at: float, offset_minutes: int = 0) -> str:
    """Return ``Mon, 23 Nov 2026 08:07:00 +0000`` for epoch seconds `at`, in the zone `offset_minutes` east of UTC."""
    zone = UTC if not offset_minutes else timezone(timedelta(minutes=offset_minutes))
    t = datetime.fromtimestamp(at, zone)
    sign = "-" if offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(offset_minutes), 60)
    return (
        f"{_DAYS[t.weekday()]}, {t.day:02} {_MONTHS[t.month - 1]} {t.year:04} "
        f"{t.hour:02}:{t.minute:02}:{t.second:02} {sign}{hours:02}{minutes:02}"
    )


def parse_date(text: str | bytes) -> float | None:
    """Return the epoch seconds that a Date field names, obsolete forms included, or None where it names none."""
    if isinstance(text, bytes):
        text = text[:_MAX_OCTETS].decode("ascii", "replace")
    m = _DATE.fullmatch(_COMMENT.sub(" ", text[:_MAX_OCTETS]))
    month = _MONTH_NUMBER.get(m[2].lower()) if m else None
    if m is None or month is None:
        return None
    year = int(m[3])
    if len(m[3]) < 4:  # section 4.3: 00 to 49 are 2000 to 2049, other short years count from 1900
        year += 2000 if len(m[3]) == 2 and year < 50 else 1900
    offset = _offset(m[7] or "")
    second = min(int(m[6] or 0), 59)  # a leap second exists in mail, not in datetime
    try:
        return datetime(
            year, month, int(m[1]), int(m[4]), int(m[5]), second, tzinfo=timezone(timedelta(minutes=offset))
        ).timestamp()
    except (ValueError, OverflowError):
        return None


def _offset(zone: str) -> int:
    if zone[:1] in "+-" and zone:
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        minutes = minutes if minutes < 24 * 60 else 0
        return -minutes if zone[0] == "-" else minutes
    return _ZONES.get(zone.lower(), 0)
