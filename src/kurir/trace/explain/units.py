"""Times, sizes and counts in words, in both languages.  Pure: the time zone is a parameter."""

from datetime import UTC, datetime, tzinfo

from .catalogue import Catalogue, Lang

_SIZES = (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000))


def count(catalogue: Catalogue, lang: Lang, unit: str, n: int) -> str:
    """Return ``"1 attempt"`` or ``"2 attempts"``; `unit` is a name under ``unit`` in the catalogue."""
    one, many = catalogue.words(lang, f"unit.{unit}")
    return (one if n == 1 else many).replace("{n}", number(catalogue, lang, n))


def number(catalogue: Catalogue, lang: Lang, n: int) -> str:
    """Return `n` with the language's separator between thousands: ``12,345`` or ``12.345``."""
    return f"{n:,}".replace(",", catalogue.text(lang, "unit.thousands"))


def moment(catalogue: Catalogue, lang: Lang, at: float, zone: tzinfo = UTC) -> str:
    """Return ``"23 November 2026 at 10:03 UTC"`` or ``"23 November 2026 pukul 10.03 UTC"``."""
    when = _datetime(at, zone)
    return catalogue.text(
        lang,
        "date.moment",
        day=when.day,
        month=catalogue.words(lang, "date.months")[when.month - 1],
        year=when.year,
        hour=f"{when.hour:02}",
        minute=f"{when.minute:02}",
        zone=when.tzname() or "UTC",
    )


def date(catalogue: Catalogue, lang: Lang, at: float, zone: tzinfo = UTC) -> str:
    """Return ``"Monday, 23 November 2026"``."""
    when = _datetime(at, zone)
    return catalogue.text(
        lang,
        "date.date",
        weekday=catalogue.words(lang, "date.days")[when.weekday()],
        day=when.day,
        month=catalogue.words(lang, "date.months")[when.month - 1],
        year=when.year,
    )


def clock(at: float, zone: tzinfo = UTC) -> str:
    """Return ``"10:03:12"``, for a column."""
    return _datetime(at, zone).strftime("%H:%M:%S")


def iso(at: float) -> str:
    """Return RFC 3339 UTC with milliseconds, for JSON."""
    return _datetime(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def size(catalogue: Catalogue, lang: Lang, octets: int) -> str:
    """Return ``"1.2 MB"`` or ``"1,2 MB"`` (decimal units, as mail providers count)."""
    for unit, length in _SIZES:
        if octets >= length:
            text = f"{octets / length:.1f}".replace(".", catalogue.text(lang, "unit.decimal"))
            return f"{text} {unit}"
    return f"{octets} B"


# A clock that runs wild must not break the story: times outside the calendar are clamped.
_LAST = 253402214400.0  # 9999-12-31T00:00:00Z


def _datetime(at: float, zone: tzinfo) -> datetime:
    safe = at if at == at else 0.0  # NaN
    return datetime.fromtimestamp(min(max(safe, 86400.0), _LAST), UTC).astimezone(zone)
