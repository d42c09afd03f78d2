"""Mail that waits for a limit: which one, how much of it is used, when it goes, and that its sender is told."""

import sys

import msgspec
import pytest

from kurir.limits import Quota, Unit, Wait
from kurir.model import EventKind, Urgency
from kurir.queue import Forecast, Passage, Plan, Road, Share
from kurir.queue.asks import Accepted, Incoming, Obstacle, ObstacleKind, Refused
from kurir.queue.operating import forecasts

from .test_alternatives import LOGIN, Roads, lost
from .test_limits import per_day, plan
from .test_shaping import TOO_MANY
from .world import DOWN, LATER, SENT, START, World, incoming

DAY, HOUR, MINUTE = 86400.0, 3600.0, 60.0


def settled(world: World, message: Incoming) -> list[Accepted | Refused]:
    """Offer a message, and let everything run."""
    answers = world.offer(message)
    world.run()
    return answers


def near(at: float | None, days: float) -> bool:
    """A window is longer than it says by a 1440th part."""
    return at is not None and START + days * DAY <= at <= START + days * (DAY + 3 * MINUTE) + 5


def test_each_waiting_mail_knows_its_limit_and_its_day() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    numbers = [world.accept(f"b{i}@far.example") for i in range(5)]
    plan(world, hand, per_day(2))
    for lease in hand.take():
        world.settle(lease, SENT)
    waits = [world.brain.overview.show(n)[0] for n in numbers[2:]]
    assert [w.limit.used if w.limit else None for w in waits] == [2, 2, 2]
    assert [near(w.next_at, days) for w, days in zip(waits, (1, 1, 2), strict=True)] == [True] * 3
    world.pass_time(DAY + 5 * MINUTE)
    assert sorted(x.number for x in hand.take()) == numbers[2:4]  # as it was said


def test_who_was_told_to_try_again_waits_no_longer_for_that() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    quota = per_day(2)
    numbers = [world.accept(f"b{i}@far.example") for i in range(4)]
    plan(world, hand, quota)
    for lease in hand.take():
        world.settle(lease, SENT)
    for _ in range(3):
        for number in numbers[2:]:
            world.brain.operator.retry_now(number, by="root")
        world.pass_time(1)
    assert [near(world.brain.overview.show(n)[0].next_at, 1) for n in numbers[2:]] == [True, True]
    later = world.accept("c@far.example")
    told = world.brain.overview.foresee(later, [Share(1, (Passage("smart", (quota,), 1),))])
    assert [near(f.at, 2) for f in told] == [True]


def test_a_wait_for_a_limit_alone_is_told_with_the_limit_and_its_time() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    world.accept("a@far.example")
    late = world.accept("b@far.example")
    plan(world, hand, per_day(1))
    world.settle(hand.take()[0], SENT)
    world.pass_time(HOUR + MINUTE)
    work = hand.notices[0]
    [reason] = work.reasons
    assert (work.number, reason.action, reason.outcome) == (late, "delayed", None)
    assert reason.limit is not None
    assert (reason.limit.used, reason.limit.stop, reason.limit.road) == (1, 1, "smart")
    assert near(reason.limit.goes_at, 1)
    assert reason.next_at is None
    assert reason.give_up_at == START + 10 * DAY
    assert EventKind.ATTEMPTED not in world.store.kinds(late)


def test_a_mail_that_was_refused_for_now_is_told_of_the_refusal() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    world.accept("a@far.example")
    plan(world, hand, per_day(5))
    for _ in range(6):
        for lease in hand.take():
            world.settle(lease, LATER)
        world.pass_time(15 * MINUTE)
    work = hand.notices[0]
    assert work.reasons[0].limit is None
    assert work.reasons[0].outcome is not None


