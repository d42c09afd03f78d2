"""Targets: what messages, reports, records and files hold."""

import re
import tomllib

from kurir.config import ConfigError
from kurir.config.load import parse
from kurir.message import (
    Problem,
    convert,
    decode_text,
    facts_of,
    find_header_end,
    parse_mailboxes,
    prepare,
    scan,
    survey,
)  # fmt: skip
from kurir.message.mime import Entity
from kurir.model import (
    Address,
    AddressError,
    Cause,
    Envelope,
    MailParams,
    Outcome,
    OutcomeKind,
    Recipient,
    Reply,
    Stage,
    parse_address,
)  # fmt: skip
from kurir.queue.asks import NoticeReason, NoticeWork
from kurir.reports import (
    ReportError,
    ReportLimits,
    ReportSettings,
    read_aggregate,
    read_report_mail,
    read_tls_report,
    render,
    returned_ids,
)
from kurir.senderauth.arc.chain import ChainProblem, read_chain
from kurir.senderauth.arc.settings import ArcSettings
from kurir.senderauth.dkim.keyrecord import parse_key_record
from kurir.senderauth.dkim.settings import DkimSettings
from kurir.senderauth.dkim.signature import read_dkim
from kurir.senderauth.dkim.verdict import DkimProblem
from kurir.senderauth.dmarc.record import parse_record as dmarc_record
from kurir.senderauth.results import parse_results, posing_spans
from kurir.senderauth.spf.record import RecordError
from kurir.senderauth.spf.record import parse_record as spf_record
from kurir.trace.explain import Catalogue
from kurir.trace.why import explain_all

from .target import Target

_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def headers(octets: bytes) -> None:
    """The fields found cover the header block without overlap, and reading it never fails."""
    head = scan(octets)
    at = 0
    for field in head:
        assert at <= field.start < field.end <= len(octets)
        assert octets[field.start :].startswith(field.name)
        at = field.end
    end, _ = find_header_end(octets)
    assert 0 <= end <= len(octets)
    facts = facts_of(octets)
    assert facts.header_end <= len(octets)
    for text in (facts.subject, facts.message_id, facts.header_from):
        assert not set("\r\n\0") & set(text)
        text.encode()
    assert not _HARMFUL.search(decode_text(octets))
    edits = prepare(
        head, may_send_as=lambda _: True, at=0.0, message_id="<x@y>", add_from=Address("a", "b.c")
    )
    if edits.fault is None:
        after = scan(edits.prefix + edits.apply(octets))
        assert not after.named(b"Bcc")
        assert len(after.named(b"From")) == 1
        assert len(after.named(b"Date")) == 1
        assert not after.problems & Problem.MALFORMED_LINE


def mailboxes(octets: bytes) -> None:
    """What a rule may trust is an address that reads back, and `single` is the only one there is."""
    found = parse_mailboxes(octets)
    for mailbox in found.mailboxes:
        assert parse_address(str(mailbox.address)) == mailbox.address
        assert not set("\r\n\0") & set(mailbox.display)
    if found.single is not None:
        assert found.problem is None
        assert len(found.mailboxes) == 1


def _shape(part: Entity) -> tuple[object, ...]:
    return part.parent, part.kind, part.content_type, part.encoding, part.boundary, part.broken


def mime(octets: bytes) -> None:
    """Any octets are surveyed, in any pieces alike; what is derived for seven bits has seven bits."""
    whole = survey(octets)
    pieces = survey([octets[i : i + 5] for i in range(0, len(octets), 5)])
    assert (whole.headers, whole.contents, whole.frame, whole.problems) == (
        pieces.headers, pieces.contents, pieces.frame, pieces.problems,
    )  # fmt: skip
    assert [_shape(part) for part in whole.parts] == [_shape(part) for part in pieces.parts]
    derived = convert(octets)
    if derived.plan.obstacle is None:
        assert derived.octets.isascii()


_LINE = re.compile(rb"[^\r\n]*\r\n")
_SETTINGS = ReportSettings("mx.a.example", "a.example")
_EXPLAIN = Catalogue.load().explain_cause


