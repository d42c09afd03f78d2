"""The fast look for bare line ends says what the slow one says."""

import re

from hypothesis import given
from hypothesis import strategies as st

from kurir.smtp.data import has_bare_line_end

_SLOW = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"a", b".", b"\0", b"\xff"]), max_size=12).map(b"".join)
)
def test_as_the_regular_expression(data):
    assert has_bare_line_end(data) == (_SLOW.search(data) is not None)
