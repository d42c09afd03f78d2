"""Open obligations to report: given to hands to be written, met when the report itself is accepted.

Rule: exactly once.  An obligation is closed in the same transaction that accepts its report; a second report
for it is answered with the number of the first.  A hand that does not answer in time is asked again, or
another one is.  Where the disk is full, nothing is rendered in vain: reports that were refused are asked for
again when there is room, which is looked for every few seconds.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import structs

from kurir.model import Envelope, Outcome, Recipient, Reply, encode_id
from kurir.queue.asks import Accepted, Incoming, NoticeWork, Refused
from kurir.queue.ports import Notice, Store, StoredLetter
from kurir.queue.settings import QueueSettings
from kurir.queue.taking.commit import Committer
from kurir.queue.taking.intake import Done, Intake, NoticeClaim
from kurir.queue.waiting.book import Book

if TYPE_CHECKING:
    from kurir.queue.turns.lease import Worker

_UNKNOWN = Reply(554, "5.3.0", ("No such obligation to report is open",))


class _Open:
    __slots__ = ("closers", "notice", "worker")

    def __init__(self, notice: Notice) -> None:
        self.notice = notice
        self.worker: Worker | None = None
        self.closers: list[Done] | None = None  # its report is being accepted


class Notices:
    """What we still owe."""

    def __init__(
        self,
        settings: QueueSettings,
        book: Book,
        committer: Committer,
        store: Store,
        intake: Intake,
        epoch: int,
    ) -> None:
        self._settings = settings
        self._book = book
        self._committer = committer
        self._store = store
        self._intake = intake
        self._epoch = epoch
        self._open: dict[str, _Open] = {}
        self._due: deque[str] = deque()
        self._issued: dict[str, float] = {}  # in order of issue
        self._refused: dict[str, None] = {}  # until there is room
        self._look_at = 0.0  # for room, where any is refused

    def __len__(self) -> int:
        return len(self._open)

    def owe(self, notices: Sequence[Notice]) -> None:
        """Note obligations that are in the store."""
        for notice in notices:
            if notice.id not in self._open:
                self._open[notice.id] = _Open(notice)
                self._due.append(notice.id)

    def next_at(self) -> float | None:
        """Return when the first unanswered notice is asked for again, or room for refused ones is looked for."""
        times = [at + self._settings.notice_timeout for at in islice(self._issued.values(), 1)]
        if self._refused:
            times.append(self._look_at)
        return min(times, default=None)

    # giving out

    def ask_again(self, now: float) -> None:
        """Put notices that nobody answered in time back in line."""
        limit = now - self._settings.notice_timeout
        late = []
        for id_, at in self._issued.items():
            if at > limit:
                break
            late.append(id_)
        for id_ in late:
            self._back(id_)
        if self._refused and now >= self._look_at:
            if self._intake.refusal(0) is None:
                for id_ in list(self._refused):
                    self._back(id_)
            else:
                self._look_at = now + self._settings.notice_retry

    def worker_gone(self, worker: "Worker") -> None:
        """Put back what a hand was asked for."""
        for id_, entry in list(self._open.items()):
            if entry.worker is worker:
                self._back(id_)

    def _back(self, id_: str) -> None:
        self._issued.pop(id_, None)
        self._refused.pop(id_, None)
        entry = self._open.get(id_)
        if entry is None:
            return
        if entry.worker is not None:
            entry.worker.notices -= 1
            entry.worker = None
        if entry.closers is None:
            self._due.append(id_)

    def issue(self, workers: Sequence["Worker"], now: float) -> None:
        """Give what is due to hands that have room for it."""
        if not self._due or not workers:
            return
        picked: list[_Open] = []
        for worker in workers:
            if not worker.hand.slots:
                continue  # it ends
            while self._due and worker.notices < self._settings.notices_per_hand:
                entry = self._open.get(self._due.popleft())
                if entry is None or entry.worker is not None or entry.closers is not None:
                    continue
                entry.worker = worker
                worker.notices += 1
                self._issued[entry.notice.id] = now
                picked.append(entry)
        if picked:
            numbers = [entry.notice.number for entry in picked]
            self._committer.fetch(numbers, lambda letters: self._complete(picked, letters))

    def _complete(self, picked: list[_Open], letters: dict[int, StoredLetter]) -> None:
        """Find the outcomes of notices that age alone made due: the reason is what the last attempt met."""
        bare = {e.notice.number for e in picked if any(r.outcome is None for r in e.notice.reasons)}
        if not bare:
            self._send(picked, letters)
            return

        def read() -> Callable[[], None]:
            found = {number: self._store.last_outcomes(number) for number in bare}

            def go_on() -> None:
                for entry in picked:
                    number = entry.notice.number
                    if number in found and number in letters:
                        recipients = letters[number].recipients
                        outcomes = {recipients[i]: outcome for i, outcome in found[number].items()}
                        entry.notice = _explained(entry.notice, outcomes)
                self._send(picked, letters)

            return go_on

        self._committer.ask(read)

    def _send(self, picked: list[_Open], letters: dict[int, StoredLetter]) -> None:
        batches: dict[int, tuple[Worker, list[NoticeWork]]] = {}
        for entry in picked:
            worker, notice = entry.worker, entry.notice
            letter = letters.get(notice.number)
            if worker is None or worker.gone or letter is None:
                continue  # put back already, or asked again after the timeout
            batches.setdefault(id(worker), (worker, []))[1].append(self._work(notice, letter))
        for worker, works in batches.values():
            worker.hand.notice(works)

    def _work(self, notice: Notice, letter: StoredLetter) -> NoticeWork:
        return NoticeWork(
            id=notice.id,
            epoch=self._epoch,
            number=notice.number,
            to=notice.to,
            original=Envelope(letter.reverse_path, letter.recipients, letter.params),
            reasons=notice.reasons,
            accepted_at=letter.accepted_at,
            trace_block=letter.trace_block,
            size=letter.size,
            body_file=letter.body_file,
            header_end=letter.header_end,
            subject=letter.subject,
            message_id=letter.message_id,
            held=notice.held,
        )

    # taking reports

    def accept(self, incoming: Incoming, done: Done) -> None:
        """Take the report that fulfils `incoming.notice_of`."""
        id_ = incoming.notice_of
        assert id_ is not None
        entry = self._open.get(id_)
        if entry is None:
            self._committer.ask(lambda: self._look_up(id_, done))
            if self._committer.failure is not None:
                done(Refused(self._intake.closed or _UNKNOWN))
            return
        if entry.closers is not None:
            entry.closers.append(done)
            return
        entry.closers = []
        self._issued.pop(id_, None)
        claim = NoticeClaim(
            entry.notice,
            met=lambda number: self._met(id_, entry, number),
            failed=lambda reply: self._failed(id_, entry, reply),
        )
        self._intake.take(incoming, done, claim)

    def _look_up(self, id_: str, done: Done) -> Callable[[], None]:
        number = self._store.notice_number(id_)
        answer = Refused(_UNKNOWN) if number is None else Accepted(number, encode_id(number))
        return lambda: done(answer)

    def _met(self, id_: str, entry: _Open, number: int) -> None:
        self._open.pop(id_, None)
        if entry.worker is not None:
            entry.worker.notices -= 1
        self._book.counters.notices_met += 1
        for done in entry.closers or ():
            done(Accepted(number, encode_id(number)))

    def _failed(self, id_: str, entry: _Open, reply: Reply) -> None:
        waiting, entry.closers = entry.closers or (), None
        if not self._refused:
            self._look_at = self._book.steady.now() + self._settings.notice_retry
        self._refused[id_] = None
        for done in waiting:
            done(Refused(reply))


def _explained(notice: Notice, outcomes: dict[Recipient, Outcome]) -> Notice:
    """Return `notice` with the last outcome of each recipient whose reason has none."""
    return structs.replace(
        notice,
        reasons=tuple(
            r if r.outcome is not None else structs.replace(r, outcome=outcomes.get(r.recipient))
            for r in notice.reasons
        ),
    )
