"""Trouble at a peer makes us slower there, says why, and ends; nobody else is slower by it."""

import pytest
from msgspec import structs

from kurir.limits import USUAL_SHAPE
from kurir.model import Cause, EventKind, Outcome, OutcomeKind, Reply, Stage
from kurir.queue import Plan, Road, Settlement
from kurir.queue.pacing.shaping import signal_of

from .world import DOWN, SENT, FakeHand, World, outcome

DEFERRED = OutcomeKind.DEFERRED
STEP = USUAL_SHAPE.step


def said(text: str, stage: Stage, cause: Cause = Cause.RATE_LIMITED) -> Outcome:
    return structs.replace(outcome(DEFERRED, cause, stage), reply=Reply.of(421, "4.7.0", text))


TOO_MANY = said("too many connections", Stage.BANNER)
SLOW_DOWN = said("slow down", Stage.MAIL)


@pytest.mark.parametrize(
    ("result", "signal"),
    [
        (TOO_MANY, "connections"),
        (said("too many concurrent sessions", Stage.MAIL), "connections"),
        (SLOW_DOWN, "rate"),
        (said("busy", Stage.BANNER, Cause.BUSY), "connections"),
        (DOWN, "handshake"),
        (said("greylisted", Stage.RCPT, Cause.GREYLISTED), None),
        (said("greylisted", Stage.BANNER, Cause.GREYLISTED), None),
        (said("mailbox full", Stage.RCPT, Cause.MAILBOX_FULL), None),
        (said("daily quota", Stage.BODY, Cause.QUOTA_SPENT), None),
        (said("wrong password", Stage.AUTH, Cause.AUTH_FAILED), None),
        (SENT, None),
        (structs.replace(DOWN, reply=None, retry_after=9.0), None),
    ],
)  # fmt: skip
def test_what_is_trouble_of_the_peer(result: Outcome, signal: str | None) -> None:
    found = signal_of(result)
    assert (found.value if found else None) == signal


def ready(
    world: World, count: int, *, concurrency: int = 8, provider: str = "", site: str = "far.example"
) -> FakeHand:
    hand = world.hand(slots=100)
    for _ in range(count):
        world.accept(f"x@{site}")
    plan(world, hand, concurrency, provider)
    return hand


def plan(world: World, hand: FakeHand, concurrency: int = 8, provider: str = "") -> None:
    requests, hand.plans = hand.plans, []
    world.brain.planned(
        [Plan(r, (Road("mx", r.domain, concurrency, provider=provider),), 1e9) for r in requests]
    )
    world.run()


def test_a_refused_connection_cuts_what_goes_out_and_is_no_attempt() -> None:
    world = World()
    hand = ready(world, 40)
    leases = hand.take()
    assert len(leases) == 8
    for lease in leases[4:]:
        world.settle(lease, TOO_MANY)
    assert hand.take() == []  # four are out, and four may be
    (pace,) = world.brain.overview.paces()
    assert (pace.connections, pace.most, pace.open) == (4, 8, 4)
    assert pace.why == "421 4.7.0 too many connections"
    assert all(w.attempts == 0 for w in world.brain.overview.snapshot())
    slowed = [e for e in world.store.events if e.kind is EventKind.SLOWED]
    assert len(slowed) == 1
    assert slowed[0].number == leases[4].number
    assert slowed[0].reason == (
        "fewer connections at once to far.example, 4 instead of 8: it takes no more at once: 421 4.7.0 too many connections"
    )
    for lease in leases[:4]:
        world.settle(lease, SENT)
    assert len(hand.take()) == 4
    world.check()


def test_a_connection_too_many_and_a_hand_that_dies_make_nobody_wait_for_long() -> None:
    world = World()
    hand = ready(world, 10)
    world.settle(hand.take()[0], structs.replace(TOO_MANY, retry_after=1800.0))
    world.brain.hand_gone(hand)  # and with it those that would have opened the site again
    again = world.hand(slots=100)
    world.pass_time(70)
    assert again.take() != []
    world.check()


def test_where_nothing_works_the_refusal_is_an_attempt() -> None:
    world = World()
    hand = ready(world, 1)
    world.settle(hand.take()[0], TOO_MANY)
    (waiting,) = world.brain.overview.snapshot()
    assert (waiting.attempts, waiting.state) == (1, "waiting")


