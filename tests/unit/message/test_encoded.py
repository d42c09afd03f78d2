"""Raw letters in a header that is handed in by a program on this machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.message.encoded import encoded_header, is_plain
from kurir.message.headers import scan


@pytest.mark.parametrize(
    ("raw", "name", "shown"),
    [
        ("Subject: Grüße aus 東京\r\n".encode(), "Subject", "Grüße aus 東京"),
        ("Subject: Grüße\r\n aus Köln\r\n".encode(), "Subject", "Grüße aus Köln"),
        ("Subject: Grüße\r\n".encode("latin-1"), "Subject", "Grüße"),
        ("Subject: =?utf-8?q?a?= ü\r\n".encode(), "Subject", "a ü"),
        ("From: Jürgen <j@a.test>\r\n".encode(), "From", "Jürgen <j@a.test>"),
        ('To: "Müller, J." <j@a.test>, k@a.test\r\n'.encode(), "To", "Müller, J. <j@a.test>, k@a.test"),
        ("X-Klasse: 3ä\r\n".encode(), "X-Klasse", "3ä"),
    ],
)
def test_texts_and_names_are_encoded(raw, name, shown):
    body = "\r\nX-Not: ä\r\n".encode()
    done = encoded_header(b"Date: x\r\n" + raw + b"MIME-Version: 1.0\r\n" + body)
    assert is_plain(done)
    assert done.startswith(b"Date: x\r\n") and done.endswith(b"MIME-Version: 1.0\r\n" + body)
    assert scan(done).text(name) == shown


@pytest.mark.parametrize(
    "data",
    [
        "To: jürgen@a.test\r\n\r\n",
        'Content-Type: text/plain; name="ä"\r\n\r\n',
        "From: (ä\r\n\r\n",
        "To: größe: a@b.test;\r\n\r\n",
    ],
)
def test_what_has_no_such_form_stays(data):
    assert encoded_header(data.encode()) == data.encode()
    assert not is_plain(data.encode())


def test_text_without_a_header_stays():
    assert encoded_header("nur Text: ü\r\n".encode()) == "nur Text: ü\r\n".encode()


@given(st.binary())
def test_what_was_encoded_stays(data):
    once = encoded_header(b"Subject: " + data)
    assert encoded_header(once) == once