def test_time_that_ran_out_in_line_names_the_limit() -> None:
    world = World(lifetime=2 * HOUR, delay_notice=())
    hand = world.hand()
    world.accept("a@far.example")
    world.accept("b@far.example")
    plan(world, hand, per_day(1))
    world.settle(hand.take()[0], SENT)
    world.pass_time(3 * HOUR)
    work = hand.notices[0]
    assert work.reasons[0].action == "failed"
    assert work.reasons[0].limit is not None
    world.check()


def test_urgent_and_fair_turns_are_foreseen() -> None:
    world = World(lifetime=30 * DAY)
    hand = world.hand()
    for i in range(6):
        world.accept(f"b{i}@far.example", account="news@here.example")
    plan(world, hand, per_day(2))
    for lease in hand.take():
        world.settle(lease, SENT)
    neighbour = world.accept("c@far.example", account="budi@here.example")
    reset = world.accept("d@far.example", account="reset@here.example", urgency=Urgency.URGENT)
    last = world.accept("e@far.example", account="anna@here.example", urgency=Urgency.BULK)
    at = {n: world.brain.overview.show(n)[0].next_at for n in (neighbour, reset, last)}
    assert near(at[reset], 1)
    assert near(at[neighbour], 1)
    assert near(at[last], 4)


class Sharing:
    """Mail for several sites of one receiver, which allows two messages a day in all."""

    def __init__(self) -> None:
        self.world = World(lifetime=30 * DAY)
        self.hand = self.world.hand()
        self.quota = Quota("at-big/day", Unit.MESSAGES, 2, DAY, 2)
        for owner in ("had", "had too"):
            self.accept(owner, "a")
        self.gone()

    def accept(self, owner: str, site: str) -> int:
        number = self.world.accept(f"x@{site}.example", account=owner)
        requests, self.hand.plans = self.hand.plans, []
        roads = ((r, Road("mx", r.domain, quotas=(self.quota,))) for r in requests)
        self.world.brain.planned([Plan(r, (road,), 1e9) for r, road in roads])
        self.world.run()
        return number

    def gone(self) -> list[int]:
        leases = self.hand.take()
        for lease in leases:
            self.world.settle(lease, SENT)
        return [lease.number for lease in leases]


@pytest.mark.parametrize(
    "mails",
    [
        [("anna", "a"), ("anna", "b")] * 3,
        [("anna", "a"), ("budi", "b")] * 3,
        [*[("news", "a")] * 5, ("budi", "b")],  # the newsletter has a site of its own, and yet no more turns
        [("anna", "a"), ("budi", "b"), ("citra", "c")] * 2,
        [("had", "a"), ("had too", "a"), ("budi", "b")],
    ],
)
def test_sites_with_common_limits_take_turns_in_the_forecast_too(mails: list[tuple[str, str]]) -> None:
    sharing = Sharing()
    numbers = [sharing.accept(owner, site) for owner, site in mails]
    told = {n: sharing.world.brain.overview.show(n)[0].next_at for n in numbers}
    went: dict[int, int] = {}
    for day in range(1, 5):
        sharing.world.pass_time(DAY + 5 * MINUTE)
        went |= dict.fromkeys(sharing.gone(), day)
    assert {n: near(told[n], day) for n, day in went.items()} == dict.fromkeys(numbers, True)


def test_a_submission_is_foreseen_by_the_turns_that_were_had() -> None:
    sharing = Sharing()
    for owner in ("had", "had too"):
        sharing.accept(owner, "a")
    number = sharing.accept("budi", "b")
    passage = Passage("Big", (sharing.quota,), 1, "mx")
    [told] = sharing.world.brain.overview.foresee(number, [Share(1, (passage,))])
    assert near(told.at, 1)
    sharing.world.pass_time(DAY + 5 * MINUTE)
    assert sharing.gone()[0] == number


