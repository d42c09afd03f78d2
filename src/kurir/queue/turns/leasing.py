"""Hands and what they hold: giving work out, taking outcomes back.

Rules
1. Nobody works on an errand twice: it is LEASED to one open lease, and only that lease's settlement moves it.
   What is said of any other lease is for the `latecomers` to judge.
2. What a hand held when it went away may have been delivered: the trace says so (RECOVERED).
3. After a restart the hands say what they are busy with; nothing that was read back from the store is
   leased before they had the time to.
4. What comes back without an attempt, or is lost with its hand, keeps its turn: it goes before later mail of its owner.
5. Hands are called once per round with everything they get.
"""

from collections.abc import Callable, Sequence

from kurir.model import Event, EventKind, Outcome
from kurir.queue.asks import Busy, Settlement
from kurir.queue.outcomes.settle import SUCCESS, Settler
from kurir.queue.pacing.acquaintances import person_of
from kurir.queue.pacing.debits import Debits, was_offered
from kurir.queue.pacing.shaping import Slowed, too_many_at_once
from kurir.queue.ports import Change, Hand, StoredLetter
from kurir.queue.roads.choice import kept_for_good
from kurir.queue.settings import QueueSettings
from kurir.queue.taking.commit import Committer
from kurir.queue.waiting.book import Book
from kurir.queue.waiting.state import Errand, Letter, Mail, Place, State

from .latecomers import Latecomers, news_in
from .lease import Homes, OpenLease, Worker
from .schedule import Schedule
from .stranded import own_demand, strand_or_rescue

_MAY_BE_THERE = "the delivery process ended while it worked on this; it may have been delivered"
_ROW_GONE = "the stored message could not be read back"


