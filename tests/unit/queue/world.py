"""A brain in a world of its own: fake clock, posted calls in a list, hands that remember what they got."""

from collections import deque
from collections.abc import Callable, Sequence

from kurir.model import (
    Address,
    Cause,
    Envelope,
    MailParams,
    Notify,
    Origin,
    Outcome,
    OutcomeKind,
    Recipient,
    Reply,
    Stage,
    Urgency,
)
from kurir.queue import (
    Accepted,
    Brain,
    Busy,
    Incoming,
    Lease,
    NoticeWork,
    Plan,
    PlanRequest,
    QueueSettings,
    Refused,
    Road,
    Settlement,
)

from .memory import MemoryStore

START = 1_800_000_000.0
GIB = 1 << 30


class FakeClock:
    def __init__(self) -> None:
        self.wall = START
        self.mono = 1000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def forward(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


class FakeHand:
    def __init__(self, slots: int = 20) -> None:
        self._slots = slots
        self.plans: list[PlanRequest] = []
        self.leases: list[Lease] = []
        self.notices: list[NoticeWork] = []
        self.calls = 0

    @property
    def slots(self) -> int:
        return self._slots

    def end(self) -> None:
        """Take nothing more."""
        self._slots = 0

    def plan(self, requests: Sequence[PlanRequest]) -> None:
        self.plans.extend(requests)

    def work(self, leases: Sequence[Lease]) -> None:
        self.calls += 1
        self.leases.extend(leases)

    def notice(self, notices: Sequence[NoticeWork]) -> None:
        self.notices.extend(notices)

    def take(self) -> list[Lease]:
        leases, self.leases = self.leases, []
        return leases


def address(text: str) -> Address:
    local, _, domain = text.partition("@")
    return Address(local, domain)


def incoming(
    *to: str,
    sender: str | None = "anna@here.example",
    account: str | None = "anna@here.example",
    proven: bool = True,
    notify: Notify | None = None,
    body: bytes = b"Subject: x\r\n\r\nhello\r\n",
    urgency: Urgency = Urgency.ORDINARY,
    **more: object,
) -> Incoming:
    return Incoming(
        envelope=Envelope(
            address(sender) if sender else None,
            tuple(Recipient(address(t), notify) for t in to or ("bob@far.example",)),
            MailParams(urgency=urgency),
        ),
        received_at=START,
        origin=Origin("ESMTPSA", "submission", "192.0.2.1", account=account),
        trace_block=b"Received: from x\r\n",
        size=len(body),
        sha256=b"\0" * 32,
        body=body,
        proven_sender=proven,
        **more,  # type: ignore[arg-type]
    )


def outcome(
    kind: OutcomeKind, cause: Cause | None = None, stage: Stage = Stage.BODY, **more: object
) -> Outcome:
    causes = {OutcomeKind.DEFERRED: Cause.BUSY, OutcomeKind.FAILED: Cause.UNKNOWN_USER}
    code = {OutcomeKind.DEFERRED: 451, OutcomeKind.FAILED: 550}.get(kind, 250)
    return Outcome(
        kind=kind,
        cause=cause or causes.get(kind, Cause.OK),
        at=START,
        stage=stage,
        reply=Reply.of(code, None, "said the peer"),
        **more,  # type: ignore[arg-type]
    )


SENT = outcome(OutcomeKind.HANDED_OVER)
LATER = outcome(OutcomeKind.DEFERRED)
NO = outcome(OutcomeKind.FAILED)
DOWN = outcome(OutcomeKind.DEFERRED, Cause.UNREACHABLE, Stage.CONNECT)


class World:
    """`run()` does everything posted; `pass_time` moves the clock tick by tick as the app's timer would."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        *,
        load: bool = False,
        clock: FakeClock | None = None,
        **settings: object,
    ) -> None:
        self.store = store if store is not None else MemoryStore()
        self.clock = clock or FakeClock()
        self.posted: deque[Callable[[], None]] = deque()
        self.free = 10 * GIB
        self.failures: list[BaseException] = []
        self.wakes: list[float] = []
        self.alarm: float | None = None
        defaults: dict[str, object] = {
            "reconnect_grace": 0.0,
            "postmaster": Address("postmaster", "here.example"),
        }
        self.settings = QueueSettings(**(defaults | settings))  # type: ignore[arg-type]
        self.brain = Brain(
            self.store,
            self.settings,
            clock=self.clock,
            roll=lambda: 0.0,
            free_space=lambda: self.free,
            post=self.posted.append,
            wake=self._woken,
            on_failure=self.failures.append,
            threaded=False,
        )
        if load:
            self.brain.load()

    def _woken(self, delay: float) -> None:
        self.wakes.append(delay)
        at = self.clock.mono + delay
        self.alarm = at if self.alarm is None else min(self.alarm, at)

    def run(self) -> None:
        while self.posted:
            self.posted.popleft()()
        for failure in self.failures:
            if isinstance(failure, AssertionError):  # the accountant objects
                raise failure

    def tick(self) -> float | None:
        delay = self.brain.tick()
        self.alarm = None if delay is None else self.clock.mono + delay
        self.run()
        return delay

    def pass_time(self, seconds: float) -> None:
        """Let time pass; tick exactly when the brain asked for it."""
        end = self.clock.mono + seconds
        self.run()
        for _ in range(100_000):
            if self.alarm is None or self.alarm > end:
                break
            self.clock.forward(max(0.0, self.alarm - self.clock.mono))
            self.tick()
        else:
            raise AssertionError("the brain asks for ticks without end")
        self.clock.forward(end - self.clock.mono)
        self.run()

    def hand(self, slots: int = 20, busy: Sequence[Busy] = ()) -> FakeHand:
        hand = FakeHand(slots)
        self.brain.hand_connected(hand, busy)
        self.run()
        return hand

    def accept(self, *to: str, **more: object) -> int:
        answers = self.offer(incoming(*to, **more))  # type: ignore[arg-type]
        self.run()
        assert len(answers) == 1
        assert isinstance(answers[0], Accepted), answers
        return answers[0].number

    def offer(self, message: Incoming) -> list[Accepted | Refused]:
        answers: list[Accepted | Refused] = []
        self.brain.accept(message, answers.append)
        return answers

    def plan(
        self, hand: FakeHand, *, site: str | None = None, concurrency: int = 20, ttl: float = 3600.0
    ) -> None:
        """Answer what the hand was asked: one road, the domain as its site."""
        requests, hand.plans = hand.plans, []
        self.brain.planned([Plan(r, (Road("mx", site or r.domain, concurrency),), ttl) for r in requests])
        self.run()

    def settle(self, lease: Lease, *results: Outcome, only: Sequence[int] | None = None) -> None:
        """Settle a lease: one outcome for all, or one each."""
        indexes = [w.index for w in lease.work] if only is None else list(only)
        outcomes = results * len(indexes) if len(results) == 1 else results
        self.brain.settle(
            [Settlement(lease.epoch, lease.id, lease.number, tuple(zip(indexes, outcomes, strict=True)))]
        )
        self.run()

    def check(self) -> None:
        """The conservation law, in the store and against the brain's memory."""
        states = self.store.states
        assert len(states) == sum(len(m.recipients) for m in self.store.messages.values())
        waits = {key for key, s in states.items() if s.fate is None}
        seen = {(w.number, w.index) for w in self.brain.overview.snapshot()}
        assert seen == waits
        figures = self.brain.figures()
        assert figures.waiting == len(waits)
        held = {key for key in waits if states[key].held is not None}
        assert held == {(w.number, w.index) for w in self.brain.overview.snapshot() if w.held is not None}
        assert sum(1 for w in self.brain.overview.snapshot() if w.state == "ready") == figures.ready
        assert sum(site.waiting for site in self.brain.overview.sites()) == figures.ready
