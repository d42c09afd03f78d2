"""The life of messages through the brain: accept, lease, settle, and what fails in between."""

import pytest

from kurir.model import Cause, Check, EventKind, Fate, Notify, OutcomeKind, Reply, Stage
from kurir.queue import Accepted, Plan, Refused, Road, Settlement
from kurir.queue.ports import StoreError

from .world import DOWN, GIB, LATER, NO, SENT, World, incoming, outcome


def test_accept_lease_settle() -> None:
    world = World()
    hand = world.hand()
    number = world.accept("bob@far.example")
    assert [r.domain for r in hand.plans] == ["far.example"]
    assert hand.plans[0].sender == "here.example"
    assert not hand.leases
    world.plan(hand)
    (lease,) = hand.take()
    assert (lease.number, lease.epoch, lease.road.site) == (number, 1, "far.example")
    assert lease.body == b"Subject: x\r\n\r\nhello\r\n"
    assert lease.account == "anna@here.example"
    assert [(w.index, w.attempts) for w in lease.work] == [(0, 0)]
    world.settle(lease, SENT)
    assert world.store.last(number).fate is Fate.HANDED_OVER
    assert world.store.kinds(number) == [EventKind.ACCEPTED, EventKind.ATTEMPTED]
    assert world.store.finished == {number}
    assert world.brain.figures().messages == 0
    world.check()


def test_nothing_is_said_before_the_commit() -> None:
    world = World()
    answers = world.offer(incoming())
    assert not answers
    assert not world.store.messages
    world.run()
    assert answers == [Accepted(1, "k0000011")]
    assert 1 in world.store.messages


def test_what_gathered_is_one_batch_with_dense_numbers() -> None:
    world = World()
    answers = [world.offer(incoming()) for _ in range(50)]
    world.run()
    assert world.store.commits == 1
    assert [a[0].number for a in answers] == list(range(1, 51))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "fate"),
    [
        (OutcomeKind.DELIVERED, Fate.DELIVERED),
        (OutcomeKind.HANDED_OVER, Fate.HANDED_OVER),
        (OutcomeKind.CAPTURED, Fate.CAPTURED),
        (OutcomeKind.FAILED, Fate.BOUNCED),
        (OutcomeKind.DEFERRED, None),
    ],
)
def test_outcomes_and_fates(kind: OutcomeKind, fate: Fate | None) -> None:
    world = World()
    hand = world.hand()
    number = world.accept()
    world.plan(hand)
    world.settle(hand.take()[0], outcome(kind))
    assert world.store.last(number).fate is fate
    assert world.store.last(number).attempts == 1
    world.check()


def test_recipients_of_a_message_at_one_site_travel_together() -> None:
    world = World(lease_recipients=3)
    hand = world.hand()
    world.accept(*(f"u{i}@far.example" for i in range(7)), "x@near.example")
    world.plan(hand)
    leases = hand.take()
    assert sorted(len(x.work) for x in leases) == [1, 1, 3, 3]
    assert hand.calls == 1
    mixed = next(x for x in leases if len(x.work) == 3)
    world.settle(mixed, SENT, LATER, NO)
    assert [world.store.last(1, w.index).fate for w in mixed.work] == [Fate.HANDED_OVER, None, Fate.BOUNCED]
    world.check()


def test_deferred_recipients_are_tried_again_by_the_schedule() -> None:
    world = World(retry=(300.0, 600.0))
    hand = world.hand()
    number = world.accept()
    world.plan(hand, ttl=1e6)
    for attempt, wait in enumerate((300.0, 600.0, 600.0), 1):
        world.settle(hand.take()[0], LATER)
        state = world.store.last(number)
        assert state.attempts == attempt
        assert state.next_at == pytest.approx(world.clock.wall + wait)
        world.pass_time(wait - 1)
        assert not hand.leases
        world.pass_time(1.5)
        assert hand.leases[0].work[0].attempts == attempt
        assert hand.leases[0].body is None  # read back by the hand
        assert hand.leases[0].trace_block == b"Received: from x\r\n"
    world.check()


