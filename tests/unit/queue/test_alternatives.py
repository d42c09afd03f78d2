"""Mail with several roads through the brain: at once elsewhere, back after recovery, never twice."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from kurir.limits import Quota, Unit
from kurir.model import Cause, EventKind, Outcome, OutcomeKind, Stage, Urgency
from kurir.queue import Health, Lease, Plan, Road, Turn
from kurir.queue.ports import Change

from .test_shaping import TOO_MANY
from .world import DOWN, LATER, NO, SENT, FakeHand, World, outcome

LOGIN = outcome(OutcomeKind.DEFERRED, Cause.AUTH_FAILED, Stage.AUTH)
QUOTA = outcome(OutcomeKind.FAILED, Cause.QUOTA_SPENT, Stage.MAIL)
GREY = outcome(OutcomeKind.DEFERRED, Cause.GREYLISTED, Stage.RCPT)
LARGE = outcome(OutcomeKind.FAILED, Cause.TOO_LARGE, Stage.MAIL)
MAIN, SPARE = Road("main", "a:587", hop=True), Road("spare", "b:587", hop=True)


class Roads(World):
    """A world in which every plan has two roads."""

    def __init__(self, main: Road = MAIN, spare: Road = SPARE, **settings: object) -> None:
        super().__init__(alternatives=True, **settings)
        self.pair = (main, spare)
        self.turns: list[Turn] = []
        self.brain._turning._watcher = self.turns.append

    def answer(self, hand: FakeHand) -> None:
        requests, hand.plans = hand.plans, []
        self.brain.planned([Plan(r, self.pair, 1e6) for r in requests])
        self.run()

    def next(self, hand: FakeHand) -> Lease:
        self.answer(hand)
        (lease,) = hand.take()
        return lease

    def moves(self, number: int) -> list[tuple[str, str, Cause | None]]:
        return [
            (e.reason, e.by, e.cause)
            for e in self.store.events
            if e.number == number and e.kind is EventKind.REROUTED
        ]


def lost(road: str) -> Outcome:
    return Outcome(
        kind=OutcomeKind.DEFERRED, cause=Cause.LOST_REPLY, at=0.0, stage=Stage.BODY, road=road, possibly_delivered=True
    )  # fmt: skip


@pytest.mark.parametrize("trouble", [LOGIN, QUOTA, DOWN])
def test_a_road_in_trouble_gives_way_at_once_and_the_trace_says_so(trouble: Outcome) -> None:
    world = Roads()
    hand = world.hand()
    number = world.accept()
    lease = world.next(hand)
    assert lease.road.name == "main"
    world.settle(lease, trouble)
    world.pass_time(2)
    (lease,) = hand.take()
    assert lease.road.name == "spare"
    assert world.moves(number) == [("main", "spare", trouble.cause)]
    assert [(t.road, t.health, t.cause) for t in world.turns] == [("main", Health.BROKEN, trouble.cause)]
    world.settle(lease, SENT)
    world.check()


def test_what_waits_moves_with_the_road() -> None:
    world = Roads(Road("main", "a:587", concurrency=1, hop=True))
    hand = world.hand()
    numbers = [world.accept(f"u{i}@far.example") for i in range(5)]
    first = world.next(hand)
    world.settle(first, LOGIN)
    assert {x.road.name for x in hand.take()} == {"spare"}
    assert all(world.moves(n) for n in numbers[1:])
    world.check()


def test_it_comes_back_by_probes_and_says_so() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    world.pass_time(2)
    world.settle(hand.take()[0], SENT)
    world.pass_time(200)
    seen = []
    for i in range(6):
        world.accept(f"x{i}@far.example")
        (lease,) = hand.take()
        seen.append(lease.road.name)
        world.settle(lease, SENT)
    assert seen == ["main"] * 6
    assert [t.health for t in world.turns] == [Health.BROKEN, Health.SOUND]


def test_one_probe_at_a_time() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    world.pass_time(200)
    hand.take()
    for i in range(4):
        world.accept(f"x{i}@far.example")
    assert sorted(x.road.name for x in hand.take()) == ["main", "spare", "spare", "spare"]


def test_a_failed_probe_goes_by_the_other_road_and_makes_no_noise() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    world.pass_time(2)
    world.settle(hand.take()[0], SENT)
    world.pass_time(200)
    world.accept("p@far.example")
    (probe,) = hand.take()
    assert probe.road.name == "main"
    world.settle(probe, LOGIN)
    world.pass_time(2)
    (lease,) = hand.take()
    assert lease.road.name == "spare"
    assert len(world.turns) == 1


def test_greylisted_mail_comes_back_by_its_road() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    world.pass_time(2)
    (lease,) = hand.take()
    world.settle(lease, GREY)  # on the spare road
    world.pass_time(700)
    (lease,) = hand.take()  # the main road would be probed by now
    assert lease.road.name == "spare"


def test_a_lost_reply_is_never_sent_elsewhere() -> None:
    world = Roads()
    hand = world.hand()
    number = world.accept()
    world.settle(world.next(hand), lost("main"))
    world.accept("other@far.example")
    (other,) = hand.take()
    world.settle(other, LOGIN)
    for _ in range(4):
        world.pass_time(3600)
        leases = hand.take()
        assert {x.road.name for x in leases if x.number == number} <= {"main"}
        for lease in leases:
            world.settle(lease, LOGIN if lease.road.name == "main" else SENT)
    assert world.moves(number) == []


def test_a_lost_reply_is_remembered_over_a_restart() -> None:
    world = Roads()
    hand = world.hand()
    number = world.accept()
    world.settle(world.next(hand), lost("spare"))
    again = Roads(store=world.store, clock=world.clock, load=True)
    hand = again.hand()
    again.pass_time(400)
    lease = again.next(hand)
    assert (lease.number, lease.road.name) == (number, "spare")


def test_what_is_unfit_for_one_road_takes_the_other_without_closing_it() -> None:
    world = Roads()
    hand = world.hand()
    number = world.accept()
    world.settle(world.next(hand), LARGE)
    world.pass_time(2)
    (lease,) = hand.take()
    assert lease.road.name == "spare"
    assert world.turns == []
    world.settle(lease, LARGE)  # both refuse it: that is its end
    assert world.store.last(number).fate is not None


def test_refusals_of_the_recipient_do_not_look_for_another_road() -> None:
    world = Roads()
    hand = world.hand()
    number = world.accept()
    world.settle(world.next(hand), NO)
    assert world.store.last(number).fate is not None
    assert world.turns == []


def test_when_all_roads_are_closed_mail_waits_its_ordinary_time() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    world.pass_time(2)
    world.settle(hand.take()[0], LOGIN)
    world.pass_time(500)
    assert hand.take() == []
    world.pass_time(200)
    assert len(hand.take()) == 1


def test_a_spent_budget_sends_the_rest_by_the_other_road() -> None:
    day = Quota("day", Unit.RECIPIENTS, 12, 86400.0, 10, 0)
    world = Roads(Road("main", "a:587", quotas=(day,), hop=True))
    hand = world.hand(slots=100)
    numbers = [world.accept(f"u{i}@far.example") for i in range(15)]
    world.answer(hand)
    world.pass_time(1)
    leases = hand.take()  # who waits at the main road counts: its last place was taken by the tenth
    assert sorted((x.number, x.road.name) for x in leases) == [
        *((n, "main") for n in numbers[:10]),
        *((n, "spare") for n in numbers[10:]),
    ]
    assert [world.moves(n) for n in numbers[10:]] == [[("main", "spare", Cause.QUOTA_SPENT)]] * 5
    assert world.turns == []
    world.check()


def test_several_mail_hosts_in_trouble_close_the_direct_road_as_a_whole() -> None:
    world = Roads(Road("mx", "x"), SPARE)
    hand = world.hand(slots=100)
    blocked = outcome(OutcomeKind.DEFERRED, Cause.PORT_BLOCKED, Stage.CONNECT)
    world.accept("a@far.example")
    world.settle(world.next(hand), blocked)
    world.pair = (Road("mx", "another"), SPARE)
    world.accept("a@elsewhere.example")
    assert world.next(hand).road.name == "spare"
    assert {(t.road, t.site) for t in world.turns} == {("mx", "x"), ("mx", "")}


def test_one_mail_host_that_is_down_is_no_reason_to_leave_the_direct_road() -> None:
    world = Roads(Road("mx", "x"), SPARE)
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), DOWN)
    world.pass_time(350)
    assert [x.road.name for x in hand.take()] == ["mx"]


def test_a_road_of_which_nothing_was_heard_for_a_day_is_forgotten() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    assert [s.road for s in world.brain.roads.states()] == ["main"]
    world.pass_time(2)
    world.settle(hand.take()[0], SENT)
    world.pass_time(100_000)
    world.tick()
    assert world.brain.roads.states() == []


def test_a_deferral_of_the_message_changes_nothing() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LATER)
    world.pass_time(350)
    assert [x.road.name for x in hand.take()] == ["main"]


def test_a_limit_of_new_recipients_moves_nobody_who_is_known() -> None:
    new = Quota("to-main/new/day/me", Unit.NEW_RECIPIENTS, 1, 86400.0, 1)
    world = Roads(Road("main", "a:587", quotas=(new,), hop=True))
    hand = world.hand()
    world.accept("a@far.example")
    world.settle(world.next(hand), SENT)
    world.accept("b@far.example")
    world.accept("a@far.example")
    leases = {x.work[0].recipient.address.local: x.road.name for x in hand.take()}
    assert leases == {"a": "main", "b": "spare"}
    world.check()


def test_a_connection_too_many_closes_no_road() -> None:
    world = Roads(Road("main", "a:587", concurrency=8, hop=True))
    hand = world.hand()
    for i in range(8):
        world.accept(f"x{i}@far.example")
    world.answer(hand)
    leases = hand.take()
    for lease in leases[4:]:
        world.settle(lease, TOO_MANY)
    assert world.turns == []
    for lease in leases[:4]:
        world.settle(lease, SENT)
    world.pass_time(2)
    assert {x.road.name for x in hand.take()} == {"main"}
    world.check()


def test_what_waits_for_one_spent_road_goes_by_the_one_that_has_room_first() -> None:
    hour = Quota("hour", Unit.RECIPIENTS, 5, 3600.0, 5, 0)
    day = Quota("day", Unit.RECIPIENTS, 5, 86400.0, 5, 0)
    world = Roads(
        Road("main", "a:587", quotas=(hour,), hop=True), Road("spare", "b:587", quotas=(day,), hop=True)
    )
    hand = world.hand(slots=100)
    numbers = [world.accept(f"u{i}@far.example") for i in range(12)]
    world.answer(hand)
    world.pass_time(1)
    leases = hand.take()
    assert sorted(x.road.name for x in leases) == ["main"] * 5 + ["spare"] * 5
    for lease in leases:
        world.settle(lease, SENT)
    world.pass_time(3600 + 360)  # one waits at the spare road, and looks again every five minutes
    assert sorted((x.number, x.road.name) for x in hand.take()) == [(n, "main") for n in numbers[10:]]
    world.check()


@pytest.mark.parametrize("unit", [Unit.RECIPIENTS, Unit.MESSAGES])
def test_a_letter_to_many_divides_over_two_spent_roads_where_recipients_are_counted(unit: Unit) -> None:
    main, spare = (Quota(name, unit, 10, 3600.0, 10, 0) for name in ("a", "b"))
    world = Roads(
        Road("main", "a:587", quotas=(main,), hop=True), Road("spare", "b:587", quotas=(spare,), hop=True)
    )
    hand = world.hand(slots=100)
    for i in range(20):
        world.accept(f"u{i}@far.example", account="news@here.example")
    world.answer(hand)
    world.pass_time(1)
    for lease in hand.take():
        world.settle(lease, SENT)
    world.accept(*(f"p{i}@far.example" for i in range(20)))
    world.pass_time(3700)
    together = {(x.road.name, len(x.work)) for x in hand.take()}
    assert together == ({("main", 20)} if unit is Unit.MESSAGES else {("main", 10), ("spare", 10)})
    world.check()


def _again(world: Roads) -> tuple[Roads, FakeHand]:
    """A brain that starts on what the one of `world` left."""
    again = Roads(store=world.store, clock=world.clock, load=True)
    return again, again.hand()


def test_after_a_crash_a_broken_road_rests_on() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    again, hand = _again(world)
    (state,) = again.brain.roads.states()
    assert (state.road, state.health, state.cause) == ("main", Health.BROKEN, "auth_failed")
    again.pass_time(2)
    lease = again.next(hand)
    assert lease.road.name == "spare"
    again.settle(lease, SENT)
    again.pass_time(60)  # the rest is over: one probe, whose failure makes the next rest longer
    again.accept("p@far.example")
    (probe,) = hand.take()
    assert probe.road.name == "main"
    again.settle(probe, LOGIN)
    record = again.store.roads_kept["main", "a:587"]
    assert (record.breaks, record.next_at - record.at) == (2, 120.0)
    again.check()


def test_after_an_orderly_end_a_broken_road_is_probed_at_once() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    world.brain.drain(lambda: None)
    world.run()
    again, hand = _again(world)
    again.pass_time(2)
    again.accept("b@far.example")
    again.answer(hand)
    assert sorted(x.road.name for x in hand.take()) == ["main", "spare"]  # one mail only
    again.check()


def test_a_road_that_is_back_stays_back_over_a_crash() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    world.pass_time(200)
    world.settle(hand.take()[0], SENT)
    for i in range(3):
        world.accept(f"x{i}@far.example")
        world.settle(hand.take()[0], SENT)
    again, hand = _again(world)
    again.accept()
    again.accept()
    again.answer(hand)
    assert [x.road.name for x in hand.take()] == ["main", "main"]


def test_roads_are_written_when_they_turn_and_not_per_message() -> None:
    world = Roads()
    hand = world.hand()
    written: list[int] = []
    commit = world.store.commit

    def watch(changes: Sequence[Change]) -> None:
        written.extend(1 for change in changes if change.roads)
        commit(changes)

    world.store.commit = watch  # type: ignore[method-assign]
    for i in range(20):
        world.accept(f"x{i}@far.example")
        world.settle(world.next(hand), SENT)
    assert written == []
    world.accept()
    world.settle(world.next(hand), LOGIN)
    assert len(written) == 1


def test_new_mail_does_not_cut_the_rest_of_roads_short_that_are_all_broken() -> None:
    world = Roads()
    hand = world.hand()
    world.accept("a@far.example")
    world.settle(world.next(hand), DOWN)
    world.pass_time(2)
    world.settle(hand.take()[0], DOWN)
    world.accept("b@far.example")
    world.accept("c@far.example")
    world.pass_time(10)
    assert hand.take() == []
    world.pass_time(60)
    assert len(hand.take()) == 1


def _others_wait(world: Roads, hand: FakeHand, waiting: int) -> None:
    """Break the main road while so many wait at the spare one, where one after the other goes."""
    world.accept()
    world.settle(world.next(hand), LOGIN)
    for i in range(waiting):
        world.accept(f"w{i}@far.example")
    world.pass_time(2)


def test_mail_that_waits_brings_a_road_back_without_any_new_mail() -> None:
    world = Roads(spare=Road("spare", "b:587", concurrency=1, hop=True))
    hand = world.hand()
    _others_wait(world, hand, 50)
    assert [x.road.name for x in hand.take()] == ["spare"]  # and is out all the time
    world.pass_time(60)
    for _ in range(3):
        (probe,) = hand.take()  # the next proof follows at once
        assert probe.road.name == "main"
        assert world.turns[-1].health is Health.BROKEN
        world.settle(probe, SENT)
    assert world.turns[-1].health is Health.SOUND
    assert {x.road.name for x in hand.take()} == {"main"}
    world.check()


def test_a_probe_that_waits_again_where_it_was_before_is_in_line_there_once() -> None:
    hour = Quota("hour", Unit.RECIPIENTS, 1, 3600.0, 1, 0)
    world = Roads(spare=Road("spare", "b:587", quotas=(hour,), hop=True))
    hand = world.hand()
    _others_wait(world, hand, 3)
    world.settle(hand.take()[0], SENT)
    world.pass_time(120)
    (probe,) = hand.take()
    assert probe.road.name == "main"
    world.settle(probe, only=())  # untried
    world.pass_time(2)
    schedule = world.brain._schedule
    (spare,) = (s for s in schedule.sites if s.waiting)
    waiting = [errand for bundle in schedule.take_all(spare) for errand in bundle]
    assert len(waiting) == len(set(waiting)) == spare.waiting


def test_who_has_failed_at_a_broken_road_is_not_its_probe_while_others_wait() -> None:
    minute = Quota("minute", Unit.RECIPIENTS, 1, 60.0, 1, 0)
    world = Roads(spare=Road("spare", "b:587", quotas=(minute,), hop=True))
    world.brain._budgets.of(minute).count(1, int(world.brain._book.steady.now() * 1000) + 30_000)
    hand = world.hand()
    failed = world.accept()
    world.settle(world.next(hand), LOGIN)
    other = world.accept("o@far.example")
    world.pass_time(62)
    assert {x.number: x.road.name for x in hand.take()} == {other: "main"}
    world.pass_time(30)
    assert {x.number: x.road.name for x in hand.take()} == {failed: "spare"}


@pytest.mark.parametrize(("a_minute", "probes"), [(10, 0), (2, 1)])
def test_who_has_failed_at_a_broken_road_probes_it_only_where_the_others_would_wait_long(
    a_minute: int, probes: int
) -> None:
    minute = Quota("minute", Unit.RECIPIENTS, a_minute, 60.0, a_minute, 0)
    world = Roads(spare=Road("spare", "b:587", quotas=(minute,), hop=True))
    world.brain._budgets.of(minute).count(a_minute, int(world.brain._book.steady.now() * 1000) + 30_000)
    hand = world.hand()
    world.accept(*(f"x{i}@far.example" for i in range(20)))
    world.settle(world.next(hand), LOGIN)
    world.pass_time(62)
    assert [x.road.name for x in hand.take()] == ["main"] * probes


def test_mail_that_waits_probes_no_more_often_than_the_rests_allow() -> None:
    world = Roads(spare=Road("spare", "b:587", concurrency=1, hop=True))
    hand = world.hand()
    _others_wait(world, hand, 50)
    hand.take()
    began, probes = world.clock.mono, []
    for _ in range(6 * 60):
        world.pass_time(60)
        for lease in hand.take():
            assert lease.road.name == "main"
            probes.append(world.clock.mono - began)
            world.settle(lease, LOGIN)
    assert 4 <= len(probes) <= 12
    gaps = [b - a for a, b in pairwise(probes)]
    assert gaps == sorted(gaps)
    world.check()


def test_nobody_who_may_probe_costs_a_look_every_half_minute_and_no_more() -> None:
    spent = Quota("day", Unit.RECIPIENTS, 1, 86400.0, 1, 0)
    world = Roads(Road("main", "a:587", quotas=(spent,), hop=True), Road("spare", "b:587", 1, hop=True))
    hand = world.hand()
    _others_wait(world, hand, 5)
    hand.take()
    world.brain._budgets.of(spent).count(1, int(world.brain._book.steady.now() * 1000))
    world.pass_time(120)
    ticks = 0
    end = world.clock.mono + 3600
    while world.clock.mono < end:
        delay = world.tick()
        assert delay is not None
        world.clock.forward(max(delay, 0.001))
        ticks += 1
    assert hand.take() == []
    assert ticks < 300


def test_who_waits_for_a_day_elsewhere_waits_for_its_turn_at_the_road_that_is_back() -> None:
    hour = Quota("hour", Unit.RECIPIENTS, 4, 3600.0, 4, 0)
    day = Quota("day", Unit.RECIPIENTS, 5, 86400.0, 5, 0)
    world = Roads(
        Road("main", "a:587", quotas=(hour,), hop=True), Road("spare", "b:587", quotas=(day,), hop=True)
    )
    hand = world.hand(slots=100)
    for i in range(40):
        world.accept(f"u{i}@far.example", account="news@here.example")
    world.answer(hand)
    world.pass_time(1)
    leases = hand.take()
    assert sorted(x.road.name for x in leases) == ["main"] * 4 + ["spare"] * 5
    for lease in leases:
        world.settle(lease, SENT if lease.road.name == "spare" else LOGIN)
    letter = world.accept("c@far.example", account="anna@here.example")
    went = {}
    for minute in range(4 * 60):
        world.pass_time(60)
        for lease in hand.take():
            went[lease.number] = lease.road.name, minute
            world.settle(lease, SENT)
    assert [t.health for t in world.turns] == [Health.BROKEN, Health.SOUND]
    assert went[letter][0] == "main"
    assert went[letter][1] < 2 * 60
    world.check()


def test_no_urgent_mail_that_waits_is_risked_at_a_broken_road() -> None:
    world = Roads(spare=Road("spare", "b:587", concurrency=1, hop=True))
    hand = world.hand()
    _others_wait(world, hand, 0)
    for i in range(5):
        world.accept(f"u{i}@far.example", urgency=Urgency.URGENT)
    ordinary = world.accept("o@far.example")
    assert [x.number for x in hand.take()] == [1]
    world.pass_time(60)
    assert [(x.number, x.road.name) for x in hand.take()] == [(ordinary, "main")]


def _restarted(world: Roads, *leases: Lease) -> tuple[Roads, FakeHand]:
    """A new brain, and the hand that lived on, which still works on `leases`."""
    again = Roads(store=world.store, clock=world.clock, load=True)
    return again, again.hand(busy=[lease.busy for lease in leases])


@pytest.mark.parametrize("trouble", [LOGIN, QUOTA, DOWN])
def test_a_new_brain_hears_what_became_of_the_work_of_the_one_before(trouble: Outcome) -> None:
    world = Roads()
    hand = world.hand()
    number = world.accept()
    lease = world.next(hand)
    again, hand = _restarted(world, lease)
    world.clock.forward(1)
    again.settle(lease, trouble)
    assert [(t.road, t.health, t.cause) for t in again.turns] == [("main", Health.BROKEN, trouble.cause)]
    again.pass_time(3)
    lease = again.next(hand)
    assert (lease.number, lease.road.name) == (number, "spare")
    again.check()


def test_what_left_before_the_break_is_no_second_break_for_a_new_brain() -> None:
    world = Roads()
    hand = world.hand()
    for i in range(2):
        world.accept(f"u{i}@far.example")
    world.answer(hand)
    first, second = hand.take()
    world.clock.forward(5)
    world.settle(first, LOGIN)
    (before,) = world.brain.roads.states()
    again, hand = _restarted(world, second)
    again.settle(second, LOGIN)
    (after,) = again.brain.roads.states()
    assert (after.health, after.next_at) == (Health.BROKEN, before.next_at)
    assert again.turns == []


def test_a_road_that_leads_to_another_server_now_is_another_road() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    world.check()
    leads = {"main": frozenset({"c:587"}), "spare": frozenset({"b:587"})}
    new = Roads(
        Road("main", "c:587", hop=True), store=world.store, clock=world.clock, load=True, leads_to=leads
    )
    hand = new.hand()
    assert new.brain.roads.states() == []
    new.pass_time(3)
    assert new.next(hand).road == new.pair[0]
    assert [(t.road, t.site, t.health, t.cause) for t in new.turns] == [
        ("main", "a:587", Health.SOUND, Cause.AUTH_FAILED)
    ]
    later = Roads(store=world.store, clock=world.clock, load=True)  # and back: what broke then is long past
    assert [s for s in later.brain.roads.states() if s.health is not Health.SOUND] == []


def test_a_road_that_leads_where_it_did_stays_broken() -> None:
    world = Roads()
    world.accept()
    world.settle(world.next(world.hand()), LOGIN)
    leads = {"main": frozenset({"a:587"})}
    same = Roads(store=world.store, clock=world.clock, load=True, leads_to=leads)
    assert [s.road for s in same.brain.roads.states()] == ["main"]


def test_a_probe_that_outlives_its_brain_is_a_proof_for_the_next_one() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    world.pass_time(200)
    world.accept("x@far.example")
    probe = next(x for x in hand.take() if x.road.name == "main")
    again, hand = _restarted(world, probe)
    world.clock.forward(1)
    again.settle(probe, SENT)
    (state,) = [s for s in again.brain.roads.states() if s.road == "main"]
    assert (state.health, state.proofs) == (Health.PROBING, 1)


def test_what_a_hand_still_does_takes_room_at_its_site() -> None:
    narrow = Road("main", "a:587", concurrency=2, hop=True)
    world = Roads(narrow)
    hand = world.hand()
    for i in range(4):
        world.accept(f"u{i}@far.example")
    world.answer(hand)
    first, _ = hand.take()
    again = Roads(narrow, store=world.store, clock=world.clock, load=True)
    hand = again.hand(busy=[first.busy])
    again.pass_time(1)
    again.answer(hand)
    assert len(hand.take()) == 1
    again.settle(first, SENT)
    assert len(hand.take()) == 1
    again.check()
