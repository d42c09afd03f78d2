import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.message import compose
from kurir.message.headers import Problem, scan
from kurir.model import Address

visible = st.text(alphabet=st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=300)


@pytest.mark.parametrize("evil", ["a\r\nBcc: x", "a\nb", "a\rb", "a\0b", "a\x1bb", "a\u2028b", "\ud800"])
def test_no_value_can_end_its_line(evil):
    with pytest.raises(compose.HeaderInjection):
        compose.field("Subject", evil)
    with pytest.raises(compose.HeaderInjection):
        compose.address_field("To", [(evil, Address("a", "b.example"))])
    with pytest.raises(compose.HeaderInjection):
        compose.parameter("filename", evil)
    with pytest.raises(compose.HeaderInjection):
        compose.field("X" + evil, "v")


@given(visible)
def test_every_field_is_sound(value):
    for utf8 in (False, True):
        octets = compose.field("X", value, utf8=utf8)
        head = scan(octets + b"\r\n")
        assert not head.problems & ~Problem.EIGHT_BIT
        assert [f.name for f in head] == [b"X"]
        assert utf8 or octets.isascii()


@given(visible)
def test_names_are_read_back_by_the_standard_library(display):
    octets = compose.address_field(
        "To", [(display, Address("a", "b.example")), ("", Address("c", "d.example"))]
    )
    assert octets.isascii()
    parsed = email.message_from_bytes(octets + b"\r\n", policy=email.policy.default)["To"]
    assert [a.addr_spec for a in parsed.addresses] == ["a@b.example", "c@d.example"]


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=120))
def test_file_names_are_read_back_by_the_standard_library(name):
    part = compose.attachment(name, "application/octet-stream", b"x")
    parsed = email.message_from_bytes(part.render(), policy=email.policy.compat32)
    if not name.isascii():
        assert parsed.get_filename() == name
    assert parsed.get_payload(decode=True) == b"x"


@given(st.text(max_size=300))
def test_texts_are_read_back_by_the_standard_library(text):
    part = compose.text_part(text)
    octets = part.render()
    assert octets.isascii()
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert b"\n" not in octets.replace(b"\r\n", b"")
    expected = (
        text.encode("utf-8", "replace").replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    )
    expected = expected if expected.endswith(b"\r\n") else expected + b"\r\n"
    assert email.message_from_bytes(octets).get_payload(decode=True) == expected


def test_boundaries_never_occur_in_a_part():
    inner = compose.text_part("--=_kurir_t\n--=_kurir_1_t--")
    whole = compose.multipart("mixed", [inner, compose.attachment("a", "x/y", b"z" * 100)], "t")
    parsed = email.message_from_bytes(whole.render())
    assert parsed.get_boundary() == "=_kurir_2_t"
    assert [p.get_payload(decode=True) for p in parsed.get_payload()] == [
        b"--=_kurir_t\r\n--=_kurir_1_t--\r\n",
        b"z" * 100,
    ]


def test_a_whole_message():
    octets = compose.compose_text(
        sender="me@a.example",
        to=["bob@b.example"],
        subject="Grüße",
        text="Hallo, schöne Grüße",
        at=0,
        token="t",
    )
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    assert parsed["Subject"] == "Grüße"
    assert parsed["Message-ID"] == "<t@a.example>"
    assert parsed.get_content() == "Hallo, schöne Grüße\r\n"
    assert octets == compose.compose_text(
        sender=Address("me", "a.example"), to=[Address("bob", "b.example")], subject="Grüße",
        text="Hallo, schöne Grüße", at=0, token="t",
    )  # fmt: skip


def test_non_ascii_addresses_need_smtputf8():
    address = Address("bü", "b.example")
    with pytest.raises(compose.HeaderInjection):
        compose.address_field("To", [("", address)])
    assert compose.address_field("To", [("", address)], utf8=True) == f"To: {address}\r\n".encode()
