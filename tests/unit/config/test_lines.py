"""Where a place stands in a file."""

import pytest

from kurir.config.lines import line_of

TEXT = """\
workers = 2
[queue]  # ours
lifetime = "5d"

[[roads]]
name = "a"
[[roads]]
name = "b"
url = "mx:"
oauth = { client_id = "x" }
[smarthosts.brevo.limits.day]
value = 3
[domains."example.org"]
relay_to = "smtp://x"
[receivers.mine.limits.once]
value = 1
"""


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("workers", 1),
        ("queue", 2),
        ("queue.lifetime", 3),
        ("queue.retry", 2),  # is missing: the table is where it belongs
        ("roads.0", 5),
        ("roads.1.url", 9),
        ("roads.1.oauth.client_id", 10),
        ("smarthosts.brevo.limits.day.value", 12),
        ("smarthosts.brevo.limits.day.per", 11),
        ("smarthosts.brevo", 11),
        ("domains.example.org.relay_to", 14),
        ("receivers.mine", 15),
        ("nothing", 0),
        ("", 0),
    ],
)
def test_the_line_of_a_place(where: str, line: int) -> None:
    assert line_of(TEXT, where) == line
