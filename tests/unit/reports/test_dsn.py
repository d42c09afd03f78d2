import email
import email.policy
import hashlib
from base64 import b64decode
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.message.eightbit import convert
from kurir.message.headers import Problem, scan
from kurir.model import (
    Address,
    Body,
    Cause,
    Envelope,
    MailParams,
    Notify,
    Outcome,
    OutcomeKind,
    Recipient,
    Reply,
    Ret,
    Stage,
)
from kurir.queue.asks import NoticeReason, NoticeWork
from kurir.reports import DETAILS, ReportSettings, render, status_of, wants_full
from kurir.reports.statuses import ACTIONS
from kurir.trace.explain import Catalogue

SETTINGS = ReportSettings("mx.a.example", "a.example")
ME = Address("me", "a.example")
BOB = Address("bob", "b.example")
BUE = Address("bü", "b.example")
ORIGINAL = b"From: me@a.example\r\nSubject: Offer\r\n\r\nbody of mine\r\n"


@dataclass(frozen=True)
class Said:
    what: str
    todo: str


def explain(cause, lang, *, final=None, **values):
    return Said(f"[{lang} {cause.value} {final}] {values['recipient']}", "do something" if final else "")


def outcome(**kwargs):
    given = {"kind": OutcomeKind.FAILED, "cause": Cause.UNKNOWN_USER, "at": 50.0, "stage": Stage.RCPT}
    given |= {"host": "mx1.b.example[192.0.2.1]:25", "reply": Reply.of(550, "5.1.1", "no such user")}
    return Outcome(**(given | kwargs))


def reason(action="failed", recipient=None, out=None, **kwargs):
    return NoticeReason(
        recipient or Recipient(BOB), action, out if out is not None else outcome(), 60.0, **kwargs
    )


def work(*reasons, params=None, **kwargs):
    given = {
        "id": "1-f-0",
        "epoch": 1,
        "number": 1,
        "to": ME,
        "accepted_at": 10.0,
        "trace_block": b"Received: us\r\n",
    }
    given |= {"size": len(ORIGINAL), "subject": "Offer", "message_id": "<m@a.example>"}
    given |= {"original": Envelope(ME, (Recipient(BOB),), params or MailParams())}
    return NoticeWork(reasons=reasons or (reason(),), **(given | kwargs))


def written(job, original=ORIGINAL, settings=SETTINGS):
    report = render(job, original, settings, explain, at=1e9, token="1-f-0.r4nd")
    parsed = email.message_from_bytes(report.octets, policy=email.policy.default)
    return report, parsed


def status_blocks(parsed):
    return [dict(block.items()) for block in parsed.get_payload(1).get_payload()]


def test_a_failure():
    recipient = Recipient(BOB, orcpt="rfc822;bob@alias.example")
    report, parsed = written(work(reason(recipient=recipient), params=MailParams(envid="QQ314")))
    assert parsed.get_content_type() == "multipart/report"
    assert parsed["Content-Type"].params["report-type"] == "delivery-status"
    assert parsed["Subject"] == "Your message was not delivered / Pesan Anda tidak terkirim: Offer"
    assert parsed["From"].addresses[0].addr_spec == "MAILER-DAEMON@a.example"
    assert parsed["To"] == "me@a.example"
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["In-Reply-To"] == parsed["References"] == "<m@a.example>"
    assert parsed["Message-ID"] == "<1-f-0.r4nd@a.example>"
    assert [p.get_content_type() for p in parsed.get_payload()] == [
        "text/plain", "message/delivery-status", "text/rfc822-headers",
    ]  # fmt: skip
    assert status_blocks(parsed) == [
        {
            "Original-Envelope-Id": "QQ314",
            "Reporting-MTA": "dns; mx.a.example",
            "Arrival-Date": "Thu, 01 Jan 1970 00:00:10 +0000",
        },
        {
            "Original-Recipient": "rfc822; bob@alias.example",
            "Final-Recipient": "rfc822; bob@b.example",
            "Action": "failed",
            "Status": "5.1.1",
            "Remote-MTA": "dns; mx1.b.example",
            "Diagnostic-Code": "smtp; 550 5.1.1 no such user",
            "Last-Attempt-Date": "Thu, 01 Jan 1970 00:00:50 +0000",
        },
    ]
    text = parsed.get_payload(0).get_content()
    assert text.index("[en unknown_user True]") < text.index("[id unknown_user True]")
    assert text.count('"550 5.1.1 no such user"') == 2
    assert "do something" in text
    assert "k0000011" in text
    returned = parsed.get_payload(2).get_payload()
    assert returned.replace("\r\n", "\n") == "Received: us\nFrom: me@a.example\nSubject: Offer\n"
    assert (
        report.octets
        == written(work(reason(recipient=recipient), params=MailParams(envid="QQ314")))[0].octets
    )


