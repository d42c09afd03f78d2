"""What a person can do, and what he is told."""

import pytest

from kurir.model import EventKind, Fate

from .world import LATER, SENT, World


def test_hold_release_drop_leave_their_words() -> None:
    world = World()
    hand = world.hand()
    number = world.accept("a@far.example", "b@far.example")
    world.plan(hand)
    world.settle(hand.take()[0], LATER)
    done: list[str] = []
    held = world.brain.operator.hold(
        number, 1, by="rina", reason="look first", done=lambda: done.append("held")
    )
    assert (held.changed, held.unchanged) == ((1,), ())
    assert not done
    world.run()
    assert done == ["held"]
    assert world.store.last(number, 1).held == "look first"
    event = world.store.events[-1]
    assert (event.kind, event.by, event.reason, event.recipient) == (EventKind.HELD, "rina", "look first", 1)
    again = world.brain.operator.hold(number, by="rina", reason="all")
    assert again.changed == (0,)
    assert again.unchanged == ((1, "is held already: look first"),)
    assert world.brain.operator.retry_now(number, 1, by="rina").unchanged == (
        (1, "is held: look first; release it"),
    )
    assert world.brain.operator.release(number, by="budi").changed == (0, 1)
    assert world.brain.operator.release(number, by="budi").unchanged == (
        (0, "is not held"),
        (1, "is not held"),
    )
    world.run()
    assert world.brain.operator.drop(number, 0, by="budi", reason="spam").changed == (0,)
    world.run()
    assert world.store.last(number, 0).fate is Fate.DELETED
    assert world.store.kinds(number, 0)[-1] is EventKind.DROPPED
    world.check()
    assert world.brain.operator.drop(number, by="rule", reason="purge", fate=Fate.DISCARDED).changed == (1,)
    world.run()
    assert number in world.store.finished
    assert world.brain.operator.drop(number, by="budi").unchanged == (
        (-1, "does not wait (it has ended, or never was)"),
    )
    world.pass_time(86400)
    assert not hand.leases
    world.check()


@pytest.mark.parametrize("verb", ["hold", "drop", "retry_now"])
def test_what_is_with_a_hand_is_left_alone(verb: str) -> None:
    world = World()
    hand = world.hand()
    number = world.accept()
    world.plan(hand)
    operated = getattr(world.brain.operator, verb)(number, by="rina", reason="x")
    assert operated.changed == ()
    assert "right now" in operated.unchanged[0][1]
    world.settle(hand.take()[0], SENT)
    world.check()


@pytest.mark.parametrize("when", ["planning", "ready", "waiting"])
def test_what_waits_can_be_held_in_any_corner_and_comes_back_once(when: str) -> None:
    world = World()
    hand = world.hand(slots=1)
    blocker = world.accept("z@far.example")
    world.plan(hand, ttl=1e9)
    (first,) = hand.take()
    number = world.accept("a@other.example" if when == "planning" else "a@far.example")
    if when == "waiting":
        world.settle(first, SENT)
        (lease,) = hand.take()
        world.settle(lease, LATER)
    assert world.brain.overview.show(number)[0].state == when
    for _ in range(3):
        assert world.brain.operator.hold(number, by="rina", reason="x").changed == (0,)
        world.check() if not world.posted else world.run()
        assert world.brain.operator.release(number, by="rina").changed == (0,)
        if when != "waiting":  # with its slot free it would be leased at once
            world.pass_time(1)
    world.pass_time(1)
    world.plan(hand, ttl=1e9)
    if when != "waiting":
        world.settle(first, SENT)
    (lease,) = hand.take()
    assert lease.number == number
    world.settle(lease, SENT)
    assert not hand.leases
    assert blocker != number
    world.check()


def test_the_views_say_where_everything_is() -> None:
    world = World()
    hand = world.hand(slots=1)
    one, two = world.accept("a@far.example"), world.accept("b@far.example")
    three = world.accept("c@none.example", hold="odd")
    assert [w.state for w in world.brain.overview.snapshot()] == ["planning", "planning", "held"]
    world.plan(hand)
    rows = list(world.brain.overview.snapshot())
    assert [(w.number, w.state, w.site) for w in rows] == [
        (one, "trying", "far.example"),
        (two, "ready", "far.example"),
        (three, "held", ""),
    ]
    assert rows[2].next_at is None
    assert [w.number for w in world.brain.overview.snapshot(after=one, limit=1)] == [two]
    world.settle(hand.take()[0], LATER)
    assert world.brain.overview.show(one)[0].next_at == pytest.approx(world.clock.wall + 300)
    (site,) = world.brain.overview.sites()
    assert (site.waiting, site.open, site.failures) == (0, 1, 0)
    figures = world.brain.figures()
    assert (figures.waiting, figures.messages, figures.open_leases) == (3, 3, 1)
    assert figures.attempts["deferred"] == 1