def test_a_block_that_lasts_comes_back_after_a_day_with_its_own_reason() -> None:
    world = World(retry=(3600.0,), lifetime=5 * 86400.0)
    hand = world.hand()
    number = world.accept()
    world.plan(hand, ttl=1e9)
    blocked = outcome(OutcomeKind.DEFERRED, Cause.BLOCKLISTED, Stage.BODY, lasting=True)
    started = world.clock.wall
    while world.store.last(number).fate is None:
        world.settle(hand.take()[0], blocked)
        if world.store.last(number).fate is None:
            world.pass_time(3700.0)
        assert world.clock.wall - started < 2 * 86400.0
    assert world.store.last(number).fate is Fate.BOUNCED
    assert 0.95 * 86400.0 < world.clock.wall - started < 1.1 * 86400.0
    assert EventKind.EXPIRED not in world.store.kinds(number)
    assert EventKind.NOTICE_DUE in world.store.kinds(number)
    world.check()


def test_mail_that_waited_for_days_is_not_bounced_by_the_first_block() -> None:
    world = World(retry=(3600.0,), lifetime=5 * 86400.0)
    number = world.accept()
    world.pass_time(2 * 86400.0)
    hand = world.hand()
    world.plan(hand, ttl=1e9)
    blocked = outcome(OutcomeKind.DEFERRED, Cause.BLOCKLISTED, Stage.BANNER, lasting=True)
    world.settle(hand.take()[0], blocked)
    assert world.store.last(number).fate is None
    world.pass_time(3700.0)
    world.settle(hand.take()[0], SENT)
    assert world.store.last(number).fate is Fate.HANDED_OVER
    world.check()


def test_results_that_are_missing_are_given_back_untried() -> None:
    world = World()
    hand = world.hand()
    number = world.accept("a@far.example", "b@far.example")
    world.plan(hand)
    world.settle(hand.take()[0], SENT, only=[0])
    assert world.store.last(number, 0).fate is Fate.HANDED_OVER
    assert world.store.last(number, 1).attempts == 0
    world.pass_time(2)
    assert [w.index for w in hand.take()[0].work] == [1]
    world.check()


def test_a_plan_without_a_road_is_an_attempt_of_everybody_who_waits() -> None:
    world = World()
    hand = world.hand()
    bounced, waits = world.accept("a@nowhere.example"), world.accept("b@broken.example")
    gone, broken = hand.plans
    dns = outcome(OutcomeKind.DEFERRED, Cause.DNS_FAILURE, Stage.PLAN)
    unknown = outcome(OutcomeKind.FAILED, Cause.UNKNOWN_DOMAIN, Stage.PLAN)
    world.brain.planned([Plan(gone, (), 60.0, unknown), Plan(broken, (), 60.0, dns)])
    world.run()
    assert world.store.last(bounced).fate is Fate.BOUNCED
    assert world.store.last(waits).attempts == 1
    again = world.accept("c@nowhere.example")  # the plan is cached
    world.run()
    assert world.store.last(again).fate is Fate.BOUNCED
    assert len(hand.plans) == 2
    world.brain.planned([Plan(hand.plans[0], (), 60.0, None)])  # no road and no reason: our own mistake
    world.check()


def test_plans_expire_and_are_asked_again_when_nobody_answers() -> None:
    world = World(plan_timeout=60.0)
    hand = world.hand()
    world.accept()
    assert len(hand.plans) == 1
    world.pass_time(61)
    assert len(hand.plans) == 2
    world.plan(hand, ttl=10)
    world.settle(hand.take()[0], SENT)
    world.pass_time(11)
    world.accept()
    assert len(hand.plans) == 1


def test_a_hand_that_dies_may_have_delivered() -> None:
    world = World(recover=30.0)
    hand = world.hand()
    number = world.accept()
    world.plan(hand)
    (lease,) = hand.take()
    world.brain.hand_gone(hand)
    world.run()
    event = world.store.events[-1]
    assert event.kind is EventKind.RECOVERED
    assert "may have been delivered" in event.reason
    assert world.brain.counters.possibly_delivered == 1
    second = world.hand()
    world.pass_time(31)
    (again,) = second.take()
    assert again.number == number
    # the dead hand's success arrives late: it is believed, and the second delivery is counted
    world.brain.settle([Settlement(lease.epoch, lease.id, number, ((0, SENT),))])
    world.run()
    assert world.store.last(number).fate is Fate.HANDED_OVER
    world.settle(again, SENT)
    assert world.brain.counters.duplicates == 1
    world.check()


def test_a_repeated_settlement_counts_once() -> None:
    world = World()
    hand = world.hand()
    number = world.accept()
    world.plan(hand)
    (lease,) = hand.take()
    world.settle(lease, LATER)
    world.settle(lease, LATER)
    world.settle(lease, NO)
    assert world.store.last(number).attempts == 1
    assert world.store.last(number).fate is None
    world.check()


