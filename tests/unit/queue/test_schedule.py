"""Fairness, pauses, rates, and the linear cost of a great many."""

import sys

import pytest
from msgspec import structs

from kurir.model import Address, Cause, Envelope, MailParams, Outcome, OutcomeKind, Recipient, Stage
from kurir.queue import Plan, Road
from kurir.queue.waiting.wheel import Calendar, Wheel

from .memory import QuickStore
from .world import DOWN, SENT, FakeHand, World, address, incoming, outcome


def test_a_slow_site_with_thousands_does_not_cost_the_others() -> None:
    world = World(QuickStore())
    hand = world.hand(slots=20)
    for _ in range(3000):
        world.offer(incoming("a@slow.example"))
    world.run()
    world.plan(hand, ttl=1e9, concurrency=1000)
    slow = hand.take()
    assert 12 <= len(slow) < 20  # alone it gets most slots, never all
    for _ in range(30):
        world.accept("b@quick.example")
        world.plan(hand, ttl=1e9)
        (lease,) = hand.take()
        assert lease.road.site == "quick.example"
        world.settle(lease, SENT)


def test_sites_take_turns() -> None:
    world = World()
    hand = world.hand(slots=1)
    for site in "abc":
        for _ in range(3):
            world.accept(f"x@{site}.example")
    order = []
    world.plan(hand, ttl=1e9)
    for _ in range(9):
        (lease,) = hand.take()
        order.append(lease.road.site[0])
        world.settle(lease, SENT)
    assert sorted(order[:3]) == sorted(order[3:6]) == sorted(order[6:]) == ["a", "b", "c"]


def test_concurrency_of_a_site_is_kept() -> None:
    world = World()
    hand = world.hand(slots=50)
    for _ in range(10):
        world.accept("x@far.example")
    world.plan(hand, concurrency=3)
    leases = hand.take()
    assert len(leases) == 3
    world.settle(leases[0], SENT)
    assert len(hand.take()) == 1


def test_a_dead_site_rests_probes_once_and_opens_again() -> None:
    world = World(retry=(300.0,))
    hand = world.hand(slots=50)
    for _ in range(30):
        world.accept("x@far.example")
    world.plan(hand, concurrency=4, ttl=1e9)
    for lease in hand.take():
        world.settle(lease, DOWN)  # four at once are one failure
    (site,) = world.brain.overview.sites()
    assert site.failures == 1
    assert site.why is DOWN
    assert not hand.leases
    world.pass_time(59)
    assert not hand.leases
    world.pass_time(2)
    (probe,) = hand.take()
    world.settle(probe, DOWN)
    world.pass_time(70)
    assert not hand.leases  # 75 seconds now: bounded by a quarter of the schedule
    world.pass_time(20)
    (probe,) = hand.take()
    world.settle(probe, SENT)
    first = hand.take()
    assert len(first) == 2  # it opens step by step
    world.pass_time(7)
    for lease in first:
        world.settle(lease, SENT)
    world.pass_time(61)
    for lease in hand.take():
        world.settle(lease, SENT)
    assert len(hand.take()) == 4
    assert world.brain.overview.sites()[0].failures == 0
    world.check()


def test_what_failed_with_a_site_goes_on_when_its_probe_got_through() -> None:
    world = World(retry=(4 * 3600.0,))
    hand = world.hand()
    for _ in range(3):
        world.accept("x@far.example")
    world.plan(hand, concurrency=3, ttl=1e9)
    for lease in hand.take():
        world.settle(lease, DOWN)
    world.accept("y@far.example")
    world.pass_time(70)
    (probe,) = hand.take()
    world.settle(probe, SENT)
    world.pass_time(1)
    late = hand.take()
    for lease in late:  # two at once: it had trouble
        world.settle(lease, SENT)
    assert len(late) + len(hand.take()) == 3
    world.check()


