"""Reports of others: the real samples, what we write, and bombs."""

import email
import gzip
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.reports.dmarc_aggregate import NAMESPACE, AggregateReport, AuthResult, PublishedPolicy, Row
from kurir.reports.dmarc_read import read_aggregate
from kurir.reports.dmarc_write import (
    aggregate_filename,
    aggregate_subject,
    pack_aggregate,
    write_aggregate,
)
from kurir.reports.tlsrpt import read_tls_report
from kurir.reports.unpacking import ReportError, ReportLimits
from tests.shared import need


def _samples(folder: str) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(need("data", "reports", "parsedmarc-samples.dev.tar.xz")) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None or f"{folder}/" not in member.name:
                continue
            data = file.read()
            if member.name.endswith(".eml"):
                data = next(_attachments(data))
            yield member.name.rpartition("/")[2], data


def _attachments(data: bytes) -> Iterator[bytes]:
    for part in email.message_from_bytes(data).walk():
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes) and payload.startswith((b"\x1f\x8b", b"PK", b"<?xml", b"<feedback")):
            yield payload


MENDED = {
    "invalid_utf_8.xml": ("the text was not valid UTF-8",),
    "ikea.com": ("a schema was opened and never closed",),
}


def test_real_aggregate_reports() -> None:
    read = 0
    for name, data in [*_samples("aggregate"), *_samples("aggregate_invalid")]:
        if name == "invalid_xml.xml":
            with pytest.raises(ReportError, match="broken in line 5"):
                read_aggregate(data)
            continue
        report = read_aggregate(data)
        if data.startswith(b"<"):
            assert len(report.rows) == len(re.findall(rb"<record>", data)), name
        assert report.rows, name
        assert 0 < report.begin <= report.end, name
        assert report.messages > 0, name
        assert {row.disposition for row in report.rows} <= {"none", "pass", "quarantine", "reject"}, name
        assert {word for row in report.rows for word in (row.dkim, row.spf)} <= {"pass", "fail"}, name
        assert report.faults == MENDED.get(name.partition("!")[0], ()), name
        assert read_aggregate(write_aggregate(report)).rows == report.rows, name
        read += 1
    assert read == 14


def test_real_tls_reports() -> None:
    reports = {name: read_tls_report(data) for name, data in _samples("smtp_tls")}
    rfc = reports["rfc8460.json"]
    assert (rfc.policies[0].successes, rfc.policies[0].failures) == (5326, 303)
    assert [detail.count for detail in rfc.policies[0].details] == [100, 200, 3]
    assert rfc.policies[0].mx_hosts == ("*.mail.company-y.example",)
    assert all(report.policies and report.begin for report in reports.values())
    assert len(reports) == 3


REPORT = AggregateReport(
    "us.test",
    "dmarc@us.test",
    "id-1",
    1_700_000_000,
    1_700_086_400,
    PublishedPolicy("a.test", "reject", "none", "reject", "s", "r", "n", "treewalk"),
    (
        Row(
            "192.0.2.1", 3, "reject", "fail", "fail", "a.test", "b.test", "us.test",
            (("local_policy", "<&>"),),
            (AuthResult("b.test", "pass", selector="s1"), AuthResult("c.test", "fail", selector="s2")),
            (AuthResult("b.test", "softfail", scope="mfrom"),),
        ),
        Row("2001:db8::1", 1, "none", "pass", "fail", "a.test"),
    ),
    contact="https://us.test/",
    generator="Kurir",
    errors=("one",),
    namespace=NAMESPACE,
)  # fmt: skip


def test_what_we_write_is_read_back() -> None:
    assert read_aggregate(pack_aggregate(REPORT)) == REPORT
    assert aggregate_filename(REPORT, "us.test") == "us.test!a.test!1700000000!1700086400!id-1.xml.gz"
    assert (
        aggregate_subject(REPORT, "us.test") == "Report Domain: a.test Submitter: us.test Report-ID: <id-1>"
    )
    assert pack_aggregate(REPORT) == pack_aggregate(REPORT)


@given(st.text(max_size=50), st.integers(0, 10**9))
def test_hostile_values_stay_values(text: str, count: int) -> None:
    row = Row("192.0.2.1", count, "none", "pass", "fail", text, overrides=(("other", text),))
    report = AggregateReport(text, text, text, 1, 2, PublishedPolicy("a.test"), (row,))
    read = read_aggregate(write_aggregate(report))
    assert (len(read.rows), read.rows[0].count) == (1, count)
    assert aggregate_filename(report, text).isascii()
    assert "\n" not in aggregate_subject(report, text)


