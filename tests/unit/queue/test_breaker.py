"""The circuit breaker: its table, and its promises under any sequence of news."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kurir.queue.roads.breaker import Breaker, BreakerRules, Health, after_success, after_trouble, probing

RULES = BreakerRules(proofs=3, calm=3600.0, probe_wait=600.0)


def rest(breaks: int) -> float:
    return min(60.0 * 2.0 ** (breaks - 1), 3600.0)


def trouble(b: Breaker, at: float, *, since: float | None = None, patience: int = 1) -> Breaker:
    return after_trouble(b, since=at - 1 if since is None else since, now=at, patience=patience, rest=rest)


def success(b: Breaker, at: float, *, since: float | None = None) -> Breaker:
    return after_success(b, since=at - 1 if since is None else since, now=at, rules=RULES)


def test_a_refused_login_breaks_at_once_and_rests() -> None:
    b = trouble(Breaker(), 100.0)
    assert (b.health, b.since, b.next_at) == (Health.BROKEN, 100.0, 160.0)
    assert not b.admits(159.9)
    assert b.admits(160.0)


@pytest.mark.parametrize(("patience", "enough"), [(1, 1), (2, 2), (3, 3)])
def test_patience_counts_troubles_in_a_row(patience: int, enough: int) -> None:
    b = Breaker()
    for i in range(enough):
        assert b.health is Health.SOUND
        b = trouble(b, 100.0 + 10 * i, patience=patience)
    assert b.health is Health.BROKEN


def test_twenty_failures_at_once_are_one() -> None:
    b = Breaker()
    for _ in range(20):
        b = trouble(b, 100.0, since=50.0, patience=3)
    assert (b.health, b.troubles) == (Health.SOUND, 1)


def test_a_success_in_between_forgets_the_troubles() -> None:
    b = trouble(trouble(Breaker(), 10.0, patience=3), 20.0, patience=3)
    b = trouble(success(b, 30.0), 40.0, patience=3)
    assert (b.health, b.troubles) == (Health.SOUND, 1)


def test_an_older_connection_that_still_works_proves_nothing() -> None:
    b = trouble(Breaker(), 100.0)
    assert success(b, 200.0, since=90.0) == b


def test_three_proofs_bring_it_back_and_each_failed_probe_doubles_the_rest() -> None:
    b = trouble(Breaker(), 100.0)
    b = trouble(probing(b, now=160.0, rules=RULES), 161.0, since=160.0)
    assert (b.health, b.next_at, b.since) == (Health.BROKEN, 161.0 + 120.0, 100.0)
    at = 300.0
    for i in range(3):
        b = probing(b, now=at, rules=RULES)
        assert (b.health, b.admits(at + 1)) == (Health.PROBING, False)
        b = success(b, at + 2, since=at)
        at += 10
        assert b.health is (Health.SOUND if i == 2 else Health.PROBING)


def test_a_road_that_breaks_again_soon_rests_as_if_it_had_never_been_back() -> None:
    b = trouble(Breaker(), 100.0)
    for at in (200.0, 210.0, 220.0):
        b = success(probing(b, now=at, rules=RULES), at + 1, since=at)
    assert b.health is Health.SOUND
    soon = trouble(success(b, 300.0), 400.0)
    assert soon.next_at == 400.0 + 120.0
    calm = trouble(success(b, 222.0 + RULES.calm), 5000.0)
    assert calm.next_at == 5000.0 + 60.0


def test_a_probe_that_never_tells_is_replaced() -> None:
    b = probing(trouble(Breaker(), 100.0), now=160.0, rules=RULES)
    assert not b.admits(160.0 + RULES.probe_wait - 1)
    assert b.admits(160.0 + RULES.probe_wait)


class News(RuleBasedStateMachine):
    """Attempts go out, come back in any order, at any time; the breaker keeps its promises."""

    @initialize()
    def start(self) -> None:
        self.now = 1000.0
        self.b = Breaker()
        self.out: list[float] = []
        self.breaks: list[float] = []
        self.unbroken = 0  # successes of probes since the last trouble

    @rule(seconds=st.floats(0.1, 5000.0))
    def passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.b.admits(self.now))
    @rule()
    def goes_out(self) -> None:
        if self.b.health is not Health.SOUND:
            self.b = probing(self.b, now=self.now, rules=RULES)
            assert not self.b.admits(self.now)
        self.out.append(self.now)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), patience=st.integers(1, 3), good=st.booleans())
    def comes_back(self, data: st.DataObject, patience: int, good: bool) -> None:
        since = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        before = self.b
        if good:
            self.b = success(before, self.now, since=since)
        else:
            self.b = trouble(before, self.now, since=since, patience=patience)
        if self.b.health is Health.BROKEN and before.health is Health.SOUND:
            self.breaks.append(self.now)
        if self.b.health is Health.SOUND and before.health is not Health.SOUND:
            assert good
            assert before.proofs == RULES.proofs - 1

    @invariant()
    def a_broken_road_has_a_date(self) -> None:
        if self.b.health is not Health.SOUND:
            assert self.b.next_at <= self.now + max(3600.0, RULES.probe_wait)
            assert self.b.since <= self.now

    @invariant()
    def it_does_not_flap(self) -> None:
        # Between breaks that follow each other lies a rest that grows, up to the longest, or a calm hour.
        for earlier, later in zip(self.breaks, self.breaks[1:], strict=False):
            assert later - earlier >= 60.0 - 1e-6


News.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestNews = News.TestCase