def test_a_connection_that_another_one_took_over_is_heard_of_too() -> None:
    world = World()
    hand = ready(world, 20)
    (first, *_) = hand.take()
    world.brain.settle([Settlement(first.epoch, first.id, first.number, ((0, SENT),), (TOO_MANY, 3))])
    world.run()
    (pace,) = world.brain.overview.paces()
    assert pace.connections == 3
    assert world.brain.figures().slowed == 1
    world.check()


def test_it_opens_again_and_is_forgotten() -> None:
    world = World()
    hand = ready(world, 400)
    leases = hand.take()
    world.settle(leases[0], TOO_MANY)
    for lease in leases[1:]:
        world.settle(lease, SENT)
    most = 0
    for _ in range(40):
        world.pass_time(STEP)
        leases = hand.take()
        most = max(most, len(leases))
        for lease in leases:
            world.settle(lease, SENT)
        if not world.brain.overview.paces():
            break
    assert world.brain.overview.paces() == []
    assert 4 <= most < 8
    assert len(hand.take()) == 8
    world.check()


def test_a_rate_is_kept_and_comes_back() -> None:
    world = World()
    hand = ready(world, 300)
    leases = hand.take()
    world.clock.forward(1.0)  # 8 a second
    world.settle(leases[0], SLOW_DOWN)
    (pace,) = world.brain.overview.paces()
    assert 3.5 <= pace.rate <= 4.5
    for lease in leases[1:]:
        world.settle(lease, SENT)
    sent = 0
    for _ in range(20):
        world.pass_time(0.25)
        leases = hand.take()
        sent += len(leases)
        for lease in leases:
            world.settle(lease, SENT)
    assert 15 <= sent <= 25  # in five seconds
    (waiting, *_) = [w for w in world.brain.overview.snapshot() if w.state == "ready"]
    assert waiting.limit is not None
    assert (waiting.limit.quota, waiting.limit.spared, waiting.limit.road) == (None, "far.example", "mx")
    assert waiting.next_at is not None
    world.check()


def test_what_a_provider_says_holds_for_all_its_sites_and_for_nobody_else() -> None:
    world = World()
    hand = world.hand(slots=100)
    for domain in ("a.example", "b.example"):
        for _ in range(10):
            world.accept(f"x@{domain}")
    plan(world, hand, 4, provider="at-big")
    for _ in range(10):
        world.accept("x@other.example")
    plan(world, hand, 4)
    leases = hand.take()
    assert len(leases) == 12
    world.settle(next(x for x in leases if x.road.site == "a.example"), TOO_MANY)
    (pace,) = world.brain.overview.paces()
    assert (pace.key, pace.connections, pace.open) == ("pace/mx/at-big", 4, 7)
    for lease in leases:
        if lease.road.site == "other.example":
            world.settle(lease, SENT)
    assert [x.road.site for x in hand.take()] == ["other.example"] * 4
    world.check()


def test_a_failed_connection_is_about_one_site() -> None:
    world = World()
    hand = world.hand(slots=100)
    world.accept("x@a.example")
    plan(world, hand, 4, provider="at-big")
    world.settle(hand.take()[0], DOWN)
    assert [p.key for p in world.brain.overview.paces()] in ([], ["pace/mx/a.example"])


def test_answers_that_take_far_longer_than_usual_are_trouble() -> None:
    world = World()
    hand = ready(world, 60)
    quick, slow = structs.replace(SENT, seconds=0.5), structs.replace(SENT, seconds=30.0)
    for _ in range(3):
        for lease in hand.take():
            world.settle(lease, quick)
    leases = hand.take()
    for lease in leases[:2]:
        world.settle(lease, slow)
    assert world.brain.overview.paces() == []
    world.settle(leases[2], slow)
    (pace,) = world.brain.overview.paces()
    assert (pace.signal, pace.connections) == ("latency", 4)
    world.check()


def test_an_untroubled_site_has_no_pace() -> None:
    world = World()
    hand = ready(world, 20)
    for lease in hand.take():
        world.settle(lease, SENT)
    assert world.brain.overview.paces() == []
    assert world.brain.figures().paced == 0


