"""Who is told what (RFC 3461, RFC 3464, RFC 5321 section 6.1), and that it happens exactly once."""

import pytest

from kurir.model import Cause, EventKind, Fate, Notify, Outcome, OutcomeKind
from kurir.queue import Accepted, NoticeWork, Refused
from kurir.queue.outcomes.duties import Duty, after_delay, after_failure, after_success
from kurir.queue.waiting.state import NOT_SAID

from .world import GIB, LATER, NO, SENT, START, FakeHand, World, incoming, outcome

LOST = outcome(OutcomeKind.DEFERRED, Cause.TLS_LOST)
N, S, F, D = Notify.NEVER, Notify.SUCCESS, Notify.FAILURE, Notify.DELAY


@pytest.mark.parametrize(
    ("null", "proven", "notify", "duty"),
    [
        (False, True, NOT_SAID, Duty.TELL_SENDER),
        (False, True, F, Duty.TELL_SENDER),
        (False, True, F | D, Duty.TELL_SENDER),
        (False, True, N, Duty.WAIVED),
        (False, True, S, Duty.WAIVED),
        (False, False, NOT_SAID, Duty.TELL_POSTMASTER),
        (False, False, F, Duty.TELL_POSTMASTER),
        (False, False, N, Duty.WAIVED),
        (True, True, F, Duty.WAIVED),
        (True, False, NOT_SAID, Duty.WAIVED),
    ],
)
def test_duty_after_failure(null: bool, proven: bool, notify: int, duty: Duty) -> None:
    assert after_failure(null=null, proven=proven, notify=int(notify)).duty is duty


@pytest.mark.parametrize(
    ("null", "proven", "notify", "fate", "relayed", "duty"),
    [
        (False, True, NOT_SAID, Fate.DELIVERED, False, Duty.NOTHING),
        (False, True, F, Fate.DELIVERED, False, Duty.NOTHING),
        (False, True, S, Fate.DELIVERED, False, Duty.TELL_SENDER),
        (False, True, S, Fate.CAPTURED, False, Duty.TELL_SENDER),
        (False, True, S, Fate.HANDED_OVER, False, Duty.TELL_SENDER),
        (False, True, S, Fate.HANDED_OVER, True, Duty.NOTHING),
        (False, False, S, Fate.DELIVERED, False, Duty.WAIVED),
        (True, True, S, Fate.DELIVERED, False, Duty.WAIVED),
    ],
)
def test_duty_after_success(
    null: bool, proven: bool, notify: int, fate: Fate, relayed: bool, duty: Duty
) -> None:
    owed = after_success(null=null, proven=proven, notify=int(notify), fate=fate, dsn_relayed=relayed)
    assert owed.duty is duty


@pytest.mark.parametrize(
    ("null", "proven", "account", "notify", "told"),
    [
        (False, True, True, NOT_SAID, True),
        (False, True, False, NOT_SAID, False),
        (False, True, False, D, True),
        (False, True, True, F, False),
        (False, True, True, N, False),
        (False, False, False, D, False),
        (True, True, True, D, False),
    ],
)
def test_duty_after_delay(null: bool, proven: bool, account: bool, notify: int, told: bool) -> None:
    owed = after_delay(null=null, proven=proven, account=account, notify=int(notify), cause=Cause.BUSY)
    assert (owed.duty is Duty.TELL_SENDER) is told


@pytest.mark.parametrize(
    ("null", "proven", "notify", "told"),
    [
        (False, True, NOT_SAID, True),
        (False, True, D, True),
        (False, True, F, False),
        (False, True, N, False),
        (False, False, NOT_SAID, False),
        (False, False, D, False),
        (True, True, NOT_SAID, False),
    ],
)
def test_duty_where_encryption_was_lost(null: bool, proven: bool, notify: int, told: bool) -> None:
    owed = after_delay(null=null, proven=proven, account=False, notify=int(notify), cause=Cause.TLS_LOST)
    assert (owed.duty is Duty.TELL_SENDER) is told