def test_after_a_crash_the_hands_keep_what_they_are_busy_with() -> None:
    world = World()
    hand = world.hand()
    number = world.accept("a@far.example", "b@near.example")
    world.plan(hand)
    old = hand.take()
    again = World(world.store, load=True, clock=world.clock, reconnect_grace=2.0)
    again.pass_time(10)
    far = next(x for x in old if x.road.site == "far.example")
    again.brain.hand_connected(hand, [far.busy])
    assert not hand.plans[1:]
    hand.plans.clear()
    again.pass_time(1)
    assert not hand.plans  # time for the other hands to say what they do
    again.pass_time(2)
    again.plan(hand)
    (fresh,) = hand.take()
    assert (fresh.epoch, fresh.road.site) == (2, "near.example")
    again.brain.settle([Settlement(far.epoch, far.id, number, ((0, SENT),))])
    again.run()
    assert again.store.last(number, 0).fate is Fate.HANDED_OVER
    # and one whose hand was not asked about: still waiting, so its result is taken, once
    near = next(x for x in old if x.road.site == "near.example")
    again.settle(fresh, LATER)
    for _ in range(2):
        again.brain.settle([Settlement(near.epoch, near.id, number, ((1, LATER),))])
    again.run()
    assert again.store.last(number, 1).attempts == 2
    again.check()


def test_what_a_hand_gave_back_before_it_was_lost_is_not_counted_for_what_it_still_has() -> None:
    world = World()
    hand = world.hand()
    number = world.accept("a@far.example", "b@near.example", "c@third.example")
    world.plan(hand)
    old = sorted(hand.take(), key=lambda lease: lease.work[0].index)
    again = World(world.store, load=True, clock=world.clock)
    busy = [lease.busy for lease in old]
    again.brain.hand_connected(hand, busy)
    again.brain.settle([Settlement(old[0].epoch, old[0].id, number, ())])  # which one does not show yet
    again.brain.hand_gone(hand)
    back = again.hand(busy=busy[1:])
    again.brain.settle([Settlement(old[2].epoch, old[2].id, number, ((2, LATER),))])
    again.run()
    assert [w.state for w in again.brain.overview.snapshot() if w.index == 1] == ["trying"]
    again.pass_time(600)
    again.plan(back)
    assert all(work.index != 1 for lease in back.take() for work in lease.work)
    again.brain.settle([Settlement(old[1].epoch, old[1].id, number, ((1, SENT),))])
    again.run()
    assert again.store.last(number, 1).fate is Fate.HANDED_OVER
    again.check()


def test_disk_nearly_full_refuses_with_hysteresis_and_goes_on_sending() -> None:
    world = World(disk_low=GIB, disk_high=2 * GIB)
    hand = world.hand()
    number = world.accept()
    world.plan(hand)
    world.free = GIB - 1
    world.pass_time(2)
    refusal = world.brain.ready(100)
    assert isinstance(refusal, Reply)
    assert (refusal.code, refusal.enhanced) == (452, "4.3.1")
    assert isinstance(world.offer(incoming())[0], Refused)
    world.settle(hand.take()[0], SENT)
    assert world.store.last(number).fate is Fate.HANDED_OVER
    world.free = GIB + 10
    world.pass_time(2)
    assert world.brain.ready(100) is not None
    world.free = 2 * GIB
    world.pass_time(2)
    assert world.brain.ready(100) is None
    assert world.brain.ready(GIB + 1) is not None  # too large for what is left


def test_a_full_store_refuses_messages_and_keeps_the_numbers_dense() -> None:
    world = World()
    hand = world.hand()
    number = world.accept()
    world.plan(hand)
    world.store.room = 0
    answers = world.offer(incoming())
    world.brain.settle([Settlement(1, hand.leases[0].id, number, ((0, SENT),))])
    world.run()
    refused = answers[0]
    assert isinstance(refused, Refused)
    assert (refused.reply.code, refused.reply.enhanced) == (452, "4.3.1")
    assert world.store.last(number).fate is Fate.HANDED_OVER
    world.store.room = None
    assert world.accept() == number + 1
    world.check()


def test_a_store_without_room_for_anything_stops_leasing_and_recovers() -> None:
    world = World(full_retry=5.0)
    hand = world.hand(slots=1)
    first, second = world.accept(), world.accept()
    world.plan(hand)
    world.store.full = True
    world.settle(hand.take()[0], SENT)
    assert not world.brain.failed
    assert world.brain.figures().full
    assert world.brain.ready(1) is not None
    assert not hand.leases[1:]
    world.store.full = False
    hand.leases.clear()
    world.pass_time(11)
    assert world.store.last(first).fate is Fate.HANDED_OVER
    assert not world.brain.figures().full
    assert world.store.last(second).fate is None
    world.check()