@pytest.mark.parametrize("unit", [Unit.MESSAGES, Unit.RECIPIENTS])
def test_a_submission_is_foreseen_before_its_plan_is_known(unit: Unit) -> None:
    world = World(lifetime=30 * DAY)
    hand = world.hand()
    quota = Quota("to-x/d", unit, 5, DAY, 5)
    world.accept("a@far.example")
    plan(world, hand, quota)
    world.settle(hand.take()[0], SENT)
    number = world.accept(*[f"b{i}@{i}.example" for i in range(9)])
    together = 1 if unit is Unit.MESSAGES else 100
    found = world.brain.overview.foresee(number, [Share(9, (Passage("smart", (quota,), together),))])
    assert [(f.label, f.recipients, f.limit) for f in found] == [("smart", 4, ""), ("smart", 5, "to-x/d")]
    assert near(found[1].at, 1)
    assert world.brain.overview.foresee(number + 1, [Share(9, (Passage("smart", (quota,), 1),))]) == []


def test_what_no_time_can_tell_has_no_time() -> None:
    world = World()
    hand = world.hand()
    quota = per_day(1)
    world.accept("a@far.example")
    plan(world, hand, quota)
    assert len(hand.take()) == 1  # in the air: only its landing starts the day
    number = world.accept("b@far.example")
    [found] = world.brain.overview.foresee(number, [Share(1, (Passage("smart", (quota,), 1),))])
    assert found == Forecast("smart", 1, found.at, quota.key)
    assert near(found.at, 1)  # as if it landed now


def test_who_waits_because_the_other_side_is_spared_is_told_so() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    numbers = [world.accept(f"b{i}@far.example") for i in range(4)]
    requests, hand.plans = hand.plans, []
    world.brain.planned(
        [Plan(r, (Road("mx", "mx.far.example", 2, provider="at-far"),), 1e9) for r in requests]
    )
    world.run()
    first, second = hand.take()
    world.settle(first, SENT)  # it takes mail, and the third is out
    world.settle(second, TOO_MANY)  # one may be out, and one is
    assert world.brain.overview.show(numbers[3])[0].limit == Wait(None, 0, 0, None, "mx", spared="at-far")
    world.pass_time(HOUR + MINUTE)
    assert {work.number for work in hand.notices} == {numbers[1], numbers[3]}
    for work in hand.notices:
        [reason] = work.reasons
        assert reason.outcome is None
        assert reason.limit is not None
        assert (reason.limit.quota, reason.limit.spared) == (None, "at-far")


def test_new_recipients_are_foreseen_as_such() -> None:
    new = Quota("to-x/new/day/me", Unit.NEW_RECIPIENTS, 2, DAY, 2)
    world = World(lifetime=10 * DAY)
    world.hand()
    number = world.accept("a@far.example", "b@far.example", "c@far.example")
    first, second = world.brain.overview.foresee(number, [Share(3, (Passage("X", (new,), 100),))])
    assert (first.recipients, first.limit, second.recipients, second.limit) == (2, "", 1, new.key)


def test_what_a_fallback_takes_now_does_not_go_later() -> None:
    world = World(lifetime=30 * DAY)
    world.hand()
    roads = [Quota("a/d", Unit.RECIPIENTS, 412, DAY, 412), Quota("b/d", Unit.RECIPIENTS, 100, DAY, 100)]
    ways = tuple(Passage(label, (quota,), 100) for label, quota in zip("AB", roads, strict=True))
    number = world.accept(*[f"b{i}@far.example" for i in range(600)])
    found = world.brain.overview.foresee(number, [Share(600, ways)])
    assert [(f.label, f.recipients, f.limit) for f in found] == [
        ("A", 412, ""), ("B", 100, ""), ("A", 88, "a/d"),
    ]  # fmt: skip
    assert near(found[2].at, 1)
    free = Passage("direct", (), 100)
    found = world.brain.overview.foresee(number, [Share(600, (ways[0], free))])
    assert [(f.label, f.recipients, f.limit) for f in found] == [("A", 412, ""), ("direct", 188, "")]


