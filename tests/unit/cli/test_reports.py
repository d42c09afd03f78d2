"""What others report, in words of both languages: every judgement has its sentences, and what was kept is shown."""

import json
import time
from pathlib import Path

import pytest
from tests.unit.delivery.doubles import FakeClock

from kurir.cli import reports
from kurir.cli.main import root
from kurir.cli.reports import _moment
from kurir.cli.words import _table
from kurir.model import encode_id
from kurir.reports import (
    Advice,
    AggregateReport,
    Complaint,
    Feedback,
    KeptAggregate,
    KeptTls,
    PublishedPolicy,
    Row,
    Standing,
    TlsReport,
    pack_aggregate,
)
from kurir.reports.tlsrpt import TlsFailure, TlsPolicyReport
from kurir.storage import Layout, SqliteReports

DAY = 86_400


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "kurir.toml"
    file.write_text('[server]\nhostname = "mail.our.test"\nstate = "."\n[domains."our.test"]\n')
    return file


@pytest.fixture
def store(config: Path):
    opened = SqliteReports(Layout(config.parent), FakeClock(time.time()))
    yield opened
    opened.close()


def run(capsys: pytest.CaptureFixture[str], config: Path, *args: str) -> tuple[int, str]:
    code = root.main([*args, "-c", str(config)], prog_name="kurir", standalone_mode=False)
    return int(code or 0), capsys.readouterr().out


def report(*rows: Row, domain: str = "our.test", p: str = "none") -> KeptAggregate:
    end = int(time.time())
    policy = PublishedPolicy(domain, p)
    return KeptAggregate(
        AggregateReport("far", "d@far.test", "1", end - 20 * DAY, end, policy, rows), end, "far.test"
    )


GOOD = Row("192.0.2.1", 1999, "none", "pass", "pass", "our.test", "our.test")
BAD = Row("192.0.2.66", 1, "quarantine", "fail", "fail", "our.test", "evil.test")


def test_every_judgement_has_its_sentences() -> None:
    words = _table("en")
    for standing in Standing:
        assert f"dmarc.standing_{standing.value}" in words
    for standing in reports._WORTH_A_WORD:
        assert f"dmarc.do_{standing.value}" in words
    for advice in (*(a.value for a in Advice), "raise_to_reject"):
        assert f"dmarc.advice_{advice}" in words
    for result in reports._RESULTS:
        assert f"tls_report.result_{result.replace('-', '_')}" in words


def test_nothing_reported_says_what_to_do(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, words in (("dmarc",), "kurir dns our.test"), (("tls", "reports"), "kurir dns"):
        code, said = run(capsys, config, *command)
        assert code == 0 and words in said
    assert "Nobody has complained" in run(capsys, config, "dmarc", "complaints")[1]


def test_who_sends_as_us(config: Path, store: SqliteReports, capsys: pytest.CaptureFixture[str]) -> None:
    store.keep_aggregate(report(GOOD, BAD))
    code, said = run(capsys, config, "dmarc", "our.test", "--no-dns")
    assert code == 0
    assert "1999 of them pass DMARC (99.9 %)" in said
    assert "192.0.2.66" in said and "not ours" in said
    assert "may become stricter" in said
    document = json.loads(run(capsys, config, "dmarc", "--no-dns", "--json")[1])
    assert [s["standing"] for s in document["domains"][0]["sources"]] == ["proven", "stranger"]
    assert json.loads(run(capsys, config, "dmarc", "other.test", "--json")[1])["domains"] == []


def test_a_file_at_hand_is_read_without_being_kept(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "far!our.test!1!2.xml.gz"
    file.write_bytes(pack_aggregate(report(GOOD, p="quarantine").report))
    code, said = run(capsys, config, "dmarc", "read", str(file), "--no-dns")
    assert code == 0 and "may become p=reject" in said
    assert not Layout(tmp_path).reports.exists()


def test_how_others_fared_with_encryption(
    config: Path, store: SqliteReports, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = TlsFailure("certificate-expired", 2, receiving_host="mx.our.test")
    policy = TlsPolicyReport("sts", "our.test", 9, 2, details=(failure, TlsFailure("new-thing", 1)))
    good = TlsPolicyReport("no-policy-found", "our.test", 5, 0)
    store.keep_tls(
        KeptTls(TlsReport("far", "", "1", "Mon", "Tue", (policy, good)), time.time(), "far.test", False)
    )
    code, said = run(capsys, config, "tls", "reports", "our.test")
    assert code == 1
    for words in (
        "has expired",
        "(MTA-STS): 2 sessions failed",
        "5 sessions encrypted",
        "new-thing",
        "not proven",
    ):
        assert words in said
    assert run(capsys, config, "tls", "reports", "other.test")[0] == 0
    assert (
        json.loads(run(capsys, config, "tls", "reports", "--json")[1])["reports"][0]["policies"][0][
            "failures"
        ]
        == 2
    )


def test_complaints_by_account(
    config: Path, store: SqliteReports, capsys: pytest.CaptureFixture[str]
) -> None:
    for n, account in enumerate(("ann@our.test", "ann@our.test", "")):
        number = 17 if account else None
        complaint = Complaint(
            Feedback("abuse", subject=f"buy {n}"), time.time(), "far.test", True, number, account
        )
        store.keep_complaint(complaint)
    said = run(capsys, config, "dmarc", "complaints")[1]
    assert "ann@our.test: 2 complaints" in said and encode_id(17) in said
    document = json.loads(run(capsys, config, "dmarc", "complaints", "--json")[1])
    assert document["accounts"] == {"ann@our.test": 2} and len(document["complaints"]) == 3


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 0, "-"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 3, "33 %"), (1, 9999, "0.1 %")],
)
def test_shares(part: int, whole: int, said: str) -> None:
    assert reports.percent(part, whole) == said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-23T00:00:00Z", "2026-11-23 00:00 UTC"),
        ("2026-11-23T23:59:59+07:00", "2026-11-23 16:59 UTC"),
        ("yesterday", "yesterday"),
    ],
)
def test_times_in_tls_reports_are_for_people(text: str, shown: str) -> None:
    assert _moment(text) == shown