def test_nobody_is_ever_told_about_a_report():
    report, _ = written(work())
    incoming = report.incoming(1e9)
    assert incoming.envelope.reverse_path is None
    assert incoming.envelope.recipients == (Recipient(ME, Notify.NEVER),)
    assert incoming.notice_of == "1-f-0"
    assert incoming.size == len(incoming.body)
    assert incoming.sha256 == hashlib.sha256(incoming.body).digest()
    assert incoming.body[: incoming.header_end].endswith(b"\r\n\r\n")


def test_the_order_of_languages_is_the_readers():
    _, parsed = written(work(), settings=ReportSettings("mx.a.example", "a.example", ("id", "en")))
    text = parsed.get_payload(0).get_content()
    assert text.index("[id ") < text.index("[en ")
    assert parsed["Subject"].startswith("Pesan Anda tidak terkirim / Your")
    _, parsed = written(work(), settings=ReportSettings("mx.a.example", "a.example", ("en",)))
    assert "Bahasa" not in parsed.get_payload(0).get_content()


def test_a_delay_names_the_next_attempt():
    late = outcome(kind=OutcomeKind.DEFERRED, cause=Cause.GREYLISTED, reply=None, detail="slow")
    _, parsed = written(work(reason("delayed", out=late, next_at=90_000.0, give_up_at=200.0)))
    assert parsed["Subject"].startswith("Your message is delayed")
    block = status_blocks(parsed)[1]
    assert block["Will-Retry-Until"] == "Thu, 01 Jan 1970 00:03:20 +0000"
    assert (block["Action"], block["Status"]) == ("delayed", "4.7.1")
    assert block["Diagnostic-Code"] == "x-kurir; slow"
    text = parsed.get_payload(0).get_content()
    assert "Next attempt: 2 January 1970 at 01:00 UTC" in text
    assert "Percobaan berikutnya: 2 Januari 1970 pukul 01.00 UTC" in text
    assert "[en greylisted False]" in text


def test_a_delay_names_when_lost_encryption_is_done_without():
    lost = outcome(kind=OutcomeKind.DEFERRED, cause=Cause.TLS_LOST, reply=None, clear_from=90_000.0)
    _, parsed = written(work(reason("delayed", out=lost, next_at=1.0, give_up_at=2.0)))
    text = parsed.get_payload(0).get_content()
    assert "Sent even without encryption from: 2 January 1970 at 01:00 UTC" in text
    assert "Dikirim walaupun tanpa enkripsi mulai: 2 Januari 1970 pukul 01.00 UTC" in text


def test_when_time_ran_out_nobody_is_told_to_wait():
    later = Reply.of(451, "4.7.1", "come back")
    late = outcome(kind=OutcomeKind.DEFERRED, cause=Cause.GREYLISTED, reply=later)
    _, parsed = written(work(reason(out=late)), settings=ReportSettings("mx.a.example", "a.example", ("en",)))
    text = " ".join(parsed.get_payload(0).get_content().split())
    assert "[en expired True] bob@b.example [en greylisted True] bob@b.example" in text
    assert text.count("do something") == 1
    assert status_blocks(parsed)[1]["Diagnostic-Code"] == "smtp; 451 4.7.1 come back"
    _, parsed = written(work(NoticeReason(Recipient(BOB), "failed", None, 60.0)))
    assert "[en expired True]" in parsed.get_payload(0).get_content()


def test_good_news_and_bad_news_in_one_report():
    good = reason("delivered", out=outcome(kind=OutcomeKind.DELIVERED, cause=Cause.OK, reply=None))
    _, parsed = written(work(good, reason()))
    assert parsed["Subject"].startswith("Your message was not delivered")
    assert [b["Action"] for b in status_blocks(parsed)[1:]] == ["delivered", "failed"]
    assert status_blocks(parsed)[1]["Status"] == "2.0.0"


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_success(action):
    _, parsed = written(work(NoticeReason(Recipient(BOB), action, None, 60.0)))
    assert status_blocks(parsed)[1]["Action"] == action
    assert status_blocks(parsed)[1]["Status"] == "2.0.0"


def render_fields(report):
    """The second part as octets: the standard library does not split the global form into blocks."""
    part = report.octets.split(b"\r\n--=_kurir_")[2]
    return part.partition(b"\r\n\r\n")[2]


FULL = MailParams(ret=Ret.FULL)