def test_a_road_that_is_broken_or_too_narrow_is_not_promised() -> None:
    world = World(alternatives=True)
    hand = world.hand()
    main, spare = Road("main", "a:587", hop=True), Road("spare", "b:587", hop=True)
    ways = Passage("A", (), 100, "main", True), Passage("B", (), 100, "spare", True)
    number = world.accept("a@far.example")
    assert [f.label for f in world.brain.overview.foresee(number, [Share(1, ways)])] == ["A"]
    requests, hand.plans = hand.plans, []
    world.brain.planned([Plan(r, (main, spare), 1e6) for r in requests])
    world.run()
    world.settle(hand.take()[0], DOWN)
    assert [f.label for f in world.brain.overview.foresee(number, [Share(1, ways)])] == ["B"]
    narrow = msgspec.structs.replace(ways[1], size=1)
    assert [f.label for f in world.brain.overview.foresee(number, [Share(1, (narrow, ways[0]))])] == ["A"]
    wide = Passage("C", (), 100, "other", True)
    assert [f.label for f in world.brain.overview.foresee(number, [Share(1, (narrow, wide))])] == ["C"]


def test_a_road_that_would_make_mail_look_forged_is_not_promised() -> None:
    world = World(alternatives=True)
    hand = world.hand()
    full = Quota("a/d", Unit.RECIPIENTS, 1, DAY, 1)
    forged = Road("spare", "b:587", hop=True, obstacles=(Obstacle(ObstacleKind.AUTHENTICITY),))
    ways = Passage("A", (full,), 100, "main", True), Passage("B", (), 100, "spare", True)
    number = world.accept("a@far.example", "b@far.example")
    requests, hand.plans = hand.plans, []
    world.brain.planned([Plan(r, (Road("main", "a:587", hop=True), forged), 1e6) for r in requests])
    found = world.brain.overview.foresee(number, [Share(2, ways)])
    assert [(f.label, f.recipients, bool(f.limit)) for f in found] == [("A", 1, False), ("A", 1, True)]
    # Whoever sends from that domain is as forged there, whoever they write to; where another road is the main one, nobody knows.
    other = world.accept("c@near.example", "d@near.example")
    assert {f.label for f in world.brain.overview.foresee(other, [Share(2, ways)])} == {"A"}
    swapped = world.brain.overview.foresee(other, [Share(2, ways[::-1])])
    assert [(f.label, f.recipients) for f in swapped] == [("B", 2)]
    # When its SPF record allows the road, the next plan says so.
    world.brain.planned(
        [Plan(r, (Road("main", "a:587", hop=True), Road("spare", "b:587")), 1e6) for r in hand.plans]
    )
    found = world.brain.overview.foresee(number, [Share(2, ways)])
    assert [(f.label, f.recipients) for f in found] == [("A", 1), ("B", 1)]


def test_before_the_first_plan_only_the_main_road_is_promised_to_a_sender_whom_spf_may_bar() -> None:
    world = World(alternatives=True)
    hand = world.hand()
    full = Quota("a/d", Unit.RECIPIENTS, 1, DAY, 1)
    ways = Passage("A", (full,), 100, "main", True), Passage("B", (), 100, "spare", True)
    number = world.accept("a@far.example", "b@far.example")
    found = world.brain.overview.foresee(number, [Share(2, ways, signed=False)])
    assert [(f.label, f.recipients, bool(f.limit)) for f in found] == [("A", 1, False), ("A", 1, True)]
    signed = world.brain.overview.foresee(number, [Share(2, ways)])
    assert [(f.label, f.recipients) for f in signed] == [("A", 1), ("B", 1)]
    roads = Road("main", "a:587", hop=True), Road("spare", "b:587", hop=True)
    world.brain.planned([Plan(r, roads, 1e6) for r in hand.plans])
    other = world.accept("c@near.example", "d@near.example")
    planned = world.brain.overview.foresee(other, [Share(2, ways, signed=False)])
    assert "B" in {f.label for f in planned}


