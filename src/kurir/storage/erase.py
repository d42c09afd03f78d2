"""`erase`: removes a person from settled mail and observations on request, leaving counts and fates.

What goes: the address wherever it stands as text (sender, recipients, replies of other servers, reasons), the
subject and Message-ID of the person's messages, where it came from and its Received block when the person
sent it, and complaints that name the address.  What stays: numbers, times, fates, sizes, checksums, everybody else's addresses: the audit balances
as before, and an event `ERASED` says who asked for it.  Waiting mail is left alone and reported: it cannot be
delivered without its addresses.
"""

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import apsw
import msgspec

from kurir.model import Event, EventKind

from .database import copy_log, one, open_reader, rows, transaction, translated
from .days import DayMover, fold, open_day, rest
from .layout import Layout
from .observations import SqliteObservations
from .reports import SqliteReports
from .rows import EVENT_COLUMNS, encode, event_row

ERASED_ADDRESS = "erased@erased.invalid"  # RFC 2606 section 2: a name that never exists


@dataclass(frozen=True, slots=True)
class EraseReport:
    """What was done.  `waiting` are accept numbers of mail that still waits, or is still reported on: ask again later."""

    messages: int
    observations: int
    waiting: tuple[int, ...]


def erase(mover: DayMover, observations: SqliteObservations, address: str, by: str, at: float) -> EraseReport:
    """Erase `address` (case-insensitive), asked for by `by` at `at`.  Blocks: call it in a thread.

    Raises `StoreFull`, `StoreError`; calling it again finishes what was begun.
    """
    while mover.move_settled():
        pass
    erased = 0
    with mover.busy:
        mover.release()
        for path in mover.layout.day_files().values():
            with (
                closing(open_day(path, mover.facts.clock.now)) as day,
                translated(day, f"erasing in {path.name}"),
            ):
                erased += _erase_in_day(day, address, by, at)
                rest(day)
    _erase_complaints(mover, address)
    return EraseReport(erased, _erase_observations(observations, address), _waiting(mover.layout, address))


def _erase_complaints(mover: DayMover, address: str) -> None:
    if mover.layout.reports.exists():
        with closing(SqliteReports(mover.layout, mover.facts.clock)) as reports:
            reports.erase(address)


def _waiting(layout: Layout, address: str) -> tuple[int, ...]:
    query = (
        "SELECT number FROM message WHERE fold(coalesce(reverse_path, '')) = ?1 OR fold(header_from) = ?1"
        " UNION SELECT number FROM recipient WHERE ?1 IN (fold(address), fold(coalesce(wanted, ''))) ORDER BY number"
    )
    with closing(open_reader(layout.facts)) as connection, translated(connection, "looking for waiting mail"):
        connection.create_scalar_function("fold", fold, 1, deterministic=True)
        return tuple(row[0] for row in rows(connection, query, (fold(address),)))


def _erase_in_day(day: apsw.Connection, address: str, by: str, at: float) -> int:
    key = fold(address)
    numbers = [
        row[0] for row in rows(day, "SELECT number FROM person WHERE address = ? ORDER BY number", (key,))
    ]
    if not numbers:
        return 0
    day.pragma("secure_delete", True)  #  what is erased is overwritten, not only unlinked
    without = _eraser(address)
    with transaction(day):
        for number in numbers:
            _erase_message(day, number, key, without)
            event_id = one(day, "SELECT max(id) + 1 FROM event WHERE number = ?", (number,))[0]
            event = Event(number=number, kind=EventKind.ERASED, at=at, by=by)
            day.execute(
                f"INSERT INTO event ({EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", event_row(event, event_id)
            )
        day.execute("DELETE FROM person WHERE address = ?", (key,))
    copy_log(day)
    return len(numbers)


_SENDER_GONE = (
    "UPDATE message SET reverse_path = iif(reverse_path IS NULL, NULL, ?2), account = NULL, header_from = '',"
    " origin = ?3, params = ?4, trace_block = x'' WHERE number = ?1"
)