@pytest.mark.parametrize(
    ("job", "full"),
    [
        (work(params=FULL), True),
        (work(params=MailParams(ret=Ret.HDRS)), False),
        (work(), False),
        (work(reason("delayed"), params=FULL), False),
        (work(params=FULL, held=True), False),
        (work(params=FULL, size=2_000_000), False),
        (work(params=MailParams(ret=Ret.FULL, body=Body.BINARY)), False),
    ],
)
def test_ret_is_obeyed(job, full):
    assert wants_full(job, SETTINGS) is full
    report, parsed = written(job)
    assert parsed.get_payload(2).get_content_type() == ("message/rfc822" if full else "text/rfc822-headers")
    assert (b"body of mine" in report.octets) is full


@pytest.mark.parametrize("strict", [True, False])
def test_a_report_about_strict_mail_is_strict_itself(strict):
    """RFC 8689 section 5."""
    report, _ = written(work(params=MailParams(require_tls=strict, sealed=True, ret=Ret.FULL)))
    assert report.envelope.params.require_tls is strict and not report.envelope.params.sealed


def test_eight_bit_originals_make_an_eight_bit_report_that_can_be_converted():
    original = (
        b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n\r\n\xc3\xa4\r\n"
    )
    report, parsed = written(work(params=FULL, size=len(original)), original)
    assert report.envelope.params.body is Body.EIGHT
    assert parsed.get_payload(2).get_payload(0).get_payload(decode=True) == b"\xc3\xa4\r\n"
    assert convert(report.octets).octets.isascii()
    headers, parsed = written(work(), b"Subject: \xc3\xa4\r\n\r\n")
    assert headers.envelope.params.body is Body.EIGHT
    assert not headers.envelope.params.smtputf8


def test_international_addresses():
    job = work(reason(recipient=Recipient(BUE)), params=MailParams(smtputf8=True))
    report, parsed = written(job)
    assert [p.get_content_type() for p in parsed.get_payload()][1:] == [
        "message/global-delivery-status", "message/global-headers",
    ]  # fmt: skip
    assert (
        not report.envelope.params.smtputf8
    )  # its own header is ASCII: it reaches a reader without SMTPUTF8
    assert f"Final-Recipient: utf-8; {BUE}\r\n".encode() in report.octets
    # A sender that did not ask for SMTPUTF8 gets the ASCII form (RFC 6533 section 3).
    report, parsed = written(work(reason(recipient=Recipient(BUE))))
    assert not report.envelope.params.smtputf8
    assert b"Final-Recipient: utf-8; " in report.octets
    assert b"\\x{FC}" in report.octets
    assert report.octets.isascii()


UTF8_HEADER = "Subject: Grüße\r\n\r\nbody of mine\r\n".encode()


def test_mail_that_is_international_only_in_its_header_is_returned_as_such():
    """RFC 6533 section 4: text/rfc822-headers has no room for UTF-8."""
    job = work(params=MailParams(smtputf8=True), size=len(UTF8_HEADER))
    report, parsed = written(job, UTF8_HEADER)
    assert [p.get_content_type() for p in parsed.get_payload()][1:] == [
        "message/global-delivery-status", "message/global-headers",
    ]  # fmt: skip
    assert "Grüße".encode() in report.octets
    assert not report.envelope.params.smtputf8
    assert convert(report.octets).octets.isascii()  # and passes servers of any kind
    _, parsed = written(work(params=MailParams(smtputf8=True)))
    assert parsed.get_payload(2).get_content_type() == "text/rfc822-headers"  # nothing needs it here


def test_a_whole_international_original_passes_servers_of_any_kind():
    params = MailParams(smtputf8=True, ret=Ret.FULL)
    report, parsed = written(work(params=params, size=len(UTF8_HEADER)), UTF8_HEADER)
    returned = parsed.get_payload(2)
    assert returned.get_content_type() == "message/global"
    assert b64decode(report.octets.split(b"\r\n--=_kurir_")[3].partition(b"\r\n\r\n")[2]).endswith(
        UTF8_HEADER
    )
    assert convert(report.octets).octets.isascii()


def test_a_reader_with_an_international_address_needs_smtputf8():
    report, _ = written(work(to=BUE, params=MailParams(smtputf8=True)))
    assert report.envelope.params.smtputf8


def test_the_postmaster_hears_of_unproven_senders():
    postmaster = Address("postmaster", "a.example")
    report, parsed = written(work(to=postmaster, held=True))
    text = parsed.get_payload(0).get_content()
    assert "not proven" in text
    assert "me@a.example" in text
    assert parsed["Subject"].startswith("A message could not be delivered and is held")
    assert report.envelope.recipients[0].address == postmaster


def test_aliases_are_named():
    _, parsed = written(work(reason(recipient=Recipient(BOB, wanted=Address("info", "a.example")))))
    assert status_blocks(parsed)[1]["Original-Recipient"] == "rfc822; info@a.example"
    assert "you wrote to info@a.example" in parsed.get_payload(0).get_content()


