"""What mail proved, on its way into a report and out of it again: counted, written, mailed, recognised, read."""

import email
import email.policy
import gzip
import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.model import Address, parse_address
from kurir.reports import (
    AggregateReport,
    DmarcSeen,
    Reporter,
    Row,
    Tally,
    aggregates,
    mail_aggregate,
    read_report_mail,
    seen,
)
from kurir.reports.dmarc_mail import MAX_OCTETS, MAX_ROWS, published
from kurir.reports.dmarc_seen import MAX_KEYS
from kurir.senderauth.arc import ArcReason, ArcVerdict
from kurir.senderauth.dkim import DkimReason, DkimVerdict
from kurir.senderauth.dmarc import DmarcReason, DmarcVerdict, OverrideType, Policy, parse_record
from kurir.senderauth.iprev import ReverseReason, ReverseVerdict
from kurir.senderauth.screening import Findings
from kurir.senderauth.spf import SpfIdentity, SpfReason, SpfVerdict

US = Reporter("mail.our.test", "postmaster@our.test", "our.test")
RECORD = parse_record(b"v=DMARC1; p=reject; sp=quarantine; rua=mailto:d@a.test")
AT = 1_795_392_000.0  # 2026-11-23T00:00:00Z
DAY = "2026-11-23"


def verdict(reason: DmarcReason = DmarcReason.PROVEN, **changes: object) -> DmarcVerdict:
    base = DmarcVerdict(
        reason,
        "www.a.test",
        policy=Policy.QUARANTINE,
        policy_domain="a.test",
        record=RECORD,
        spf_aligned=True,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def findings(dmarc: DmarcVerdict, *dkim: DkimVerdict) -> Findings:
    spf = SpfVerdict(SpfReason.LISTED, SpfIdentity.MAIL_FROM, "b.a.test", "x@b.a.test", "192.0.2.1")
    none = ArcVerdict(ArcReason.NO_CHAIN)
    return Findings(spf, dkim, none, dmarc, ReverseVerdict(ReverseReason.NO_NAME, "192.0.2.1"))


def count(dmarc: DmarcVerdict, *dkim: DkimVerdict, sender: str = "x@b.a.test") -> DmarcSeen | None:
    path = parse_address(sender) if sender else None
    return seen(findings(dmarc, *dkim), dmarc, client="192.0.2.1", reverse_path=path, at=AT)


def test_a_message_becomes_a_row() -> None:
    one = count(
        verdict(dkim_aligned=("a.test",)),
        DkimVerdict(DkimReason.BODY_CHANGED, "list.test", "l"),
        DkimVerdict(DkimReason.VALID, "other.test", "o"),
        DkimVerdict(DkimReason.VALID, "a.test", "s"),
    )
    assert one is not None
    assert (one.day, one.domain, one.policy, one.proven) == (DAY, "a.test", RECORD.text, True)
    row = one.row
    assert (row.disposition, row.dkim, row.spf) == ("pass", "pass", "pass")
    assert (row.header_from, row.envelope_from) == ("www.a.test", "b.a.test")
    assert [(r.domain, r.selector, r.result) for r in row.dkim_results] == [
        ("a.test", "s", "pass"), ("other.test", "o", "pass"), ("list.test", "l", "fail"),
    ]  # fmt: skip
    assert [(r.domain, r.scope, r.result) for r in row.spf_results] == [("b.a.test", "mfrom", "pass")]


@pytest.mark.parametrize(
    ("dmarc", "disposition"),
    [
        (verdict(), "pass"),
        (verdict(policy=Policy.NONE), "none"),
        (verdict(DmarcReason.NOTHING_PROVEN, spf_aligned=False, disposition=Policy.REJECT), "reject"),
        (verdict(DmarcReason.OTHER_DOMAIN, spf_aligned=False, disposition=Policy.NONE), "none"),
    ],
)
def test_dispositions(dmarc: DmarcVerdict, disposition: str) -> None:
    one = count(dmarc)
    assert one is not None and one.row.disposition == disposition


@pytest.mark.parametrize(
    "dmarc",
    [
        verdict(record=None),
        verdict(record=parse_record(b"v=DMARC1; p=reject")),
        verdict(record=parse_record(b"v=DMARC1; p=reject; rua=https://a.test/")),
        verdict(DmarcReason.DNS_FAILED),
        verdict(DmarcReason.RECORD_UNUSABLE),
    ],
)
def test_what_nobody_asks_for_is_not_counted(dmarc: DmarcVerdict) -> None:
    assert count(dmarc) is None


def test_what_was_done_instead_is_told() -> None:
    dmarc = verdict(DmarcReason.NOTHING_PROVEN, spf_aligned=False, disposition=Policy.REJECT)
    one = count(dmarc.overridden(Policy.NONE, OverrideType.TRUSTED_FORWARDER, "list.test"), sender="")
    assert one is not None
    assert (one.row.disposition, one.row.overrides) == ("none", (("trusted_forwarder", "list.test"),))
    assert one.row.envelope_from == ""


def test_a_flood_is_counted_up_to_a_bound() -> None:
    tally, one = Tally(), count(verdict())
    assert one is not None
    tally.add(one)
    for n in range(MAX_KEYS + 10):
        tally.add(replace(one, row=replace(one.row, header_from=f"{n}.a.test")))
    tally.add(one)
    taken = tally.take()
    assert len(taken) == MAX_KEYS and dict(taken)[one] == 2
    assert tally.take() == []


def row(ip: str = "192.0.2.1", **changes: object) -> Row:
    return replace(Row(ip, 1, "pass", "pass", "fail", "a.test", "a.test"), **changes)  # type: ignore[arg-type]


def of(one: Row, policy: str = RECORD.text) -> DmarcSeen:
    return DmarcSeen(DAY, "a.test", "treewalk", policy, one)


def test_a_report_arrives_as_it_was_meant() -> None:
    (report,) = aggregates(DAY, "a.test", [(of(row()), 3), (of(row("2001:db8::1", spf="pass")), 5)], US)
    assert [(r.source_ip, r.count) for r in report.rows] == [("2001:db8::1", 5), ("192.0.2.1", 3)]
    assert (report.begin, report.end) == (int(AT), int(AT) + 86_399)
    mail = mail_aggregate(report, Address("d", "a.test"), Address("noreply-dmarc", "our.test"), US, at=AT)
    assert read_report_mail(mail.message) == report
    message = email.message_from_bytes(mail.message, policy=email.policy.default)
    assert str(message["From"].addresses[0].addr_spec) == "noreply-dmarc@our.test"
    assert message["Subject"] == f"Report Domain: a.test Submitter: our.test Report-ID: <{report.report_id}>"
    assert (message["Auto-Submitted"], message["Message-ID"]) == ("auto-generated", mail.message_id)
    (attached,) = message.iter_attachments()
    assert attached.get_content_type() == "application/gzip"
    assert re.fullmatch(r"our\.test!a\.test!\d+!\d+![A-Za-z0-9]+\.xml\.gz", attached.get_filename() or "")
    assert b"<version>1.0</version>" in gzip.decompress(attached.get_content())
    assert all(len(line) <= 998 for line in mail.message.split(b"\r\n"))


def test_the_same_day_has_the_same_id_and_each_policy_its_own_report() -> None:
    counts = [(of(row()), 1), (of(row(), "v=DMARC1; p=none; rua=mailto:d@a.test"), 2)]
    first, again = (aggregates(DAY, "a.test", counts, US) for _ in range(2))
    assert first == again and len({r.report_id for r in first}) == 2
    assert sorted((r.policy.p, r.messages) for r in first) == [("none", 2), ("reject", 1)]
    to = (mail_aggregate(first[0], Address(x, "a.test"), Address("n", "our.test"), US, at=AT) for x in "de")
    assert len({mail.message_id for mail in to}) == 2


def test_published_policies_have_their_defaults_filled_in() -> None:
    policy = published("a.test", "v=DMARC1; p=reject; aspf=s; t=y", "psl")
    assert (policy.p, policy.sp, policy.np, policy.adkim, policy.aspf) == (
        "reject",
        "reject",
        "reject",
        "r",
        "s",
    )
    assert (policy.testing, policy.discovery, policy.fo) == ("y", "psl", "0")


def test_too_much_is_shortened_and_said() -> None:
    many = [(of(row(f"2001:db8::{n:x}", header_from=f"{n}.a.test")), n + 1) for n in range(MAX_ROWS + 5)]
    (report,) = aggregates(DAY, "a.test", many, US)
    assert len(report.rows) == MAX_ROWS
    assert report.errors == (
        f"{1 + 2 + 3 + 4 + 5} messages are not told: the report has {MAX_ROWS} rows at most",
    )
    noise = random.Random(1)
    words = ["".join(noise.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=900)) for _ in range(MAX_ROWS)]
    large = replace(
        report, rows=tuple(replace(r, header_from=w) for r, w in zip(report.rows, words, strict=True))
    )
    mail = mail_aggregate(large, Address("d", "a.test"), Address("n", "our.test"), US, at=AT)
    read = read_report_mail(mail.message)
    assert isinstance(read, AggregateReport)
    assert len(mail.message) < 1.5 * MAX_OCTETS and 0 < len(read.rows) < MAX_ROWS
    assert read.errors[-1].endswith("the report would be too large")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.integers(1, 10**6))
def test_hostile_domains_stay_values(author: str, comment: str, n: int) -> None:
    hostile = row(header_from=author, overrides=(("other", comment),))
    (report,) = aggregates(DAY, "a.test", [(of(hostile), n)], US)
    mail = mail_aggregate(report, Address("d", "a.test"), Address("n", "our.test"), US, at=AT)
    read = read_report_mail(mail.message)
    assert isinstance(read, AggregateReport) and read.messages == n