def _zip(*contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for n, content in enumerate(contents):
            archive.writestr(f"{n}.xml", content)
    return file.getvalue()


SMALL = ReportLimits(packed=100_000, unpacked=200_000, elements=5_000, rows=100)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(b" " * 300_000), "unpacks to more"),
        (_zip(b" " * 300_000), "unpacks to more"),
        (_zip(*[b"<feedback/>"] * 11), "more than 10 files"),
        (gzip.compress(gzip.compress(b"x")), "another packed file"),
        (gzip.compress(b"<feedback/>")[:-9], "breaks off"),
        (b"\x1f\x8bgarbage", "damaged"),
        (b"PK\x03\x04garbage", "damaged"),
        (b"", "no XML"),
        (b"x" * 100_001, "larger than"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><feedback>&b;</feedback>', "document type"),
        (b'<!DOCTYPE feedback SYSTEM "http://x.test/"><feedback/>', "document type"),
        (b"<feedback>" * 30, "nested deeper"),
        (b"<feedback>" + b"<a/>" * 5_001, "elements"),
        (b"<feedback>" + b"<record></record>" * 101, "more than 100 records"),
        (b"<other/>", "no DMARC report"),
        (b"<feedback/>", "for which domain"),
        (b'<?xml version="1.0" encoding="x-none"?><feedback/>', "encoding"),
    ],
    ids=range(17),
)
def test_bombs_and_broken_reports(data: bytes, words: str) -> None:
    with pytest.raises(ReportError, match=words):
        read_aggregate(data, SMALL)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "broken"),
        (b"[]", "no TLS report"),
        (b"{}", "no policy"),
        (b'{"policies": [1, "x"]}', "no policy"),
        (b'{"policies": ' + b"[" * 90_000, "nested|more than 5000"),
        (b"\xff\xfe{}", "broken"),
        (json.dumps({"policies": [{}] * 101}).encode(), "more than 100"),
        (b'{"policies": ' + b"9" * 50_000 + b"}", "broken"),
    ],
)
def test_broken_tls_reports(data: bytes, words: str) -> None:
    with pytest.raises(ReportError, match=words):
        read_tls_report(data, SMALL)


whole = write_aggregate(REPORT)


@settings(max_examples=200)
@given(
    st.integers(0, len(whole)),
    st.binary(max_size=12),
    st.sampled_from([whole, pack_aggregate(REPORT), _zip(whole)]),
)
def test_any_damage_is_an_error_in_words(at: int, junk: bytes, data: bytes) -> None:
    damaged = data[:at] + junk + data[at + len(junk) :]
    try:
        read_aggregate(damaged, SMALL)
    except ReportError as e:
        assert str(e)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda v: (
            st.lists(v, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["policies", "policy", "summary", "failure-details", "policy-string", "date-range"]
                ),
                v,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json(value: object) -> None:
    try:
        read_tls_report(json.dumps(value).encode())
    except ReportError as e:
        assert str(e)


_ATTRIBUTES = b" ".join(b'a%x=">"' % i for i in range(30_000))


@pytest.mark.parametrize(
    ("read", "data", "words"),
    [
        (read_aggregate, b"<feedback>" + b"<a/>" * 30_000 + b"</feedback>", "elements in one place"),
        (read_aggregate, b"<feedback><record>" + b"<a/>" * 30_000, "elements in one place"),
        (read_aggregate, b"<feedback " + _ATTRIBUTES + b"></feedback>", "a tag is longer"),
        (read_aggregate, b"<feedback><" + b"a" * 300_000 + b"/></feedback>", "a tag is longer"),
        (read_tls_report, b'{"policies":[' + b"[]," * 1_100_000 + b"{}]}", "more than 1000000 elements"),
        (read_tls_report, b'{"policies":[{}],"x":[' + b"1.5," * 1_100_000 + b"1]}", "more than 1000000 elements"),
    ],
)  # fmt: skip
def test_what_grows_in_memory(read, data: bytes, words: str) -> None:  # type: ignore[no-untyped-def]
    """A few kilobytes of gzip do not become hundreds of megabytes of objects."""
    with pytest.raises(ReportError, match=words):
        read(gzip.compress(data, 1))


def test_many_records_are_held_one_at_a_time() -> None:
    record = b"<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row></record>"
    head = b"<feedback><policy_published><domain>a.test</domain></policy_published>"
    report = read_aggregate(head + record * 10_000 + b"</feedback>")
    assert report.messages == 10_000


def test_numbers_that_no_sum_can_hold() -> None:
    head = b"<feedback><policy_published><domain>a.test</domain></policy_published><report_metadata>"
    dates = b"<date_range><begin>999999999999</begin><end>9%s</end></date_range></report_metadata>" % (
        b"9" * 10
    )
    record = b"<record><row><source_ip>192.0.2.1</source_ip><count>99999999999</count></row></record>"
    report = read_aggregate(head + dates + record + b"</feedback>")
    assert (report.messages, report.begin, report.end) == (0, 0, 99_999_999_999)
    assert len(report.faults) == 2
