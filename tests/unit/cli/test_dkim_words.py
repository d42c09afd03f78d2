"""What `kurir dkim list` says a key does."""

from typing import Any

import pytest

from kurir.cli.commands.dkim import _row
from kurir.cli.output import when


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"state": "pending"}, "waits for its record"),
        (
            {"state": "pending", "seen_since": 60.0},
            f"its record is seen since {when(60.0)}; takes over an hour after that",
        ),
        ({"state": "active", "seen_since": 60.0}, "signs"),
        ({"state": "retiring", "seen_since": 60.0, "until": 90.0}, when(90.0)),
    ],
)
def test_a_key_whose_record_is_seen_does_not_wait_for_it(more: dict[str, Any], said: str) -> None:
    key = {
        "domain": "a.test",
        "selector": "k1",
        "algorithm": "rsa",
        "since": 30.0,
        "seen_since": None,
        "until": None,
    }
    assert said in _row(key | more)[-1]
