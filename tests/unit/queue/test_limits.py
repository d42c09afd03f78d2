"""Limits at the lease: paced, fair, durable before anything is sent, and exact after a crash."""

import random
from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from kurir.limits import AIR, Quota, Unit
from kurir.limits.budget import LINGER
from kurir.model import Cause, OutcomeKind, Stage, Urgency
from kurir.queue import Busy, Plan, Road, Settlement
from kurir.queue.pacing.paced import FairQueue, Turns
from kurir.queue.waiting.state import Errand, Mail

from .memory import MemoryStore
from .world import DOWN, LATER, NO, SENT, FakeHand, World, outcome

DAY, MINUTE = 86400.0, 60.0
KEY = "to-x/messages/day/me"


def per_day(
    stop: int, *, reserve: int = 0, unit: Unit = Unit.MESSAGES, window: float = DAY, key: str = KEY
) -> Quota:
    return Quota(key, unit, stop, window, stop, reserve)


def plan(world: World, hand: FakeHand, *quotas: Quota, site: str = "smart", recipients: int = 0) -> None:
    requests, hand.plans = hand.plans, []
    road = Road("smart", site, 50, 0.0, quotas, recipients)
    world.brain.planned([Plan(r, (road,), 1e9) for r in requests])
    world.run()


def used(store: MemoryStore) -> int:
    return sum(store.used.values())


def test_no_more_than_fits_and_the_rest_when_the_window_frees() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    for i in range(5):
        world.accept(f"b{i}@far.example")
    plan(world, hand, per_day(2))
    first = hand.take()
    assert len(first) == 2
    world.pass_time(3600)
    assert hand.take() == []
    for lease in first:
        world.settle(lease, SENT)
    world.pass_time(DAY - 3600)
    assert hand.take() == []  # it counts from the time it came back
    world.pass_time(3600 + 61)
    assert len(hand.take()) == 2
    world.check()


def test_the_debit_is_durable_before_the_lease_is_handed_over() -> None:
    world = World()
    hand = world.hand()
    world.accept("b@far.example")
    requests, hand.plans = hand.plans, []
    world.brain.planned([Plan(r, (Road("s", "s", 5, 0.0, (per_day(5),)),), 1e9) for r in requests])
    assert hand.leases == []
    assert used(world.store) == 0
    world.run()
    assert len(hand.leases) == 1
    assert world.store.used == {(KEY, AIR): 1}


def test_nothing_is_sent_while_the_debit_cannot_be_written() -> None:
    world = World()
    hand = world.hand()
    world.accept("b@far.example")
    world.store.full = True
    plan(world, hand, per_day(5))
    assert hand.leases == []
    world.store.full = False
    world.pass_time(10)
    assert len(hand.take()) == 1


def test_a_round_is_one_commit_and_a_short_window_none() -> None:
    world = World()
    hand = world.hand()
    for i in range(10):
        world.accept(f"b{i}@far.example")
    before = world.store.commits
    plan(world, hand, per_day(100))
    assert (len(hand.take()), world.store.commits - before) == (10, 1)
    other = World()
    hand = other.hand()
    for i in range(10):
        other.accept(f"b{i}@far.example")
    other.pass_time(5)
    before = other.store.commits
    plan(other, hand, per_day(100, window=1.0))
    assert (len(hand.take()), other.store.commits - before) == (10, 0)


UNFIT = structs.replace(outcome(OutcomeKind.FAILED, Cause.TOO_LARGE, Stage.MAIL), reply=None)
"""By what its EHLO said."""


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        (SENT, 1),
        (NO, 1),
        (LATER, 1),
        (DOWN, 0),
        (outcome(OutcomeKind.DEFERRED, Cause.AUTH_FAILED, Stage.AUTH), 0),
        (outcome(OutcomeKind.FAILED, Cause.TOO_LARGE, Stage.MAIL), 1),
        (UNFIT, 0),
        (structs.replace(UNFIT, kind=OutcomeKind.DEFERRED), 1),
    ],
)
def test_only_what_reached_mail_counts(result, counts: int) -> None:  # type: ignore[no-untyped-def]
    world = World()
    hand = world.hand()
    world.accept("b@far.example")
    plan(world, hand, per_day(5))
    world.settle(hand.take()[0], result)
    assert used(world.store) == counts
    assert world.store.used.get((KEY, AIR), 0) == 0


