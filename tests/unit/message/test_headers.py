import email
import email.policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kurir.message.facts import facts_of
from kurir.message.headers import Problem, find_header_end, has_long_line, scan
from kurir.message.limits import HeaderLimits
from tests.counting import calls

from .material import all_mails

LINES = [
    b"From: a@b.example",
    b"From : a@b.example",
    b"From\0: x",
    b"no colon here",
    b" folded",
    b"\tfolded",
    b" ",
    b"Subject: \xc3\xa4",
    b"Subject: \xff",
    b"Received: x",
    b"received: y",
    b": empty name",
    b"X:",
    b"X: " + b"y" * 1200,
    b"",
]
blocks = st.lists(st.sampled_from(LINES), max_size=12).map(lambda ls: b"".join(line + b"\r\n" for line in ls))


def test_fields_are_spans_of_untouched_octets():
    data = b"A: 1\r\nsubject:  x\r\n\ty\r\nA:\r\n\r\nbody: no\r\n"
    head = scan(data)
    assert [f.name for f in head] == [b"A", b"subject", b"A"]
    assert head.header_end == data.index(b"body")
    assert head.get(b"SUBJECT") == b"x\ty"
    assert head.all(b"a") == (b"1", b"")
    assert head.get(b"body") is None
    assert b"".join(data[f.start : f.end] for f in head) + b"\r\n" == data[: head.header_end]
    assert head.problems == Problem(0)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"A: 1\r\nFrom : x\r\n\r\n", Problem.MALFORMED_LINE),
        (b"From\0: x\r\nA: 1\r\n\r\n", Problem.MALFORMED_LINE | Problem.NUL),
        (b"A: 1\r\nno colon\r\n\r\n", Problem.MALFORMED_LINE),
        (b"A: 1\r\n \r\n\r\n", Problem.BLANK_LINE),
        (b"A: \xc3\xa4\r\n\r\n", Problem.EIGHT_BIT),
        (b"A: \xff\r\n\r\n", Problem.EIGHT_BIT | Problem.NOT_UTF8),
        (b"A: " + b"x" * 995 + b"\r\n\r\n", Problem(0)),
        (b"A: " + b"x" * 996 + b"\r\n\r\n", Problem.LONG_LINE),
        (b"A: 1\r\n", Problem.UNFINISHED),
        (b"just text, no header\r\n\r\nmore\r\n", Problem.NO_HEADER),
        (b"", Problem.UNFINISHED),
        (b"\r\nbody only\r\n", Problem(0)),
        (b"A: 1\n\nbody\n", Problem(0)),
    ],
)
def test_what_is_wrong_is_said(data, problem):
    assert scan(data).problems == problem
    if not problem & Problem.UNFINISHED:
        assert facts_of(data).problems == problem


def test_a_blank_before_the_colon_hides_no_field():
    """RFC 5322 section 4.5: it is a fault, and must be read all the same."""
    head = scan(b"From: a@b\r\nFrom \t: evil@c\r\n d\r\nX: 1\r\n\r\n")
    assert head.all(b"From") == (b"a@b", b"evil@c d")
    assert [f.name for f in head] == [b"From", b"From", b"X"]
    assert head.problems == Problem.MALFORMED_LINE
    assert facts_of(b"Subject : x\r\nFrom: a@b\r\n\r\n")[1:3] == ("x", "a@b")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (b"From\0: x", ["from"]),
        (b"Fr\x01om\xff : x", ["from"]),
        (b"FROM\r\n : x", ["from"]),
        (b"\x0b, evil@c", ["subject"]),
        (b"\xc2\xa0, evil@c", ["subject"]),
        (b"\0From: x", ["from", "subject"]),
        (b"no colon", []),
        (b">From a@b Mon Nov 23 21:00:00 2026", []),
        (b"From a@b Mon Nov 23 21:00:00 2026", []),
        (b"X: from", []),
        (b"from", []),
        ("\u3000, evil@c".encode(), ["subject"]),
        ("\ufeff, evil@c".encode(), ["subject"]),
        ("à bientôt".encode(), []),  # a long value that an old program broke without indenting it
        (b"\xe0 bient\xf4t", []),
        (b"\x85 \xa0", []),  # two letters in many charsets
        ("Тема: вот".encode(), []),
        ("Тема From: вот".encode(), ["from"]),
    ],
)
def test_what_others_may_read_in_a_malformed_line(line, names):
    head = scan(b"Subject: 1\r\n" + line + b"\r\nTo: b@c\r\n\r\n")
    assert [name for name in ("from", "subject", "to") if head.disguised(name)] == names
    assert head.disguised(b"FROM") is ("from" in names)