def test_the_state_of_a_site_says_when_the_next_goes() -> None:
    world = World(lifetime=30 * DAY)
    hand = world.hand()
    for i in range(3):
        world.accept(f"b{i}@far.example")
    plan(world, hand, per_day(1))
    [site] = world.brain.overview.sites()
    assert (site.waiting, site.next_at) == (2, None)  # the first is out: when it ends tells
    world.settle(hand.take()[0], SENT)
    [site] = world.brain.overview.sites()
    assert near(site.next_at, 1)
    world.pass_time(DAY + 5 * MINUTE)
    hand.take()
    [site] = world.brain.overview.sites()
    assert site.waiting == 1


def test_where_both_roads_are_spent_the_submission_and_the_queue_promise_the_same() -> None:
    """What waits at the road in second place goes by the first one, where that has room sooner."""
    hour = Quota("hour", Unit.RECIPIENTS, 5, HOUR, 5, 0)
    day = Quota("day", Unit.RECIPIENTS, 5, DAY, 5, 0)
    main, spare = (
        Road("main", "a:587", quotas=(hour,), hop=True),
        Road("spare", "b:587", quotas=(day,), hop=True),
    )
    world = Roads(main, spare)
    hand = world.hand(slots=100)
    number = world.accept(*[f"u{i}@far.example" for i in range(18)])
    passages = (Passage("A", (hour,), 100, "main", True), Passage("B", (day,), 100, "spare", True))
    told = world.brain.overview.foresee(number, [Share(18, passages)])
    world.answer(hand)
    world.pass_time(1)
    for lease in hand.take():
        world.settle(lease, SENT)
    promised = sorted(
        (w.next_at, w.limit.road) for w in world.brain.overview.show(number) if w.limit and w.next_at
    )
    foreseen = [(f.at, f.label) for f in told for _ in range(f.recipients)][-len(promised) :]
    assert len(promised) == 8
    assert [road for _, road in promised] == ["main"] * 8
    assert [label for _, label in foreseen] == ["A"] * 8
    for (at, _), (then, _) in zip(promised, foreseen, strict=True):
        assert then is not None
        assert abs(at - then) < MINUTE
    assert [f.limit for f in told if f.at and f.at > START + MINUTE] == ["hour"] * 2


def test_what_may_have_been_delivered_is_promised_nothing_by_another_road() -> None:
    hour = Quota("hour", Unit.RECIPIENTS, 5, HOUR, 5, 0)
    day = Quota("day", Unit.RECIPIENTS, 1, DAY, 1, 0)
    world = Roads(
        Road("main", "a:587", quotas=(day,), hop=True), Road("spare", "b:587", quotas=(hour,), hop=True)
    )
    hand = world.hand(slots=100)
    number = world.accept()
    world.settle(world.next(hand), lost("main"))
    world.pass_time(400)
    [waits] = world.brain.overview.show(number)
    assert waits.limit is not None
    assert (waits.limit.road, near(waits.next_at, 1)) == ("main", True)


def test_where_all_roads_are_closed_the_first_probe_is_foreseen() -> None:
    world = Roads()
    hand = world.hand()
    world.accept()
    world.settle(world.next(hand), LOGIN)
    world.pass_time(2)
    world.settle(hand.take()[0], LOGIN)
    number = world.accept("b@far.example")
    passages = Passage("A", (), 100, "main", True), Passage("B", (), 100, "spare", True)
    [told] = world.brain.overview.foresee(number, [Share(1, passages)])
    probes = [s.next_at for s in world.brain.roads.states() if s.next_at is not None]
    assert len(probes) == 2
    assert told.closed
    assert told.at == min(probes) > world.clock.wall


def test_the_rest_of_the_only_road_is_foreseen() -> None:
    world = World()
    hand = world.hand()
    world.accept("a@far.example")
    plan(world, hand, per_day(5))
    world.settle(hand.take()[0], DOWN)
    number = world.accept("b@far.example")
    [told] = world.brain.overview.foresee(
        number, [Share(1, (Passage("A", (per_day(5),), 1, "smart", True),))]
    )
    assert told.at == world.clock.wall + 60


