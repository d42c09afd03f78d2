"""Paces: cut at once, back in steps, settled below what the peer bears, and gone when it is well again."""

import pytest

from kurir.limits import NEVER, USUAL_SHAPE, Pace, Signal

STEP = USUAL_SHAPE.step


def pace(connections: int = 20, out: int = 0) -> Pace:
    made = Pace("pace/mx/far.example", USUAL_SHAPE, connections)
    made.open = out
    made.widen(back=1)
    return made


def test_a_new_pace_holds_nothing_back() -> None:
    new = pace()
    assert new.ready_at(0.0) == 0.0
    assert new.done(0.0)


def test_what_is_in_use_is_halved_once_for_many_refusals_of_one_moment() -> None:
    one = pace(out=15)
    shift = one.trouble(Signal.CONNECTIONS, "421 too many", since=90.0, now=100.0)
    assert shift is not None
    assert (shift.what, shift.before, shift.after) == ("connections", 16, 8)
    for _ in range(14):
        one.open -= 1
        assert one.trouble(Signal.CONNECTIONS, "421 too many", since=90.0, now=100.1) is None
    assert one.connections.level == 8


def test_the_last_connection_stays() -> None:
    one = pace(4, out=0)
    for at in range(10):
        one.trouble(Signal.HANDSHAKE, "", since=at + 0.5, now=at + 1.0)
    assert one.connections.level == 1
    assert one.ready_at(20.0) == 20.0
    one.leased(20.0)
    assert one.ready_at(20.0) == NEVER


def test_growth_needs_time_and_mail_that_went_out_since() -> None:
    one = pace(out=19)
    one.trouble(Signal.CONNECTIONS, "", since=0.5, now=1.0)
    assert one.connections.level == 10
    assert not one.success(0.5, 100.0)  # was under way before the cut
    assert not one.success(2.0, 1.0 + STEP - 0.1)
    assert one.success(2.0, 1.0 + STEP)
    assert one.connections.level == 12


def test_the_point_of_trouble_is_tried_again_only_after_a_while() -> None:
    one = pace(out=4)
    one.trouble(Signal.CONNECTIONS, "", since=0.5, now=1.0)
    levels = []
    for second in range(2, 200):
        if one.success(float(second), float(second)):
            levels.append((second, one.connections.level))
    level_at = {level: second for second, level in levels}
    assert level_at[4] < 20
    assert level_at[5] - level_at[4] >= STEP * USUAL_SHAPE.patience
    assert one.connections.level == 20
    assert one.done(200.0)


def run_against(
    bears: int, seconds: float, *, recovers_at: float = NEVER, attempt: float = 0.2
) -> list[tuple[float, int, bool]]:
    """Keep as many out as the pace allows, at a peer that bears `bears` at once; return (time, out, refused)."""
    one, out, seen = pace(20), [0.0] * 20, []
    one.open = 20
    one.widen()
    now = 0.0
    while now < seconds:
        now += attempt
        for place, since in enumerate(out):
            one.open -= 1
            refused = place >= bears and now < recovers_at
            if refused:
                one.trouble(Signal.CONNECTIONS, "421", since=since, now=now)
            else:
                one.success(since, now)
        count = len(out)
        out = []
        while one.ready_at(now) <= now and len(out) < 20:
            one.leased(now)
            out.append(now)
        seen.append((now, len(out), count > bears and now < recovers_at))
    return seen


@pytest.mark.parametrize("bears", [1, 2, 4, 7, 13, 19])
def test_it_settles_near_what_the_peer_bears_and_returns_to_full(bears: int) -> None:
    seen = run_against(bears, 900.0, recovers_at=600.0)
    settled = [out for at, out, _ in seen if 200 < at < 600]
    assert sum(settled) / len(settled) >= 0.8 * bears
    assert sum(settled) / len(settled) <= bears + 0.5
    refused = sum(r for at, _, r in seen if 200 < at < 600)
    assert refused <= 12  # of 2,000 rounds
    assert seen[-1][1] == 20


@pytest.mark.parametrize("bears", [0.2, 1.0, 7.0, 30.0])
def test_a_rate_settles_near_what_the_peer_bears(bears: float) -> None:
    one = pace(20)
    now, tokens, sent, refused = 0.0, bears, 0, 0
    counted = 0
    while now < 3000:
        tokens = min(bears, tokens)
        at = one.ready_at(now)
        step = max(at - now, 0.01)
        now += step
        tokens = min(max(1.0, bears), tokens + step * bears)
        one.leased(now)
        one.open -= 1
        if tokens >= 1:
            tokens -= 1
            sent += now > 1000
            one.success(now, now + 0.005)
        else:
            refused += now > 1000
            one.trouble(Signal.RATE, "451 slow down", since=now, now=now + 0.005)
        counted += now > 1000
    assert sent >= 0.6 * 2000 * bears
    assert refused <= max(60, 0.03 * counted)


def test_an_idle_pace_is_forgotten() -> None:
    one = pace(out=4)
    one.trouble(Signal.HANDSHAKE, "", since=0.5, now=1.0)
    assert not one.done(2.0)
    one.open = 0
    assert not one.done(1.0 + USUAL_SHAPE.memory)
    assert one.done(2.0 + USUAL_SHAPE.memory)
