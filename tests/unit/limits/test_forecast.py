"""Playing budgets forward."""

from hypothesis import given
from hypothesis import strategies as st

from kurir.limits import Budget, Quota, Unit, forecast

T, DAY = 1_800_000_000.0, 86400.0


def budget(unit: Unit, stop: int, window: float, used: int = 0) -> Budget:
    made = Budget(Quota("k", unit, stop, window, stop))
    made.take(used)
    made.land(used, T - window / 2)
    return made


def test_what_is_used_waits_for_its_window() -> None:
    day = budget(Unit.RECIPIENTS, 500, DAY, used=88)
    now, later, last = forecast([day], 600, T, together=100)
    assert (now.at, now.recipients, later.recipients, last.recipients) == (T, 412, 88, 100)
    assert T + DAY / 2 <= later.at <= T + DAY / 2 + 61  # when the 88 of before have left the window
    assert T + DAY <= last.at <= T + DAY + 61
    assert day.used(T) == 88  # nothing was taken


def test_messages_carry_several() -> None:
    minute = budget(Unit.MESSAGES, 2, 60.0)
    steps = forecast([minute], 250, T, together=100)
    assert [s.recipients for s in steps] == [200, 50]
    assert 60 <= steps[1].at - T <= 60.1


def test_no_limits_no_waiting() -> None:
    assert [(s.at, s.recipients) for s in forecast([], 600, T, together=100)] == [(T, 600)]


@given(st.integers(1, 300), st.integers(1, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 10))
def test_a_forecast_keeps_every_limit(n: int, day: int, hour: int, used: int, together: int) -> None:
    budgets = [budget(Unit.RECIPIENTS, day, DAY, min(used, day)), budget(Unit.MESSAGES, hour, 3600.0)]
    steps = forecast(budgets, n, T, together=together)
    assert sum(s.recipients for s in steps) == n
    assert [s.at for s in steps] == sorted(s.at for s in steps)
    for step in steps:
        window = [s.recipients for s in steps if step.at - DAY < s.at <= step.at]
        assert sum(window) <= day
        recent = [-(-s.recipients // together) for s in steps if step.at - 3600 < s.at <= step.at]
        assert sum(recent) <= hour
