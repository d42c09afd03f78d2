"""The same ports in memory, for tests and simulation: they pass the same contract suites as SQLite."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from kurir.delivery.ports import BodyDamaged
from kurir.identity.ports import Account
from kurir.model import Event, EventKind, Fate, Outcome, encode_id
from kurir.queue.asks import Lease, NoticeWork
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


@dataclass
class _Notice:
    notice: Notice
    open: bool = True
    met_by: int | None = None


@dataclass
class MemoryFacts:
    """`kurir.queue.ports.Store` in dictionaries.  `full` and `broken` make the next commits fail as a disk would."""

    messages: dict[int, NewMessage] = field(default_factory=dict)
    states: dict[int, dict[int, RecipientState]] = field(default_factory=dict)
    events: dict[int, list[Event]] = field(default_factory=dict)
    finished: dict[int, float] = field(default_factory=dict)
    notices: dict[str, _Notice] = field(default_factory=dict)
    used: dict[tuple[str, int], int] = field(default_factory=dict)
    roads_kept: dict[tuple[str, str], RoadRecord] = field(default_factory=dict)
    paces_kept: dict[str, PaceRecord] = field(default_factory=dict)
    noted_gaps: list[tuple[int, float, float]] = field(default_factory=list)
    epoch: int = 0
    commits: int = 0
    full: bool = False
    broken: str | None = None

    def next_number(self) -> int:
        """Return the accept number that follows the highest ever used."""
        return len(self.messages) + 1

    def begin_epoch(self) -> int:
        """Count this start."""
        self.epoch += 1
        return self.epoch

    def note_gap(self, below: int, seconds: float, at: float) -> None:
        """Note wall time that does not age the messages with numbers below `below`."""
        if self.full:
            raise StoreFull("no space left")
        self.noted_gaps.append((below, seconds, at))

    def debits(self, since: int) -> Sequence[Debit]:
        """Return what is used of budgets since that moment, and what is in the air; forget the rest."""
        self.used = {(k, at): n for (k, at), n in self.used.items() if n and (at >= since or at < 0)}
        return [Debit(key, at, units) for (key, at), units in sorted(self.used.items())]

    def roads(self, since: float) -> Sequence[RoadRecord]:
        """Return the newest record of each road at each site; forget those from before `since`."""
        self.roads_kept = {key: r for key, r in self.roads_kept.items() if r.at >= since}
        return [record for _, record in sorted(self.roads_kept.items())]

    def paces(self, since: float) -> Sequence[PaceRecord]:
        """Return the newest record of each pace; forget those from before `since`, and those that are over."""
        self.paces_kept = {key: r for key, r in self.paces_kept.items() if r.at >= since and r.signal}
        return [record for _, record in sorted(self.paces_kept.items())]

    def gaps(self) -> Sequence[tuple[int, float, float]]:
        """Return the gaps noted so far, oldest first."""
        return tuple(self.noted_gaps)

    def commit(self, changes: Sequence[Change]) -> None:
        """Take all changes or none.  Raises `StoreFull` or `StoreError`."""
        if self.broken:
            raise StoreError(self.broken)
        if self.full:
            raise StoreFull("no space left")
        try:
            self._check(changes)
        except StoreError as e:
            self.broken = str(e)
            raise
        for change in changes:
            self._apply(change)
        self.commits += 1

    def _check(self, changes: Sequence[Change]) -> None:
        first = self.next_number()
        numbers = sorted(c.message.number for c in changes if c.message)
        if numbers != list(range(first, first + len(numbers))):
            raise StoreError(f"accept numbers are dense: {first} comes next, but got {numbers[:5]}")
        ended: set[tuple[int, int]] = set()
        new = {(c.message.number, i) for c in changes if c.message for i in range(len(c.message.recipients))}
        for change in changes:
            own = change.message.number if change.message else None
            for s in change.recipients:
                key = (s.number, s.index)
                before = self.states.get(s.number, {}).get(s.index)
                if s.number != own and (
                    key in ended or (key not in new and (before is None or before.fate is not None))
                ):
                    raise StoreError(f"recipient {s.index} of {s.number} is unknown or has ended already")
                if s.fate is not None:
                    ended.add(key)

    def _apply(self, change: Change) -> None:
        for d in change.debits:
            self.used[d.key, d.at] = self.used.get((d.key, d.at), 0) + d.units
        for r in change.roads:
            self.roads_kept[r.road, r.site] = r
        for p in change.paces:
            self.paces_kept[p.key] = p
        m = change.message
        if m is not None:
            self.messages[m.number] = m
            self.states[m.number] = {
                i: RecipientState(m.number, i, None, m.accepted_at, 0) for i in range(len(m.recipients))
            }
        for s in change.recipients:
            self.states[s.number][s.index] = s
        for event in change.events:
            self.events.setdefault(event.number, []).append(event)
        for notice in change.notices:
            self.notices.setdefault(notice.id, _Notice(notice))
        for notice_id in change.notices_met:
            kept = self.notices.get(notice_id)
            if kept and kept.open:
                kept.open = False
                kept.met_by = m.number if m else change.events[-1].other
        if change.finished:
            last = change.events[-1]
            self.finished.setdefault(m.number if m else last.number, last.at)

    def waiting(self) -> Iterator[StoredMessage]:
        """Yield every message with waiting recipients, in order of number."""
        for number in sorted(self.messages):
            m = self.messages[number]
            states = self.states[number]
            pairs = tuple((r, states[i]) for i, r in enumerate(m.recipients) if states[i].fate is None)
            if pairs:
                yield StoredMessage(
                    number=number,
                    accepted_at=m.accepted_at,
                    reverse_path=m.reverse_path,
                    size=m.size,
                    account=m.origin.account,
                    proven_sender=m.proven_sender,
                    recipients=pairs,
                    urgency=m.params.urgency,
                )

    def open_notices(self) -> Iterator[Notice]:
        """Yield every obligation not met yet."""
        found = [n.notice for n in self.notices.values() if n.open]
        yield from sorted(found, key=lambda n: (n.number, n.id))

    def letters(self, numbers: Sequence[int]) -> dict[int, StoredLetter]:
        """Read what leases need; missing numbers are left out."""
        return {n: _letter(self.messages[n]) for n in numbers if n in self.messages}

    def last_outcomes(self, number: int) -> dict[int, Outcome]:
        """Return what the latest attempt on each recipient came to, by index."""
        return {e.recipient: e.outcome for e in self.events.get(number, ()) if e.outcome is not None}

    def lost_replies(self) -> Iterator[tuple[int, int, str]]:
        """Yield (number, index, road) of waiting recipients that may have been delivered."""
        for number, events in sorted(self.events.items()):
            for e in events:
                lost = e.outcome is not None and e.outcome.possibly_delivered
                if lost and e.outcome is not None and self.states[number][e.recipient].fate is None:
                    yield number, e.recipient, e.outcome.road

    def notice_number(self, notice_id: str) -> int | None:
        """Return the number of the message that fulfilled the obligation, or None."""
        kept = self.notices.get(notice_id)
        return kept.met_by if kept else None

    def imbalance(self) -> list[str]:
        """Return what breaks the conservation law, in words; empty when all is well."""
        wrong = []
        for number, states in self.states.items():
            for index, s in states.items():
                fates = [
                    e.fate for e in self.events.get(number, ()) if e.fate is not None and e.recipient == index
                ]
                if fates != ([] if s.fate is None else [s.fate]):
                    wrong.append(f"{encode_id(number)} recipient {index}: {s.fate} but events say {fates}")
            ended = all(s.fate is not None for s in states.values())
            if ended != (number in self.finished):
                wrong.append(f"{encode_id(number)}: ended {ended}, finished {number in self.finished}")
            if not any(e.kind is EventKind.ACCEPTED for e in self.events.get(number, ())):
                wrong.append(f"{encode_id(number)}: no acceptance")
        return wrong

    def fates(self) -> dict[Fate, int]:
        """Count the recipients of each fate."""
        counts: dict[Fate, int] = {}
        for states in self.states.values():
            for s in states.values():
                if s.fate is not None:
                    counts[s.fate] = counts.get(s.fate, 0) + 1
        return counts


def _letter(m: NewMessage) -> StoredLetter:
    return StoredLetter(
        number=m.number,
        reverse_path=m.reverse_path,
        params=m.params,
        origin=m.origin,
        recipients=m.recipients,
        accepted_at=m.accepted_at,
        trace_block=m.trace_block,
        size=m.size,
        sha256=m.sha256,
        body_file=m.body_file,
        header_end=m.header_end,
        message_id=m.message_id,
        subject=m.subject,
    )


class MemoryBodies:
    """Large bodies in a dictionary: `kurir.reception.ports.BodyFiles` and `kurir.delivery.ports.Bodies` at once.

    `row` looks up (body, sha256) by accept number; without it only leases that carry or name a body can be read.
    """

    def __init__(self, facts: MemoryFacts | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self._facts = facts
        self._made = 0

    def create(self) -> "MemoryBody":
        """Start a new one."""
        self._made += 1
        return MemoryBody(self.files, f"body{self._made}")

    def remove(self, name: str) -> None:
        """Remove one; harmless where it is gone."""
        self.files.pop(name, None)

    def sweep(self, known: Callable[[], Iterable[str]], now: float) -> int:
        """Remove what no row names; return how many."""
        garbage = self.files.keys() - set(known())
        for name in garbage:
            del self.files[name]
        return len(garbage)

    async def whole(self, work: Lease | NoticeWork) -> bytes:
        """Return a body, checked."""
        body = self._find(work)
        digest = work.sha256 if isinstance(work, Lease) else self._message(work.number).sha256
        if len(body) != work.size or hashlib.sha256(body).digest() != digest:
            raise BodyDamaged(f"the body of message {encode_id(work.number)} is not what was accepted")
        return body

    async def chunks(self, work: Lease | NoticeWork) -> AsyncIterator[bytes]:
        """Yield the body in pieces; raises `BodyDamaged` behind the last one."""
        body = self._find(work)
        for i in range(0, len(body), 256 * 1024):
            yield body[i : i + 256 * 1024]
        await self.whole(work)

    async def head(self, work: Lease | NoticeWork, limit: int) -> bytes:
        """Return at most `limit` first octets."""
        return self._find(work)[:limit]

    def _message(self, number: int) -> NewMessage:
        m = self._facts.messages.get(number) if self._facts else None
        if m is None:
            raise BodyDamaged(f"message {encode_id(number)} is gone from the store")
        return m

    def _find(self, work: Lease | NoticeWork) -> bytes:
        body = work.body
        if body is None:
            body = self.files.get(work.body_file) if work.body_file else self._message(work.number).body
        if body is None:
            raise BodyDamaged(f"the body of message {encode_id(work.number)} is gone")
        return body


class MemoryBody:
    """One body being written."""

    def __init__(self, files: dict[str, bytes], name: str) -> None:
        self._files, self._name = files, name
        self._data = bytearray()

    async def write(self, data: bytes) -> None:
        """Append."""
        self._data += data

    async def finish(self) -> str:
        """Keep it; return its name."""
        self._files[self._name] = bytes(self._data)
        return self._name

    def discard(self) -> None:
        """Forget it."""
        self._files.pop(self._name, None)


class MemoryAccounts:
    """`kurir.identity.ports.AccountStore` in a dictionary."""

    def __init__(self, accounts: Iterable[Account] = ()) -> None:
        self._accounts = {a.name.lower(): a for a in accounts}

    def account(self, name: str) -> Account | None:
        """Return the account with that login name, or None."""
        return self._accounts.get(name.lower())

    def accounts(self) -> Iterator[Account]:
        """Yield all accounts, by name."""
        for key in sorted(self._accounts):
            yield self._accounts[key]

    def put(self, account: Account) -> None:
        """Make or replace an account."""
        self._accounts[account.name.lower()] = account

    def remove(self, name: str) -> bool:
        """Delete an account; False where there was none."""
        return self._accounts.pop(name.lower(), None) is not None