class Leasing:
    """All hands."""

    def __init__(
        self,
        settings: QueueSettings,
        book: Book,
        schedule: Schedule,
        settler: Settler,
        committer: Committer,
        epoch: int,
        roll: Callable[[], float],
        commit: Callable[[Change], None],
    ) -> None:
        self._settings = settings
        self._book = book
        self._schedule = schedule
        self._settler = settler
        self._committer = committer
        self._epoch = epoch
        self._roll = roll
        self._commit = commit
        self._debits = Debits(committer)
        self._homes = Homes()
        self._next_id = 1
        self._leases: dict[int, OpenLease] = {}
        self._latecomers = Latecomers(epoch)
        self.workers: list[Worker] = []
        self.stopped = False

    @property
    def open(self) -> int:
        """How many leases are out."""
        return sum(len(worker.leases) for worker in self.workers)

    # hands come and go

    def connect(self, hand: Hand, busy: Sequence[Busy]) -> Worker:
        """Take a hand; what it is `busy` with is its own until it settles it, and takes room at its site."""
        worker = Worker(hand)
        self.workers.append(worker)
        now = self._book.steady.now()
        for work in busy:
            mail = self._book.mails.get(work.number)
            errands = [e for i in work.indexes if (e := mail.errand(i)) is not None] if mail else []
            free = [e for e in errands if e.state in (State.WAITING, State.PLANNING, State.READY)]
            if mail is None or not free:
                continue
            self._leave_site(free)
            site = self._schedule.adopt(work, now)
            lease = OpenLease(self._new_id(), worker, site, mail, free, min(work.since, now), adopted=True)
            if site.paced is not None:
                lease.taken = site.paced.take(len(free), anew=True)
            for errand in free:
                errand.state = State.LEASED
                errand.site = site
                errand.lease = lease
            worker.leases[lease.id] = lease
            self._latecomers.adopt(lease)
        return worker

    def gone(self, hand: Hand) -> Worker | None:
        """Take back what the hand held: it may have been delivered."""
        worker = next((w for w in self.workers if w.hand is hand), None)
        if worker is None:
            return None
        worker.gone = True
        self.workers.remove(worker)
        now = self._book.steady.now()
        for lease in list(worker.leases.values()):
            errands = self._close(lease, [], now, lost=True)
            if not lease.sent:
                self._give_back(lease.mail, errands, now)
                continue
            self._latecomers.revoke(lease)
            for errand in errands:
                errand.way = kept_for_good(errand.way, lease.site.road.name)
            self._recover(lease.mail, errands, now)
        return worker

    def _recover(self, mail: Mail, errands: list[Errand], now: float) -> None:
        if not errands:
            return
        sheet = self._settler.sheet(mail, None)
        due = now + self._settings.recover * (1 + self._settings.jitter * self._roll())
        for errand in errands:
            errand.place = Place.KEPT
            self._book.wait(errand, due)
            sheet.event(
                errand, EventKind.RECOVERED, next_at=sheet.at_wall(due), by="brain", reason=_MAY_BE_THERE
            )
            sheet.state(errand)
        self._book.counters.recovered += len(errands)
        self._book.counters.possibly_delivered += len(errands)
        self._book.moved(mail, [], now)
        if mail.date is None:
            self._book.watch(mail, now)
        self._commit(self._settler.close(sheet))

    # giving out

    def pump(self, now: float) -> None:
        """Lease as much as hands and sites allow."""
        if self.stopped or self._committer.stalled or not self.workers:
            return
        free = sum(max(0, w.hand.slots - len(w.leases)) for w in self.workers)
        if free <= 0:
            return
        schedule = self._schedule
        schedule.uncrowd()
        unread: list[OpenLease] = []
        owed: list[OpenLease] = []
        workers = self.workers
        while free > 0:
            got = schedule.next_bundle(now, free)
            if got is None:
                break
            site, errands = got
            worker = workers[0] if len(workers) == 1 else self._homes.choose(workers, site)
            mail = errands[0].mail
            lease = OpenLease(self._new_id(), worker, site, mail, errands, now)
            for errand in errands:
                errand.state = State.LEASED
                errand.lease = lease
            worker.leases[lease.id] = self._leases[lease.id] = lease
            free -= 1
            if site.paced is not None:
                lease.taken = site.paced.take(len(errands))
                if self._debits.owes(lease.taken):
                    owed.append(lease)
                    continue
            letter = mail.fresh
            if letter is None:
                unread.append(lease)
            else:
                self._address(lease, letter, letter.body)
        if owed:
            self._debits.take([x.taken for x in owed], lambda: self._send(owed))
        self._read_letters(unread)
        self.flush()

    def _send(self, leases: list[OpenLease]) -> None:
        """Hand out leases whose debits are durable, as far as their hands are still there."""
        unread: list[OpenLease] = []
        for lease in leases:
            if lease.id in self._leases:
                letter = lease.mail.fresh
                if letter is None:
                    unread.append(lease)
                else:
                    self._address(lease, letter, letter.body)
        self._read_letters(unread)
        self.flush()

    def _read_letters(self, leases: list[OpenLease]) -> None:
        if leases:
            self._committer.fetch(
                [x.mail.number for x in leases], lambda letters: self._read(leases, letters)
            )

    def flush(self) -> None:
        """Hand over what was leased since the last call."""
        for worker in self.workers:
            if worker.outbox:
                outbox, worker.outbox = worker.outbox, []
                worker.hand.work(outbox)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _read(self, leases: list[OpenLease], letters: dict[int, StoredLetter]) -> None:
        now = self._book.steady.now()
        for lease in leases:
            if lease.id not in self._leases:
                continue  # its hand went away meanwhile
            letter = letters.get(lease.mail.number)
            if letter is not None:
                self._address(lease, letter, None)
                continue
            errands = self._close(lease, [], now)
            sheet = self._settler.sheet(lease.mail, None)
            for errand in errands:
                errand.state = State.HELD
                errand.held = _ROW_GONE
                sheet.event(errand, EventKind.HELD, by="brain", reason=_ROW_GONE)
                sheet.state(errand)
            if errands:
                self._commit(self._settler.close(sheet))
        self.flush()

    def _address(self, lease: OpenLease, letter: Letter, body: bytes | None) -> None:
        lease.worker.outbox.append(lease.addressed(self._epoch, letter, body))

    # taking back

    def settle(self, settlement: Settlement, now: float) -> None:
        """Take what became of one lease."""
        lease = self._leases.get(settlement.lease) if settlement.epoch == self._epoch else None
        if lease is None or lease.mail.number != settlement.number:
            self._late(settlement, now)
            return
        if settlement.learnt:
            self._schedule.replan(lease.site)
        if settlement.refused is not None:
            refused, bears = settlement.refused
            judge = self._schedule.judge
            self._tell(lease, judge.refused(lease.site, refused, since=lease.since, now=now, bears=bears))
        self._settle_lease(lease, settlement.results, now)

    def _settle_lease(self, lease: OpenLease, results: Sequence[tuple[int, Outcome]], now: float) -> None:
        mine = self._close(lease, [outcome for _, outcome in results], now)
        if results and too_many_at_once(lease.site, results[0][1], lease.since):
            self._give_back(lease.mail, mine, now)  # a connection too many is no attempt of the mail
            return
        if len(mine) == 1 == len(results) and mine[0].index == results[0][0]:
            pairs = [(mine[0], results[0][1])]
        else:
            pairs, mine = self._match(mine, results)
            if mine:
                self._give_back(lease.mail, mine, now)
        if pairs:
            if lease.site.alternatives:
                pairs = self._schedule.alternatives.diverted(lease.site, pairs, now)
            if lease.site.meets:
                self._acquaint(lease, lease.site.meets, pairs, now)
            self.apply(lease.mail, lease.letter, pairs)
            if lease.site.failures or lease.site.stranded:
                for errand in strand_or_rescue(lease, lease.site, pairs, now):
                    self._book.wait(errand, now)
            for errand, due in self._schedule.neighbours.rescued():
                self._book.wait(errand, due)

    def _acquaint(
        self, lease: OpenLease, budgets: Sequence[str], pairs: list[tuple[Errand, Outcome]], now: float
    ) -> None:
        """Who took mail is no new recipient any more."""
        if lease.letter is None:
            return
        people = [
            person_of(lease.letter.recipients[errand.index])
            for errand, outcome in pairs
            if outcome.kind in SUCCESS
        ]
        known = self._schedule.sites.known
        noted = [known.met(budget, person, now) for budget in budgets for person in people]
        self._committer.debit(debit for debit in noted if debit is not None)

    def _match(
        self, mine: list[Errand], results: Sequence[tuple[int, Outcome]]
    ) -> tuple[list[tuple[Errand, Outcome]], list[Errand]]:
        """Pair results with the errands they are about; return also the errands without a result."""
        by_index = {errand.index: errand for errand in mine}
        pairs = []
        for index, outcome in results:
            errand = by_index.pop(index, None)
            if errand is not None:
                pairs.append((errand, outcome))
            elif outcome.kind in SUCCESS:
                self._book.counters.duplicates += 1
            else:
                self._book.counters.ignored_results += 1
        return pairs, list(by_index.values())

    def _close(
        self, lease: OpenLease, outcomes: list[Outcome], now: float, *, lost: bool = False
    ) -> list[Errand]:
        """End a lease (`lost`: nobody knows how); return the errands that were still its own."""
        if lease.taken:
            offered = lease.sent and (lost or was_offered(outcomes))
            self._debits.land(lease.taken, now, offered=offered, lost=lost)
        self._leases.pop(lease.id, None)
        lease.worker.leases.pop(lease.id, None)
        if lease.adopted:
            self._latecomers.ended(lease)
        if outcomes and own_demand(lease, outcomes[0]):
            outcomes = []
        slowed = self._schedule.ended(
            lease.site, since=lease.since, probe=lease.probe, outcomes=outcomes, now=now, roll=self._roll()
        )
        self._tell(lease, slowed)
        return [e for e in lease.errands if e.lease is lease and e.state is State.LEASED]

    def _tell(self, lease: OpenLease, slowed: Slowed | None) -> None:
        """Say in the trace of a message that what it met makes all mail there slower."""
        if slowed is not None:
            self._book.counters.slowed += 1
            told = Event(
                number=lease.mail.number,
                kind=EventKind.SLOWED,
                at=self._book.steady.wall(),
                by=slowed.key,
                reason=slowed.words,
            )
            self._commit(Change(events=(told,)))

    def _give_back(self, mail: Mail, errands: list[Errand], now: float) -> None:
        for errand in errands:
            errand.place = Place.KEPT
            self._book.wait(errand, now + self._settings.give_back)
        if errands and mail.date is None:
            self._book.watch(mail, now)

    def _late(self, settlement: Settlement, now: float) -> None:
        """A settlement of a lease that is not open: of an earlier brain, of a lost hand, or a repetition."""
        if not self._latecomers.credible(settlement):
            self._book.counters.ignored_results += len(settlement.results)
            return
        lease = self._latecomers.adopted(settlement)
        if lease is not None:
            self._settle_lease(lease, settlement.results, now)
        elif settlement.results:
            mail = self._book.mails.get(settlement.number)
            pairs = news_in(settlement, mail, self._book.counters)
            if pairs and mail is not None:
                self._leave_site([errand for errand, _ in pairs])
                self.apply(mail, mail.fresh, pairs)
        for empty in self._latecomers.empty(settlement):
            self._give_back(empty.mail, self._close(empty, [], now), now)

    def _leave_site(self, errands: list[Errand]) -> None:
        self._schedule.left([e for e in errands if e.state is State.READY])

    def apply(self, mail: Mail, letter: Letter | None, pairs: list[tuple[Errand, Outcome]]) -> None:
        """Settle errands that are out of every queue; read the letter first where a notice may be owed."""
        if letter is None:
            letter = mail.fresh
        if letter is None and self._settler.needs_letter(mail, pairs):
            for errand, _ in pairs:
                errand.state = State.SETTLING
                errand.lease = None
            self._committer.fetch(
                [mail.number], lambda letters: self._apply(mail, letters.get(mail.number), pairs)
            )
            return
        self._apply(mail, letter, pairs)

    def _apply(self, mail: Mail, letter: Letter | None, pairs: list[tuple[Errand, Outcome]]) -> None:
        change = self._settler.settle(mail, letter, pairs)
        self._book.moved(mail, [errand for errand, _ in pairs], self._book.steady.now())
        self._commit(change)
