"""Where a message ends: the smuggling catalogue, the unstuffer and the stuffer against plain references."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.smtp import ServerSettings
from kurir.smtp import events as e
from kurir.smtp.data import DataReader, DotStuffer, TextRules

from .driver import Yes, cuts

OPEN = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
EVIL = b"MAIL FROM:<evil@e.example>\r\nRCPT TO:<victim@v.example>\r\nDATA\r\nSubject: evil\r\n\r\nhi\r\n.\r\n"

# reliability catalogue part A, 1 to 6: none of these is the end of data
FALSE_ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\n",
    b"\n.\r",
    b"\r.\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n.\r\0\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\r",
    b"\n\n.\r\n",
    b"\r\0\n.\r\n",
]


@pytest.mark.parametrize("nul", ["keep", "refuse"])
@pytest.mark.parametrize("end", FALSE_ENDS)
def test_false_ends_smuggle_nothing(end, nul):
    stream = b"Subject: x\r\n\r\nhello" + end + EVIL
    for pieces in cuts(stream):
        yes = Yes(ServerSettings("mx.test", nul_in_body=nul)).feed(b"EHLO me\r\n", OPEN, *pieces)
        assert yes.messages == []
        assert yes.codes[-1] == 550
        assert yes.closed
        assert sum(isinstance(event, e.MailFrom) for event in yes.events) == 1


def test_the_true_end_wherever_it_is_cut():
    for body in (b"", b"\r\n", b".\r\n", b"x\r\n", b"..\r\n.x\r\n\r\n", b"\r\n..\r\n"):
        wire = DotStuffer().feed(body) + b".\r\n"
        for pieces in cuts(wire):
            yes = Yes().feed(b"EHLO me\r\n", OPEN, *pieces, b"NOOP\r\n")
            assert [m[2] for m in yes.messages] == [body]
            assert yes.codes[-2:] == [250, 250]


@pytest.mark.parametrize("body", [b"a\0b\r\n", b"\0\r\n\0\0\r\n", b"\xff\xfe\r\n.\xe9\r\n", b"\r\n.\0x\r\n"])
def test_octets_pass_as_they_are(body):
    wire = DotStuffer().feed(body) + b".\r\n"
    for pieces in cuts(wire):
        yes = Yes().feed(b"EHLO me\r\n", OPEN, *pieces)
        assert yes.messages[0][2] == body
    refuse = Yes(ServerSettings("mx.test", nul_in_body="refuse")).feed(b"EHLO me\r\n", OPEN, wire)
    assert bool(refuse.messages) == (b"\0" not in body)


@pytest.mark.parametrize("cut", [1, 7, 1000])
@pytest.mark.parametrize(
    ("length", "accepted"), [(65533, True), (65536, True), (65537, False), (200000, False)]
)
def test_long_text_lines(length, accepted, cut):
    line = b"x" * (length - 2) + b"\r\n"
    stream = b"Subject: x\r\n" + line + b"y\r\n" * 5 + b".\r\n"
    step = len(stream) // cut + 1
    pieces = [stream[i : i + step] for i in range(0, len(stream), step)]
    yes = Yes().feed(b"EHLO me\r\n", OPEN, *pieces)
    assert bool(yes.messages) is accepted
    assert yes.codes[-1] == (250 if accepted else 550)
    assert not yes.closed


TEXTISH = st.lists(
    st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"\0", b"x", b"..", b"\r\n.", b"abc"]), max_size=30
).map(b"".join)


def split(data, points):
    points = sorted({p % (len(data) + 1) for p in points})
    return [data[i:j] for i, j in zip([0, *points], [*points, len(data)], strict=True)]


def reference_unstuff(stream):
    """Line by line, the slow way: (body, rest) or None while the end is missing."""
    stream = b"\r\n" + stream
    end = stream.find(b"\r\n.\r\n")
    if end < 0:
        return None
    return re.sub(rb"\r\n\.", b"\r\n", stream[: end + 2])[2:], stream[end + 5 :]


@given(TEXTISH, st.lists(st.integers(0, 200), max_size=6))
def test_reader_equals_the_reference(stream, points):
    stream += b"\r\n.\r\nrest"
    rules = TextRules(0, 0, refuse_nul=False, any_octet=True)
    reader = DataReader(rules)
    body, rest = b"", None
    for piece in split(stream, points):
        if rest is None:
            got, rest = reader.feed(piece)
            body += got
        else:
            rest += piece
    assert (body, rest) == reference_unstuff(stream)
    assert rules.size == len(body)


@given(TEXTISH, st.lists(st.integers(0, 200), max_size=6))
def test_rules_do_not_depend_on_the_cut(stream, points):
    def verdict(pieces):
        reader = DataReader(TextRules(40, 12, refuse_nul=False, any_octet=False))
        for piece in pieces:
            if piece and reader.feed(piece)[1] is not None:
                break
        return reader.rules

    stream += b"\r\n.\r\n"
    expected = reference_unstuff(stream)[0]
    bare = re.search(rb"\r(?!\n)|(?<!\r)\n", expected) is not None
    whole, cut = verdict([stream]), verdict(split(stream, points))
    assert (whole.problem is None) == (cut.problem is None)
    assert whole.size == cut.size == len(expected)
    if bare or len(expected) > 40:
        assert whole.problem is not None
    elif b"\0" not in expected and all(len(line) <= 8 for line in expected.split(b"\r\n")):
        assert whole.problem is None


@given(TEXTISH, st.lists(st.integers(0, 200), max_size=6))
def test_stuffing_and_unstuffing_is_a_round_trip(body, points):
    stuffer = DotStuffer()
    wire = b"".join(stuffer.feed(piece) for piece in split(body, points)) + stuffer.end()
    back, rest = DataReader(TextRules(0, 0, refuse_nul=False, any_octet=True)).feed(wire)
    assert rest == b""
    assert back == (body if not body or body.endswith(b"\r\n") else body + b"\r\n")


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5), st.booleans())
def test_chunks_carry_any_octets(body, points, binary):
    yes = Yes(ServerSettings("mx.test", binarymime=True))
    yes.feed(
        b"EHLO me\r\nMAIL"[:9], b"MAIL FROM:<a@b.example>%b\r\n" % (b" BODY=BINARYMIME" if binary else b"")
    )
    yes.feed(b"RCPT TO:<c@d.example>\r\n")
    pieces = split(body, points)
    for piece in pieces:
        yes.feed(b"BDAT %d\r\n%b" % (len(piece), piece))
    yes.feed(b"BDAT 0 LAST\r\n")
    bare = re.search(rb"\r(?!\n)|(?<!\r)\n", body) is not None
    if binary or not bare:
        assert [m[2] for m in yes.messages] == [body]
    else:
        assert yes.messages == []
        assert 550 in yes.codes
    assert not yes.closed


@pytest.mark.parametrize("chunking", [False, True])
def test_pieces_are_bounded_and_what_follows_is_kept(chunking):
    body = (b"x" * 70 + b"\r\n") * 20_000
    wire = b"BDAT %d LAST\r\n%b" % (len(body), body) if chunking else body + b".\r\n"
    start = OPEN.removesuffix(b"DATA\r\n") if chunking else OPEN
    yes = Yes().feed(b"EHLO me\r\n", start, wire + b"NOOP\r\nQUIT\r\n")
    assert yes.messages[0][2] == body
    assert yes.codes[-3:] == [250, 250, 221]
    assert max(len(x.data) for x in yes.events if isinstance(x, e.BodyChunk)) <= 256 * 1024 + 4
