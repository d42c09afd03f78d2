"""The file of reports: counts add up, nothing is kept twice, everything is bounded."""

from dataclasses import replace

import pytest

from kurir.reports.ports import (
    AggregateReport,
    Complaint,
    DmarcSeen,
    Feedback,
    KeptAggregate,
    KeptTls,
    PublishedPolicy,
    Row,
    SentReport,
    TlsPolicyReport,
    TlsReport,
)
from kurir.storage import Layout, NoDatabase, SqliteReports, reports
from tests.unit.delivery.doubles import FakeClock

NOW = 1_795_392_000.0  # 2026-11-23T00:00:00Z
DAY = 86_400.0
ROW = Row("192.0.2.1", 1, "none", "fail", "fail", "a.test", overrides=(("other", "x"),))


def seen(day: str = "2026-11-22", domain: str = "a.test", **row: object) -> DmarcSeen:
    return DmarcSeen(day, domain, "treewalk", "v=DMARC1; p=none", replace(ROW, **row))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def store(tmp_path, clock):
    opened = SqliteReports(Layout(tmp_path), clock)
    yield opened
    opened.close()


def test_counts_of_many_processes_add_up(store, tmp_path, clock):
    other = SqliteReports(Layout(tmp_path), clock)
    store.count([(seen(), 2), (seen(spf="pass"), 1)])
    other.count([(seen(), 3)])
    other.close()
    assert dict(store.seen("2026-11-22", "a.test")) == {seen(): 5, seen(spf="pass"): 1}
    assert store.due("2026-11-23") == [("2026-11-22", "a.test")]
    assert store.due("2026-11-22") == []


def test_only_who_proved_itself_is_known(store):
    store.count([(seen(), 1), (seen("2026-11-21", "b.test", dkim="pass"), 1)])
    store.count([(seen("2026-11-20", "b.test", spf="pass"), 1)])
    assert (store.known_since("a.test"), store.known_since("b.test")) == (None, "2026-11-20")


def test_a_flood_is_bounded(store, monkeypatch):
    monkeypatch.setattr(reports, "MAX_SEEN_OF_ONE", 3)
    store.count([(seen(header_from=f"{n}.a.test"), 1) for n in range(9)])
    store.count([(seen(header_from="0.a.test"), 1)])  # a row that is there still counts
    counted = store.seen("2026-11-22", "a.test")
    assert len(counted) == 3 and sum(n for _, n in counted) == 4
    monkeypatch.setattr(reports, "MAX_SEEN", 4)
    store.count([(seen(domain=f"{n}.test"), 1) for n in range(9)])
    assert len(store.due("2026-12-01")) == 2


def test_what_is_dealt_with_is_not_due_and_goes_after_some_days(store, clock):
    store.count([(seen(), 1)])
    store.dealt("2026-11-22", "a.test", "sent")
    assert store.due("2026-11-23") == []
    clock.at += 30 * DAY
    store.dealt("2026-12-22", "b.test", "sent")
    assert store.seen("2026-11-22", "a.test") == []


def test_an_address_that_refuses_rests(store, clock):
    report = SentReport("2026-11-22", "a.test", "d@a.test", 7, "<dmarc.1@us.test>", NOW)
    store.sent(report)
    assert store.under_way() == store.sent_since(NOW) == [report]
    assert store.sent_about("2026-11-22", "a.test") == {"<dmarc.1@us.test>"}
    assert store.bounced(["<other@us.test>", "<dmarc.1@us.test>"]) == "d@a.test"
    assert store.under_way() == []
    assert store.resting() == {"d@a.test": NOW + 30 * DAY}
    clock.at += 31 * DAY
    assert store.resting() == {}
    assert store.bounced(["<never@us.test>"]) == ""
    store.arrived("<never@us.test>")


REPORT = AggregateReport(
    "far", "d@far.test", "1", int(NOW - DAY), int(NOW), PublishedPolicy("a.test", "none"), (ROW,)
)


def test_reports_of_others_are_kept_once(store):
    kept = KeptAggregate(REPORT, NOW, "far.test")
    assert store.keep_aggregate(kept) and not store.keep_aggregate(replace(kept, at=NOW + 1))
    assert store.keep_aggregate(replace(kept, report=replace(REPORT, report_id="2"), proven=False))
    assert store.aggregates(NOW)[0] == kept
    assert [k.proven for k in store.aggregates(NOW - DAY, "a.test")] == [True, False]
    assert store.aggregates(0, "b.test") == store.aggregates(NOW + 1) == []
    tls = KeptTls(TlsReport("far", "", "1", "a", "b", (TlsPolicyReport("sts", "a.test", 1, 0),)), NOW)
    assert store.keep_tls(tls) and not store.keep_tls(tls)
    assert store.tls_reports(0) == [tls]
    complaint = Complaint(Feedback("abuse", message_id="<1@a.test>"), NOW, "far.test", True, 5, "ann@a.test")
    assert store.keep_complaint(complaint) and not store.keep_complaint(replace(complaint, at=NOW + 9))
    assert store.complaints(number=5) == store.complaints(NOW) == [complaint]
    assert store.complaints(number=6) == []


def test_a_huge_report_is_kept_in_part_and_old_ones_go(store, clock, monkeypatch):
    monkeypatch.setattr(reports, "MAX_ROWS", 2)
    rows = tuple(replace(ROW, count=n, header_from=f"{n}.test") for n in (1, 5, 9))
    store.keep_aggregate(KeptAggregate(replace(REPORT, rows=rows), NOW))
    (kept,) = store.aggregates(0)
    assert ([r.count for r in kept.report.rows], kept.left_out) == ([9, 5], 1)
    clock.at += 181 * DAY
    assert store.keep_aggregate(KeptAggregate(replace(REPORT, report_id="2"), clock.at))
    assert [k.report.report_id for k in store.aggregates(0)] == ["2"]
    monkeypatch.setattr(reports, "MAX_REPORTS", 1)
    assert not store.keep_aggregate(KeptAggregate(replace(REPORT, report_id="3"), clock.at))


def test_reading_does_not_make_the_file(tmp_path, clock):
    with pytest.raises(NoDatabase):
        SqliteReports(Layout(tmp_path), clock, writable=False)
