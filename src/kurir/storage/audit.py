"""`audit`: proves the conservation law, or names what breaks it.

Accept numbers are dense, so each from 1 to the highest ever given must be in exactly one place: in the hot
tables, in one day file, or in the sealed books of a day that was dropped.  Rows must agree with each other
(`checks`), day files with their books, the books with the ledger, bodies with their checksums.

It only reads, beside a running server or after it.  The order makes it exact while mail moves: the hot
tables first, in one snapshot, the day files after.  What left the hot tables before the snapshot was copied
before; what was hot in the snapshot is counted there, wherever it is by the time the day files are read.
"""

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from kurir.model import encode_id
from kurir.queue.ports import StoreError

from .checks import EVERYWHERE, IN_DAYS, IN_QUEUE, check_bodies
from .database import NoDatabase, Row, one, open_reader, rows, snapshot
from .layout import Layout
from .problems import AuditProblem, AuditReport, problem
from .totals import BOOK_COLUMNS, DayBook, Run, added, count_fates, read_book, read_books, runs

_NAMED_SINGLY = 50


@dataclass(slots=True)
class _Hot:
    """The facts at one moment."""

    messages: int
    recipients: int
    events: int
    books: list[DayBook]
    numbers: tuple[Run, ...]
    fates: dict[str, int]
    here: Row  # recipients, events in the hot tables
    held: int
    open_notices: int
    problems: list[AuditProblem] = field(default_factory=list)


@dataclass(slots=True)
class _Place:
    """Where a set of numbers is, after all days were read."""

    name: str
    numbers: tuple[Run, ...]


def audit(layout: Layout | Path) -> AuditReport:
    """Audit a state folder.  Whatever is wrong is in the report; raises `NoDatabase` for a folder without facts."""
    if isinstance(layout, Path):
        layout = Layout(layout)
    try:
        with closing(open_reader(layout.facts)) as facts:
            if not list(rows(facts, "SELECT 1 FROM ledger")):
                return AuditReport(problems=(problem("ledger_missing"),))
            return _audit(facts, layout)
    except (apsw.Error, StoreError) as e:
        return AuditReport(problems=(_unreadable(layout.facts, e),))


def _audit(facts: apsw.Connection, layout: Layout) -> AuditReport:
    with snapshot(facts):
        hot = _read_hot(facts)
    problems = hot.problems
    problems += check_bodies(facts, layout)
    places = [_Place("the queue", hot.numbers)]
    books = {book.day: book for book in hot.books}
    files = layout.day_files()
    looked_at = 0
    for day in sorted(books.keys() | files.keys()):
        book = books.get(day)
        if book:
            problems += _check_book(book)
        found = _read_day(facts, layout, day, book, hot)
        looked_at += found.file
        problems += found.problems
        places.append(_Place(layout.day(day).name, found.numbers))
    problems += _check_numbers(places, hot, facts)
    problems += _check_ledger(hot)
    fates = hot.fates
    for book in hot.books:
        fates = added(fates, book.fates)
    waiting = fates.pop("none", 0)
    return AuditReport(
        messages=hot.messages,
        recipients=hot.recipients,
        fates=fates,
        waiting=waiting - hot.held,
        held=hot.held,
        open_notices=hot.open_notices,
        queued=sum(last - first + 1 for first, last in hot.numbers),
        days=looked_at,
        dropped_days=sum(book.dropped_at is not None for book in hot.books),
        problems=tuple(problems),
    )


def _read_hot(facts: apsw.Connection) -> _Hot:
    ledger = one(facts, "SELECT messages, recipients, events FROM ledger")
    numbers = (row[0] for row in rows(facts, "SELECT number FROM message ORDER BY number"))
    here = one(facts, "SELECT (SELECT count(*) FROM recipient), (SELECT count(*) FROM event)")
    hot = _Hot(
        messages=ledger[0],
        recipients=ledger[1],
        events=ledger[2],
        books=read_books(facts),
        numbers=tuple(runs(numbers)),
        fates=count_fates(rows(facts, "SELECT fate, count(*) FROM recipient GROUP BY fate")),
        here=here,
        held=one(facts, "SELECT count(*) FROM recipient WHERE fate IS NULL AND held IS NOT NULL")[0],
        open_notices=one(facts, "SELECT count(*) FROM notice WHERE open = 1")[0],
    )
    for check in (*EVERYWHERE, *IN_QUEUE):
        hot.problems += check.run(facts, "facts.db")
    return hot