def test_what_is_given_back_untried_counts_not() -> None:
    world = World()
    hand = world.hand()
    world.accept("b@far.example")
    plan(world, hand, per_day(1))
    (lease,) = hand.take()
    world.brain.settle([Settlement(lease.epoch, lease.id, lease.number, ())])
    world.run()
    assert used(world.store) == 0
    world.pass_time(5)
    assert len(hand.take()) == 1


def test_a_lost_hand_may_have_sent_it() -> None:
    world = World()
    hand = world.hand()
    world.accept("b@far.example")
    plan(world, hand, per_day(5))
    world.brain.hand_gone(hand)
    world.run()
    assert used(world.store) == 1
    assert world.store.used[KEY, AIR] == 0


def test_recipients_are_divided() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    world.accept(*(f"b{i}@far.example" for i in range(12)))
    plan(world, hand, per_day(5, unit=Unit.RECIPIENTS))
    (lease,) = hand.take()
    assert [w.index for w in lease.work] == [0, 1, 2, 3, 4]
    world.settle(lease, SENT)
    world.pass_time(DAY + 61)
    (lease,) = hand.take()
    assert [w.index for w in lease.work] == [5, 6, 7, 8, 9]
    world.check()


@pytest.mark.parametrize("hop", [True, False])
def test_a_message_by_one_server_leaves_as_one_although_plans_end_at_different_times(*, hop: bool) -> None:
    world = World()
    hand = world.hand()

    def answer() -> None:
        requests, hand.plans = hand.plans, []
        road = Road("smart", "smart", quotas=(per_day(50),), hop=hop)
        world.brain.planned([Plan(r, (road,), 3600.0) for r in requests])
        world.run()

    for domain in ("near.example", "far.example"):
        world.accept(f"x@{domain}")
        answer()
        world.pass_time(1800)
    hand.take()
    world.accept("a@near.example", "b@far.example")  # the plan of the one still counts
    answer()
    assert len(hand.take()) == (1 if hop else 2)
    world.check()


def test_no_message_has_more_recipients_than_the_road_takes() -> None:
    world = World()
    hand = world.hand()
    world.accept(*(f"b{i}@far.example" for i in range(12)))
    plan(world, hand, per_day(50), recipients=5)
    assert [len(x.work) for x in hand.take()] == [5, 5, 2]


def test_accounts_take_turns() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    for i in range(20):
        world.accept(f"b{i}@far.example", account="news@here.example")
    world.accept("c@far.example", account="anna@here.example")
    world.accept("d@far.example", account="budi@here.example")
    plan(world, hand, per_day(4))
    assert sorted(x.account or "" for x in hand.take()) == [
        "anna@here.example", "budi@here.example", "news@here.example", "news@here.example",
    ]  # fmt: skip


def test_a_turn_at_one_site_counts_at_all_that_share_the_limit() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    for site in ("a.example", "b.example"):
        for _ in range(20):
            world.accept(f"x@{site}", account="news@here.example")
    for _ in range(20):
        world.accept("x@b.example", account="anna@here.example")
    requests, hand.plans = hand.plans, []
    roads = [(r, (Road("mx", r.domain, quotas=(per_day(16),)),)) for r in requests]
    world.brain.planned([Plan(r, road, 1e9) for r, road in roads])
    world.run()
    went = Counter((x.account or "")[:4] for x in hand.take())
    assert went == {"news": 8, "anna": 8}  # not 12 and 4, although news has all turns of a.example


def test_accounts_take_turns_and_not_the_sites_to_which_they_send() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    for site in ("a.example", "b.example", "c.example"):
        for _ in range(20):
            world.accept(f"x@{site}", account="news@here.example")
    for _ in range(20):
        world.accept("x@c.example", account="anna@here.example")
    requests, hand.plans = hand.plans, []
    roads = [(r, (Road("mx", r.domain, quotas=(per_day(16),)),)) for r in requests]
    world.brain.planned([Plan(r, road, 1e9) for r, road in roads])
    world.run()
    assert Counter((x.account or "")[:4] for x in hand.take()) == {"news": 8, "anna": 8}


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_next_is_whose_last_turn_at_any_site_is_longest_ago(steps: list[tuple[int, str, bool]]) -> None:
    turns = Turns()
    queues = FairQueue(turns=turns), FairQueue(turns=turns)
    last: dict[str, int] = {}
    for i, (site, owner, takes) in enumerate(steps):
        queue = queues[site]
        if not takes:
            mail = Mail(1, 0.0, "d", null=False, proven=True, account=True, owner=owner)
            queue.append([Errand(mail, 0, "far.example", 0)])
        elif queue:
            here = {bundle[0].mail.owner for bundle in queue}
            foreseen = next(queue.in_turn())[0].mail.owner
            taken = queue.popleft()
            assert taken is not None
            owner = taken[0].mail.owner
            assert last.get(owner, -1) == min(last.get(o, -1) for o in here)
            assert last.get(foreseen, -1) == last.get(owner, -1)
            last[owner] = i


