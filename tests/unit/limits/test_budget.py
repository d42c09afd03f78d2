"""Budgets: what is taken, flies, lands, and outlives a restart."""

from hypothesis import given
from hypothesis import strategies as st

from kurir.limits import (
    AIR,
    NEVER,
    Beyond,
    Budget,
    Budgets,
    Confidence,
    Limit,
    Margins,
    Per,
    Quota,
    Scope,
    Unit,
    forecast,
)
from kurir.limits.budget import LINGER

T = 1_800_000_000.0
DAY = 86400.0


def quota(value: int = 10, window: float = DAY, *, reserve: int = 0, unit: Unit = Unit.MESSAGES) -> Quota:
    return Quota("to-x/messages/day/me", unit, value, window, value, reserve)


def test_what_flies_does_not_age() -> None:
    budget = Budget(quota(2))
    budget.take(2)
    assert budget.room(T) == 0
    assert budget.ready_at(T) == NEVER  # only a landing can tell
    assert budget.room(T + 10 * DAY) == 0
    budget.land(2, T + 10 * DAY)
    free = budget.ready_at(T + 10 * DAY)
    assert T + 11 * DAY <= free <= T + 11 * DAY + 61
    assert budget.room(free) == 2
    assert budget.ready_at(free) == free


def test_what_was_never_offered_is_given_back() -> None:
    budget = Budget(quota(2))
    budget.take(2)
    budget.give_back(1)
    assert budget.room(T) == 1


def test_urgent_mail_has_a_reserve() -> None:
    budget = Budget(quota(10, reserve=3))
    budget.take(7)
    assert budget.room(T) == 0
    assert budget.room(T, urgent=True) == 3
    assert budget.ready_at(T, urgent=True) == T


def test_at_the_same_time() -> None:
    budget = Budget(quota(2, 0.0, unit=Unit.CONNECTIONS))
    budget.take(2)
    assert budget.ready_at(T) == NEVER
    budget.land(1, T)
    assert budget.ready_at(T) == T
    assert budget.room(T) == 1


def test_waiting_ones_are_woken_once() -> None:
    budget, woken = Budget(quota()), []
    budget.blocked[woken.append] = None
    budget.wake(T)
    budget.wake(T)
    assert woken == [T]


def test_a_short_window_is_waited_for_after_a_start() -> None:
    budgets = Budgets(T)
    budget = budgets.of(quota(5, 1.0))
    assert budget.room(T + 0.5) == 0
    assert budget.room(T + 1.5) == 5


def test_newer_figures_count_with_what_was_used() -> None:
    budgets = Budgets(T)
    budgets.of(quota(10)).take(4)
    assert budgets.of(quota(20)).room(T) == 16
    assert len(list(budgets)) == 1


@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["take", "land", "back", "die"])), max_size=40),
    st.integers(0, 3600),
)
def test_after_a_death_nothing_is_missing_and_only_flights_are_added(
    moves: list[tuple[int, str]], pause: int
) -> None:
    """The store holds debits as the brain writes them; whatever happens, what was sent is counted."""
    stored: dict[int, int] = {}
    budgets, now, sent = Budgets(T), T, []  # sent: (moment, units) as the provider counts them
    budget = budgets.of(quota(1000))
    flying: list[int] = []
    over = 0  # flights at deaths: nobody knows whether they were counted

    def store(at: int, units: int) -> None:
        stored[at] = stored.get(at, 0) + units

    for units, move in moves:
        now += pause
        if move == "take":
            budget.take(units)
            store(AIR, units)
            flying.append(units)
        elif move == "land" and flying:
            n = flying.pop()
            sent.append((now, n))
            store(AIR, -n)
            store(budget.land(n, now), n)
        elif move == "back" and flying:
            n = flying.pop()
            budget.give_back(n)
            store(AIR, -n)
        elif move == "die":
            over += sum(flying)
            flying.clear()
            budgets = Budgets(now)
            for _, at, n in budgets.load(
                [("to-x/messages/day/me", at, n) for at, n in stored.items()], int(now * 1000)
            ):
                store(at, n)
            budget = budgets.of(quota(1000))
        counted = sum(n for at, n in sent if at > now - DAY)
        recent = sum(n for at, n in sent if at > now - DAY - 61)
        assert counted + sum(flying) <= budget.used(now) <= recent + sum(flying) + over
    assert stored.get(AIR, 0) == sum(flying)


def test_margins() -> None:
    def limit(beyond: Beyond, per: Per = Per.DAY, value: int = 100) -> Limit:
        return Limit(
            id="x", unit=Unit.MESSAGES, value=value, per=per, scope=Scope.ACCOUNT, beyond=beyond,
            source="s", seen="2026-11-23", confidence=Confidence.READ,
        )  # fmt: skip

    margins = Margins(reserve=0.1)
    assert margins.quota(limit(Beyond.REFUSE), "k") == Quota("k", Unit.MESSAGES, 100, DAY, 90, 9)
    assert margins.quota(limit(Beyond.DISCARD), "k") == Quota("k", Unit.MESSAGES, 100, DAY, 80, 8)
    assert margins.quota(limit(Beyond.REFUSE, value=1), "k") == Quota("k", Unit.MESSAGES, 1, DAY, 1, 0)
    assert margins.quota(limit(Beyond.REFUSE, Per.ONCE), "k") == Quota("k", Unit.MESSAGES, 100, 0.0, 100, 0)


