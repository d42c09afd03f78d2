import email
import email.policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.message.eightbit import (
    ConversionPlan,
    Converter,
    Obstacle,
    convert,
    convert_chunks,
    plan_conversion,
)
from kurir.message.facts import facts_of
from kurir.message.limits import MimeLimits
from kurir.message.mime import Kind, MimeParser, MimeProblem
from kurir.message.structure import Trait, TraitCounter, survey
from tests.counting import calls

from .material import all_mails, mails

FRAGMENTS = [
    b"Content-Type: multipart/mixed; boundary=x\r\n",
    b'Content-Type: multipart/signed; boundary="y z"\r\n',
    b"Content-Type: multipart/digest; boundary=x\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type: text/plain\r\n",
    b"Content-Transfer-Encoding: 8bit\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"\r\n",
    b"--x\r\n",
    b"--x--\r\n",
    b"--y z\r\n",
    b"--y z--  \r\n",
    b"--other\r\n",
    b"-",
    b"\n",
    b"\r",
    b"text\r\n",
    "grün\r\n".encode(),
    b"\0",
]
soups = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(b"".join)


def pieces(data, size):
    parser = MimeParser()
    found = []
    for at in range(0, len(data), size):
        found += parser.feed(data[at : at + size])
    found += parser.close()
    merged = []
    for piece in found:
        if merged and merged[-1][0] == (piece.role, piece.part):
            merged[-1] = (merged[-1][0], merged[-1][1] + piece.data)
        else:
            merged.append(((piece.role, piece.part), piece.data))
    return merged, parser


@given(soups, st.integers(1, 9))
@settings(max_examples=300)
def test_pieces_are_the_message_however_it_is_cut(data, size):
    whole, a = pieces(data, len(data) or 1)
    cut, b = pieces(data, size)
    assert b"".join(octets for _, octets in whole) == data
    assert cut == whole
    assert a.problems == b.problems
    assert [p.content_type for p in a.parts] == [p.content_type for p in b.parts]


def nested(depth: int, kind: bytes) -> bytes:
    if kind == b"rfc822":
        return b"Content-Type: message/rfc822\r\n\r\n" * depth + b"\r\nx\r\n"
    out = b""
    for i in range(depth):
        out += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
    return out + b"\r\nx\r\n"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (nested(1_000, b"multipart"), MimeProblem.TOO_DEEP | MimeProblem.NOT_CLOSED),
        (nested(1_000, b"rfc822"), MimeProblem.TOO_DEEP),
        (
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\na\r\n" * 10_000,
            MimeProblem.TOO_MANY_PARTS,
        ),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--\r\n" * 200_000, MimeProblem.TOO_COMPLEX),
        (b"Content-Type: multipart/mixed\r\n\r\nx", MimeProblem.NO_BOUNDARY),
        (b"Content-Type: multipart/mixed; boundary=" + b"x" * 3_000 + b"\r\n\r\nx", MimeProblem.NO_BOUNDARY),
        (b'Content-Type: multipart/mixed; boundary=""\r\n\r\nx', MimeProblem.NO_BOUNDARY),
        (
            b"Content-Type: multipart/mixed; boundary=x; boundary=y\r\n\r\n--x--",
            MimeProblem.DUPLICATE_BOUNDARY,
        ),
        (
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n",
            MimeProblem.DUPLICATE_BOUNDARY,
        ),
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx", MimeProblem.DUPLICATE_FIELD),
        (
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing",
            MimeProblem.NO_PARTS | MimeProblem.NOT_CLOSED,
        ),
        (b"Content-Type: ???\r\n\r\nx", MimeProblem.BAD_TYPE),
        (b"X: " + b"y" * 400_000, MimeProblem.TOO_COMPLEX),
    ],
    ids=lambda v: str(v)[:40],
)
def test_what_cannot_be_followed_is_named(data, problem):
    structure = survey(data)
    assert structure.problems & problem == problem
    assert len(structure.parts) <= 1_000
    assert b"".join(octets for _, octets in pieces(data, 70_000)[0]) == data


