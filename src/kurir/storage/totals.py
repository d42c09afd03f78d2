"""The books of a day: what is counted when mail leaves for a day file, and how the books are sealed.

Counting up happens in the transaction that removes the rows from the hot tables, so the books and the day
file are two independent records of the same thing.  Closing a day adds the exact set of accept numbers (as
runs: mostly a handful of pairs) and a checksum over everything: after the file is dropped, the books still
say for each number ever given where it went.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

import apsw
import msgspec

from .database import Row, one

Run = tuple[int, int]  # first and last accept number, both included

BOOK_COLUMNS = "day, messages, recipients, events, fates, numbers, seal, closed_at, dropped_at"
_LAST_MOMENT = 253402300799.0  # 9999-12-31T23:59:59Z

_deltas = msgspec.msgpack.Decoder(list[int]).decode


class DayBook(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ``day``.  `numbers` is None until the day is closed."""

    day: str
    messages: int
    recipients: int
    events: int
    fates: dict[str, int]
    numbers: tuple[Run, ...] | None = None
    seal: bytes | None = None
    closed_at: float | None = None
    dropped_at: float | None = None

    def counts(self) -> Row:
        """Return what the day file must agree with."""
        return (self.messages, self.recipients, self.events, sorted(self.fates.items()))

    def sealing(self) -> bytes:
        """Return the checksum that `seal` should be."""
        numbers = pack_runs(self.numbers or ())
        return hashlib.sha256(msgspec.msgpack.encode((self.day, *self.counts(), numbers))).digest()


def read_book(row: Row) -> DayBook:
    """Read a row of BOOK_COLUMNS."""
    return DayBook(
        day=row[0],
        messages=row[1],
        recipients=row[2],
        events=row[3],
        fates=json.loads(row[4]),
        numbers=None if row[5] is None else unpack_runs(row[5]),
        seal=row[6],
        closed_at=row[7],
        dropped_at=row[8],
    )


def read_books(facts: apsw.Connection) -> list[DayBook]:
    """Return the books of all days, oldest first."""
    return [read_book(row) for row in facts.execute(f"SELECT {BOOK_COLUMNS} FROM day ORDER BY day")]


def count_file(connection: apsw.Connection, day: str) -> DayBook:
    """Count what a day file holds."""
    messages = one(connection, "SELECT count(*) FROM message")[0]
    events = one(connection, "SELECT count(*) FROM event WHERE kind <> 'erased'")[0]
    fates = count_fates(connection.execute("SELECT fate, count(*) FROM recipient GROUP BY fate"))
    numbers = (row[0] for row in connection.execute("SELECT number FROM message ORDER BY number"))
    return DayBook(
        day=day,
        messages=messages,
        recipients=sum(fates.values()),
        events=events,
        fates=fates,
        numbers=tuple(runs(numbers)),
    )


def count_fates(rows: Iterable[Row]) -> dict[str, int]:
    """Read rows of (fate, count); what has no fate is counted under ``none``."""
    return {fate or "none": count for fate, count in rows}


def added(fates: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Add two counts of fates."""
    return {f: fates.get(f, 0) + more.get(f, 0) for f in sorted(fates.keys() | more.keys())}


def runs(numbers: Iterable[int]) -> Iterator[Run]:
    """Join ascending numbers to runs."""
    first = last = None
    for n in numbers:
        if first is None or last is None:
            first = last = n
        elif n == last + 1:
            last = n
        else:
            yield first, last
            first = last = n
    if first is not None and last is not None:
        yield first, last


def pack_runs(numbers: Iterable[Run]) -> bytes:
    """Return runs as msgpack of alternating distances: to the first number, then to the last."""
    deltas: list[int] = []
    at = 0
    for first, last in numbers:
        deltas += (first - at, last - first)
        at = last
    return msgspec.msgpack.encode(deltas)


def unpack_runs(data: bytes) -> tuple[Run, ...]:
    """The inverse of `pack_runs`."""
    deltas = _deltas(data)
    found: list[Run] = []
    at = 0
    for to_first, to_last in zip(deltas[::2], deltas[1::2], strict=True):
        first = at + to_first
        at = first + to_last
        found.append((first, at))
    return tuple(found)


def day_of(at: float, zone_offset: float = 0.0) -> str:
    """Return the day of a moment, ``"YYYY-MM-DD"``; a clock gone mad ends at the borders of the calendar."""
    moment = min(max(at + zone_offset, 0.0), _LAST_MOMENT)
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def next_day(day: str) -> str:
    """Return the day after."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def days_before(day: str, count: int) -> str:
    """Return the day `count` days before."""
    return (date.fromisoformat(day) - timedelta(days=count)).isoformat()
