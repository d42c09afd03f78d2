"""Reports that we write are read by our own reader and by the standard library."""

import email
import email.policy
import gzip

import pytest

from kurir.reports import (
    Reporter,
    ResultKey,
    mail_tls_report,
    pack_tls_report,
    read_rua,
    read_tls_report,
    write_tls_report,
)

US = Reporter("mail.our.test", "postmaster@our.test", "our.test")
COUNTS = [
    (ResultKey("2026-11-22", "example", "sts", ("version: STSv1", "mode: enforce"), ("mx.example",)), 7),
    (ResultKey("2026-11-22", "example", "sts", ("version: STSv1", "mode: enforce"), ("mx.example",), "certificate-expired", "192.0.2.1", "mx.example", "192.0.2.2", "it expired"), 2),
    (ResultKey("2026-11-22", "example", "tlsa", ("3 1 1 00",)), 3),
]  # fmt: skip


def test_a_report_reads_as_it_was_meant():
    report = read_tls_report(write_tls_report("2026-11-22", "example", COUNTS, US))
    assert (report.org_name, report.contact, report.begin) == (
        "mail.our.test",
        "postmaster@our.test",
        "2026-11-22T00:00:00Z",
    )
    sts, tlsa = report.policies
    assert (sts.type, sts.domain, sts.successes, sts.failures) == ("sts", "example", 7, 2)
    assert sts.mx_hosts == ("mx.example",) and tlsa.strings == ("3 1 1 00",)
    (failure,) = sts.details
    assert (failure.result, failure.count, failure.receiving_host) == ("certificate-expired", 2, "mx.example")


def test_the_mail_carries_it():
    data = write_tls_report("2026-11-22", "example", COUNTS, US)
    mail = email.message_from_bytes(
        mail_tls_report("2026-11-22", "example", "tls@example", data, US, at=1_795_000_000.0),
        policy=email.policy.default,
    )
    assert mail.get_content_type() == "multipart/report" and mail.get_param("report-type") == "tlsrpt"
    assert mail["TLS-Required"] == "No" and mail["TLS-Report-Domain"] == "example"
    attached = list(mail.iter_parts())[1]
    assert attached.get_content_type() == "application/tlsrpt+gzip"
    assert gzip.decompress(attached.get_content()) == data == gzip.decompress(pack_tls_report(data, 0))
    assert attached.get_filename() == "our.test!example!2026-11-22!2026-11-22.json.gz"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([b"v=TLSRPTv1; rua=mailto:tls@example"], ("mailto:tls@example",)),
        ([b"v=TLSRPTv1;rua=https://r.example/x,mailto:a@b;"], ("https://r.example/x", "mailto:a@b")),
        ([b"v=spf1 -all", b"v=TLSRPTv1; rua=mailto:a@b"], ("mailto:a@b",)),
        ([b"v=TLSRPTv1; rua=mailto:a@b", b"v=TLSRPTv1; rua=mailto:c@d"], ()),
        ([b"v=TLSRPTv1"], ()),
        ([b"v=TLSRPTv1", b"v=TLSRPTv1 ; rua=mailto:a@b"], ("mailto:a@b",)),  # the first is no record at all
        ([b" v=TLSRPTv1; rua=mailto:a@b"], ()),
        ([b"v=TLSRPTv1; rua=http://r.example"], ()),
        ([b"v=TLSRPTv1; rua=mailto:a b@c, mailto:no-at, mailto:<x@y>"], ()),
        ([], ()),
    ],
)
def test_where_reports_are_wanted(texts, expected):
    assert read_rua(texts) == expected
