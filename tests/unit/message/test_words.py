import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.message.compose import field
from kurir.message.headers import scan
from kurir.message.words import decode_charset, decode_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?Q?J=C3=BCrgen_x?=", "Jürgen x"),
        (b"=?ISO-8859-1?B?5A==?= b", "ä b"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä"),  # one character split in two words
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"=?utf-8*en?q?a?=", "a"),
        (b"=?utf-8?b?w6Q?=", "ä"),  # without padding
        (b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?unknown-charset?q?a?=", "=?unknown-charset?q?a?="),
        (b"=?../../etc?q?a?=", "=?../../etc?q?a?="),
        (b"=?idna?q?a?=", "=?idna?q?a?="),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?utf-8?b?!?=", "=?utf-8?b?!?="),
        (b"=?utf-8?q?=0A=0Dx=1B[31m?=", "  x [31m"),
        ("\u202eevil".encode(), " evil"),
        ("rät".encode(), "rät"),
        (b"r\xe4t", "rät"),
        (b"=?utf-16le?b?ANg=?=", "\ufffd"),
    ],
)
def test_decoding(value, text):
    assert decode_text(value) == text


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from([b"=?", b"utf-8", b"?", b"q", b"b", b"=", b"?= ", b"A4"])).map(b"".join),
    )
)
def test_never_raises_and_is_harmless(value):
    text = decode_text(value, 50)
    assert len(text) <= 50
    assert not any(c < " " or c in "\x7f\u2028\u202e" for c in text)
    text.encode()


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=200))
def test_what_is_composed_is_read_back(text):
    octets = field("Subject", text)
    assert octets.isascii()
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    plain = text.isascii() and "=?" not in text
    assert scan(octets + b"\r\n").text(b"Subject") == (text.strip(" ") if plain else text)


def test_five_thousand_words_are_bounded():
    start = time.process_time()
    assert len(decode_text(b"=?utf-8?q?a?= " * 5_000, 255)) <= 255
    decode_text(b"=?" * 32_000)
    decode_text(b"=?utf-8?q?" * 6_000)
    assert time.process_time() - start < 1


def test_charsets_come_from_a_closed_table():
    assert decode_charset(base64.b64decode("xOPDww=="), "GB2312") == "你妹"[:1] + decode_charset(
        b"\xc3\xc3", "gbk"
    )
    assert decode_charset(b"x", "punycode") is None