def test_a_boundary_in_another_parameter_is_not_the_boundary():
    data = b'Content-Type: multipart/mixed; name="a; boundary=evil"; (c) boundary="re\\al" ; x=y\r\n\r\n--real\r\n\r\na\r\n--real--\r\n'
    structure = survey(data)
    assert [p.kind for p in structure.parts] == [Kind.MULTIPART, Kind.LEAF]
    assert not structure.problems


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_traits_do_not_depend_on_the_cuts(chunks):
    whole, cut = TraitCounter(), TraitCounter()
    data = b"".join(chunks)
    whole.feed(data)
    for chunk in chunks:
        cut.feed(chunk)
    assert whole.close() == cut.close()
    bare = data.replace(b"\r\n", b"")
    assert bool(whole.traits & Trait.BARE_BREAK) == (b"\r" in bare or b"\n" in bare)


@pytest.mark.parametrize(("line", "long"), [(998, False), (999, True)])
@pytest.mark.parametrize("cut", [1, 500, 998, 999, 1000, 5_000])
def test_long_lines_across_cuts(line, long, cut):
    data = b"a\r\n" + b"x" * line + b"\r\nb\r\n"
    counter = TraitCounter()
    for at in range(0, len(data), cut):
        counter.feed(data[at : at + cut])
    assert bool(counter.close() & Trait.LONG_LINE) is long


texts = st.lists(st.text(alphabet="aä=. \t_-日", max_size=90), min_size=1, max_size=6).map(
    lambda lines: "\r\n".join(lines).encode() + b"\r\n"
)
leaves = st.one_of(
    st.tuples(st.just(b"text/plain; charset=utf-8"), texts),
    st.tuples(st.just(b"image/png"), st.binary(max_size=200).filter(lambda b: b"--" not in b)),
)


def build(parts: list[tuple[bytes, bytes]], outer: bytes = b"mixed") -> bytes:
    body = b"".join(
        b"--=_b\r\nContent-Type: "
        + kind
        + b"\r\nContent-Transfer-Encoding: binary\r\nX-Keep: 1\r\n\r\n"
        + octets
        + b"\r\n"
        for kind, octets in parts
    )
    head = b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
    return (
        head
        + b'Content-Type: multipart/%s; boundary="=_b"\r\n\r\npreamble\r\n' % outer
        + body
        + b"--=_b--\r\n"
    )


def payloads(message: bytes) -> list[bytes]:
    parsed = email.message_from_bytes(message, policy=email.policy.compat32)
    return [part.get_payload(decode=True) for part in parsed.walk() if not part.is_multipart()]


@given(st.lists(leaves, min_size=1, max_size=4), st.integers(1, 80))
@settings(max_examples=300)
def test_a_derived_body_decodes_to_the_same_octets(parts, size):
    message = build(parts)
    done = convert(message)
    assert done.plan.obstacle is None
    assert survey(done.octets).traits & ~Trait.LONG_LINE == Trait(0) or done.plan.idle
    # The standard library splits at bare CR and LF, so the oracle reads what it wrote itself only.
    assert payloads(done.octets) == [octets for _, octets in parts] or done.plan.idle
    cut = b"".join(convert_chunks((message[i : i + size] for i in range(0, len(message), size)), done.plan))
    assert payloads(cut) == payloads(done.octets)
    if not done.plan.idle:
        assert done.octets.count(b"X-Keep: 1\r\n") == len(parts)
        assert b"8bit" not in done.octets.partition(b"preamble")[0]


@given(texts)
def test_a_single_text_is_converted_too(text):
    message = b"Subject: x\r\n\r\n" + text
    done = convert(message)
    assert payloads(done.octets) == [text]
    assert done.octets.isascii()
    assert done.octets.endswith(b"\r\n")
    if not text.isascii():
        assert b"charset=unknown-8bit" in done.octets


def test_lines_without_end_are_written_with_soft_breaks():
    text = ("ä" * 150_000 + "\r\n").encode()
    message = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text
    done = convert(message)
    assert max(map(len, done.octets.split(b"\r\n"))) <= 78
    assert b"\n" not in done.octets.replace(b"\r\n", b"")
    assert payloads(done.octets) == [text]


def test_long_lines_only_where_asked():
    message = b"Subject: x\r\n\r\n" + b"y" * 2_000 + b"\r\n"
    assert convert(message).plan.idle
    done = convert(message, long_lines=True)
    assert payloads(done.octets) == [b"y" * 2_000 + b"\r\n"]
    assert not survey(done.octets).traits & Trait.LONG_LINE


