"""The fast looks at a body say what the slow ones say."""

import re

from hypothesis import given
from hypothesis import strategies as st

from kurir.smtp.data import find_line_dot, has_bare_line_end

_SLOW = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"a", b".", b"\0", b"\xff"]), max_size=12).map(b"".join)
)
def test_as_the_regular_expression(data):
    assert has_bare_line_end(data) == (_SLOW.search(data) is not None)


@given(st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"a", b".", b".." * 15]), max_size=60).map(b"".join))
def test_as_the_plain_search(data):
    assert find_line_dot(data) == data.find(b"\r\n.")