def test_who_goes_before_the_others_does_so_once_however_often_that_was_asked() -> None:
    queue = FairQueue()
    bundles = {}
    for name in ("b1", "c1", "a1", "a2", "a3", "c2"):
        mail = Mail(1, 0.0, "d", null=False, proven=True, account=True, owner=name[0])
        bundles[name] = [Errand(mail, 0, "far.example", 0)]
        (queue.appendleft if name != "b1" else queue.append)(bundles[name])
    names = {id(bundle): name for name, bundle in bundles.items()}
    foreseen = [names[id(bundle)] for bundle in queue.in_turn()]
    went = []
    while (bundle := queue.popleft()) is not None:
        went.append(names[id(bundle)])
    assert went == foreseen == ["c2", "a3", "b1", "c1", "a2", "a1"]


def test_a_place_in_line_that_is_empty_by_now_is_no_turn() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    for i in range(3):
        world.accept(f"x{i}@far.example", account="news@here.example")
    plan(world, hand, per_day(3))
    spent = hand.take()
    first = world.accept("a1@far.example", account="anna@here.example")
    world.accept("a2@far.example", account="anna@here.example")
    for i in range(2):
        world.accept(f"b{i}@far.example", account="budi@here.example")
    plan(world, hand, per_day(3))
    world.brain.operator.retry_now(first, by="op")  # stands there twice now
    for lease in spent:
        world.settle(lease, SENT)
    world.pass_time(DAY + 61)
    assert Counter((x.account or "")[:4] for x in hand.take()) == {"anna": 2, "budi": 1}


def test_urgent_mail_goes_first_and_has_a_reserve() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    for i in range(20):
        world.accept(f"b{i}@far.example", account="news@here.example")
    plan(world, hand, per_day(10, reserve=3))
    assert len(hand.take()) == 7
    for to in ("c@far.example", "d@far.example"):
        world.accept(to, account="reset@here.example", urgency=Urgency.URGENT)
    assert sorted(x.work[0].recipient.address.local for x in hand.take()) == ["c", "d"]
    world.check()


def test_sites_share_what_belongs_to_a_provider_and_are_woken_by_it() -> None:
    once = Quota("at-g/connections/once", Unit.CONNECTIONS, 2, 0.0, 2)
    world = World()
    hand = world.hand()
    for domain in ("a.example", "b.example", "c.example"):
        world.accept(f"x@{domain}")
        plan(world, hand, once, site=domain)
    leases = hand.take()
    assert len(leases) == 2
    world.settle(leases[0], SENT)
    assert len(hand.take()) == 1
    assert used(world.store) == 0  # nothing of it has to outlive anything


def test_a_connection_that_is_counted_is_used_up_before_another_site_begins_its_own() -> None:
    once = Quota("at-g/connections/once", Unit.CONNECTIONS, 1, 0.0, 1)
    world = World()
    hand = world.hand()
    went = []
    for domain in ("a.example", "b.example"):
        for _ in range(50):
            world.accept(f"x@{domain}")
        plan(world, hand, once, site=domain)
    for i in range(100):
        (lease,) = hand.take()
        went.append("urgent" if lease.work[0].recipient.address.local == "u" else lease.road.site[0])
        if i == 70:
            world.accept("u@b.example" if went[-1] == "a" else "u@a.example", urgency=Urgency.URGENT)
        world.settle(lease, SENT)
    assert went[71] == "urgent"
    rows = ["".join(row) for _, row in groupby(went)]
    assert [len(row) for row in rows[1:3]] == [20, 20]
    world.check()


