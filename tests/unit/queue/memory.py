"""A store in memory that checks what it is told: the tests' accountant."""

from collections.abc import Iterator, Sequence

from kurir.model import Event, EventKind, Fate, Outcome
from kurir.queue.ports import (
    Change,
    Debit,
    NewMessage,
    Notice,
    PaceRecord,
    RecipientState,
    RoadRecord,
    StoredLetter,
    StoredMessage,
    StoreError,
    StoreFull,
)


class MemoryStore:
    """Facts in dicts.  `full` and `broken` let commits fail; what failed leaves nothing behind."""

    def __init__(self) -> None:
        self.messages: dict[int, NewMessage] = {}
        self.states: dict[tuple[int, int], RecipientState] = {}
        self.events: list[Event] = []
        self.notices: dict[str, Notice] = {}
        self.met: dict[str, int] = {}
        self.epoch = 0
        self.used: dict[tuple[str, int], int] = {}
        self.roads_kept: dict[tuple[str, str], RoadRecord] = {}
        self.paces_kept: dict[str, PaceRecord] = {}
        self.noted_gaps: list[tuple[int, float, float]] = []
        self.broken: Exception | None = None
        self.room: int | None = None  # how many new messages still fit
        self.full = False
        self.commits = 0
        self.finished: set[int] = set()

    # the port

    def next_number(self) -> int:
        return max(self.messages, default=0) + 1

    def begin_epoch(self) -> int:
        self.epoch += 1
        return self.epoch

    def note_gap(self, below: int, seconds: float, at: float) -> None:
        if self.full:
            raise StoreFull("no space left")
        self.noted_gaps.append((below, seconds, at))

    def debits(self, since: int) -> Sequence[Debit]:
        self.used = {(k, at): n for (k, at), n in self.used.items() if n and (at >= since or at < 0)}
        return [Debit(key, at, units) for (key, at), units in sorted(self.used.items())]

    def roads(self, since: float) -> Sequence[RoadRecord]:
        self.roads_kept = {key: r for key, r in self.roads_kept.items() if r.at >= since}
        return list(self.roads_kept.values())

    def paces(self, since: float) -> Sequence[PaceRecord]:
        self.paces_kept = {key: r for key, r in self.paces_kept.items() if r.at >= since and r.signal}
        return [record for _, record in sorted(self.paces_kept.items())]

    def gaps(self) -> Sequence[tuple[int, float, float]]:
        return self.noted_gaps

    def commit(self, changes: Sequence[Change]) -> None:
        if self.broken is not None:
            raise self.broken
        new = [c.message for c in changes if c.message is not None]
        if self.full or (self.room is not None and len(new) > self.room):
            raise StoreFull("no space left")
        for i, message in enumerate(new):
            assert message.number == self.next_number() + i, "accept numbers are dense"
        if self.room is not None:
            self.room -= len(new)
        self.commits += 1
        for change in changes:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        for d in change.debits:
            self.used[d.key, d.at] = self.used.get((d.key, d.at), 0) + d.units
        for r in change.roads:
            self.roads_kept[r.road, r.site] = r
        for p in change.paces:
            self.paces_kept[p.key] = p
        if change.message is not None:
            self.messages[change.message.number] = change.message
        numbers = set()
        for state in change.recipients:
            key = (state.number, state.index)
            old = self.states.get(key)
            assert old is None or old.fate is None, f"{key} ended twice: {old} then {state}"
            assert not (state.fate and state.held)
            self.states[key] = state
            numbers.add(state.number)
        for notice in change.notices:
            assert notice.id not in self.notices or self.notices[notice.id] == notice
            assert notice.id not in self.met, f"{notice.id} is owed again"
            self.notices[notice.id] = notice
        for id_ in change.notices_met:
            assert id_ in self.notices, f"{id_} was never owed"
            assert id_ not in self.met, f"{id_} was met twice"
            assert change.message is not None
            self.met[id_] = change.message.number
        self.events.extend(change.events)
        for number in numbers:
            ended = all(s.fate is not None for (n, _), s in self.states.items() if n == number)
            assert ended == change.finished, f"{number}: finished is {change.finished}"
            if ended:
                self.finished.add(number)

    def waiting(self) -> Iterator[StoredMessage]:
        for number, message in sorted(self.messages.items()):
            pairs = tuple(
                (r, s) for i, r in enumerate(message.recipients) if (s := self.states[number, i]).fate is None
            )
            open_notice = any(n.number == number and n.id not in self.met for n in self.notices.values())
            if pairs or open_notice:
                yield StoredMessage(
                    number=number,
                    accepted_at=message.accepted_at,
                    reverse_path=message.reverse_path,
                    size=message.size,
                    account=message.origin.account,
                    proven_sender=message.proven_sender,
                    recipients=pairs,
                    urgency=message.params.urgency,
                )

    def open_notices(self) -> Iterator[Notice]:
        yield from (n for n in self.notices.values() if n.id not in self.met)

    def letters(self, numbers: Sequence[int]) -> dict[int, StoredLetter]:
        return {n: letter(self.messages[n]) for n in numbers if n in self.messages}

    def last_outcomes(self, number: int) -> dict[int, Outcome]:
        return {e.recipient: e.outcome for e in self.events if e.number == number and e.outcome is not None}

    def lost_replies(self) -> Iterator[tuple[int, int, str]]:
        for e in self.events:
            lost = e.outcome is not None and e.outcome.possibly_delivered
            if lost and self.states[e.number, e.recipient].fate is None:
                yield e.number, e.recipient, e.outcome.road

    def notice_number(self, notice_id: str) -> int | None:
        return self.met.get(notice_id)

    # questions of tests

    def fates(self) -> dict[tuple[int, int], Fate | None]:
        return {key: state.fate for key, state in self.states.items()}

    def kinds(self, number: int, recipient: int | None = None) -> list[EventKind]:
        return [
            e.kind
            for e in self.events
            if e.number == number and (recipient is None or e.recipient == recipient)
        ]

    def last(self, number: int, index: int = 0) -> RecipientState:
        return self.states[number, index]


class QuickStore(MemoryStore):
    """Without checks and without memory of events: for measuring the brain alone."""

    def commit(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.message is not None:
                self.messages[change.message.number] = change.message


def letter(message: NewMessage) -> StoredLetter:
    return StoredLetter(
        number=message.number,
        reverse_path=message.reverse_path,
        params=message.params,
        origin=message.origin,
        recipients=message.recipients,
        accepted_at=message.accepted_at,
        trace_block=message.trace_block,
        size=message.size,
        sha256=message.sha256,
        body_file=message.body_file,
        header_end=message.header_end,
        message_id=message.message_id,
        subject=message.subject,
    )


__all__ = ["MemoryStore", "QuickStore", "StoreError", "StoreFull", "letter"]
