"""What waits, for people who look at the queue: read-only, beside the running server or after it."""

from contextlib import closing

import msgspec

from .database import NoDatabase, one, open_reader, rows
from .layout import Layout
from .reader import QUEUE, StoredTrace, TraceReader, asked, escaped, whole_trace
from .rows import MESSAGE_COLUMNS


class WaitingPage(msgspec.Struct, frozen=True, kw_only=True):
    """The first messages that fit, oldest first, and how many messages and recipients fit in all."""

    traces: tuple[StoredTrace, ...]
    messages: int
    recipients: int


def waiting(layout: Layout, *, to: str = "", held: bool = False, limit: int = 1000) -> WaitingPage:
    """Return what waits or is held; `to` is part of a recipient's address, `held` leaves only held mail.

    Raises `StoreError`; a server that never ran has nothing waiting.
    """
    condition = "fate IS NULL" + (" AND held IS NOT NULL" if held else "")
    values: tuple[object, ...] = ()
    if to:
        condition += " AND fold(address) LIKE ? ESCAPE '\\'"
        values = (f"%{escaped(to.lower())}%",)
    try:
        with asked(layout.facts) as connection:
            counted = f"SELECT count(DISTINCT number), count(*) FROM recipient WHERE {condition}"
            messages, recipients = one(connection, counted, values)
            query = (
                f"SELECT {MESSAGE_COLUMNS}, NULL FROM message WHERE number IN"
                f" (SELECT DISTINCT number FROM recipient WHERE {condition} ORDER BY number LIMIT ?) ORDER BY number"
            )
            found = list(rows(connection, query, (*values, limit)))
            traces = tuple(whole_trace(connection, QUEUE, row) for row in found)
    except NoDatabase:
        return WaitingPage(traces=(), messages=0, recipients=0)
    return WaitingPage(traces=traces, messages=messages, recipients=recipients)


def head(layout: Layout, number: int, limit: int = 64 * 1024) -> bytes:
    """Return the header block of a message in the queue (trace lines in front), at most `limit` octets; b"" if unknown."""
    found = TraceReader(layout).trace(number)
    if found is None or found.place != QUEUE:
        return b""
    letter = found.letter
    if letter.body_file is not None:
        with (layout.bodies / letter.body_file).open("rb") as f:
            body = f.read(limit)
    else:
        with closing(open_reader(layout.facts)) as connection:
            row = connection.execute(
                "SELECT substr(data, 1, ?) FROM body WHERE number = ?", (limit, number)
            ).fetchone()
        body = bytes(row[0]) if row else b""
    end = letter.header_end or len(body)
    return letter.trace_block + body[:end]