def notice(octets: bytes) -> None:
    """Whatever a peer said and an original holds, a report has whole lines, one header, and no line of the peer's making."""
    parts = (octets + b"\n\n\n").split(b"\n", 3)
    words = [p.decode("utf-8", "backslashreplace") for p in parts]
    try:
        recipient = parse_address(words[1])
    except AddressError:
        recipient = Address("box", "b.example")
    said = Reply(550, "5.1.1", tuple(words[:2]))
    outcome = Outcome(
        kind=OutcomeKind.FAILED, cause=Cause.UNKNOWN_USER, at=5.0, stage=Stage.RCPT, host=words[2], reply=said
    )
    who = Recipient(recipient, None, f"rfc822;{words[0]}")
    work = NoticeWork(
        id="1", epoch=1, number=1, to=Address("me", "a.example"),
        original=Envelope(Address("me", "a.example"), (who,), MailParams(envid=words[1] or None)),
        reasons=(NoticeReason(who, "failed", outcome, 6.0),), accepted_at=1.0, trace_block=b"", size=len(octets),
        subject=words[2], message_id=words[0],
    )  # fmt: skip
    original = re.sub(rb"\r\n|\r|\n", b"\r\n", octets)  # no other is taken in
    report = render(work, original, _SETTINGS, _EXPLAIN, at=7.0, token="t1")
    assert _LINE.sub(b"", report.octets) == b""
    head = scan(report.octets)
    assert not head.problems & (Problem.MALFORMED_LINE | Problem.NUL)
    names = [f.name.lower() for f in head]
    assert len(set(names)) == len(names)