def test_the_lost_reply_is_admitted():
    _, parsed = written(work(reason(out=outcome(possibly_delivered=True, reply=None))))
    assert "may have taken it all the same" in parsed.get_payload(0).get_content().replace("\n  ", " ")


@given(st.text(max_size=200), st.text(max_size=80), st.binary(max_size=300), st.booleans())
def test_nothing_foreign_breaks_a_report(words, other, original, utf8):
    said = outcome(reply=Reply(550, None, (words, other)), host=other, detail=words)
    recipient = Recipient(BUE if utf8 else BOB, orcpt=f"rfc822;{words}")
    params = MailParams(smtputf8=utf8, envid=other, ret=Ret.FULL)
    job = work(
        reason(recipient=recipient, out=said),
        params=params,
        subject=words,
        message_id=other,
        size=len(original),
    )
    report, parsed = written(job, original)
    head = scan(report.octets)
    assert not head.problems & ~Problem.EIGHT_BIT
    assert head.header_end == report.header_end
    assert len(parsed.get_payload()) == 3
    fields = render_fields(report)
    assert fields.count(b"Final-Recipient: ") == fields.count(b"Action: failed\r\n") == 1
    assert fields.count(b"\r\n\r\n") == 1
    assert parsed["Bcc"] is None
    assert not report.envelope.params.smtputf8


def test_large_headers_are_cut_at_a_line():
    original = b"Subject: x\r\n" + b"X-Long: " + b"y" * 5_000 + b"\r\n" + b"X: y\r\n" * 50_000 + b"\r\nbody"
    report, parsed = written(work(size=len(original)), original)
    assert len(report.octets) < 80_000
    assert max(map(len, report.octets.split(b"\r\n"))) <= 998
    assert b"body" not in parsed.get_payload(2).get_payload(decode=True)


def test_many_recipients_are_listed_for_programs_and_counted_for_people():
    many = [reason(recipient=Recipient(Address(f"u{i}", "b.example"))) for i in range(150)]
    _, parsed = written(work(*many))
    assert len(status_blocks(parsed)) == 151
    assert "+ 50" in parsed.get_payload(0).get_content()


def test_an_empty_obligation_is_a_bug():
    job = work()
    with pytest.raises(ValueError, match="nothing to report"):
        render(
            NoticeWork(**{f: getattr(job, f) for f in job.__struct_fields__} | {"reasons": ()}),
            b"",
            SETTINGS,
            explain,
            at=0,
            token="t",
        )


def test_every_cause_has_a_status_and_every_sentence_both_languages():
    assert set(DETAILS) == set(Cause)
    catalogue = Catalogue.load()
    for action in (*ACTIONS, "held"):
        assert catalogue.has(f"notice.subject.{action}")
        assert catalogue.has(f"notice.intro.{action}")


@pytest.mark.parametrize(
    ("action", "out", "status"),
    [
        ("failed", outcome(), "5.1.1"),
        ("failed", outcome(reply=Reply.of(550, None, "x")), "5.1.1"),
        ("failed", outcome(reply=None, cause=Cause.NULL_MX), "5.1.10"),
        ("failed", outcome(kind=OutcomeKind.DEFERRED, reply=Reply.of(451, "4.7.1", "x")), "4.7.1"),
        ("failed", outcome(kind=OutcomeKind.DEFERRED, reply=None, cause=Cause.EXPIRED), "4.4.7"),
        ("failed", outcome(reply=Reply.of(421, "4.7.0", "blocked for good")), "5.7.0"),
        ("delayed", outcome(kind=OutcomeKind.DEFERRED, reply=Reply.of(550, "5.4.5", "quota")), "4.4.5"),
        ("relayed", outcome(kind=OutcomeKind.HANDED_OVER, reply=Reply.of(250, "2.1.5", "ok")), "2.1.5"),
        ("delivered", outcome(reply=Reply.of(550, "5.1.1", "x")), "2.0.0"),
        ("failed", None, "5.0.0"),
    ],
)
def test_status(action, out, status):
    assert status_of(action, out) == status


@pytest.mark.parametrize("cause", list(Cause))
def test_the_shipped_catalogue_fits(cause):
    for final in (True, False):
        job = work(
            reason("failed" if final else "delayed", out=outcome(cause=cause), next_at=1.0, give_up_at=2.0)
        )
        report = render(job, ORIGINAL, SETTINGS, Catalogue.load().explain_cause, at=1e9, token="t")
        text = (
            email.message_from_bytes(report.octets, policy=email.policy.default).get_payload(0).get_content()
        )
        assert "{" not in text


def test_the_sandbox_is_named_not_its_socket():
    out = outcome(host="unix:/tmp/play/run/sandbox.sock")
    report, _ = written(work(reason(out=out)))
    text = report.octets.decode()
    assert "/run/sandbox.sock" not in text and "the sandbox" in text
