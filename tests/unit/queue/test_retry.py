"""The schedule as tables and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.model import Cause
from kurir.queue import QueueSettings
from kurir.queue.waiting.retry import Again, GiveUp, RetryPolicy, WaitForTheEnd, site_pause

POLICY = RetryPolicy.ordinary(QueueSettings())
SHORT = RetryPolicy.null_sender(QueueSettings())


@pytest.mark.parametrize(
    ("attempts", "cause", "hint", "roll", "delay"),
    [
        (1, Cause.BUSY, None, 0.0, 300),
        (2, Cause.BUSY, None, 0.0, 600),
        (6, Cause.BUSY, None, 0.0, 7200),
        (7, Cause.BUSY, None, 0.0, 14400),
        (30, Cause.BUSY, None, 0.0, 14400),
        (1, Cause.BUSY, None, 0.5, 315),
        (1, Cause.GREYLISTED, None, 0.0, 300),
        (9, Cause.GREYLISTED, None, 0.0, 1200),
        (5, Cause.RATE_LIMITED, 90.0, 0.0, 90),
        (1, Cause.RATE_LIMITED, 0.0, 0.0, 1),
        (1, Cause.RATE_LIMITED, 1e9, 0.0, 14400),
    ],
)
def test_waits(attempts: int, cause: Cause, hint: float | None, roll: float, delay: float) -> None:
    assert POLICY.after(attempts=attempts, age=10.0, cause=cause, hint=hint, roll=roll) == Again(delay)


@pytest.mark.parametrize(
    ("left", "decision"),
    [
        (-1.0, GiveUp()),
        (0.0, GiveUp()),
        (100.0, WaitForTheEnd(100.0)),
        (1000.0, Again(900.0)),
        (14401.0, Again(14400.0)),
    ],
)
def test_the_end_of_the_lifetime(left: float, decision: object) -> None:
    age = POLICY.lifetime - left
    assert POLICY.after(attempts=20, age=age, cause=Cause.BUSY, hint=None, roll=0.0) == decision


def test_a_block_that_lasts_is_given_a_day_and_never_more_than_the_lifetime() -> None:
    def after(age: float, blocked_for: float | None) -> object:
        return POLICY.after(
            attempts=20, age=age, cause=Cause.BLOCKLISTED, hint=None, roll=0.0, blocked_for=blocked_for
        )

    assert after(3600.0, 3600.0) == Again(14400.0)
    assert after(80_000.0, 80_000.0) == Again((86400.0 - 80_000.0) * 0.9)
    assert after(86400.0, 86400.0) == GiveUp()
    assert after(86400.0, None) == Again(14400.0)
    assert after(2 * 86400.0, 0.0) == Again(14400.0)  # it had waited for a limit until then
    short = RetryPolicy.ordinary(QueueSettings(lifetime=3600.0))
    assert (
        short.after(attempts=1, age=3600.0, cause=Cause.BUSY, hint=None, roll=0.0, blocked_for=0.0)
        == GiveUp()
    )


@given(
    st.integers(1, 100), st.floats(0, 6 * 86400), st.sampled_from(list(Cause)), st.none() | st.floats(0, 1e7),
    st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_a_try_is_never_after_the_end_and_never_before_a_second(
    attempts: int, age: float, cause: Cause, hint: float | None, roll: float
) -> None:
    decision = POLICY.after(attempts=attempts, age=age, cause=cause, hint=hint, roll=roll)
    assert isinstance(decision, GiveUp) is (age >= POLICY.lifetime)
    if not isinstance(decision, GiveUp):
        assert 0 < decision.delay <= POLICY.lifetime - age
    if isinstance(decision, Again):
        assert decision.delay >= 1


def test_bounces_live_shorter_and_nobody_is_told_of_their_delay() -> None:
    assert SHORT.lifetime == 2 * 86400
    assert SHORT.next_milestone(0.0, notices=True) == SHORT.lifetime
    assert POLICY.next_milestone(0.0, notices=True) == 3600
    assert POLICY.next_milestone(3600.0, notices=True) == 86400
    assert POLICY.next_milestone(0.0, notices=False) == POLICY.lifetime
    assert [POLICY.told_by(age) for age in (0, 3599, 3600, 86399, 86400)] == [0, 0, 1, 1, 2]


def test_a_site_rests_longer_each_time_but_not_longer_than_the_mail_itself() -> None:
    default, hasty = QueueSettings(), QueueSettings(retry=(2.0, 4.0))
    assert [site_pause(default, n, 0.0) for n in (1, 2, 3, 50)] == [60, 120, 240, 3600]
    assert [site_pause(hasty, n, 0.0) for n in (1, 2, 50)] == [0.4, 0.8, 1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"retry": ()},
        {"retry": (0.0,)},
        {"lifetime": 0.0},
        {"delay_notice": (5.0, 1.0)},
        {"disk_high": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="queue"):
        QueueSettings(**wrong)  # type: ignore[arg-type]
