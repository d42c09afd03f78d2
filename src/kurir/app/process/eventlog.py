"""One log line per event, after it is durable: a store that tells what it has committed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from kurir.model import Address, Event, EventKind, Origin, encode_id
from kurir.queue.ports import Change, Notice, Store, StoredLetter, StoredMessage

from .logs import Log, stamp


class LoggedStore:
    """A `Store` around another one; the lines are made and written by the thread of the log, behind the commit."""

    def __init__(self, store: Store, log: Log) -> None:
        self._store = store
        self._log = log
        self.next_number = store.next_number
        self.begin_epoch = store.begin_epoch
        self.notice_number = store.notice_number
        self.note_gap = store.note_gap
        self.gaps = store.gaps
        self.debits = store.debits
        self.roads = store.roads
        self.paces = store.paces
        self.last_outcomes = store.last_outcomes
        self.lost_replies = store.lost_replies

    def commit(self, changes: Sequence[Change]) -> None:
        """Commit, then log."""
        self._store.commit(changes)
        # What waits for the log must not keep bodies in memory.
        facts = [(event, _head(event, change)) for change in changes for event in change.events]
        now = datetime.now(UTC)
        self._log.events(
            len(facts), lambda: [(event.kind.value, _values(event, head, now)) for event, head in facts]
        )

    def waiting(self) -> Iterator[StoredMessage]:
        """Yield every message with waiting recipients."""
        return self._store.waiting()

    def open_notices(self) -> Iterator[Notice]:
        """Yield every obligation not met yet."""
        return self._store.open_notices()

    def letters(self, numbers: Sequence[int]) -> dict[int, StoredLetter]:
        """Read letters."""
        return self._store.letters(numbers)


class _Head(NamedTuple):
    """What is said of a message when it is accepted."""

    reverse_path: Address | None
    recipients: int
    size: int
    origin: Origin
    message_id: str


def _head(event: Event, change: Change) -> _Head | None:
    m = change.message
    if m is None or event.kind is not EventKind.ACCEPTED:
        return None
    return _Head(m.reverse_path, len(m.recipients), m.size, m.origin, m.message_id)


def _values(event: Event, head: _Head | None, at: datetime) -> dict[str, object]:
    values: dict[str, object] = {"time": stamp(at), "id": encode_id(event.number)}
    if head is not None:
        values |= {
            "from": str(head.reverse_path or "<>"), "recipients": head.recipients, "size": head.size,
            "listener": head.origin.listener, "client": head.origin.client, "message_id": head.message_id,
        }  # fmt: skip
        if head.origin.account:
            values["account"] = head.origin.account
    if event.recipient >= 0:
        values["recipient"] = event.recipient
    outcome = event.outcome
    if outcome is not None:
        values |= {"outcome": outcome.kind.value, "cause": outcome.cause.value, "road": outcome.road}
        if outcome.host:
            values["host"] = outcome.host
        if outcome.reply:
            values["reply"] = str(outcome.reply)
        if outcome.detail:
            values["detail"] = outcome.detail
        if outcome.tls:
            values["tls"] = f"{outcome.tls.version} {outcome.tls.verified or 'unverified'}"
    if event.fate:
        values["fate"] = event.fate.value
    if event.checks:
        values["checks"] = " ".join(f"{check.method}={check.result}" for check in event.checks)
    if event.by:
        values["by"] = event.by
    if event.reason:
        values["reason"] = event.reason
    return values