def sent_on(
    world: World, hand: FakeHand, *results: Outcome, to: tuple[str, ...] = ("b@far.example",), **more: object
) -> int:
    number = world.accept(*to, **more)
    world.plan(hand, ttl=1e9)
    world.settle(hand.take()[0], *results)
    return number


def test_failures_of_one_settlement_are_one_notice() -> None:
    world = World()
    hand = world.hand()
    number = sent_on(world, hand, NO, SENT, NO, to=("a@far.example", "b@far.example", "c@far.example"))
    (work,) = hand.notices
    assert isinstance(work, NoticeWork)
    assert str(work.to) == "anna@here.example"
    assert [str(r.recipient.address) for r in work.reasons] == ["a@far.example", "c@far.example"]
    assert {r.action for r in work.reasons} == {"failed"}
    assert work.reasons[0].outcome is NO
    assert (work.number, work.id, work.held) == (number, f"{number}-failed-0.1", False)
    assert world.store.kinds(number).count(EventKind.NOTICE_DUE) == 2
    assert number in world.store.finished


def test_the_report_closes_the_obligation_once() -> None:
    world = World()
    hand = world.hand()
    number = sent_on(world, hand, NO)
    report = incoming("anna@here.example", sender=None, account=None, notice_of=hand.notices[0].id)
    first, second = world.offer(report), world.offer(report)
    world.run()
    third = world.offer(report)
    world.run()
    assert first == second == third
    assert isinstance(first[0], Accepted)
    assert world.store.met == {hand.notices[0].id: first[0].number}
    sent = [e for e in world.store.events if e.kind is EventKind.NOTICE_SENT]
    assert [(e.number, e.other) for e in sent] == [(number, first[0].number)]
    due = [e for e in world.store.events if e.kind is EventKind.NOTICE_DUE]
    assert {e.by for e in [*due, *sent]} == {""}, "the sender is told; the trace knows its address"
    assert world.brain.figures().open_notices == 0
    world.check()


def test_a_sent_report_is_noted_at_the_recipients_it_tells_of() -> None:
    world = World()
    hand = world.hand()
    number = sent_on(world, hand, NO, SENT, NO, to=("a@far.example", "b@far.example", "c@far.example"))
    world.offer(incoming("anna@here.example", sender=None, account=None, notice_of=hand.notices[0].id))
    world.run()
    sent = [e for e in world.store.events if e.kind is EventKind.NOTICE_SENT]
    assert [(e.number, e.recipient) for e in sent] == [(number, 0), (number, 2)]
    world.check()


def test_a_report_nobody_asked_for_is_refused() -> None:
    world = World()
    answers = world.offer(incoming("x@here.example", sender=None, notice_of="77-failed-0.1"))
    world.run()
    assert isinstance(answers[0], Refused)
    assert answers[0].reply.code == 554


def test_a_report_that_did_not_fit_is_asked_for_again() -> None:
    world = World(notice_timeout=60.0)
    hand = world.hand()
    sent_on(world, hand, NO)
    world.store.room = 0
    answers = world.offer(incoming("anna@here.example", sender=None, notice_of=hand.notices[0].id))
    world.run()
    assert isinstance(answers[0], Refused)
    assert world.brain.figures().open_notices == 1
    world.pass_time(61)
    assert len(hand.notices) == 2


def test_reports_that_a_full_disk_refused_come_soon_after_there_is_room_and_not_before() -> None:
    world = World(disk_low=GIB, disk_high=GIB)
    hand = world.hand()
    for _ in range(3):
        sent_on(world, hand, NO)
    world.free = GIB - 1
    world.pass_time(2)
    asked = [n.id for n in hand.notices]
    for id_ in asked:
        world.offer(incoming("anna@here.example", sender=None, notice_of=id_))
    world.pass_time(300)
    assert [n.id for n in hand.notices] == asked, "nothing is rendered while there is no room"
    refused = world.brain.figures().refused_full
    world.free = 2 * GIB
    world.pass_time(7)
    assert [n.id for n in hand.notices] == asked * 2
    assert world.brain.figures().refused_full == refused == 3, "looking for room refuses nobody"
    for id_ in asked:
        world.offer(incoming("anna@here.example", sender=None, notice_of=id_))
        world.run()
    world.pass_time(300)
    assert len(hand.notices) == 6
    assert world.brain.figures().open_notices == 0
    world.check()


