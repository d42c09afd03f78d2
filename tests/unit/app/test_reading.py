"""What a person types into ``kurir trace`` finds what they mean."""

from pathlib import Path

import pytest

from kurir.app.operating import reading
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.model import Address
from kurir.storage import SqliteObservations
from tests.unit.storage.mail import StandingClock, State, accept
from tests.unit.storage.test_reader import refused


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A server that knows three messages and a refusal."""
    config = Config.model_validate(
        {"server": {"hostname": "our.test", "state": tmp_path}, "domains": {"our.test": {}}}
    )
    state = State.at(tmp_path)
    there = Address("carol", "far.example")
    state.facts.commit(
        [
            accept(1, "bob@far.example", subject="to the domain"),
            accept(2, "bob@near.example", sender=there, subject="from the domain"),
            accept(3, "bob@near.example", subject="is far.example down?"),
            accept(4, "bob@very.far.example", subject="another domain"),
        ]
    )
    state.close()
    observed = SqliteObservations(settings.layout(config), StandingClock())
    observed.add([refused(1, sender="eve@far.example"), refused(2, sender="eve@near.example")])
    observed.close()
    return config


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("far.example", [3, 2, 1]),
        ("FAR.example.", [2, 1]),
        ("@far.example", [2, 1]),
        ("bob@far.example", [1]),
        ("domain", [4, 2, 1]),
        ("example", [3]),
        ("nobody.example", []),
    ],
)
def test_messages_from_and_to_a_domain_are_found(config: Config, typed: str, expected: list[int]) -> None:
    assert [m.number for m in reading.search(config, typed)] == expected


def test_a_domain_finds_no_more_than_was_asked_for(config: Config) -> None:
    assert [m.number for m in reading.search(config, "far.example", limit=2)] == [3, 2]


@pytest.mark.parametrize(("typed", "count"), [("far.example", 1), ("@far.example", 1), ("192.0.2.9", 0)])
def test_refusals_that_have_to_do_with_a_domain_are_found(config: Config, typed: str, count: int) -> None:
    assert len(reading.observed(config, typed)) == count
