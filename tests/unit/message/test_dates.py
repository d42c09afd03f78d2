from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.message.dates import format_date, parse_date


@given(st.integers(0, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_written_dates_are_read_back(at, offset):
    text = format_date(at, offset)
    assert parse_date(text) == at
    assert parsedate_to_datetime(text).timestamp() == at


@given(st.integers(0, 4_000_000_000))
def test_dates_are_those_of_the_standard_library(at):
    assert format_date(at) == format_datetime(datetime.fromtimestamp(at, UTC))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Fri, 21 Nov 1997 09:55:06 -0600", 880127706),
        ("21 Nov 97 09:55:06 GMT", 880106106),
        ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706),
        ("21 Nov 1997 09:55 EST", 880124100),
        ("nonsense", None),
        ("32 Nov 1997 09:55:06 GMT", None),
        ("21 Foo 1997 09:55:06 GMT", None),
        ("", None),
        (b"\xff\xff", None),
    ],
)
def test_reading(text, at):
    assert parse_date(text) == at


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60)))
def test_never_raises(text):
    parse_date(text)
