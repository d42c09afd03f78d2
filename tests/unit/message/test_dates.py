from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from hypothesis import given
from hypothesis import strategies as st

from kurir.message.dates import format_date


@given(st.integers(0, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_written_dates_are_read_back(at, offset):
    text = format_date(at, offset)
    assert parsedate_to_datetime(text).timestamp() == at


@given(st.integers(0, 4_000_000_000))
def test_dates_are_those_of_the_standard_library(at):
    assert format_date(at) == format_datetime(datetime.fromtimestamp(at, UTC))
