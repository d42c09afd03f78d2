"""Rolling windows against a model that remembers everything."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.limits import RollingWindow
from kurir.limits.window import BUCKETS

SPANS = st.sampled_from([1, 7, 1000, 60_000, 3_600_000, 86_400_000, 31 * 86_400_000])


class Naive:
    """Every unit with its moment."""

    def __init__(self, span: int) -> None:
        self.span = span
        self.log: list[tuple[int, int]] = []

    def used(self, now: int, longer: int = 0) -> int:
        return sum(n for at, n in self.log if now - self.span - longer < at <= now)


@st.composite
def steps(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    span = draw(SPANS)
    waits = st.integers(0, span // 3 + 2)
    return span, draw(st.lists(st.tuples(waits, st.integers(1, 50)), max_size=60))


@given(steps())
@settings(max_examples=300)
def test_never_less_than_the_truth_and_at_most_one_bucket_more(
    case: tuple[int, list[tuple[int, int]]],
) -> None:
    span, moves = case
    window, naive, now = RollingWindow(span), Naive(span), 10**12
    bucket = max(1, span // BUCKETS)
    for wait, used in moves:
        now += wait
        assert naive.used(now) <= window.used(now) <= naive.used(now, bucket)
        window.add(used, now)
        naive.log.append((now, used))
        assert window.used(now) >= naive.used(now)


@given(steps(), st.integers(0, 500))
def test_the_time_it_names_is_the_first_at_which_it_is_so(
    case: tuple[int, list[tuple[int, int]]], most: int
) -> None:
    span, moves = case
    window, now = RollingWindow(span), 10**12
    for wait, used in moves:
        now += wait
        window.add(used, now)
    at = window.falls_to(most, now)
    assert at >= now
    before = RollingWindow(span)
    moment = 10**12
    for wait, used in moves:
        moment += wait
        before.add(used, moment)
    if at > now:
        assert before.used(at - 1) > most
    assert window.used(at) <= most


@given(steps(), st.randoms(use_true_random=False))
def test_the_order_of_adding_does_not_matter(case: tuple[int, list[tuple[int, int]]], random) -> None:  # type: ignore[no-untyped-def]
    span, moves = case
    one, two, now, log = RollingWindow(span), RollingWindow(span), 10**12, []
    for wait, used in moves:
        now += wait // 50
        log.append((used, now))
    for used, at in log:
        one.add(used, at)
    random.shuffle(log)
    for used, at in log:
        two.add(used, at)
    assert one.used(now) == two.used(now)


@given(steps())
def test_what_was_stored_by_its_stamps_counts_at_least_as_much(
    case: tuple[int, list[tuple[int, int]]],
) -> None:
    span, moves = case
    window, stored, now = RollingWindow(span), {}, 10**12
    for wait, used in moves:
        now += wait
        window.add(used, now)
        stored[window.stamp(now)] = stored.get(window.stamp(now), 0) + used
    again = RollingWindow(span)
    for at, used in sorted(stored.items()):
        again.add(used, at)
    assert again.used(now) == window.used(now)


def test_a_window_keeps_few_buckets() -> None:
    window, now = RollingWindow(86_400_000), 10**12
    for _ in range(20_000):
        now += 10_000
        window.add(1, now)
        window.used(now)
    assert len(window._log) <= BUCKETS + 2
    assert 8640 <= window.used(now) <= 8646