def _long_line(world: World, waiting: int) -> tuple[Quota, list[int]]:
    """Two accounts with a long line each at a road that is spent; return its limit and the last message of each."""
    hand, quota = world.hand(), per_day(7)
    owners = ("news@here.example", "shop@here.example")
    numbers = [world.accept(f"b{i}@far.example", account=owners[i % 2]) for i in range(waiting)]
    plan(world, hand, quota)
    for lease in hand.take():
        world.settle(lease, SENT)
    return quota, numbers


def test_behind_a_long_line_a_submission_is_told_about_what_the_queue_will_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(lifetime=90 * DAY)
    quota, _ = _long_line(world, 150)
    share = [Share(3, (Passage("smart", (quota,), 1, "smart"),))]
    for account in ("news@here.example", "anna@here.example"):
        number = world.accept(*(f"c{i}@far.example" for i in range(3)), account=account)
        reckoned = world.brain.overview.foresee(number, share)
        with monkeypatch.context() as patch:
            patch.setattr(forecasts, "LINE", 10_000)
            played = world.brain.overview.foresee(number, share)
        assert sum(f.recipients for f in reckoned) == sum(f.recipients for f in played) == 3
        assert {f.limit for f in reckoned} == {f.limit for f in played} == {quota.key}
        assert reckoned[-1].at is not None
        assert played[-1].at is not None
        assert abs(reckoned[-1].at - played[-1].at) < DAY + HOUR  # a turn more or less of the others
        if account.startswith("anna"):
            assert reckoned[-1].at < START + 3 * DAY  # not behind all of them


def test_to_foresee_a_message_costs_the_same_however_long_the_line_is() -> None:
    def calls(waiting: int) -> int:
        world = World(lifetime=90 * DAY)
        quota, _ = _long_line(world, waiting)
        number = world.accept("c@far.example", account="news@here.example")
        share = [Share(1, (Passage("smart", (quota,), 1, "smart"),))]
        counted = 0

        def count(_frame: object, event: str, _arg: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            world.brain.overview.foresee(number, share)
        finally:
            sys.setprofile(None)
        return counted

    assert calls(1200) <= calls(200) + 20


@pytest.mark.parametrize(
    ("recipients", "room", "waits"),
    [(1, 5, False), (5, 5, False), (6, 5, True), (1, 0, True)],
)
def test_whoever_goes_at_once_is_not_asked_about(recipients: int, room: int, waits: bool) -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    quota = per_day(5, unit=Unit.RECIPIENTS)
    for i in range(1 + 5 - room):
        world.accept(f"a{i}@far.example")
    plan(world, hand, quota if room < 5 else per_day(6, unit=Unit.RECIPIENTS))
    for lease in hand.take():
        world.settle(lease, SENT)
    [answer] = settled(world, incoming(*(f"b{i}@far.example" for i in range(recipients))))
    assert isinstance(answer, Accepted)
    assert answer.waits is waits


def test_a_plan_to_come_a_broken_server_and_two_ways_are_asked_about() -> None:
    world = World(lifetime=10 * DAY)
    hand = world.hand()
    [unknown] = settled(world, incoming("a@far.example"))
    world.plan(hand)
    [known] = settled(world, incoming("b@far.example"))
    world.accept("x@near.example")
    world.plan(hand)
    [apart] = settled(world, incoming("c@far.example", "c@near.example"))
    [held] = settled(world, incoming("d@far.example", hold="a look first"))
    world.settle(hand.take()[0], DOWN)
    [broken] = settled(world, incoming("e@far.example"))
    answers = (unknown, known, apart, held, broken)
    assert all(isinstance(a, Accepted) for a in answers)
    assert [a.waits for a in answers if isinstance(a, Accepted)] == [True, False, True, False, True]