def test_what_failed_with_a_site_goes_before_later_mail_of_its_owner() -> None:
    world = World(retry=(300.0,))
    hand = world.hand()
    first = world.accept("x@far.example")
    world.plan(hand, ttl=1e9)
    world.settle(hand.take()[0], DOWN)
    world.pass_time(290)
    world.accept("y@far.example")
    world.settle(hand.take()[0], DOWN)  # rests for more than a minute
    world.accept("z@far.example")
    world.pass_time(100)  # the first one is due in between
    assert [probe.number for probe in hand.take()] == [first]
    world.check()


def test_after_a_start_mail_goes_in_the_order_in_which_it_came_whatever_its_domain() -> None:
    world = World()
    world.hand()
    numbers = [world.accept(f"x@{site}.example") for site in "abcabc"]
    again = World(world.store, load=True, clock=world.clock)
    hand = again.hand(slots=1)
    again.tick()
    again.plan(hand, site="hop", ttl=1e9)
    order = []
    for _ in numbers:
        (lease,) = hand.take()
        order.append(lease.number)
        again.settle(lease, SENT)
    assert order == numbers


def test_one_flaw_among_successes_is_no_dead_site() -> None:
    world = World()
    hand = world.hand()
    for _ in range(4):
        world.accept("x@far.example")
    world.plan(hand, concurrency=2, ttl=1e9)
    first, second = hand.take()
    world.clock.forward(1)
    world.settle(first, SENT)
    world.settle(second, DOWN)
    assert world.brain.overview.sites()[0].failures == 0
    assert len(hand.take()) == 2


def test_retry_now_gives_a_resting_site_a_probe() -> None:
    world = World()
    hand = world.hand()
    number = world.accept("x@far.example")
    world.plan(hand, ttl=1e9)
    world.settle(hand.take()[0], DOWN)
    operated = world.brain.operator.retry_now(number, by="rina", reason="they say it is up")
    assert operated.changed == (0,)
    world.pass_time(0.5)
    assert len(hand.take()) == 1


def test_a_rate_is_kept() -> None:
    world = World()
    hand = world.hand(slots=100)
    for _ in range(30):
        world.accept("x@far.example")
    world.brain.planned([Plan(hand.plans[0], (Road("mx", "far", 100, 2.0),), 1e9)])
    sent = 0
    for _ in range(10):
        world.run()
        for lease in hand.take():
            sent += 1
            world.settle(lease, SENT)
        world.pass_time(1)
    assert 18 <= sent <= 22


def test_a_slot_given_back_frees_the_probe() -> None:
    world = World()
    hand = world.hand()
    world.accept("x@far.example")
    world.accept("y@far.example")
    world.plan(hand, concurrency=1, ttl=1e9)
    world.settle(hand.take()[0], DOWN)
    world.pass_time(62)
    (probe,) = hand.take()
    world.settle(probe, only=[])
    world.pass_time(2)
    assert len(hand.take()) == 1


def test_a_deferral_for_a_recipient_does_not_pause_the_site() -> None:
    world = World()
    hand = world.hand()
    world.accept("x@far.example")
    world.plan(hand, ttl=1e9)
    world.settle(hand.take()[0], outcome(OutcomeKind.DEFERRED, Cause.MAILBOX_FULL, Stage.RCPT))
    world.accept("y@far.example")
    assert len(hand.take()) == 1


