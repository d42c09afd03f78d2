"""Keys change without a broken message: only what is visible signs, and nothing leaves the DNS too early."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.net.ports import DnsAnswer, DnsStatus
from kurir.senderauth.dkim import (
    Algorithm,
    Selector,
    SelectorSettings,
    SelectorState,
    Sighting,
    Step,
    plan_selectors,
    record_text,
    sighting_of,
)

from .material import ed_key, rsa_key

HOUR, DAY = 3_600.0, 86_400.0
START = 1_795_425_000.0  # November 2026
RULES = SelectorSettings(settle=HOUR, retire_after=8 * DAY, rotate_after=180 * DAY)
RSA = (Algorithm.RSA,)


def run(selectors, sighting, now):
    sightings = {s.name: sighting for s in selectors}
    return plan_selectors(selectors, sightings, now, RULES, RSA)


def test_the_whole_life_of_a_key():
    plan = plan_selectors((), {}, START, RULES)
    assert [(d.step, d.selector) for d in plan.decisions] == [
        (Step.CREATE, "k202611r"),
        (Step.CREATE, "k202611e"),
    ]
    plan = plan_selectors((), {}, START, RULES, RSA)
    plan = run(plan.selectors, Sighting.ABSENT, START + 60)
    assert [d.step for d in plan.decisions] == [Step.PUBLISH] and not plan.signing
    plan = run(plan.selectors, Sighting.UNKNOWN, START + 2 * HOUR - 1)
    assert not plan.decisions and not plan.signing
    plan = run(plan.selectors, Sighting.SEEN, START + 2 * HOUR)  # nothing signs yet: at first sight
    assert [d.step for d in plan.decisions] == [Step.USE]
    assert [s.name for s in plan.signing] == ["k202611r"]

    later = START + 2 * HOUR + 180 * DAY
    plan = run(plan.selectors, Sighting.SEEN, later)
    assert [(d.step, d.selector) for d in plan.decisions] == [(Step.CREATE, "k202705r")]
    assert [s.name for s in plan.signing] == ["k202611r"]
    plan = run(plan.selectors, Sighting.SEEN, later + 1)
    plan = run(plan.selectors, Sighting.SEEN, later + 1 + HOUR)
    assert [d.step for d in plan.decisions] == [Step.RETIRE, Step.USE]
    assert [s.name for s in plan.signing] == ["k202705r"]
    plan = run(plan.selectors, Sighting.SEEN, later + HOUR + 8 * DAY)
    assert not plan.decisions
    plan = run(plan.selectors, Sighting.SEEN, later + 1 + HOUR + 8 * DAY)
    assert [(d.step, d.selector) for d in plan.decisions] == [(Step.WITHDRAW, "k202611r")]
    assert [s.state for s in plan.selectors] == [SelectorState.RETIRED, SelectorState.ACTIVE]
    plan = run(plan.selectors, Sighting.SEEN, later + 100 * DAY)
    assert not plan.decisions


@pytest.mark.parametrize(
    ("state", "sighting", "step"),
    [
        (SelectorState.ACTIVE, Sighting.ABSENT, Step.MISSING),
        (SelectorState.ACTIVE, Sighting.DIFFERENT, Step.DIFFERENT),
        (SelectorState.ACTIVE, Sighting.UNKNOWN, None),
        (SelectorState.PENDING, Sighting.DIFFERENT, Step.DIFFERENT),
        (SelectorState.PENDING, Sighting.UNKNOWN, None),
    ],
)
def test_what_the_dns_says_is_told(state, sighting, step):
    selector = Selector("k", Algorithm.RSA, state, START, START if state is SelectorState.ACTIVE else None)
    plan = plan_selectors((selector,), {"k": sighting}, START + 60, RULES, RSA)
    assert [d.step for d in plan.decisions] == ([step] if step else [])
    assert plan.selectors[0].state is state


def test_a_break_in_the_sightings_starts_the_wait_again():
    used = Selector("u", Algorithm.RSA, SelectorState.ACTIVE, START, START)
    selector = Selector("k", Algorithm.RSA, SelectorState.PENDING, START, START)
    plan = run((selector, used), Sighting.ABSENT, START + HOUR / 2)
    plan = run(plan.selectors, Sighting.SEEN, START + HOUR)
    assert plan.selectors[0].seen_since == START + HOUR
    assert [s.name for s in plan.signing] == ["u"]


def test_two_keys_in_one_month_have_two_names():
    active = Selector("k202611r", Algorithm.RSA, SelectorState.ACTIVE, START - 200 * DAY, START)
    plan = run((active,), Sighting.SEEN, START)
    assert [d.selector for d in plan.decisions] == ["k202611r2"]


@settings(max_examples=150)
@given(st.lists(st.tuples(st.floats(1, 40 * DAY), st.sampled_from(list(Sighting))), max_size=60))
def test_never_without_a_key_once_there_was_one(history):
    selectors, now, had = (), START, False
    retired_at: dict[str, float] = {}
    for wait, sighting in history:
        now += wait
        before = {s.name: s for s in selectors}
        plan = plan_selectors(selectors, {s.name: sighting for s in selectors}, now, RULES, RSA)
        assert plan == plan_selectors(selectors, {s.name: sighting for s in selectors}, now, RULES, RSA)
        selectors = plan.selectors
        assert len(plan.signing) <= 1
        assert plan.signing or not had
        had = had or bool(plan.signing)
        for s in selectors:
            old = before.get(s.name)
            if s.state is SelectorState.ACTIVE and old and old.state is SelectorState.PENDING:
                assert sighting not in (Sighting.ABSENT, Sighting.DIFFERENT)
            if s.state is SelectorState.RETIRING:
                retired_at.setdefault(s.name, now)
            if s.state is SelectorState.RETIRED and old and old.state is SelectorState.RETIRING:
                assert now - retired_at[s.name] >= RULES.retire_after


def test_what_an_answer_says():
    text = record_text(rsa_key().public)
    other = record_text(ed_key().public).encode()
    table = [
        (DnsAnswer(DnsStatus.OK, (text.encode(),)), Sighting.SEEN),
        (DnsAnswer(DnsStatus.OK, (b"v=spf1", text.encode())), Sighting.SEEN),
        (DnsAnswer(DnsStatus.OK, (other,)), Sighting.DIFFERENT),
        (DnsAnswer(DnsStatus.OK, ()), Sighting.ABSENT),
        (DnsAnswer(DnsStatus.NXDOMAIN), Sighting.ABSENT),
        (DnsAnswer(DnsStatus.NODATA), Sighting.ABSENT),
        (DnsAnswer(DnsStatus.SERVFAIL), Sighting.UNKNOWN),
        (DnsAnswer(DnsStatus.TIMEOUT), Sighting.UNKNOWN),
    ]
    for answer, sighting in table:
        assert sighting_of(answer, text) is sighting