# days


@dataclass(slots=True)
class _Day:
    numbers: tuple[Run, ...] = ()
    problems: list[AuditProblem] = field(default_factory=list)
    file: bool = False


def _check_book(book: DayBook) -> Iterator[AuditProblem]:
    if book.closed_at is not None and book.seal != book.sealing():
        yield problem("book_changed", day=book.day)


def _read_day(facts: apsw.Connection, layout: Layout, day: str, book: DayBook | None, hot: _Hot) -> _Day:
    path = layout.day(day)
    if book is not None and book.dropped_at is not None:
        return _Day(book.numbers or ())
    for patience in (0.05, 0.2, 0.5, None):
        try:
            with closing(open_reader(path)) as connection, snapshot(connection):
                return _compare_day(connection, path, book, hot)
        except NoDatabase:
            return _missing_day(facts, path, day, book, hot)
        except (apsw.Error, StoreError) as e:
            if patience is None:
                return _Day((book.numbers if book else None) or (), [_unreadable(path, e)])
        # Its writer may be making one plain file of it at this very moment.
        time.sleep(patience)
    raise AssertionError


def _missing_day(facts: apsw.Connection, path: Path, day: str, book: DayBook | None, hot: _Hot) -> _Day:
    """The file is not there: either it was dropped since the snapshot, or somebody removed it."""
    row = facts.execute(f"SELECT {BOOK_COLUMNS} FROM day WHERE day = ?", (day,)).fetchone()
    if row and row[8] is not None:
        # This book is younger than the snapshot: what moved into the day since is counted elsewhere.
        numbers = read_book(row).numbers or ()
        return _Day(tuple(_without(numbers, _elsewhere(numbers, hot))))
    if book is None:
        return _Day()
    lost = problem(
        "day_file_missing", file=f"days/{path.name}", messages=book.messages, recipients=book.recipients
    )
    return _Day(book.numbers or (), [lost])


def _compare_day(connection: apsw.Connection, path: Path, book: DayBook | None, hot: _Hot) -> _Day:
    file = f"days/{path.name}"
    numbers = tuple(runs(row[0] for row in rows(connection, "SELECT number FROM message ORDER BY number")))
    elsewhere = _elsewhere(numbers, hot)
    counts = _count(connection, elsewhere)
    settled = tuple(_without(numbers, elsewhere))
    day = _Day(settled, file=True)
    for check in (*EVERYWHERE, *IN_DAYS):
        day.problems += check.run(connection, file)
    if book is None:
        if counts["messages"]:
            day.problems.append(problem("day_unknown", file=file, messages=counts["messages"]))
        return day
    said: dict[str, Any] = {"messages": book.messages, "recipients": book.recipients, "events": book.events}
    said |= {f"recipients {fate}": n for fate, n in book.fates.items()}
    for what in sorted(said.keys() | counts.keys()):
        expected, found = said.get(what, 0), counts.get(what, 0)
        if expected != found:
            day.problems.append(problem("day_differs", file=file, what=what, expected=expected, found=found))
    if book.numbers is not None:
        missing = list(_without(book.numbers, settled))
        day.problems += _missing(missing, f" {file}", settled)
        day.numbers = book.numbers
    return day


def _elsewhere(numbers: tuple[Run, ...], hot: _Hot) -> list[Run]:
    """Which of a day's numbers were not yet there at the snapshot: hot then, or accepted since."""
    return [*_overlap(numbers, hot.numbers), *_overlap(numbers, ((hot.messages + 1, 2**62),))]