def test_what_waits_already_makes_the_next_one_wait_longer() -> None:
    budget = Budget(Quota("k", Unit.MESSAGES, 10, 60.0, 10))
    assert budget.free_after(0, 100.0) == 100.0
    assert budget.free_after(9, 100.0) == 100.0
    assert budget.free_after(10, 100.0) == 106.0  # at the pace of the window: ten a minute
    assert budget.free_after(40, 100.0) == 100.0 + 31 * 6
    budget.take(10)
    assert budget.free_after(5, 100.0) == 136.0  # only a landing can tell
    budget.land(10, 100.0)
    first = budget.ready_at(100.0)
    assert [budget.free_after(n, 100.0) for n in (0, 9, 10)] == [first, first, first + 6]
    assert Budget(Quota("c", Unit.CONNECTIONS, 1, 0.0, 1)).free_after(99, 100.0) == 100.0


def test_connections_that_nobody_closed_count_a_moment_longer() -> None:
    connections = Budget(Quota("c", Unit.CONNECTIONS, 2, 0.0, 2))
    connections.take(1)
    connections.linger(100.0)
    connections.land(1, 100.0)
    assert connections.ready_at(100.0) == 100.0 + LINGER
    assert connections.ready_at(100.0 + LINGER) == 100.0 + LINGER
    messages = Budget(Quota("m", Unit.MESSAGES, 2, 60.0, 2))
    messages.linger(100.0)
    assert messages.ready_at(100.0) == 100.0


def test_connections_of_a_process_that_ended_count_a_moment_longer_for_the_next() -> None:
    quota = Quota("c", Unit.CONNECTIONS, 2, 0.0, 2)
    budgets = Budgets(100.0)
    assert budgets.of(quota).ready_at(100.0) == 100.0  # the first start ever
    budgets = Budgets(100.0)
    budgets.load([], 0)
    assert budgets.of(quota).ready_at(100.0) == 100.0 + LINGER


def test_what_waits_goes_as_soon_as_the_window_lets_it() -> None:
    budget = Budget(Quota("k", Unit.MESSAGES, 10, 60.0, 10))
    assert budget.free_after(9, 100.0) == 100.0
    assert budget.free_after(10, 100.0) == 106.0  # beyond one window: at its pace
    budget.take(6)
    budget.land(6, 100.0)
    budget.take(4)
    budget.land(4, 130.0)
    first, second = budget.ready_at(131.0), 190.0
    assert first < second - 29
    assert [budget.free_after(n, 131.0) for n in (0, 5)] == [first, first]
    assert second <= budget.free_after(6, 131.0) < second + 1


def test_what_a_killed_process_left_holds_back_no_queue_longer_than_a_window() -> None:
    budget = Budget(Quota("k", Unit.MESSAGES, 10, 60.0, 10))
    for units, at in (
        (9, 100.0),
        (1, 700.0),
    ):  # one was in the air: it counts ten minutes from now at the latest
        budget.take(units)
        budget.land(units, at)
    first = budget.ready_at(100.0)
    assert budget.free_after(8, 100.0) == first
    assert budget.free_after(15, 100.0) == first + 7 * 6


@given(
    st.lists(st.tuples(st.floats(0, 3 * DAY), st.integers(1, 9)), max_size=20),
    st.integers(0, 5),
    st.integers(1, 12),
    st.integers(1, 60),
)
def test_the_turn_that_is_told_is_the_one_that_comes(
    past: list[tuple[float, int]], air: int, stop: int, ahead: int
) -> None:
    budget, now = Budget(quota(stop, DAY)), T
    for wait, units in past:
        now += wait
        if units <= budget.room(now):
            budget.take(units)
            budget.land(units, now)
    budget.take(min(air, max(0, budget.room(now))))
    went = [
        step.at for step in forecast([budget], ahead + 1, now, together=1) for _ in range(step.recipients)
    ]
    grain = DAY / 1440
    windows = 1 + ahead // stop
    assert abs(budget.turn(ahead, now) - went[ahead]) <= grain * (windows + 1) + 1


def test_the_turn_behind_more_than_is_allowed_waits_for_the_excess_to_leave() -> None:
    budget = Budget(quota(10))
    for units, at in ((6, T), (6, T + 100), (3, T + 200)):  # more than we may: the limit was lowered since
        budget.take(units)
        budget.land(units, at)
    told = [budget.turn(ahead, T + 300) - T - DAY for ahead in (0, 6, 7, 9, 10)]
    near = [0, 100, 200, 200, DAY]
    assert all(at <= found <= at + 240 for at, found in zip(near, told, strict=True))