def test_a_connection_is_kept_through_a_short_wait_and_nobody_loses_a_turn_by_that() -> None:
    once = Quota("at-g/connections/once", Unit.CONNECTIONS, 1, 0.0, 1)
    world = World()
    hand = world.hand()
    for domain in ("a.example", "b.example"):
        for _ in range(60):
            world.accept(f"x@{domain}", account="news@here.example")
        for _ in range(15 if domain == "b.example" else 0):
            world.accept(f"x@{domain}", account="robot@here.example")
        plan(world, hand, once, per_day(1, window=1.0), site=domain)
    went = []
    world.pass_time(1.5)  # what an earlier brain may have sent
    for _ in range(110):
        (lease,) = hand.take()
        went.append(((lease.account or "")[:5], lease.road.site[0]))
        world.settle(lease, SENT)
        assert not hand.leases  # the second is over
        world.pass_time(1.5)
    assert [who for who, _ in went[:24]].count("robot") in (11, 12)
    rows = [len(list(row)) for _, row in groupby(went[40:], key=lambda x: x[1])]
    assert rows[1:3] == [20, 20]
    world.check()


@pytest.mark.parametrize(("a_day", "robots"), [(40, 20), (400, 15)])
def test_the_last_room_of_a_day_goes_by_turns_and_not_by_connections(a_day: int, robots: int) -> None:
    once = Quota("at-g/connections/once", Unit.CONNECTIONS, 1, 0.0, 1)
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    for domain in ("a.example", "b.example"):
        for _ in range(250):
            world.accept(f"x@{domain}", account="news@here.example")
        for _ in range(5 if domain == "a.example" else 15):
            world.accept(f"x@{domain}", account="robot@here.example")
        plan(world, hand, once, per_day(a_day), site=domain)
    went = Counter[str]()
    for _ in range(40):
        (lease,) = hand.take()
        went[(lease.account or "")[:5]] += 1
        world.settle(lease, SENT)
    assert went["robot"] == robots
    world.check()


def test_limits_that_come_and_go_with_new_plans() -> None:
    world = World()
    hand = world.hand(slots=3)
    for i in range(9):
        world.accept(f"b{i}@far.example")
    world.plan(hand, site="smart", ttl=1.0)
    assert len(hand.take()) == 3
    world.pass_time(2)
    world.accept("late@far.example")
    plan(world, hand, per_day(1), site="smart")  # of a road of another name
    world.plan(hand)
    world.check()


def test_after_a_crash_exactly_what_was_in_the_air_counts_on_top() -> None:
    store = MemoryStore()
    world = World(store, lifetime=10 * DAY)
    hand = world.hand()
    for i in range(6):
        world.accept(f"b{i}@far.example")
    plan(world, hand, per_day(100))
    leases = hand.take()
    for lease in leases[:4]:
        world.settle(lease, SENT)
    clock = world.clock
    again = World(store, load=True, clock=clock)  # kill -9: nothing was said good-bye to
    again.run()
    hand = again.hand()
    again.pass_time(60)
    plan(again, hand, per_day(100))
    assert used(store) == 6 + len(hand.take())
    limit = again.brain.overview.limits()[0]
    assert limit.used == used(store)


