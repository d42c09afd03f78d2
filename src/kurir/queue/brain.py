"""The brain: one object that owns what waits, called on one thread, answering by callbacks.

It only wires the parts together and decides in which order they are asked:
calendars -> plans -> sites -> hands, and after each commit and settlement once more.
"""

from collections.abc import Callable, Sequence

import msgspec

from kurir.limits import Budgets
from kurir.model import Cause, Clock, Outcome, OutcomeKind, Reply, Stage

from .asks import Busy, Incoming, Plan, Settlement
from .figures import Figures
from .milestones import Milestones
from .operating.operate import Operator
from .operating.overview import Overview
from .operating.roadview import RoadView
from .outcomes.notices import Notices
from .outcomes.settle import Settler
from .pacing import pacememory
from .pacing.debits import forget_debits, load_debits
from .ports import Change, Hand, Store
from .roads import roadmemory
from .roads.roadbook import Turn
from .settings import QueueSettings
from .taking.commit import Committer, Post
from .taking.intake import BROKEN, DRAINING, Done, Intake
from .taking.restore import restore
from .turning import Turning
from .turns.leasing import Leasing
from .turns.schedule import Schedule
from .waiting.book import Book
from .waiting.state import Counters, Errand, Mail, State
from .waiting.steady import Steady

IDLE_SITES_EVERY = 600.0


