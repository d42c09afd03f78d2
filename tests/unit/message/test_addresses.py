import json
from email.headerregistry import AddressHeader

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.message.addresses import AddressProblem, parse_mailboxes
from kurir.model import AddressError, parse_address
from tests.counting import calls
from tests.shared import shared


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@b.example", [("", "a@b.example")]),
        (b"<a@b.example>", [("", "a@b.example")]),
        (b"John Q. Public <j@b.example>", [("John Q. Public", "j@b.example")]),
        (b'"Public, \\"John\\"" <j@b.example>', [('Public, "John"', "j@b.example")]),
        (b"a@b.example (John)", [("John", "a@b.example")]),
        (b"A (x (y) z) <a@b.example> (c), , B <b@b.example>", [("A", "a@b.example"), ("B", "b@b.example")]),
        (b'"with space"@b.example', [("", '"with space"@b.example')]),
        (b'X <"a>b"@b.example>', [("X", '"a>b"@b.example')]),
        (b"friends: a@b.example, C <c@b.example>;", [("", "a@b.example"), ("C", "c@b.example")]),
        (b"=?utf-8?q?J=C3=BCrgen?= <j@b.example>", [("Jürgen", "j@b.example")]),
        ("Jürgen <j@bücher.example>".encode(), [("Jürgen", "j@xn--bcher-kva.example")]),
        (b"a@b.example <a@b.example>", [("a@b.example", "a@b.example")]),
        (b"a@[192.0.2.1]", [("", "a@[192.0.2.1]")]),
        (b"A\r\n <a@b.example>,\r\n\tb@b.example", [("A", "a@b.example"), ("", "b@b.example")]),
        (b'"evil@x.example" <good@b.example>', [("evil@x.example", "good@b.example")]),
    ],
)
def test_sound_lists(value, expected):
    found = parse_mailboxes(value)
    assert found.problem is None
    assert [(m.display, str(m.address)) for m in found.mailboxes] == expected


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"", AddressProblem.EMPTY),
        (b" , ,", AddressProblem.EMPTY),
        (b"(only a comment)", AddressProblem.EMPTY),
        (b"a@good.example)b@evil.example", AddressProblem.UNBALANCED),
        (b"alice@example.org)bob@evil.example", AddressProblem.UNBALANCED),
        (b"a@b@c.example", AddressProblem.AMBIGUOUS),
        (b"a@good.example <b@evil.example>", AddressProblem.AMBIGUOUS),
        (b"<a@b.example> <c@d.example>", AddressProblem.AMBIGUOUS),
        (b"<a@b.example> tail", AddressProblem.AMBIGUOUS),
        (b"a b@c.example", AddressProblem.AMBIGUOUS),
        (b"a@b.example c@d.example", AddressProblem.AMBIGUOUS),
        (b"pete(his account)@b.example", AddressProblem.AMBIGUOUS),
        (b"<a@b@c.example>", AddressProblem.AMBIGUOUS),
        (b"=?utf-8?q?a=40good.example?=", AddressProblem.AMBIGUOUS),
        (b"=?utf-8?q?a=40good.example=2C?= b@evil.example", AddressProblem.AMBIGUOUS),
        (b"=?utf-8?q?a=40good=2Eexample=3E?=@evil.example", AddressProblem.AMBIGUOUS),
        (b'"a@b.example', AddressProblem.UNBALANCED),
        (b"A <a@b.example", AddressProblem.UNBALANCED),
        (b"(a@b.example", AddressProblem.UNBALANCED),
        (b"group: a@b.example", AddressProblem.UNBALANCED),
        (b"a@b.example;", AddressProblem.AMBIGUOUS),
        (b"g: h: a@b.example;;", AddressProblem.AMBIGUOUS),
        (b"nobody", AddressProblem.BAD_ADDRESS),
        (b"a@b..example", AddressProblem.BAD_ADDRESS),
        (b"\xff@b.example", AddressProblem.NOT_UTF8),
        (b"a\0@b.example", AddressProblem.AMBIGUOUS),
        (b"(" * 2_000, AddressProblem.TOO_COMPLEX),
        (b"(" * 2_000 + b")" * 2_000 + b"a@b.example", AddressProblem.TOO_COMPLEX),
        (b"a@b.example, " * 200_000, AddressProblem.TOO_COMPLEX),
        (b"a@b.co," * 1_001, AddressProblem.TOO_COMPLEX),
        (b"x:;" * 2_000, AddressProblem.TOO_COMPLEX),
    ],
)
def test_what_can_be_read_in_two_ways_is_no_address(value, problem):
    found = parse_mailboxes(value)
    assert found.problem is problem
    assert found.single is None
    assert len(found.mailboxes) <= 1_000


def test_a_group_is_not_a_single_author():
    assert parse_mailboxes(b"g: a@b.example;").single is None
    assert parse_mailboxes(b"undisclosed-recipients:;").problem is None
    assert parse_mailboxes(b"undisclosed-recipients:;").mailboxes == ()


@given(st.text(alphabet='ab.@<>()[]",;:\\ \t=?ä\0\n', max_size=60))
def test_any_text_is_answered(text):
    found = parse_mailboxes(text.encode())
    for mailbox in found.mailboxes:
        assert parse_address(str(mailbox.address)) == mailbox.address
    if found.problem is None:
        assert found.mailboxes or found.groups


@given(st.binary(max_size=100))
def test_any_octets_are_answered(value):
    found = parse_mailboxes(value)
    assert found.problem is not None or found.mailboxes or found.groups


atoms = st.text(alphabet="abcxyz019", min_size=1, max_size=8)


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "Ann", "Ann B.", '"B, C"', "(x) D"]), atoms, atoms),
        min_size=1,
        max_size=5,
    )
)
def test_benign_lists_read_as_the_standard_library_reads_them(people):
    text = ", ".join(f"{n} <{local}@{d}.example>" if n else f"{local}@{d}.example" for n, local, d in people)
    kwds: dict = {"parse_tree": None, "groups": []}
    AddressHeader.parse(text, kwds)
    expected = [a.addr_spec for group in kwds["groups"] for a in group.addresses]
    found = parse_mailboxes(text.encode())
    assert found.problem is None
    assert [str(m.address) for m in found.mailboxes] == expected


@pytest.mark.parametrize(
    "unit", [b"(", b'"', b"<", b"a@b.co,", b"a ", b"\\(", b"(a)", b'"a" ', b"x:;", b"[", b"=?q?=", b"a."]
)
def test_work_grows_with_the_size_only(unit):
    def cost(size: int) -> int:
        return calls(lambda: parse_mailboxes(unit * (size // len(unit))))

    assert cost(64_000) < 20 * cost(4_000) + 500


def test_agrees_with_the_parser_of_the_envelope_on_isemail():
    path = shared("data", "addresses", "isemail.dev.jsonl")
    if path is None:
        pytest.skip("the shared material addresses/isemail.dev.jsonl is absent")
    for line in path.read_text().splitlines():
        text = "".join(
            chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2420 else c for c in json.loads(line)["address"]
        )
        found = parse_mailboxes(f"<{text}>".encode())
        try:
            expected = parse_address(text.strip(" \t"))
        except AddressError:
            assert found.single is None or found.single.address == parse_address(
                text.strip(" \t\r\n").replace("\r\n", "")
            ), text
            continue
        if "<" not in text and ">" not in text:
            assert found.single is not None, text
            assert found.single.address == expected