@pytest.mark.parametrize("many", [5_000])
def test_the_cost_per_recipient_does_not_grow(many: int) -> None:
    """Ten times as many waiting at one dead site: hardly more calls each (a count, so that no clock decides)."""

    def cost(count: int) -> float:
        world = World(QuickStore(), fresh_bytes=1 << 40)
        hand = world.hand(slots=10)
        messages = [incoming("a@dead.example") for _ in range(count)]
        calls = 0

        def count_call(_frame: object, event: str, _arg: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count_call)
        try:
            for message in messages:
                world.brain.accept(message, lambda _: None)
            world.run()
            world.plan(hand, ttl=1e9)
            for lease in hand.take():
                world.settle(lease, DOWN)
            for _ in range(20):
                world.pass_time(300)
                for lease in hand.take():
                    world.settle(lease, DOWN)
        finally:
            sys.setprofile(None)
        return calls / count

    small, large = cost(many // 10), cost(many)
    assert large < 1.5 * small, (small, large)


def test_wheel_pops_in_order_and_in_portions() -> None:
    wheel: Wheel[int] = Wheel()
    assert wheel.next_at() is None
    for i in range(10):
        wheel.add(100.0 + i // 5, i)
    assert wheel.next_at() == 100.0
    assert wheel.pop(99.9, 100) == []
    assert wheel.pop(101.0, 3) == [0, 1, 2]
    assert wheel.next_at() == 0.0
    assert wheel.pop(101.0, 100) == [3, 4, 5, 6, 7, 8, 9]
    assert wheel.next_at() is None


def test_calendar_forgets_at_once() -> None:
    calendar: Calendar[str] = Calendar()
    near, far = calendar.add(100.5, 10, "near"), calendar.add(100_001, 90_000, "far")
    assert (near, far) == (101, 100_032)
    calendar.cancel(near, "near")
    assert calendar.next_at() == far
    assert list(calendar.pop(100_031)) == []
    assert list(calendar.pop(100_032)) == ["far"]
    assert calendar.next_at() is None


def test_domains_are_shared_strings() -> None:
    world = World()
    first = world.accept(str(Address("a", "".join(["far", ".example"]))))
    second = world.accept(str(Address("b", "".join(["far.", "example"]))))
    one, two = (next(iter(world.brain.overview.show(n))).domain for n in (first, second))
    assert one is two


@pytest.mark.parametrize(("sealed", "waits"), [(True, False), (False, True)])
def test_mail_that_demands_tls_does_not_hold_up_other_mail(sealed: bool, waits: bool) -> None:
    world = World()
    hand = world.hand()
    envelope = Envelope(
        address("anna@here.example"), (Recipient(address("a@far.example")),), MailParams(require_tls=sealed)
    )
    world.offer(structs.replace(incoming(), envelope=envelope))
    world.run()
    world.plan(hand, ttl=1e9)
    world.settle(hand.take()[0], outcome(OutcomeKind.DEFERRED, Cause.TLS_REQUIRED, Stage.TLS))
    world.accept("b@far.example")
    assert (not hand.take()) is waits


def companies(hand: FakeHand) -> list[list[int]]:
    return sorted([w.index for w in lease.work] for lease in hand.leases)


def test_a_suspect_goes_alone_and_the_others_together() -> None:
    world = World(retry=(300.0,))
    hand = world.hand()
    world.accept(*(f"{x}@far.example" for x in "abcde"))
    world.plan(hand, ttl=1e9)
    (lease,) = hand.take()
    broke = outcome(OutcomeKind.DEFERRED, Cause.TIMEOUT, Stage.RCPT)
    suspect = structs.replace(broke, together=1)
    world.settle(lease, broke, broke, suspect, broke, broke)
    world.pass_time(400)
    assert companies(hand) == [[0, 1, 3, 4], [2]]
    for lease in hand.take():
        world.settle(lease, broke if len(lease.work) == 1 else SENT)
    world.pass_time(400)
    assert companies(hand) == [[2]]
    world.check()


def test_halves_are_parted_until_each_goes_alone() -> None:
    world = World(retry=(300.0,))
    hand = world.hand()
    world.accept(*(f"{x}@far.example" for x in "abcde"))
    world.plan(hand, ttl=1e9)
    sizes = []
    for _ in range(4):
        leases = hand.take()
        sizes.append(sorted(len(lease.work) for lease in leases))
        for lease in leases:
            count = len(lease.work)
            world.settle(
                lease,
                outcome(
                    OutcomeKind.DEFERRED,
                    Cause.TIMEOUT,
                    Stage.DATA,
                    together=0 if count == 1 else (count + 1) // 2,
                ),
            )
        world.pass_time(400)
    assert sizes == [[5], [2, 3], [1, 1, 1, 2], [1] * 5]
    world.check()


def _at_one_provider(world: World, hand: FakeHand, *sites: str, ends: Outcome = DOWN) -> None:
    """Mail comes for sites of one provider, and fails with them, or `ends` otherwise."""
    for site in sites:
        world.accept(f"x@{site}")
        requests, hand.plans = hand.plans, []
        world.brain.planned([Plan(r, (Road("mx", site, provider="at-big"),), 1e9) for r in requests])
        world.run()
        (lease,) = hand.take()
        world.settle(lease, ends)


def _is_back(world: World, hand: FakeHand, site: str) -> list[str]:
    """New mail proves a site; return where work goes then."""
    world.accept(f"y@{site}")
    (probe,) = hand.take()
    world.settle(probe, SENT)
    world.pass_time(2)
    return sorted(x.road.site for x in hand.leases)


def test_when_a_site_is_back_those_of_its_provider_that_failed_meanwhile_are_probed() -> None:
    world = World(retry=(4 * 3600.0,))
    hand = world.hand()
    _at_one_provider(world, hand, "a.example", "b.example")
    world.pass_time(61)
    _at_one_provider(world, hand, "b.example")  # its second failure: it rests for two minutes now
    world.pass_time(61)
    assert _is_back(world, hand, "a.example") == ["a.example", "b.example"]
    for lease in hand.take():
        world.settle(lease, SENT)
    world.pass_time(1)
    assert [x.road.site for x in hand.take()] == ["b.example"]  # the other one that waited only for that
    world.check()


def test_a_site_of_which_nothing_was_heard_since_another_failed_may_have_been_broken_all_the_time() -> None:
    world = World(retry=(4 * 3600.0,))
    hand = world.hand()
    _at_one_provider(world, hand, "a.example", ends=SENT)
    _at_one_provider(world, hand, "b.example")
    world.pass_time(61)
    _at_one_provider(world, hand, "b.example")  # rests for two minutes
    world.pass_time(30)
    _at_one_provider(world, hand, "a.example")  # the first mail there for a while
    world.pass_time(61)
    assert _is_back(world, hand, "a.example") == ["a.example", "b.example"]


def test_a_site_that_never_failed_gives_a_broken_neighbour_one_chance() -> None:
    world = World(retry=(4 * 3600.0,))
    hand = world.hand()
    for rest in (61, 121, 0):
        _at_one_provider(world, hand, "b.example")
        world.pass_time(rest)
    world.pass_time(30)  # b rests for four minutes
    _at_one_provider(world, hand, "a.example", ends=SENT)  # nobody knew of it during the outage
    world.pass_time(29)
    assert not hand.leases
    world.pass_time(2)
    (probe,) = hand.take()
    world.settle(probe, DOWN)
    for _ in range(4):  # it is away for a reason of its own, and rests for eight minutes
        _at_one_provider(world, hand, "a.example", ends=SENT)
        world.pass_time(110)
        assert not hand.leases
    world.pass_time(60)
    assert [x.road.site for x in hand.take()] == ["b.example"]
    world.check()


def test_a_site_that_is_back_wakes_nobody_who_failed_before_or_who_has_hardly_rested() -> None:
    world = World(retry=(4 * 3600.0,))
    hand = world.hand()
    _at_one_provider(world, hand, "c.example")
    _at_one_provider(world, hand, "a.example", ends=SENT)  # c's chance, while a never failed
    world.pass_time(61)
    (probe,) = hand.take()
    world.settle(probe, DOWN)  # c rests for two minutes, and is away for a reason of its own
    world.pass_time(1)
    _at_one_provider(world, hand, "a.example", ends=SENT)
    world.pass_time(1)
    _at_one_provider(world, hand, "a.example")
    world.pass_time(61)
    _at_one_provider(world, hand, "b.example")
    world.accept("z@c.example")
    assert _is_back(world, hand, "a.example") == ["a.example"]  # c could go at once if it was woken
    hand.take()
    world.pass_time(50)
    assert not hand.leases
    world.pass_time(10)
    assert sorted(x.road.site for x in hand.take()) == ["b.example", "c.example"]  # b a minute sooner
