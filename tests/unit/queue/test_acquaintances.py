"""New recipients: counted once each, never too few, and those who are known do not wait for them."""

from kurir.limits import Quota, Unit
from kurir.model import Recipient
from kurir.queue import Plan, Road
from kurir.queue.pacing.acquaintances import KNOWN_DAYS, Acquaintances, person_of

from .memory import MemoryStore
from .world import LATER, SENT, START, FakeHand, World, address

DAY = 86400.0
KEY = "to-x/new/day/me"
NEW = Quota(KEY, Unit.NEW_RECIPIENTS, 3, DAY, 3)


def plan(world: World, hand: FakeHand) -> None:
    requests, hand.plans = hand.plans, []
    world.brain.planned([Plan(r, (Road("smart", "smart", 50, 0.0, (NEW,)),), 1e9) for r in requests])
    world.run()


def used(world: World) -> int:
    (state,) = [x for x in world.brain.overview.limits((NEW,)) if x.key == KEY]
    return state.used


def deliver(world: World, hand: FakeHand, *to: str) -> None:
    world.accept(*to)
    plan(world, hand)
    for lease in hand.take():
        world.settle(lease, SENT)


def test_each_is_new_once() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    deliver(world, hand, "a@far.example", "b@far.example")
    assert used(world) == 2
    deliver(world, hand, "a@far.example")
    assert used(world) == 2
    deliver(world, hand, "a@far.example", "c@far.example")
    assert used(world) == 3
    world.check()


def test_those_who_are_known_do_not_wait_for_a_spent_limit() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    deliver(world, hand, "a@far.example", "b@far.example", "c@far.example")
    world.accept("d@far.example")
    world.accept("a@far.example")
    assert [w.recipient.address.local for x in hand.take() for w in x.work] == ["a"]
    world.pass_time(DAY + 120)
    assert [w.recipient.address.local for x in hand.take() for w in x.work] == ["d"]
    world.check()


def test_only_mail_that_was_taken_makes_known() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    world.accept("a@far.example")
    plan(world, hand)
    world.settle(hand.take()[0], LATER)
    assert used(world) == 1
    world.accept("a@far.example")
    assert used(world) == 2  # too many, never too few


def test_a_restart_knows_them_still() -> None:
    store = MemoryStore()
    world = World(store, lifetime=10 * DAY)
    deliver(world, world.hand(), "a@far.example")
    again = World(store, load=True, clock=world.clock, lifetime=10 * DAY)
    hand = again.hand()
    deliver(again, hand, "a@far.example")
    assert used(again) == 1


def test_who_was_not_written_to_for_long_is_new() -> None:
    known, anna = Acquaintances(), person_of(Recipient(address("anna@far.example")))
    assert known.met("k", anna, START) is not None
    assert known.met("k", anna, START + 1) is None  # stored once a day
    assert known.knows("k", anna, START + (KNOWN_DAYS - 1) * DAY)
    assert not known.knows("k", anna, START + (KNOWN_DAYS + 1) * DAY)
    assert not known.knows("other", anna, START)


def test_memory_is_bounded_and_forgets_those_met_first() -> None:
    known = Acquaintances(most=100)
    for person in range(150):
        known.met("k", person, START)
    assert not known.knows("k", 49, START)
    assert known.knows("k", 50, START)


def test_what_is_stored_is_small_and_no_address() -> None:
    debit = Acquaintances().met("k", person_of(Recipient(address("anna@far.example"))), START)
    assert debit is not None
    assert "anna" not in debit.key
    assert len(debit.key) < 40