@pytest.mark.parametrize(
    "brief", [Quota(KEY, Unit.MESSAGES, 2, 1.0, 2), Quota(KEY, Unit.CONNECTIONS, 2, 0.0, 2)]
)
def test_what_hands_still_send_for_the_brain_before_counts_where_no_store_remembers_it(brief: Quota) -> None:
    store = MemoryStore()
    world = World(store, lifetime=10 * DAY)
    hand = world.hand()
    for i in range(6):
        world.accept(f"b{i}@far.example")
    plan(world, hand, brief)
    world.pass_time(2)
    old = hand.take()
    assert len(old) == 2
    again = World(store, load=True, clock=world.clock)
    busy = [Busy(x.number, tuple(w.index for w in x.work), x.road, x.since) for x in old]
    hand = again.hand(busy=busy)
    again.pass_time(60)  # slow at the other side: longer than any start waits
    plan(again, hand, brief)
    again.pass_time(60)
    assert hand.take() == []
    again.settle(old[0], SENT)
    again.pass_time(0.5)
    assert len(hand.take()) == (0 if brief.window else 1)
    again.pass_time(1)
    assert len(hand.take()) == (1 if brief.window else 0)
    again.settle(old[1], SENT)
    again.pass_time(2)
    assert len(hand.take()) == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_provider_never_counts_more_than_its_limit(seed: int) -> None:
    """Some simulated days: hands that take their time, fail, die; a brain that is killed; the provider counts what it sees."""
    dice = random.Random(seed)
    store, limit = MemoryStore(), 30
    world = World(store, lifetime=30 * DAY)
    hand = world.hand(slots=8)
    seen: list[float] = []  # when the provider counted
    flying: list = []  # type: ignore[type-arg]
    for i in range(150):
        world.accept(f"b{i}@far.example")
    for _ in range(400):
        plan(world, hand, per_day(limit))
        flying += [(lease, dice.random() < 0.9) for lease in hand.take()]
        for _, offered in flying[:2]:
            if offered:
                seen.append(world.clock.wall)
        landing, flying = flying[:2], flying[2:]
        if dice.random() < 0.03:  # all of it dies; what was counted stays counted, what flew may have been
            world = World(store, load=True, clock=world.clock, lifetime=30 * DAY)
            hand, flying = world.hand(slots=8), []
        else:
            for lease, offered in landing:
                world.settle(lease, dice.choice((SENT, LATER)) if offered else DOWN)
        world.pass_time(dice.choice((1, 60, 1800)))
        now = world.clock.wall
        assert sum(1 for at in seen if at > now - DAY) <= limit
    world.check()
    assert len(seen) >= 2 * limit


def test_a_suspect_goes_alone_also_on_a_counted_road() -> None:
    world = World(retry=(300.0,))
    hand = world.hand()
    world.accept(*(f"{x}@far.example" for x in "abcde"))
    plan(world, hand, per_day(50))
    (lease,) = hand.take()
    broke = outcome(OutcomeKind.DEFERRED, Cause.TIMEOUT, Stage.RCPT)
    world.settle(lease, broke, broke, structs.replace(broke, together=1), broke, broke)
    world.pass_time(400)
    assert sorted([w.index for w in x.work] for x in hand.leases) == [[0, 1, 3, 4], [2]]
    for one in hand.take():
        world.settle(one, SENT)
    assert used(world.store) == 3  # each lease is one message
    world.check()


def test_bulk_goes_when_nothing_else_is_left_and_urgent_before_all_also_without_limits() -> None:
    world = World()
    hand = world.hand(slots=1)
    world.accept("first@far.example")
    world.plan(hand, site="x", concurrency=1)
    for name, urgency in (("bulk", Urgency.BULK), ("plain", Urgency.ORDINARY), ("reset", Urgency.URGENT)):
        world.accept(f"{name}@far.example", urgency=urgency)
    order = []
    while leases := hand.take():
        order += [w.recipient.address.local for lease in leases for w in lease.work]
        for lease in leases:
            world.settle(lease, SENT)
    assert order == ["first", "reset", "plain", "bulk"]
    world.check()


def test_urgency_outlives_a_restart() -> None:
    world = World()
    world.accept("b@far.example", urgency=Urgency.URGENT)
    world.accept("c@far.example", urgency=Urgency.BULK)
    again = World(world.store, load=True, clock=world.clock)
    kept = {m.number: m.urgency for m in again.store.waiting()}
    assert list(kept.values()) == [Urgency.URGENT, Urgency.BULK]
    hand = again.hand(slots=1)
    again.pass_time(5)
    plan(again, hand, per_day(1, reserve=0))
    assert [x.work[0].recipient.address.local for x in hand.take()] == ["b"]


def with_counted_connections():
    """Return a world with six mails and room for two connections, the hand that got them, and the other one."""
    once = Quota("at-g/connections/once", Unit.CONNECTIONS, 2, 0.0, 2)
    world = World()
    hands = [world.hand(), world.hand()]
    for i in range(6):
        world.accept(f"b{i}@far.example")
    plan(world, next(h for h in hands if h.plans), once)
    home = next(h for h in hands if h.leases)
    other = next(h for h in hands if h is not home)
    return world, home, other