def test_a_failed_sync_is_final() -> None:
    world = World()
    hand = world.hand()
    number = world.accept()
    world.plan(hand)
    world.store.broken = StoreError("fsync: Input/output error")
    answers = world.offer(incoming())
    world.run()
    refused = answers[0]
    assert isinstance(refused, Refused)
    assert (refused.reply.code, refused.reply.enhanced) == (451, "4.3.0")
    assert world.brain.failed
    assert len(world.failures) == 1
    world.store.broken = None
    assert isinstance(world.offer(incoming())[0], Refused)
    world.settle(hand.take()[0], SENT)
    world.pass_time(86400)
    assert world.store.last(number).fate is None  # nothing is written after the failure
    assert world.brain.tick() is None
    again = World(world.store, load=True, clock=world.clock)
    again.check()
    assert again.accept() == number + 1


def test_a_bug_in_the_store_is_a_failure_too() -> None:
    world = World()
    world.store.broken = KeyError("oops")
    answers = world.offer(incoming())
    world.run()
    assert isinstance(answers[0], Refused)
    assert world.brain.failed


def test_drain_finishes_what_is_out_and_takes_nothing_new() -> None:
    world = World()
    hand = world.hand(slots=1)
    world.accept()
    second = world.accept()
    world.plan(hand)
    (lease,) = hand.take()
    done: list[bool] = []
    world.brain.drain(lambda: done.append(True))
    refused = world.offer(incoming())[0]
    assert isinstance(refused, Refused)
    assert refused.reply.code == 421
    world.run()
    assert not done
    world.settle(lease, SENT)
    assert done == [True]
    assert not hand.leases
    assert world.store.last(second).fate is None


def test_a_message_held_at_the_door_waits_for_a_person() -> None:
    world = World()
    hand = world.hand()
    number = world.accept(hold="unusual sending")
    assert not hand.plans
    assert world.store.last(number).held == "unusual sending"
    assert world.store.kinds(number) == [EventKind.ACCEPTED, EventKind.HELD]
    world.brain.operator.release(number, by="rina", reason="looked at it")
    world.run()
    world.pass_time(1)
    world.plan(hand)
    world.settle(hand.take()[0], SENT)
    world.check()


def test_what_was_found_out_at_the_door_stands_on_the_first_event() -> None:
    world = World()
    found = (Check("dmarc", "fail", "dmarc.nothing_proven", (("domain", "a.example"),)),)
    number = world.accept(checks=found, hold="not proven", hold_cause=Cause.SENDER_UNPROVEN)
    accepted, held = (e for e in world.store.events if e.number == number)
    assert accepted.checks == found
    assert (held.cause, held.reason, held.checks) == (Cause.SENDER_UNPROVEN, "not proven", ())


def test_fresh_letters_are_bounded_and_the_rest_is_read_back() -> None:
    world = World(fresh_bytes=10_000)
    hand = world.hand(slots=100)
    for _ in range(20):
        world.accept(body=b"x" * 2000)
    world.plan(hand)
    leases = hand.take()
    assert len(leases) == 20
    kept = [x.number for x in leases if x.body is not None]
    assert 1 <= len(kept) <= 4
    assert min(kept) > 15  # the oldest went first
    for lease in leases:
        world.settle(lease, SENT)
    world.check()


def test_a_message_whose_row_vanished_is_held_and_named() -> None:
    world = World(fresh_bytes=0)
    hand = world.hand()
    number = world.accept()
    message = world.store.messages.pop(number)
    world.plan(hand)
    assert not hand.leases
    world.store.messages[number] = message
    assert world.store.last(number).held == "the stored message could not be read back"
    world.check()


def test_possibly_delivered_waits_and_is_counted() -> None:
    world = World()
    hand = world.hand()
    number = world.accept()
    world.plan(hand)
    world.settle(hand.take()[0], outcome(OutcomeKind.DEFERRED, Cause.LOST_REPLY, possibly_delivered=True))
    assert world.store.last(number).fate is None
    assert world.brain.counters.possibly_delivered == 1


def test_the_wall_clock_may_jump_while_we_run() -> None:
    world = World()
    hand = world.hand()
    number = world.accept()
    world.plan(hand, ttl=1e9)
    world.settle(hand.take()[0], LATER)
    world.clock.wall += 400 * 86400
    world.pass_time(299)
    assert not hand.leases
    world.pass_time(2)
    world.settle(hand.take()[0], LATER)
    assert world.store.last(number).fate is None
    world.clock.wall -= 800 * 86400
    world.pass_time(601)
    assert len(hand.take()) == 1