def _erase_message(day: apsw.Connection, number: int, key: str, without: Callable[[Any], Any]) -> None:
    sender, header_from, origin, params, block = one(
        day,
        "SELECT reverse_path, header_from, origin, params, trace_block FROM message WHERE number = ?",
        (number,),
    )
    sent = key in (fold(sender or ""), fold(header_from))
    if sent:
        origin = _blob(origin, _anonymous)
        params = _blob(params, without)
        day.execute(_SENDER_GONE, (number, ERASED_ADDRESS, origin, params))
    else:
        day.execute("UPDATE message SET trace_block = ? WHERE number = ?", (without(block), number))
    day.execute("UPDATE message SET subject = '', message_id = '' WHERE number = ?", (number,))
    day.execute(
        "UPDATE recipient SET address = iif(fold(address) = ?2, ?3, address), wanted = NULL, orcpt = NULL"
        " WHERE number = ?1 AND ?2 IN (fold(address), fold(coalesce(wanted, '')))",
        (number, key, ERASED_ADDRESS),
    )
    for event_id, data in list(rows(day, "SELECT id, data FROM event WHERE number = ?", (number,))):
        clean = _blob(data, lambda value: without(_without_origin(value) if sent else value))
        day.execute("UPDATE event SET data = ? WHERE number = ? AND id = ?", (clean, number, event_id))
    for notice, told, reasons in list(
        rows(day, "SELECT id, address, reasons FROM notice WHERE number = ?", (number,))
    ):
        told = ERASED_ADDRESS if fold(told) == key else told
        day.execute(
            "UPDATE notice SET address = ?, reasons = ? WHERE id = ?", (told, _blob(reasons, without), notice)
        )


def _erase_observations(observations: SqliteObservations, address: str) -> int:
    db = observations.connection
    key, without = fold(address), _eraser(address)
    with observations.lock, translated(db, "erasing observations"):
        db.create_scalar_function("fold", fold, 1, deterministic=True)
        db.pragma("secure_delete", True)
        observations.forget()
        found = list(
            rows(
                db,
                "SELECT id, sender, recipient, account, data FROM observation"
                " WHERE ? IN (fold(coalesce(sender, '')), fold(recipient), fold(account))",
                (key,),
            )
        )
        with transaction(db):
            for number, *names, data in found:
                clean = [ERASED_ADDRESS if name is not None and fold(name) == key else name for name in names]
                db.execute(
                    "UPDATE observation SET sender = ?, recipient = ?, account = ?, client = '', data = ? WHERE id = ?",
                    (*clean, _blob(data, lambda value: without(_without_client(value))), number),
                )
        copy_log(db)
    return len(found)


def _blob(data: bytes, change: Callable[[Any], Any]) -> bytes:
    """Change a msgpack value without its type: structs are maps or lists."""
    return encode(change(msgspec.msgpack.decode(data)))


def _eraser(address: str) -> Callable[[Any], Any]:
    """Return a function that replaces the address in all texts of a value, and pairs of local part and domain."""
    key = address.lower()
    local, _, domain = key.rpartition("@")
    erased = list(ERASED_ADDRESS.split("@"))
    text = re.compile(rf"(?<![\w.+-]){re.escape(address)}(?![\w-])", re.IGNORECASE)
    octets = re.compile(re.escape(address.encode()), re.IGNORECASE)

    def without(value: Any) -> Any:
        match value:
            case str():
                return text.sub(ERASED_ADDRESS, value)
            case bytes():
                return octets.sub(ERASED_ADDRESS.encode(), value)
            case [str(first), str(second)] if (first.lower(), second.lower()) == (local, domain):
                return erased
            case list():
                return [without(item) for item in value]
            case dict():
                return {name: without(item) for name, item in value.items()}
        return value

    return without


def _anonymous(origin: list[Any]) -> list[Any]:
    """Keep of an `Origin` only the protocol and the door: ``[protocol, listener]``."""
    return [*origin[:2], "", 0, "", None, None]


def _without_origin(event: dict[str, Any]) -> dict[str, Any]:
    if event.get("origin"):
        # The checks name the client and the sender's domain too.
        return event | {"origin": _anonymous(event["origin"]), "checks": []}
    return event


def _without_client(observation: dict[str, Any]) -> dict[str, Any]:
    return observation | {"client": "", "helo": ""}