def test_limits_are_kept():
    many = scan(b"A: 1\r\n" * 1_001 + b"\r\n")
    assert many.problems == Problem.TOO_MANY
    assert len(many.fields) == 1_000
    large = scan(b"A: 1\r\n" * 60_000)
    assert large.problems & Problem.TOO_LONG
    assert large.header_end == HeaderLimits().octets
    assert scan(b"A: " + b"x" * 110_000 + b"\r\n\r\n").problems & Problem.TOO_LONG
    assert facts_of(b"A: 1\r\n" * 1_001 + b"\r\n").problems == Problem.TOO_MANY


@given(st.one_of(st.binary(max_size=400), blocks))
@example(b"\r\n")
@example(b"\n \n")
def test_any_octets_are_scanned(data):
    head = scan(data)
    assert 0 <= head.header_end <= len(data)
    at = 0
    for field in head:
        assert at <= field.start < field.value_at <= field.end <= head.header_end
        assert data[field.start : field.value_at - 1].rstrip(b" \t") == field.name
        assert data[field.value_at - 1 : field.value_at] == b":"
        at = field.end


@given(blocks, st.binary(max_size=30))
def test_facts_agree_with_the_scanner(block, body):
    data = block + b"\r\n" + body
    head, facts = scan(data), facts_of(data)
    assert facts.header_end == head.header_end
    assert bool(facts.problems) == bool(head.problems)
    if not head.problems & Problem.NO_HEADER:
        assert facts.received_count == len(head.all(b"received"))
        assert facts.subject == head.text(b"Subject")
        assert facts.header_from == head.text(b"From")


@given(st.lists(st.integers(0, 30), max_size=20), st.sampled_from([b"\r\n", b"\n"]), st.booleans())
def test_long_lines_are_found(lengths, end, finish):
    data = end.join(b"x" * n for n in lengths) + (end if finish else b"")
    assert has_long_line(data, 15) == any(n > 15 for n in lengths)


def test_benign_headers_read_as_the_standard_library_reads_them():
    differing = []
    for name, data in all_mails():
        head = scan(data)
        if head.problems & ~(Problem.EIGHT_BIT | Problem.NOT_UTF8 | Problem.LONG_LINE):
            continue
        oracle = email.message_from_bytes(data, policy=email.policy.compat32)
        if [f.name.decode() for f in head] != oracle.keys():
            differing.append(name)
    assert not differing


def test_every_mail_yields_facts():
    for _, data in all_mails():
        facts = facts_of(data)
        assert len(facts.subject) <= 255
        assert "\n" not in facts.subject + facts.header_from + facts.message_id
        assert facts.header_end == scan(data).header_end


@pytest.mark.parametrize(
    "unit",
    [b"A: 1\r\n", b"A", b":", b" ", b"\r\n ", b"\n", b"\r", b"\n\t\r", b"a:\r\n b\r\n", b"\0", b"\xff\r\n"],
)
def test_work_grows_with_the_size_only(unit):
    def cost(size: int) -> int:
        data = b"X: y\r\n" + unit * (size // len(unit))
        return calls(lambda: (scan(data), facts_of(data)))

    assert cost(256_000) < 20 * cost(16_000) + 500


def test_header_end_looks_no_further_than_the_limit():
    assert find_header_end(b"A: 1\r\n\r\n", 4) == (4, False)
    assert find_header_end(b"A: 1\r\n\r\nx") == (8, True)
