"""One log line per event, after it is durable: a store that tells what it has committed."""

from collections.abc import Iterator, Sequence

from kurir.model import Event, EventKind, encode_id
from kurir.queue.ports import Change, Notice, Store, StoredLetter, StoredMessage

from .logs import Log


class LoggedStore:
    """A `Store` around another one; the lines are written in the commit thread, behind the commit."""

    def __init__(self, store: Store, log: Log) -> None:
        self._store = store
        self._log = log
        self.next_number = store.next_number
        self.begin_epoch = store.begin_epoch
        self.notice_number = store.notice_number
        self.last_outcomes = store.last_outcomes

    def commit(self, changes: Sequence[Change]) -> None:
        """Commit, then log."""
        self._store.commit(changes)
        for change in changes:
            for event in change.events:
                self._log.info(event.kind.value, **_values(event, change))

    def waiting(self) -> Iterator[StoredMessage]:
        """Yield every message with waiting recipients."""
        return self._store.waiting()

    def open_notices(self) -> Iterator[Notice]:
        """Yield every obligation not met yet."""
        return self._store.open_notices()

    def letters(self, numbers: Sequence[int]) -> dict[int, StoredLetter]:
        """Read letters."""
        return self._store.letters(numbers)


def _values(event: Event, change: Change) -> dict[str, object]:
    values: dict[str, object] = {"id": encode_id(event.number)}
    if event.kind is EventKind.ACCEPTED and change.message is not None:
        m = change.message
        values |= {
            "from": str(m.reverse_path or "<>"), "recipients": len(m.recipients), "size": m.size,
            "listener": m.origin.listener, "client": m.origin.client, "message_id": m.message_id,
        }  # fmt: skip
        if m.origin.account:
            values["account"] = m.origin.account
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
    if event.by:
        values["by"] = event.by
    if event.reason:
        values["reason"] = event.reason
    return values
