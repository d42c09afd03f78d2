"""The conservation law, by a state machine: whatever hands, people, disks and crashes do.

accepted = fates + waiting; nobody is with two hands at once; what the store says after a restart is what the
brain says; every obligation is met exactly once.  The store's own assertions watch numbers and endings.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kurir.model import Cause, Notify, OutcomeKind, Stage
from kurir.queue import Accepted, Lease, Plan, Refused, Road, Settlement
from kurir.queue.ports import StoreError

from .memory import MemoryStore
from .world import DOWN, LATER, NO, SENT, FakeClock, FakeHand, World, incoming, outcome

OUTCOMES = st.sampled_from(
    [
        SENT,
        SENT,
        LATER,
        NO,
        DOWN,
        outcome(OutcomeKind.DELIVERED),
        outcome(OutcomeKind.DEFERRED, retry_after=5.0),
    ]
)
ADDRESSES = st.lists(
    st.sampled_from([f"{u}@{d}.example" for u in "abc" for d in ("one", "two", "three")]),
    min_size=1,
    max_size=5,
)
SETTINGS = {
    "retry": (10.0, 40.0),
    "lifetime": 400.0,
    "lifetime_null": 200.0,
    "delay_notice": (60.0, 150.0),
    "recover": 5.0,
    "notice_timeout": 30.0,
    "lease_recipients": 2,
    "full_retry": 2.0,
    "reconnect_grace": 1.0,
}


class Law(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.hands: list[FakeHand] = []
        self.out: dict[tuple[int, int], tuple[FakeHand, Lease]] = {}  # (epoch, id): what hands hold
        self.lost: list[Lease] = []  # of hands that died: may come late
        self.promised = 0
        self.start()

    def start(self) -> None:
        self.world = World(self.store, load=True, clock=self.clock, **SETTINGS)

    @initialize()
    def one_hand(self) -> None:
        self.connect(3)

    @rule(slots=st.integers(1, 6))
    def connect(self, slots: int) -> None:
        if len(self.hands) < 3:
            self.hands.append(self.world.hand(slots))

    @rule(
        to=ADDRESSES,
        sender=st.sampled_from(["anna@here.example", "eve@else.example", None]),
        proven=st.booleans(),
        notify=st.sampled_from([None, Notify.NEVER, Notify.SUCCESS | Notify.FAILURE, Notify.DELAY]),
        hold=st.sampled_from([None, None, None, "suspicious"]),
        safe=st.booleans(),
    )
    def accept(
        self,
        to: list[str],
        sender: str | None,
        proven: bool,
        notify: Notify | None,
        hold: str | None,
        safe: bool,
    ) -> None:
        account = sender if proven and sender else None
        answers = self.world.offer(
            incoming(*to, sender=sender, account=account, proven=proven, notify=notify, hold=hold)
        )
        if safe:
            self.world.run()
            self.count(answers)

    def count(self, answers: list[Accepted | Refused]) -> None:
        for answer in answers:
            if isinstance(answer, Accepted):
                assert answer.number in self.store.messages
                self.promised = max(self.promised, answer.number)

    def gather(self) -> None:
        for hand in self.hands:
            for lease in hand.take():
                taken = {(x.number, w.index) for _, x in self.out.values() for w in x.work}
                mine = {(lease.number, w.index) for w in lease.work}
                assert not taken & mine, "two owners"
                assert all(self.store.states[key].fate is None for key in mine), "leased after its end"
                self.out[lease.epoch, lease.id] = (hand, lease)
            held = sum(1 for h, _ in self.out.values() if h is hand)
            assert held <= hand.slots

    @rule(road=st.sampled_from(["ok", "ok", "ok", "fail", "defer"]), shared=st.booleans())
    def plan(self, road: str, shared: bool) -> None:
        self.world.run()
        for hand in self.hands:
            requests, hand.plans = hand.plans, []
            for request in requests:
                site = "shared" if shared else request.domain
                roads = (Road("mx", site, 2), Road("spare", "relay", 1, 0.5))[
                    : 1 + (request.domain < "three")
                ]
                kind = {"fail": OutcomeKind.FAILED, "defer": OutcomeKind.DEFERRED}.get(road)
                failure = outcome(kind, Cause.DNS_FAILURE, Stage.PLAN) if kind else None
                self.world.brain.planned([Plan(request, () if failure else roads, 20.0, failure)])
        self.world.run()
        self.gather()

    @precondition(lambda self: self.out)
    @rule(data=st.data(), repeat=st.booleans())
    def settle(self, data: st.DataObject, repeat: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.out)))
        _, lease = self.out.pop(key)
        indexes = [w.index for w in lease.work]
        told = data.draw(st.lists(st.sampled_from(indexes), unique=True))
        results = tuple((i, data.draw(OUTCOMES)) for i in told)
        settlement = Settlement(lease.epoch, lease.id, lease.number, results)
        self.world.brain.settle([settlement] * (1 + repeat))
        if data.draw(st.booleans()):
            self.world.run()
            self.gather()

    @precondition(lambda self: self.hands)
    @rule(data=st.data())
    def hand_dies(self, data: st.DataObject) -> None:
        hand = self.hands.pop(data.draw(st.integers(0, len(self.hands) - 1)))
        self.lost += [x for h, x in self.out.values() if h is hand]
        self.out = {k: v for k, v in self.out.items() if v[0] is not hand}
        self.world.brain.hand_gone(hand)
        self.world.run()
        self.gather()

    @precondition(lambda self: self.lost)
    @rule(result=OUTCOMES)
    def late_word(self, result: object) -> None:
        lease = self.lost.pop()
        results = tuple((w.index, result) for w in lease.work)
        self.world.brain.settle([Settlement(lease.epoch, lease.id, lease.number, results)])  # type: ignore[arg-type]
        self.world.run()
        self.gather()

    @rule(seconds=st.sampled_from([0.5, 3.0, 12.0, 45.0, 160.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)
        self.gather()

    @rule(answer=st.booleans())
    def notices(self, answer: bool) -> None:
        self.world.run()
        for hand in self.hands:
            works, hand.notices = hand.notices, []
            for work in works if answer else ():
                assert work.original.reverse_path is not None, "a null sender is never answered"
                report = incoming(str(work.to), sender=None, account=None, notice_of=work.id)
                first, second = self.world.offer(report), self.world.offer(report)
                self.world.run()
                self.count(first)
                assert first == second

    @rule(data=st.data(), verb=st.sampled_from(["hold", "release", "retry_now", "drop"]))
    def operate(self, data: st.DataObject, verb: str) -> None:
        numbers = sorted(self.store.messages) or [1]
        number = data.draw(st.sampled_from(numbers))
        index = data.draw(st.sampled_from([None, 0, 1]))
        operated = getattr(self.world.brain.operator, verb)(number, index, by="rina", reason="because")
        owned = {
            (x.number, w.index)
            for _, x in self.out.values()
            for w in x.work
            if x.epoch == self.world.brain.epoch
        }
        assert not {(number, i) for i in operated.changed} & owned
        if data.draw(st.booleans()):
            self.world.run()
            self.gather()

    @rule()
    def full(self) -> None:
        self.store.full = not self.store.full
        self.world.pass_time(3)
        self.gather()

    @rule(how=st.sampled_from(["kill", "broken"]), survivors=st.booleans())
    def crash(self, how: str, survivors: bool) -> None:
        if how == "broken":
            self.store.broken = StoreError("EIO")
            answers = self.world.offer(incoming("a@one.example"))
            self.world.run()
            assert all(isinstance(a, Refused) for a in answers)
            assert self.world.brain.failed or self.world.brain.figures().full  # a stalled store is not asked
            self.store.broken = None
        self.store.full = False
        for hand in self.hands:  # what was given but not seen by the test yet
            for lease in hand.take():
                self.out[lease.epoch, lease.id] = (hand, lease)
        self.start()
        if not survivors:
            self.hands.clear()
            self.out.clear()
            return
        for hand in self.hands:
            hand.plans.clear()
            hand.notices.clear()
            busy = [x.busy for h, x in self.out.values() if h is hand]
            self.world.brain.hand_connected(hand, busy)
        self.world.run()
        self.gather()

    @invariant()
    def law(self) -> None:
        self.world.run()
        self.gather()
        if self.world.brain.figures().full:
            return  # what is decided is not written yet
        self.world.check()
        assert sorted(self.store.messages) == list(range(1, len(self.store.messages) + 1))
        assert self.promised <= len(self.store.messages)
        for number, id_ in ((n, i) for i, n in self.store.met.items()):
            assert self.store.messages[number].notice_of == id_

    def teardown(self) -> None:
        """Once everything heals, everything ends: no recipient is forgotten in a corner."""
        self.store.full = False
        self.world.pass_time(3)
        if not self.hands:
            self.connect(5)
        for number in list(self.store.messages):
            self.world.brain.operator.release(number, by="rina")
        for _ in range(400):
            self.world.run()
            self.gather()
            for hand in self.hands:
                requests, hand.plans = hand.plans, []
                self.world.brain.planned([Plan(r, (Road("mx", r.domain, 3),), 1e6) for r in requests])
                works, hand.notices = hand.notices, []
                for work in works:
                    self.world.offer(incoming("p@one.example", sender=None, account=None, notice_of=work.id))
            self.world.run()
            self.gather()
            for key in sorted(self.out):
                lease = self.out.pop(key)[1]
                self.world.settle(lease, SENT)
            open_notices = len(self.store.notices) - len(self.store.met)
            held = [k for k, s in self.store.states.items() if s.fate is None and s.held]
            for number, index in held:
                self.world.brain.operator.release(number, index, by="rina")
            self.world.run()
            if not open_notices and all(s.fate for s in self.store.states.values()) and not held:
                break
            self.world.pass_time(7)
        else:
            raise AssertionError(f"still waiting: {list(self.world.brain.overview.snapshot())[:3]}")
        self.world.check()


Law.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLaw = Law.TestCase
