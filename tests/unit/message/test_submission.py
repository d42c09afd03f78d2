import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.message.headers import scan
from kurir.message.submission import Fault, prepare
from kurir.model import Address, Cause

from .test_headers import blocks

ME = Address("me", "a.example")
FROM = b"From: Me <me@a.example>\r\n"


def edits(data: bytes, **kwargs):
    return prepare(scan(data), may_send_as=lambda a: a == ME, at=1e9, message_id="<t@a.example>", **kwargs)


def test_what_lacks_is_added_and_the_body_stays():
    data = FROM + b"Subject: x\r\n\r\nbody\r\n"
    done = edits(data)
    assert done.prefix == b"Date: Sun, 09 Sep 2001 01:46:40 +0000\r\nMessage-ID: <t@a.example>\r\n"
    assert done.apply(data) == data
    complete = b"Date: x\r\nmessage-id: <y>\r\n" + data
    assert edits(complete).prefix == b""


def test_blind_copies_leave_nothing_behind():
    data = (
        b"BCC: a@b\r\n"
        + FROM
        + b"bcc: c@d,\r\n e@f\r\n\tg@h\r\nX: y\r\nResent-Bcc: q\r\nReturn-Path: <z>\r\n\r\nBcc: body\r\n"
    )
    done = edits(data)
    assert done.apply(data) == FROM + b"X: y\r\n\r\nBcc: body\r\n"
    assert done.removed == len(data) - len(done.apply(data))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"Subject: x\r\n\r\n", Fault.NO_FROM),
        (b"just text\r\n", Fault.NO_FROM),
        (b"From: \r\n\r\n", Fault.NO_FROM),
        (b"From: group:;\r\n\r\n", Fault.NO_FROM),
        (FROM + FROM + b"\r\n", Fault.DUPLICATE_FIELD),
        (FROM + b"from: x@y\r\n\r\n", Fault.DUPLICATE_FIELD),
        (FROM + b"Subject: a\r\nSubject: b\r\n\r\n", Fault.DUPLICATE_FIELD),
        (b"From: me@a.example, me@a.example\r\n\r\n", Fault.NO_SENDER),
        (b"From: me@a.example, you@a.example\r\nSender: me@a.example\r\n\r\n", Fault.NOT_YOURS),
        (b"From: you@a.example\r\n\r\n", Fault.NOT_YOURS),
        (b"From: you@a.example\r\nSender: me@a.example\r\n\r\n", Fault.NOT_YOURS),
        (FROM + b"Sender: you@a.example\r\n\r\n", Fault.NOT_YOURS),
        (FROM + b"Sender: me@a.example, me@a.example\r\n\r\n", Fault.BAD_SENDER),
        (b"From: me@a.example)you@b.example\r\n\r\n", Fault.BAD_FROM),
        (b"From: me@a.example <you@b.example>\r\n\r\n", Fault.BAD_FROM),
        (FROM + b"From : you@b.example\r\n\r\n", Fault.BROKEN_HEADER),
        (FROM + b"no colon\r\n\r\n", Fault.BROKEN_HEADER),
        (FROM + b"X: y\r\n \r\n\r\n", Fault.BROKEN_HEADER),
        (FROM + b"X: \0\r\n\r\n", Fault.BROKEN_HEADER),
        (FROM + b"Subject: \xc3\xa4\r\n\r\n", Fault.RAW_LETTERS),
        (FROM + b"X: y\r\n" * 1_001 + b"\r\n", Fault.TOO_MUCH_HEADER),
    ],
)
def test_what_is_refused(data, fault):
    done = edits(data)
    assert done.fault is fault
    assert done.reply.klass == 5
    assert done.reply.render().count(b"\r\n") == 1
    assert fault.cause


def test_raw_letters_are_named_by_their_field():
    done = edits(FROM + b"X: y\r\nSubject: \xc3\xa4\r\nX-Other: \xc3\xa4\r\n\r\n")
    assert done.reply.text.endswith("SMTPUTF8: Subject")
    assert done.fault.cause is Cause.MALFORMED


def test_utf8_headers_with_smtputf8():
    assert edits(FROM + b"Subject: \xc3\xa4\r\n\r\n", smtputf8=True).fault is None
    assert edits(FROM + b"Subject: \xff\r\n\r\n", smtputf8=True).fault is Fault.BROKEN_HEADER


def test_local_programs_get_a_from_and_a_header():
    done = edits(b"just text\r\n", add_from=ME)
    head = scan(done.prefix + done.apply(b"just text\r\n"))
    assert head.get("From") == b"<me@a.example>"
    assert head.get("Date")
    assert head.data[head.header_end :] == b"just text\r\n"
    assert edits(b"Subject: x\r\n\r\n", add_from=Address("you", "a.example")).fault is Fault.NOT_YOURS


@given(blocks, st.booleans())
def test_nothing_but_fields_is_ever_cut(block, smtputf8):
    data = block + b"Bcc: x\r\n\r\nbody"
    done = edits(data, smtputf8=smtputf8, add_from=ME)
    if done.fault is None:
        kept = done.apply(data)
        assert kept.endswith(b"body")
        assert scan(done.prefix + kept).named("bcc") == ()