def test_room_is_looked_for_as_soon_as_a_report_was_refused() -> None:
    world = World(disk_low=GIB, disk_high=GIB)
    hand = world.hand()
    sent_on(world, hand, NO)
    world.free = GIB - 1
    world.pass_time(2)
    world.offer(incoming("anna@here.example", sender=None, notice_of=hand.notices[0].id))
    world.free = 2 * GIB
    world.pass_time(7)
    assert len(hand.notices) == 2


def test_notices_come_again_when_unanswered_after_a_lost_hand_and_after_a_restart() -> None:
    world = World(notice_timeout=60.0)
    hand = world.hand()
    sent_on(world, hand, NO)
    world.pass_time(61)
    assert [n.id for n in hand.notices] == ["1-failed-0.1"] * 2
    second = world.hand()
    world.brain.hand_gone(hand)
    world.run()
    assert [n.id for n in second.notices] == ["1-failed-0.1"]
    again = World(world.store, load=True, clock=world.clock)
    third = again.hand()
    assert [(n.id, n.epoch) for n in third.notices] == [("1-failed-0.1", 2)]
    assert str(third.notices[0].original.reverse_path) == "anna@here.example"


def test_the_null_sender_is_never_answered() -> None:
    world = World()
    hand = world.hand()
    number = sent_on(world, hand, NO, sender=None, notify=S | F | D)
    assert not hand.notices
    assert world.store.last(number).fate is Fate.BOUNCED
    waived = world.store.events[-1]
    assert waived.kind is EventKind.NOTICE_WAIVED
    assert "null sender" in waived.reason


def test_an_unproven_sender_gets_nothing_and_the_postmaster_is_told() -> None:
    world = World()
    hand = world.hand()
    number = sent_on(world, hand, NO, sender="eve@else.example", account=None, proven=False)
    state = world.store.last(number)
    assert state.fate is None
    assert state.held is not None
    (work,) = hand.notices
    assert (str(work.to), work.held) == ("postmaster@here.example", True)
    assert world.store.kinds(number) == [
        EventKind.ACCEPTED,
        EventKind.ATTEMPTED,
        EventKind.HELD,
        EventKind.NOTICE_DUE,
    ]
    world.brain.operator.drop(number, by="rina", reason="spam")
    world.run()
    assert world.store.last(number).fate is Fate.DELETED
    world.check()


def test_success_is_told_where_it_was_asked_for_and_the_next_hop_does_not() -> None:
    world = World()
    hand = world.hand()
    sent_on(world, hand, SENT, notify=S)
    assert hand.notices[0].reasons[0].action == "relayed"
    sent_on(world, hand, outcome(OutcomeKind.HANDED_OVER, dsn_relayed=True), notify=S)
    assert len(hand.notices) == 1
    sent_on(world, hand, outcome(OutcomeKind.DELIVERED), notify=S)
    assert hand.notices[1].reasons[0].action == "delivered"


