"""Who sends as us: sources are judged by what passed, by whose they are, and by what broke."""

from dataclasses import replace

import pytest

from kurir.reports import (
    Advice,
    AggregateReport,
    AuthResult,
    KeptAggregate,
    PublishedPolicy,
    Row,
    Standing,
    advice,
    digest,
    judge,
)

DAY = 86_400
OURS = (AuthResult("a.test", "fail", selector="s"),)


def row(dkim: str = "pass", spf: str = "pass", count: int = 10, **changes: object) -> Row:
    return replace(Row("192.0.2.1", count, "none", dkim, spf, "a.test", "a.test"), **changes)  # type: ignore[arg-type]


def kept(*rows: Row, days: int = 20, p: str = "none", **changes: object) -> KeptAggregate:
    report = AggregateReport("far", "d@far.test", "1", 0, days * DAY, PublishedPolicy("a.test", p), rows)
    return replace(KeptAggregate(report, 0.0, "far.test"), **changes)  # type: ignore[arg-type]


FAIL = row("fail", "fail")


@pytest.mark.parametrize(
    ("rows", "own", "listed", "standing"),
    [
        ([row()], (), {}, Standing.PROVEN),
        ([row(), replace(FAIL, count=0)], (), {}, Standing.PROVEN),
        ([row(count=99), replace(FAIL, count=1)], (), {}, Standing.PROVEN),  # a broken forward now and then
        ([row(count=90), FAIL], ("192.0.2.1",), {}, Standing.FAILING),
        ([row(spf="fail")], (), {}, Standing.SIGNED),
        ([row(dkim="fail")], (), {}, Standing.UNSIGNED),
        ([FAIL], (), {"192.0.2.1": "spf.far.test"}, Standing.FAILING),
        ([FAIL], (), {}, Standing.STRANGER),
        ([replace(FAIL, dkim_results=OURS)], (), {}, Standing.FORWARDED),
        ([replace(FAIL, dkim_results=(AuthResult("evil.test", "pass"),))], (), {}, Standing.STRANGER),
        ([replace(FAIL, dkim_results=(AuthResult("evila.test", "fail"),))], (), {}, Standing.STRANGER),
        ([replace(FAIL, overrides=(("mailing_list", ""),))], (), {}, Standing.FORWARDED),
    ],
)
def test_standing(rows, own, listed, standing) -> None:
    (found,) = digest([kept(*rows)])
    (source,) = judge(found, own, listed).sources
    assert source.standing is standing
    assert source.listed == ("own" if own else listed.get("192.0.2.1", ""))


@pytest.mark.parametrize(
    ("one", "what"),
    [
        (kept(row(), days=3), Advice.FEW),
        (kept(FAIL, days=3), Advice.MEND),
        (kept(row()), Advice.RAISE),
        (kept(row(), p="quarantine"), Advice.RAISE),
        (kept(row(), p="reject"), Advice.STRICT),
    ],
)
def test_advice(one: KeptAggregate, what: Advice) -> None:
    (found,) = digest([one])
    own = ("192.0.2.1",) if what is Advice.MEND else ()
    assert advice(judge(found, own, {})) is what


def test_reports_add_up_and_the_unproven_are_left_out_but_counted() -> None:
    second = replace(row(count=5), source_ip="192.0.2.2")
    one = kept(row(), second, left_out=4)
    forged = kept(replace(FAIL, count=1000), proven=False)
    other = kept(row())
    other = replace(other, report=replace(other.report, policy=PublishedPolicy("b.test"), org_name="near"))
    a, b = digest([one, one, forged, other])
    assert (a.domain, a.messages, a.passed, a.reports, a.unproven, a.left_out) == ("a.test", 30, 30, 2, 1, 8)
    assert [(s.ip, s.messages) for s in a.sources] == [("192.0.2.1", 20), ("192.0.2.2", 10)]
    assert (b.domain, b.reporters) == ("b.test", ("near",))
    assert digest([forged], unproven_too=True)[0].messages == 1000
    assert digest([forged])[0].reports == 0
