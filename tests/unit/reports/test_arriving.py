"""Mails that carry reports, and mails that only look so: the real samples, feedback, bounces, damage."""

import base64
import gzip
import tarfile
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.reports import (
    AggregateReport,
    Feedback,
    ReportError,
    TlsReport,
    read_any,
    read_feedback,
    read_report_mail,
    returned_ids,
)
from tests.shared import need


def samples() -> Iterator[tuple[str, bytes]]:
    with tarfile.open(need("data", "reports", "parsedmarc-samples.dev.tar.xz")) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file.read()


def test_real_reports_as_they_were_saved() -> None:
    kinds = {"aggregate": AggregateReport, "aggregate_invalid": AggregateReport, "smtp_tls": TlsReport}
    read = 0
    for name, data in samples():
        folder, _, file = name.rpartition("/")
        kind = kinds.get(folder.rpartition("/")[2])
        if kind is None or file == "invalid_xml.xml" or not file.endswith((".xml", ".eml", ".json")):
            continue
        assert isinstance(read_any(data), kind), name
        read += 1
    assert read == 17


def test_real_failure_reports() -> None:
    for name, data in samples():
        if "linkedin" in name:
            found = read_report_mail(data)
            assert isinstance(found, Feedback)
            assert (found.type, found.failure, found.result) == ("auth-failure", "dmarc", "delivered")
            assert (found.source_ip, found.domain) == ("10.10.10.10", "example.com")
            assert found.recipient == "recipient@linkedin.com" and found.author == "example.com"
            assert found.message_id.startswith("<01010101")
        elif "no_arf_part" in name:  # words for a person only: an ordinary mail
            assert read_report_mail(data) is None


FIELDS = b"""Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <ann@our.test>
Original-Rcpt-To: <user@far.test>
Source-IP: 192.0.2.1
Reported-Domain: our.test
Incidents: 3
"""
ORIGINAL = b"From: <ann@our.test>\r\nMessage-ID: <1@our.test>\r\nSubject: Buy\r\n\r\nnow\r\n"


def mail(*parts: tuple[str, bytes], subject: str = "x", kind: str = "multipart/report") -> bytes:
    lines = [f"From: <a@far.test>\r\nSubject: {subject}\r\nContent-Type: {kind}; boundary=b\r\n\r\n".encode()]
    lines += [f"--b\r\nContent-Type: {t}\r\n\r\n".encode() + data + b"\r\n" for t, data in parts]
    return b"".join([*lines, b"--b--\r\n"])


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers"])
def test_a_complaint_names_the_message_it_is_about(kind: str) -> None:
    found = read_report_mail(
        mail(("text/plain", b"hi"), ("message/feedback-report", FIELDS), (kind, ORIGINAL))
    )
    assert found == Feedback(
        "abuse", "SomeGenerator/1.0", "192.0.2.1", "our.test", "ann@our.test", "user@far.test",
        message_id="<1@our.test>", subject="Buy", author="our.test", incidents=3,
    )  # fmt: skip


def test_feedback_without_a_type_is_none() -> None:
    with pytest.raises(ReportError, match="of which type"):
        read_feedback(b"Version: 1\r\n")


XML = b"<feedback><policy_published><domain>a.test</domain></policy_published><record/></feedback>"


def test_how_reporters_declare_their_files_does_not_matter() -> None:
    for kind in ("application/gzip", "application/octet-stream", "application/x-nonsense", "text/xml"):
        packed = XML if kind == "text/xml" else gzip.compress(XML)
        found = read_report_mail(mail(("text/plain", b"hello"), (kind, packed)))
        assert isinstance(found, AggregateReport), kind
    alone = b"Subject: r\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert isinstance(read_report_mail(alone + base64.encodebytes(gzip.compress(XML))), AggregateReport)


def test_other_attachments_are_no_reports() -> None:
    invoice = b"<?xml version='1.0'?><invoice/>"
    for data in (invoice, gzip.compress(invoice), gzip.compress(b"a picture"), b'{"a": 1}'):
        assert read_report_mail(mail(("application/octet-stream", data), kind="multipart/mixed")) is None
    with pytest.raises(ReportError, match="no DMARC report"):
        read_report_mail(mail(("text/xml", invoice), subject="Report Domain: a.test Submitter: b.test"))
    assert read_report_mail(b"Subject: hi\r\n\r\nhello\r\n") is None
    assert read_report_mail(b"") is None


def test_bombs_are_refused() -> None:
    bomb = gzip.compress(b"<feedback>" + b" " * 40_000_000)
    with pytest.raises(ReportError, match="unpacks to more"):
        read_report_mail(mail(("application/gzip", bomb), subject="Report Domain: a.test"))


def test_what_a_bounce_returns_is_known_by_its_id() -> None:
    status = b"Reporting-MTA: dns; far.test\r\n\r\nFinal-Recipient: rfc822; d@far.test\r\nAction: failed\r\n"
    returned = b"Message-ID: <dmarc.1@our.test>\r\nSubject: Report\r\n\r\n"
    kind = "multipart/report; report-type=delivery-status"
    for original in ("message/rfc822", "text/rfc822-headers"):
        parts = (("text/plain", b"no"), ("message/delivery-status", status), (original, returned))
        assert returned_ids(mail(*parts, kind=kind)) == ("<dmarc.1@our.test>",)
    assert returned_ids(mail(("message/rfc822", returned), kind="multipart/mixed")) == ()


WHOLE = mail(
    ("message/feedback-report", FIELDS),
    ("message/rfc822", ORIGINAL),
    ("application/gzip", gzip.compress(XML)),
)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(WHOLE)), st.binary(max_size=20))
def test_damage_ends_in_words(at: int, junk: bytes) -> None:
    damaged = WHOLE[:at] + junk + WHOLE[at + len(junk) :]
    returned_ids(damaged)
    try:
        read_report_mail(damaged)
    except ReportError as e:
        assert str(e)