def test_a_message_inside_a_message_is_converted_inside():
    inner = b"Subject: in\r\nContent-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\r\n"
    message = build([(b"message/rfc822", inner)]).replace(b"Encoding: binary", b"Encoding: 8bit")
    done = convert(message)
    assert done.plan.encodings == {0: b"7bit", 1: b"7bit", 2: b"quoted-printable"}
    assert payloads(done.octets) == ["ä\r\n".encode()]


@pytest.mark.parametrize(
    ("message", "obstacle"),
    [
        (b"Subject: \xc3\xa4\r\n\r\nx\r\n", Obstacle.HEADER),
        (b"Content-Type: message/partial\r\n\r\n\xc3\xa4\r\n", Obstacle.FORBIDDEN),
        (b"Content-Transfer-Encoding: x-uuencode\r\n\r\n\xc3\xa4\r\n", Obstacle.ENCODED),
        (b"Content-Type: multipart/mixed\r\n\r\n\xc3\xa4\r\n", Obstacle.BROKEN),
        (nested(200, b"multipart") + b"\xc3\xa4", Obstacle.UNSCANNABLE),
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n\xc3\xa4\r\n", Obstacle.BROKEN),
    ],
    ids=lambda v: str(v)[:30],
)
def test_what_cannot_be_converted_is_left_alone(message, obstacle):
    done = convert(message)
    assert done.plan.obstacle is obstacle
    assert done.octets == message
    with pytest.raises(ValueError, match="cannot be converted"):
        Converter(done.plan)


def test_sloppy_encoded_parts_are_mended():
    head = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n"
    done = convert(head % b"quoted-printable" + b"a=3D\xc3\xa4\r\n")
    assert done.octets == head % b"quoted-printable" + b"a=3D=C3=A4\r\n"
    wrapped = convert(head % b"base64" + b"QUJD" * 500 + b"\r\n", long_lines=True)
    assert payloads(wrapped.octets) == [b"ABC" * 500]
    assert not survey(wrapped.octets).traits


def test_signatures_that_break_are_announced_and_preambles_cleaned():
    message = build([(b"text/plain", b"\xc3\xa4")], b"signed").replace(b"preamble", b"pr\xc3\xa4")
    done = convert(message)
    assert done.plan.breaks_signature
    assert b"pr??" in done.octets
    assert not convert(build([(b"text/plain", b"a")], b"signed")).plan.breaks_signature


def test_plain_messages_need_nothing():
    assert plan_conversion(survey(b"A: 1\r\n\r\nx\r\n")) == ConversionPlan({})
    assert not survey(b"A: 1\r\n\r\nx\r\n").needs_conversion()


def test_mail_of_others():
    for name, data in all_mails():
        structure = survey(data)
        assert b"".join(octets for _, octets in pieces(data, 100)[0]) == data, name
        done = convert(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n"))
        if not done.plan.idle and done.plan.obstacle is None:
            assert done.octets.isascii(), name
        assert len(structure.parts) < 1_000


@pytest.mark.parametrize(
    "unit",
    [
        b"--",
        b"\n--",
        b"--x\r\n",
        b"--x--\r\n",
        b"\r\n\r\n",
        b"--x\r\nContent-Type: message/rfc822\r\n",
        b"=?a",
        b"\xff",
        b"a;b=c",
    ],
)
@pytest.mark.parametrize(
    "head", [b"Content-Type: multipart/mixed; boundary=x\r\n\r\n", b"Content-Type: multipart/mixed; "]
)
def test_work_grows_with_the_size_only(head, unit):
    def cost(size: int) -> int:
        return calls(lambda: survey(head + unit * (size // len(unit)), MimeLimits()))

    assert cost(800_000) < 20 * cost(50_000) + 500


def test_bounces_of_others():
    for name, data in mails("bounces/sisimai-bounces.dev.tar.xz", ".eml"):
        facts = facts_of(data)
        structure = survey(data)
        assert not structure.unscannable, name
        assert facts.header_end <= len(data)
        done = convert(data)
        assert done.plan.idle or done.plan.obstacle or done.octets.isascii(), name