class Brain:
    """The queue.  Every method is called on the loop thread and returns at once.

    `post` runs a callable soon on that thread (``loop.call_soon_threadsafe``); `roll` returns a random number
    in 0 <= x < 1; `free_space` the free octets of the state folder; `wake(delay)` is called when `tick` is
    needed earlier than it last said; `on_turn(turn)` when a road breaks or is back; `on_failure(error)` once,
    when the store has failed and the process has to be started anew.

    A person looks at `overview` and `roads`, and acts by `operator`.
    """

    def __init__(
        self,
        store: Store,
        settings: QueueSettings,
        *,
        clock: Clock,
        roll: Callable[[], float],
        free_space: Callable[[], int],
        post: Post,
        wake: Callable[[float], None] = lambda _: None,
        on_failure: Callable[[BaseException], None] = lambda _: None,
        on_turn: Callable[[Turn], None] = lambda _: None,
        threaded: bool = True,
    ) -> None:
        self.epoch = store.begin_epoch()
        self._store = store
        self._settings = settings
        self._wake = wake
        self._report_failure = on_failure
        self._book = book = Book(settings, Steady(clock))
        self._budgets = Budgets(book.steady.now())
        self._schedule = Schedule(settings, self._budgets)
        self._committer = Committer(
            store,
            post,
            threaded=threaded,
            before_batch=self._note_jump,
            after_batch=self._go_on,
            on_failure=self._failed,
        )
        self._settler = Settler(settings, book.steady, roll, book.counters)
        self._intake = Intake(settings, book, self._committer, free_space, self._arrived)
        self._leasing = Leasing(
            settings, book, self._schedule, self._settler, self._committer, self.epoch, roll, self._commit
        )
        self._notices = Notices(settings, book, self._committer, store, self._intake, self.epoch)
        self._milestones = Milestones(book, self._schedule, self._settler, self._committer, self._commit)
        self._turning = Turning(self._schedule, self._settler, self._commit, on_turn, book.steady)
        self.roads = RoadView(book, self._schedule.roads)
        self.overview = Overview(book, self._schedule)
        self.operator = Operator(book, self._schedule, self._settler, self._committer, self._go_on)
        self._armed: float | None = None  # when tick is going to be called
        self._open_at: float | None = 0.0  # from when on calendars are looked at; None: no hand yet
        self._stalled_at = 0.0
        self._swept_at = self._forgot_at = book.steady.now()
        self._drained: list[Callable[[], None]] = []
        self.failed = False
        self.draining = False

    # start and end

    def load(self) -> int:
        """Read back what waits (before anything else is called); return how many recipients that is."""
        load_debits(
            self._store,
            self._budgets,
            self._schedule.sites.known,
            self._committer,
            self._book.steady.now(),
            self._settings.air_grace,
        )
        schedule, steady = self._schedule, self._book.steady
        roadmemory.recall(self._store, schedule.roads, steady, self._settings)
        pacememory.recall(self._store, schedule.shaper, steady, self._settings.shape)
        count = restore(self._store, self._book, self._settings)
        self._notices.owe(list(self._store.open_notices()))
        if count:
            self._open_at = None
        return count

    def drain(self, done: Callable[[], None]) -> None:
        """Take nothing new and lease nothing; call `done` when no lease is out and all is committed."""
        self.draining = True
        self._intake.closed = self._intake.closed or DRAINING
        self._leasing.stopped = True
        schedule, steady = self._schedule, self._book.steady
        wills = roadmemory.testament(schedule.roads, steady), pacememory.testament(schedule.shaper, steady)
        for will in filter(None, wills):
            self._commit(will)
        self._drained.append(done)
        self._go_on()

    def close(self) -> None:
        """Stop the commit thread after what it is doing."""
        self._committer.close()

    # reception

    def ready(self, size: int | None = None) -> Reply | None:
        """Return the reply that refuses mail of that size now (452, 451, 421), or None."""
        return self._intake.ready(size or 0)

    def accept(self, incoming: Incoming, done: Done) -> None:
        """Make the message durable, then call `done`; refusals may be told before this returns."""
        if incoming.notice_of is None:
            self._intake.take(incoming, done)
        else:
            self._notices.accept(incoming, done)
            self._go_on()  # a refused one is asked for again sooner than others

    def _arrived(self, mail: Mail) -> bool:
        now = self._book.steady.now()
        errands: Sequence[Errand] = mail.errands
        if len(errands) > 1:
            errands = self._schedule.plans.gathered(errands, now)
        for errand in errands:
            self._due(errand, now)
        return not self._schedule.goes_at_once(mail.errands, now)

    # delivery

    def hand_connected(self, hand: Hand, busy: Sequence[Busy] = ()) -> None:
        """A hand is there; `busy` is what it still works on for an earlier brain or connection."""
        self._leasing.connect(hand, busy)
        now = self._book.steady.now()
        if self._open_at is None:
            self._open_at = now + self._settings.reconnect_grace
        self._finish_round(now)

    def hand_gone(self, hand: Hand) -> None:
        """A hand is gone: what it held may have been delivered, and is tried again after a short wait."""
        worker = self._leasing.gone(hand)
        if worker is not None:
            self._notices.worker_gone(worker)
            self._schedule.plans.ask_again(self._book.steady.now(), everything=True)
        self._go_on()

    def planned(self, plans: Sequence[Plan]) -> None:
        """Take roads; where there is none, that is an attempt of every recipient that waits for them."""
        now = self._book.steady.now()
        for errands, failure in self._schedule.planned(map(self._answer, plans), now):
            self._fail(errands, failure)
        self._finish_round(now)

    def replan(self) -> None:
        """The limits of others may be other ones now: ask for all roads anew."""
        self._schedule.replan()
        self._go_on()

    def settle(self, settlements: Sequence[Settlement], durable: Callable[[], None] | None = None) -> None:
        """Take outcomes; indexes that are missing in a settlement were not tried.

        `durable` is called once they are safe: until then the hand keeps them, for the brain that may come after this one.
        """
        now = self._book.steady.now()
        for settlement in settlements:
            self._leasing.settle(settlement, now)
        self._finish_round(now)
        if durable is not None:
            self._committer.when_durable(durable)

    def _answer(self, plan: Plan) -> Plan:
        """Return `plan`, with the reason where it has no road."""
        if plan.roads or plan.failure is not None:
            return plan
        failure = Outcome(
            kind=OutcomeKind.DEFERRED,
            cause=Cause.CONFIGURATION,
            at=self._book.steady.wall(),
            stage=Stage.PLAN,
            detail="no road leads to this domain",
        )
        return msgspec.structs.replace(plan, failure=failure)

    def _due(self, errand: Errand, now: float) -> None:
        failure = self._schedule.due(errand, now)
        if failure is not None:
            self._fail([errand], failure)

    def _fail(self, errands: list[Errand], outcome: Outcome) -> None:
        outcome = msgspec.structs.replace(outcome, at=self._book.steady.wall())
        by_mail: dict[int, list[tuple[Errand, Outcome]]] = {}
        for errand in errands:
            by_mail.setdefault(errand.mail.number, []).append((errand, outcome))
        for pairs in by_mail.values():
            mail = pairs[0][0].mail
            self._leasing.apply(mail, mail.fresh, pairs)

    # what was counted

    @property
    def counters(self) -> Counters:
        """What was counted since the start."""
        return self._book.counters

    def figures(self) -> Figures:
        """Return the figures for metrics."""
        book, count, committer = self._book, self._book.counters, self._committer
        oldest = next(iter(book.mails.values()), None)
        ended = sum(count.fates.values())
        return Figures(
            waiting=count.accepted_recipients + count.loaded_recipients - ended,
            ready=self._schedule.ready,
            open_leases=self._leasing.open,
            open_notices=len(self._notices),
            messages=len(book.mails),
            oldest=book.steady.now() - oldest.born if oldest is not None else 0.0,
            accepted_messages=count.accepted_messages,
            accepted_recipients=count.accepted_recipients,
            loaded_recipients=count.loaded_recipients,
            fates={fate.value: n for fate, n in count.fates.items()},
            attempts={kind.value: n for kind, n in count.attempts.items()},
            possibly_delivered=count.possibly_delivered,
            recovered=count.recovered,
            duplicates=count.duplicates,
            ignored_results=count.ignored_results,
            notices_met=count.notices_met,
            paced=self._schedule.shaper.count,
            slowed=count.slowed,
            refused_full=count.refused_full,
            batches=committer.batches,
            changes=committer.committed_changes,
            full=self._intake.full or committer.stalled,
            failed=self.failed,
        )

    # time

    def tick(self) -> float | None:
        """Do what is due; return in how many seconds to call again, or None where nothing waits for a time."""
        now = self._book.steady.now()
        if self._committer.stalled and now - self._stalled_at >= self._settings.full_retry:
            self._stalled_at = now
            self._committer.retry()
        if not self.failed and self._open_at is not None and self._open_at <= now:
            self._calendars(now)
        if now - self._swept_at >= IDLE_SITES_EVERY:
            self._swept_at = now
            self._schedule.forget_idle_sites(now)
            self._schedule.roads.forget_idle(now)
        if now - self._forgot_at >= self._settings.forget_debits:
            self._forgot_at = now
            if any(budget.lasting for budget in self._budgets):
                forget_debits(self._store, self._committer, now)
        self._armed = None
        self._round(now)
        self._armed = self._next_at()
        return None if self._armed is None else max(0.0, self._armed - now)

    def _calendars(self, now: float) -> None:
        for errand in self._book.wheel.pop(now, self._settings.due_per_tick):
            if errand.state is State.WAITING and errand.due <= now:
                self._due(errand, now)
        self._milestones.reach(now)
        self._schedule.wake(now)
        self._schedule.plans.ask_again(now)
        self._notices.ask_again(now)

    def _note_jump(self) -> None:
        """The wall clock jumped ahead: note it before anything is stored that has the new date."""
        store, seconds, wall = self._store, self._book.steady.jumped(), self._book.steady.wall()
        if seconds:

            def note() -> Callable[[], None]:
                store.note_gap(store.next_number(), seconds, wall)
                return lambda: None

            self._committer.ask(note)

    def _next_at(self) -> float | None:
        if self.failed:
            return None
        book = self._book
        if self._open_at is None:
            times: list[float | None] = []
        else:
            times = [
                book.wheel.next_at(),
                book.milestones.next_at(),
                self._schedule.next_at(),
                self._notices.next_at(),
            ]
        known = [max(at, self._open_at or 0.0) for at in times if at is not None]
        if self._committer.stalled:
            known.append(self._stalled_at + self._settings.full_retry)
        return min(known, default=None)

    def _go_on(self) -> None:
        self._finish_round(self._book.steady.now())

    def _finish_round(self, now: float) -> None:
        """Use what became possible: plans to ask, leases to give; then see whether tick is needed earlier."""
        self._round(now)
        at = self._next_at()
        if at is not None and (self._armed is None or at < self._armed):
            self._armed = at
            self._wake(max(0.0, at - now))

    def _round(self, now: float) -> None:
        if self.failed:
            return
        self._turning.follow(now)
        workers = self._leasing.workers
        if workers:
            if self._schedule.plans.wanted and not self.draining:
                worker = min(workers, key=lambda w: (not w.hand.slots, len(w.leases)))
                worker.hand.plan(self._schedule.plans.requests(now))
            self._leasing.pump(now)
            if not self.draining:
                self._notices.issue(workers, now)
        if self._drained and self._leasing.open == 0 and self._committer.idle:
            waiting, self._drained = self._drained, []
            for done in waiting:
                done()

    # commits

    def _commit(self, change: Change) -> None:
        notices = change.notices
        if notices:
            self._committer.submit(change, lambda: self._notices.owe(notices))
        else:
            self._committer.submit(change)

    def _failed(self, failure: BaseException) -> None:
        self.failed = True
        self._intake.closed = BROKEN
        self._leasing.stopped = True
        self._report_failure(failure)