@pytest.mark.parametrize(
    ("account", "notify", "why", "expected"),
    [
        ("anna@here.example", None, LATER, 2),
        ("anna@here.example", F, LATER, 0),
        (None, None, LATER, 0),
        (None, D, LATER, 2),
        (None, None, LOST, 2),
        (None, F, LOST, 0),
    ],
)
def test_delay_is_told_after_an_hour_and_a_day(
    account: str | None, notify: Notify | None, why: Outcome, expected: int
) -> None:
    world = World()
    hand = world.hand()
    number = sent_on(world, hand, why, account=account, notify=notify)
    told: list[NoticeWork] = []
    hours = 0
    for hours in range(1, 50):
        world.pass_time(3600)
        for lease in hand.take():
            world.settle(lease, why)
        for work in hand.notices:
            told.append(work)
            world.offer(incoming("x@here.example", sender=None, notice_of=work.id, hold="not now"))
        hand.notices.clear()
        world.run()
        if hours == 2:
            assert len(told) == min(expected, 1)
    assert len(told) == expected
    if expected:
        reason = told[0].reasons[0]
        assert reason.action == "delayed"
        assert reason.next_at is not None
        assert reason.give_up_at == pytest.approx(world.store.messages[number].accepted_at + 5 * 86400)
    world.check()


def test_lost_encryption_is_told_also_where_another_trouble_came_first() -> None:
    world = World()
    hand = world.hand()
    sent_on(world, hand, LATER, account=None)
    for why in (LATER,) * 8 + (LOST,) * 8:
        world.pass_time(900)
        for lease in hand.take():
            world.settle(lease, why)
    assert len({notice.id for notice in hand.notices}) == 1  # asked for again until it is handed in
    assert (hand.notices[0].reasons[0].action, hand.notices[0].reasons[0].outcome) == ("delayed", LOST)
    world.check()


@pytest.mark.parametrize(
    ("clear_from", "tries", "expected"),
    [
        (None, 4, []),  # it waits for good: the usual ages
        (600.0, 4, [1]),  # the second try comes at 300 s, the third at 900 s
        (100.0, 2, [0]),  # what comes late in the waiting time is told with its first try
        (5000.0, 4, []),  # the hour comes first
    ],
)
def test_lost_encryption_is_told_before_it_is_too_late(
    clear_from: float | None, tries: int, expected: list[int]
) -> None:
    world = World()
    hand = world.hand()
    at = None if clear_from is None else START + clear_from
    why = outcome(OutcomeKind.DEFERRED, Cause.TLS_LOST, clear_from=at)
    told: list[int] = []
    world.accept("b@far.example", account=None)
    world.plan(hand, ttl=1e9)
    for attempt in range(tries):
        for lease in hand.take():
            world.settle(lease, why)
        if hand.notices and not told:
            told.append(attempt)
            assert hand.notices[0].reasons[0].outcome == why
        world.pass_time(300 * 2**attempt)
    assert told == expected
    world.pass_time(3600)
    for lease in hand.take():
        world.settle(lease, why)
    assert len({notice.id for notice in hand.notices}) == 1  # once: the hour adds none
    world.check()


def test_expiry_is_told_and_comes_also_to_mail_that_nobody_could_try() -> None:
    world = World(lifetime=1000.0, delay_notice=(100.0,))
    hand = world.hand()
    tried = sent_on(world, hand, LATER)
    never = world.accept("x@unplanned.example")
    for _ in range(30):
        world.pass_time(50)
        for lease in hand.take():
            world.settle(lease, LATER)
    assert world.store.last(tried).fate is Fate.EXPIRED
    assert world.store.last(never).fate is Fate.EXPIRED
    assert world.store.last(never).attempts == 0
    failed = [n.number for n in hand.notices if n.reasons[0].action == "failed"]
    assert set(failed) == {tried, never}
    assert {n.number for n in hand.notices if n.reasons[0].action == "delayed"} == {tried, never}
    # Age alone made them due, but what is told is what the last attempt met.
    for notice in hand.notices:
        assert notice.reasons[0].outcome == (LATER if notice.number == tried else None)
    world.check()


def test_bounces_live_shorter() -> None:
    world = World(lifetime=1000.0, lifetime_null=300.0)
    number = world.accept(sender=None, account=None)
    world.pass_time(333)  # dates far away are kept to 32 seconds
    assert world.store.last(number).fate is Fate.EXPIRED
    assert world.store.kinds(number)[-1] is EventKind.NOTICE_WAIVED