def test_connections_that_are_counted_belong_to_one_hand() -> None:
    world, home, other = with_counted_connections()
    for lease in home.take():
        world.settle(lease, SENT)  # the other one has more room now, but idle connections are with this one
    assert (len(home.leases), other.leases) == (2, [])
    world.brain.hand_gone(home)
    world.pass_time(60)
    assert len(other.take()) == 2
    world.check()


def test_a_hand_that_ends_is_nobodys_home() -> None:
    world, home, other = with_counted_connections()
    home.end()
    for lease in home.take():
        world.settle(lease, SENT)
    assert (home.leases, len(other.take())) == ([], 2)
    world.accept("c@near.example")
    assert (home.plans, len(other.plans)) == ([], 1)
    world.check()


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("limits", [(), (per_day(4, window=MINUTE),)])
def test_what_a_dead_hand_held_goes_before_later_mail_of_its_owner(
    sent: bool, limits: tuple[Quota, ...]
) -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand(slots=3)
    numbers = [world.accept(*(f"{r}{i}@far.example" for r in "ab")) for i in range(20)]
    requests, hand.plans = hand.plans, []
    road = Road("smart", "smart", 50, 0.0, limits)
    world.brain.planned([Plan(r, (road,), 1e9) for r in requests])
    if sent:
        world.run()
    world.brain.hand_gone(hand)
    world.run()
    later = world.accept("c@far.example")
    other = world.hand(slots=0)
    world.pass_time(20 * MINUTE)
    other._slots = 20
    world.brain.replan()
    world.run()
    plan(world, other, *limits)
    got = []
    while leases := other.take():
        got += leases
        for lease in leases:
            world.settle(lease, SENT)
        world.pass_time(2 * MINUTE)
    assert [x.number for x in got] == [*numbers, later]
    assert [len(x.work) for x in got] == [2] * 20 + [1]
    world.check()


def test_after_a_hand_died_its_connections_are_waited_for() -> None:
    world = World()
    hand, other = world.hand(), FakeHand()
    for i in range(4):
        world.accept(f"b{i}@far.example")
    plan(world, hand, Quota("to-x/connections", Unit.CONNECTIONS, 2, 0.0, 2))
    assert len(hand.take()) == 2
    world.brain.hand_gone(hand)
    world.brain.hand_connected(other)
    world.pass_time(LINGER - 0.1)
    assert other.take() == []
    world.pass_time(0.2)
    assert len(other.take()) == 2
    world.check()


@pytest.mark.parametrize(
    ("owner", "urgency", "ahead"),
    [
        ("news", Urgency.ORDINARY, 39),  # thirteen turns of each of three owners
        ("robot", Urgency.ORDINARY, 9),  # three turns of each of three owners
        ("new", Urgency.ORDINARY, 3),
        ("new", Urgency.URGENT, 0),
        ("new", Urgency.BULK, 50),
    ],
)
def test_how_many_are_before_a_new_mail(owner: str, urgency: Urgency, ahead: int) -> None:
    def mail(owner: str, urgency: Urgency = Urgency.ORDINARY) -> Mail:
        return Mail(1, 0.0, "d", null=False, proven=True, account=True, owner=owner, urgency=urgency)

    queue = FairQueue()
    for name, count in (("news", 12), ("robot", 2), ("office", 1)):
        for _ in range(count):
            queue.append([Errand(mail(name), 0, "far.example", 0)])
    assert queue.ahead(mail(owner, urgency), 50) == (ahead, ahead)
    assert queue.ahead(mail(owner, urgency), 2) == (min(ahead, 2), min(ahead, 2))


@pytest.mark.parametrize(
    ("bundles", "ahead"),
    [
        ((), (1, 1)),  # a turn of the newsletter
        ((40,), (43, 4)),  # two, and the letter so far
        ((100, 100, 20), (225, 8)),
        ((10,) * 50, (552, 102)),
    ],
)
def test_recipients_of_one_message_count_each_other(bundles: tuple[int, ...], ahead: tuple[int, int]) -> None:
    def mail(owner: str) -> Mail:
        return Mail(1, 0.0, "d", null=False, proven=True, account=True, owner=owner)

    queue, letter = FairQueue(), mail("office")
    for _ in range(30):
        queue.append([Errand(mail("news"), 0, "far.example", 0)])
    for count in bundles:
        queue.append([Errand(letter, i, "far.example", 0) for i in range(count)])
    assert queue.ahead(letter, 10_000) == ahead