@pytest.mark.parametrize("jump", [400 * 86400.0, -400 * 86400.0])
def test_the_wall_clock_may_jump_while_we_are_off(jump: float) -> None:
    world = World()
    hand = world.hand()
    number = world.accept(notify=Notify.FAILURE)
    world.plan(hand)
    world.settle(hand.take()[0], LATER)
    world.clock.wall += jump
    again = World(world.store, load=True, clock=world.clock)
    hand = again.hand()
    again.pass_time(5 * 3600)
    assert again.store.last(number).fate is None
    again.plan(hand)
    assert len(hand.take()) == 1


def test_a_clock_that_jumped_while_we_ran_expires_nothing_at_the_next_start() -> None:
    """Mail accepted behind the jump makes the dates of the mail before it look 400 days old."""
    world = World()
    hand = world.hand()
    old = world.accept()
    world.plan(hand, ttl=1e9)
    world.settle(hand.take()[0], LATER)
    world.clock.wall += 400 * 86400
    new = world.accept()
    world.settle(hand.take()[0], LATER)
    assert [(below, round(seconds)) for below, seconds, _ in world.store.gaps()] == [(new, 400 * 86400)]
    for _ in range(3):  # each start tells the gap from the age again, and none is counted twice
        again = World(world.store, load=True, clock=world.clock)
        hand = again.hand()
        again.pass_time(8 * 3600)
        again.plan(hand)
        for lease in hand.take():
            again.settle(lease, LATER)
        assert again.store.last(old).fate is again.store.last(new).fate is None
    assert len(world.store.gaps()) == 1
    last = World(world.store, load=True, clock=world.clock)
    last.hand()
    last.pass_time(4.5 * 86400)
    assert last.store.last(old).fate is last.store.last(new).fate is Fate.EXPIRED


def test_mail_of_a_clock_that_had_gone_back_is_not_old_when_it_is_right_again() -> None:
    world = World()
    world.accept()
    world.clock.wall -= 400 * 86400
    number = world.accept()
    world.clock.wall += 400 * 86400
    again = World(world.store, load=True, clock=world.clock)
    again.hand()
    again.pass_time(4 * 86400)
    assert again.store.last(number).fate is None


@pytest.mark.parametrize("days", [(400,), (400, -400, 0), (-400, 0, 400, -400, 0)])
def test_a_clock_that_was_ahead_once_hides_no_later_jump(days: tuple[int, ...]) -> None:
    """It is 400 days ahead for a while, and right again; then it jumps while the server is off, with new mail each time."""
    world = World()
    right = world.clock.wall
    for ahead in (400, 0):
        world.clock.wall = right + ahead * 86400
        world.brain.operator.drop(world.accept(), by="test")
    hand = world.hand()
    for jump in days:
        number = world.accept()
        world.plan(hand, ttl=1e9)
        world.settle(hand.take()[0], LATER)
        world.clock.wall = right + jump * 86400
        world = World(world.store, load=True, clock=world.clock)
        hand = world.hand()
        world.pass_time(8 * 3600)
        assert world.store.last(number).fate is None
        world.brain.operator.drop(number, by="test")


def test_a_jump_that_cannot_be_noted_holds_the_batch_back() -> None:
    world = World()
    hand = world.hand()
    number = world.accept()
    world.plan(hand)
    world.clock.wall += 400 * 86400
    world.store.full = True
    world.settle(hand.take()[0], LATER)
    assert world.brain.figures().full
    assert world.store.last(number).attempts == 0
    world.store.full = False
    world.pass_time(6)
    assert world.store.last(number).attempts == 1
    assert len(world.store.gaps()) == 1


def test_a_dead_road_gives_way_to_the_next() -> None:
    world = World()
    hand = world.hand()
    first = world.accept("a@far.example")
    (request,) = hand.plans
    world.brain.planned([Plan(request, (Road("main", "dead", hop=True), Road("spare", "alive")), 1e6)])
    world.run()
    second = world.accept("b@far.example")
    leases = hand.take()
    assert {x.road.site for x in leases} == {"dead"}
    world.settle(leases[0], DOWN)
    third = world.accept("c@far.example")
    assert [x.road.name for x in hand.take()] == ["spare"]
    assert {first, second, third} == {1, 2, 3}
    world.check()