def _count(connection: apsw.Connection, without: list[Run]) -> dict[str, int]:
    """Count a day file without the numbers that belong elsewhere (few: what is being moved just now)."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS elsewhere (number INTEGER PRIMARY KEY)")
    connection.executemany(
        "INSERT OR IGNORE INTO temp.elsewhere VALUES (?)",
        ((n,) for first, last in without for n in range(first, last + 1)),
    )
    there = "number NOT IN (SELECT number FROM temp.elsewhere)"
    fates = list(rows(connection, f"SELECT fate, count(*) FROM recipient WHERE {there} GROUP BY fate"))
    return {
        "messages": one(connection, f"SELECT count(*) FROM message WHERE {there}")[0],
        "recipients": sum(count for _, count in fates),
        "events": one(connection, f"SELECT count(*) FROM event WHERE {there} AND kind <> 'erased'")[0],
        **{f"recipients {fate}": count for fate, count in fates},
    }


# numbers


def _check_numbers(places: list[_Place], hot: _Hot, facts: apsw.Connection) -> Iterator[AuditProblem]:
    """Walk over all numbers in order: none twice, none missing, none beyond the highest."""
    spans = sorted((first, last, place.name) for place in places for first, last in place.numbers)
    reached, where = 0, ""
    gaps: list[Run] = []
    for first, last, name in spans:
        if first > reached + 1:
            gaps.append((reached + 1, first - 1))
        for number in range(first, min(reached, last) + 1):
            yield problem("message_twice", number, places=f"{where} and {name}")
        if last > reached:
            reached, where = last, name
    if reached < hot.messages:
        gaps.append((reached + 1, hot.messages))
    yield from _missing(gaps, "", [(first, last) for first, last, _ in spans])
    beyond = one(facts, "SELECT count(*) FROM message WHERE number > (SELECT messages FROM ledger)")[0]
    if beyond or reached > hot.messages:
        for first, last, _ in spans:
            for number in range(max(first, hot.messages + 1), last + 1):
                yield problem("number_unknown", number, highest=hot.messages)


def _missing(gaps: Iterable[Run], where: str, there: Iterable[Run]) -> Iterator[AuditProblem]:
    present = sorted(there)
    for first, last in gaps:
        if last - first >= _NAMED_SINGLY:
            yield problem(
                "messages_missing",
                first=first,
                last=last,
                first_id=encode_id(first),
                last_id=encode_id(last),
                count=last - first + 1,
                where=where,
            )
            continue
        at = bisect_right(present, (first, first))
        before = encode_id(present[at - 1][1]) if at else "none"
        after = encode_id(present[at][0]) if at < len(present) else "none"
        for number in range(first, last + 1):
            yield problem("message_missing", number, where=where, previous=before, next=after)


def _check_ledger(hot: _Hot) -> Iterator[AuditProblem]:
    recipients, events = hot.here
    for what, expected, found in (
        ("recipients", hot.recipients, recipients + sum(book.recipients for book in hot.books)),
        ("events", hot.events, events + sum(book.events for book in hot.books)),
    ):
        if expected != found:
            yield problem("ledger_differs", what=what, expected=expected, found=found)


def _overlap(some: Iterable[Run], others: Iterable[Run]) -> Iterator[Run]:
    """Yield the runs that two ascending sets have in common."""
    rest = iter(others)
    other = next(rest, None)
    for first, last in some:
        while other is not None and other[1] < first:
            other = next(rest, None)
        while other is not None and other[0] <= last:
            yield max(first, other[0]), min(last, other[1])
            if other[1] > last:
                break
            other = next(rest, None)


def _without(some: Iterable[Run], others: Iterable[Run]) -> Iterator[Run]:
    """Yield what is in `some` and not in `others` (both ascending)."""
    gone = sorted(others)
    for first, last in some:
        at = first
        for a, b in _overlap(((first, last),), gone):
            if a > at:
                yield at, a - 1
            at = b + 1
        if at <= last:
            yield at, last


def _unreadable(path: Path, error: Exception) -> AuditProblem:
    return problem("unreadable", file=path.name, error=f"{type(error).__name__}: {error}")
