"""The rows of one database against each other, as SQL; the audit runs them on the facts and on each day file."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import apsw

from .database import rows
from .layout import Layout
from .problems import AuditProblem, problem


@dataclass(frozen=True, slots=True)
class Check:
    """One query that finds nothing when all is well; its columns are the number, then `columns`."""

    key: str
    columns: tuple[str, ...]
    sql: str

    def run(self, connection: apsw.Connection, file: str) -> Iterator[AuditProblem]:
        """Yield what is wrong."""
        for number, *values in rows(connection, self.sql):
            named = {k: "none" if v is None else v for k, v in zip(self.columns, values, strict=True)}
            yield problem(self.key, number, file=file, **named)


_FATE_EVENTS = (
    "WITH said AS (SELECT number, recipient, count(*) AS times, group_concat(fate, ' and ') AS fates"
    " FROM event WHERE fate IS NOT NULL GROUP BY number, recipient)"
)

EVERYWHERE: Final = (
    *(
        Check(
            "rows_without_message",
            ("table",),
            f"SELECT DISTINCT number, '{table}' FROM {table} WHERE number NOT IN (SELECT number FROM message)",
        )
        for table in ("recipient", "event")
    ),
    Check(
        "recipient_missing",
        ("expected", "found"),
        "WITH there AS (SELECT number, count(*) AS found FROM recipient GROUP BY number)"
        " SELECT m.number, m.recipients, coalesce(found, 0) FROM message m LEFT JOIN there USING (number)"
        " WHERE m.recipients <> coalesce(found, 0)",
    ),
    Check(
        "fate_unexplained",
        ("recipient", "fate", "events"),
        f"{_FATE_EVENTS} SELECT r.number, r.idx, r.fate, said.fates FROM recipient r"
        " LEFT JOIN said ON said.number = r.number AND said.recipient = r.idx"
        " WHERE r.fate IS NOT said.fates OR said.times > 1",
    ),
    Check(
        "acceptance_missing",
        ("found",),
        "WITH said AS (SELECT number, count(*) AS times FROM event WHERE kind = 'accepted' GROUP BY number)"
        " SELECT m.number, coalesce(times, 0) FROM message m LEFT JOIN said USING (number)"
        " WHERE coalesce(times, 0) <> 1",
    ),
    Check(
        "notice_missing",
        (),
        "SELECT DISTINCT number FROM event WHERE kind = 'notice_due' AND number NOT IN (SELECT number FROM notice)",
    ),
)

IN_DAYS: Final = (
    Check("waits_in_day", ("recipient",), "SELECT number, idx FROM recipient WHERE fate IS NULL"),
    Check(
        "rows_without_message",
        ("table",),
        "SELECT DISTINCT number, 'notice' FROM notice WHERE number NOT IN (SELECT number FROM message)",
    ),
)

IN_QUEUE: Final = (
    Check(
        "settled_too_early",
        ("recipient",),
        "SELECT number, idx FROM recipient JOIN settled USING (number) WHERE fate IS NULL",
    ),
    Check(
        "settled_unlisted",
        (),
        "SELECT number FROM recipient WHERE number NOT IN (SELECT number FROM settled)"
        " GROUP BY number HAVING count(*) = count(fate)",
    ),
    Check(
        "notice_without_message",
        ("notice",),
        "SELECT number, id FROM notice WHERE open = 1 AND number NOT IN (SELECT number FROM message)",
    ),
)

# A message needs its body while a recipient waits or a report is owed.
_NEEDED = """
SELECT m.number, m.size, m.sha256, m.body_file, b.data FROM message m LEFT JOIN body b ON b.number = m.number
WHERE m.number > ? AND (m.number NOT IN (SELECT number FROM settled)
   OR EXISTS (SELECT 1 FROM notice n WHERE n.number = m.number AND n.open = 1))
ORDER BY m.number LIMIT ?"""
_SLICE = 200


def check_bodies(connection: apsw.Connection, layout: Layout) -> Iterator[AuditProblem]:
    """Check size and SHA-256 of every body that is still needed.

    It reads in slices, so that no long transaction keeps the WAL from being emptied, and looks again before
    it complains, since mail may be settled meanwhile.
    """
    after = 0
    while found := list(rows(connection, _NEEDED, (after, _SLICE))):
        for number, size, sha256, name, data in found:
            wrong = (
                _row_problem(data, size, sha256)
                if name is None
                else _file_problem(layout, name, size, sha256)
            )
            if wrong and (name is None or _still_needed(connection, number)):
                key, error = wrong
                file = layout.facts.name if name is None else f"bodies/{name}"
                yield problem(key, number, file=file, error=error)
        after = found[-1][0]


def _still_needed(connection: apsw.Connection, number: int) -> bool:
    row = connection.execute(_NEEDED, (number - 1, 1)).fetchone()
    return row is not None and row[0] == number


def _row_problem(data: bytes | None, size: int, sha256: bytes) -> tuple[str, str] | None:
    if data is None:
        return "body_missing", ""
    return _compare(len(data), hashlib.sha256(data).digest(), size, sha256)


def _file_problem(layout: Layout, name: str, size: int, sha256: bytes) -> tuple[str, str] | None:
    try:
        with (layout.bodies / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            length = file.tell()
    except FileNotFoundError:
        return "body_missing", ""
    except OSError as e:
        return "body_damaged", str(e)
    return _compare(length, digest, size, sha256)


def _compare(length: int, digest: bytes, size: int, sha256: bytes) -> tuple[str, str] | None:
    if length != size:
        return "body_damaged", f"{length} octets instead of {size}"
    return None if digest == sha256 else ("body_damaged", "its checksum differs")