def configuration(octets: bytes) -> None:
    """A file becomes a configuration, or a list of mistakes with words; nothing else."""
    try:
        data = tomllib.loads(octets.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        return
    try:
        parse(data, "x")
    except ConfigError as e:
        assert e.mistakes
        assert str(e)


def bounces(octets: bytes) -> None:
    """Whatever somebody pastes is explained in printable words, in both languages."""
    text = octets.decode("utf-8", "replace")
    for lang in ("en", "id"):
        for why in explain_all(text, lang):  # type: ignore[arg-type]
            assert why.text
            assert not set("\0\x1b\r") & set(why.said + why.recipient + why.host)


def spf(octets: bytes) -> None:
    """A record is read whole or refused with words."""
    try:
        record = spf_record(octets)
    except RecordError as e:
        assert str(e)
        return
    for mechanism in record.mechanisms:
        assert mechanism.qualifier in "+-~?"


def dmarc(octets: bytes) -> None:
    """Any record gives a policy or faults, never an exception."""
    record = dmarc_record(octets)
    assert record is not None


def results(octets: bytes) -> None:
    """Authentication-Results are read or their problem is named, and what poses as ours goes in whole fields."""
    parse_results(octets)
    at = 0
    for start, stop in posing_spans(octets, ("mx.test",)):
        assert at <= start < stop <= len(octets)
        assert octets[start:].lower().startswith(b"authentication-results")
        at = stop


_DKIM, _ARC = DkimSettings(), ArcSettings()


def dkim(octets: bytes) -> None:
    """Signatures, keys and chains are read or refused with a reason."""
    for read in (
        lambda: read_dkim(octets, _DKIM),
        lambda: parse_key_record(octets, _DKIM),
        lambda: read_chain(scan(octets), _ARC),
    ):
        try:
            read()
        except (DkimProblem, ChainProblem):
            continue


_LIMITS = ReportLimits(packed=100_000, unpacked=200_000, elements=2000, rows=500)


def reports(octets: bytes) -> None:
    """What others report is read or refused in words, within its limits."""
    returned_ids(octets)
    for read in (read_aggregate, read_tls_report, read_report_mail):
        try:
            read(octets, _LIMITS)  # type: ignore[operator]
        except ReportError as e:
            assert str(e)


_FIELDS = (
    b"From: ", b"Subject: ", b"To: ", b"Bcc: x@y\r\n", b"\r\n", b"\n", b" ", b"\t", b"<a@b.example>", b":", b"\0", b"=?utf-8?q?a=C3?=",
    b"Date: x\r\n", b"Message-ID: <x@y>\r\n", b"Received: a\r\n", "\u00e9".encode(), b"\xff",
)  # fmt: skip
_MIME = (
    b"MIME-Version: 1.0\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n", b"\r\n", b"--b\r\n", b"--b--\r\n",
    b"Content-Transfer-Encoding: 8bit\r\n", b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: text/plain; charset=utf-8\r\n", "\u00e9\r\n".encode(),
    b"boundary*0=b;", b'"', b";", b"--", b"\n", b"\r", b"\0", b"Content-Type: multipart/signed; boundary=b\r\n", b"=\xc3\r\n",
)  # fmt: skip

TARGETS = (
    Target("headers", headers.__doc__ or "", headers, _FIELDS),
    Target("mailboxes", mailboxes.__doc__ or "", mailboxes, (
        b"a@b.example", b"<", b">", b"(", b")", b'"', b"\\", b",", b";", b":", b"@", b"[", b"]", b" ", b"g:", b"\r\n ", b"=?utf-8?q?a=40b?=", "\u00e9".encode(),
    )),
    Target("mime", mime.__doc__ or "", mime, _MIME),
    Target("dsn", notice.__doc__ or "", notice, (b"\n", b"box@b.example", b"\r\n", b"550 5.1.1 no", b"\x1b[2J", "\u00e9".encode(), b"\0", b"a+0A", b"--t1", b"Bcc: x", b"\xe2\x80\xa8", b" " * 90)),
    Target("configuration", configuration.__doc__ or "", configuration, (
        b"[server]\n", b'hostname = "a.test"\n', b"[limits]\n", b"recipients = 100\n", b'message_size = "1 MB"\n', b"[[roads]]\n", b'name = "x"\n', b'url = "smtp://a:25"\n',
        b'[domains."a.test"]\n', b"[aliases]\n", b'"a@a.test" = ["b@a.test"]\n', b"workers = 0\n", b"x = [1, 2]\n", b"[queue]\n", b"retry = [1]\n", b"=", b'"', b"nan\n",
    )),
    Target("bounces", bounces.__doc__ or "", bounces, (
        b"550 5.1.1 no such user", b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n", b"\r\n", b"--b\r\n", b"Content-Type: message/delivery-status\r\n",
        b"Final-Recipient: rfc822; a@b.example\r\n", b"Status: 5.1.1\r\n", b"Action: failed\r\n", b"Diagnostic-Code: smtp; 550 no\r\n", b"From: MAILER-DAEMON@a\r\n", b"<a@b.example>: ", b"said: ", b"\x1b[2J", b"421",
    )),
    Target("spf", spf.__doc__ or "", spf, (b"v=spf1", b" ", b"-all", b"~all", b"ip4:192.0.2.0/24", b"ip6:::1/64", b"include:", b"%{i}", b"%{d4r.-}", b"a.example", b"redirect=", b"exp=", b"mx", b"/", b"//", b"ptr:", b"exists:", b"%%")),
    Target("dmarc", dmarc.__doc__ or "", dmarc, (b"v=DMARC1", b";", b" p=", b"reject", b"none", b" sp=", b" pct=", b"50", b" rua=mailto:a@b.example", b"!10m", b",", b" fo=1", b" adkim=s", b" np=", b" t=y", b" psd=u", b"=", b"%2C")),
    Target("results", results.__doc__ or "", results, (b"Authentication-Results: ", b"mx.test", b";", b" spf=pass", b" smtp.mailfrom=a@b.example", b"(", b")", b'"', b"\\", b"\r\n ", b"\r\n", b" none", b" 1", b"=", b"\0", b"X: ")),
    Target("dkim", dkim.__doc__ or "", dkim, (b"v=1;", b" a=rsa-sha256;", b" d=b.example;", b" s=x;", b" h=from:to;", b" bh=AAAA;", b" b=AAAA", b" i=@b.example;", b" l=0;", b" t=1;", b" x=2;", b" c=relaxed/simple;", b"v=DKIM1; p=", b"k=ed25519; ", b"ARC-Seal: i=1; cv=none; ", b"ARC-Message-Signature: i=1; ", b"ARC-Authentication-Results: i=1; mx.test; none", b"\r\n", b"\r\n ", b"=")),
    Target("reports", reports.__doc__ or "", reports, (b"<?xml version='1.0'?>", b"<feedback>", b"</feedback>", b"<record>", b"</record>", b"<row><source_ip>192.0.2.1</source_ip><count>1</count></row>", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"{", b"}", b'"organization-name":', b'"policies":', b"[", b"]", b"1e999", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"PK\x03\x04", b"<report_metadata>", b"</report_metadata>")),
)  # fmt: skip