def test_the_trace_calls_a_provider_as_people_do() -> None:
    world = World()
    hand = world.hand(slots=100)
    for _ in range(3):
        world.accept("x@a.example")
    requests, hand.plans = hand.plans, []
    road = Road("mx", "a.example", 4, provider="at-big", label="Big Mail")
    world.brain.planned([Plan(r, (road,), 1e9) for r in requests])
    world.run()
    world.settle(hand.take()[0], TOO_MANY)
    [slowed] = [e for e in world.store.events if e.kind is EventKind.SLOWED]
    assert "to Big Mail, " in slowed.reason
    assert "at-big" not in slowed.reason


def again(world: World, *, orderly: bool = False) -> tuple[World, FakeHand]:
    """A brain that starts on what the one of `world` left."""
    if orderly:
        world.brain.drain(lambda: None)
        world.run()
    fresh = World(world.store, load=True, clock=world.clock)
    return fresh, fresh.hand(slots=100)


def cut() -> World:
    """A world in which four connections of eight are too many."""
    world = World()
    hand = ready(world, 40)
    world.clock.forward(1.0)
    leases = hand.take()
    world.settle(leases[0], TOO_MANY)
    for lease in leases[1:]:
        world.settle(lease, SENT)
    hand.take()
    return world


@pytest.mark.parametrize("orderly", [False, True])
def test_a_new_brain_spares_whom_the_one_before_spared(*, orderly: bool) -> None:
    world, hand = again(cut(), orderly=orderly)
    (pace,) = world.brain.overview.paces()
    assert (pace.key, pace.connections, pace.most) == ("pace/mx/far.example", 4, 8)
    assert (pace.signal, pace.why) == ("connections", "")
    assert pace.since == world.clock.wall
    world.pass_time(1)
    plan(world, hand)
    assert len(hand.take()) == 4
    world.check()


def test_the_time_of_a_restart_counts_up_to_the_point_of_trouble() -> None:
    world = cut()
    world.clock.forward(2 * STEP)
    world, _ = again(world)
    assert [p.connections for p in world.brain.overview.paces()] == [6]
    world.clock.forward(20 * STEP)
    world, hand = again(world)
    assert [p.connections for p in world.brain.overview.paces()] == [7]  # eight were too many
    world.pass_time(1)
    plan(world, hand)
    for _ in range(4):
        for lease in hand.take():
            world.settle(lease, SENT)
        world.pass_time(STEP)
    assert world.brain.overview.paces() == []
    assert again(world)[0].brain.overview.paces() == []


def test_a_rate_is_kept_over_a_restart() -> None:
    world = World()
    hand = ready(world, 100)
    leases = hand.take()
    world.clock.forward(1.0)  # 8 a second
    world.settle(leases[0], SLOW_DOWN)
    (before,) = world.brain.overview.paces()
    world, hand = again(world)
    (after,) = world.brain.overview.paces()
    assert (after.rate, after.connections) == (before.rate, before.connections)


def test_a_pace_of_long_ago_is_not_recalled() -> None:
    world = cut()
    world.clock.forward(USUAL_SHAPE.memory + 1)
    world, _ = again(world)
    assert world.brain.overview.paces() == []


@pytest.mark.parametrize(
    ("leads", "kept"),
    [
        ({"mx": frozenset()}, 1),  # straight to receivers
        ({"mx": frozenset({"far.example", "to-far"})}, 1),
        ({"mx": frozenset({"relay.example:587"})}, 0),
        ({"other": frozenset()}, 0),
    ],
)
def test_nobody_is_spared_to_whom_no_road_leads_any_more(leads: dict[str, frozenset[str]], kept: int) -> None:
    world = cut()
    fresh = World(world.store, load=True, clock=world.clock, leads_to=leads)
    assert len(fresh.brain.overview.paces()) == kept
    fresh.hand()
    assert len(again(fresh)[0].brain.overview.paces()) == kept  # and it stays forgotten


def test_a_clock_that_went_back_opens_nothing_and_breaks_nothing() -> None:
    world = cut()
    world.clock.wall -= 5000
    world, _ = again(world)
    assert [p.connections for p in world.brain.overview.paces()] == [4]
