"""How commands talk: sizes in tables, mistakes under the file they stand in."""

import pytest

from kurir.cli import output
from kurir.config import ConfigError, Mistake


@pytest.mark.parametrize(("lang", "said"), [("en", ("999 B", "1.7 kB")), ("id", ("999 B", "1,7 kB"))])
def test_a_size_is_written_as_the_reader_writes_numbers(
    lang: str, said: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "current", lambda: lang)
    assert (output.size(999), output.size(1700)) == said


def test_each_mistake_stands_under_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    mistakes = [
        Mistake("queue.retry", "is no list"),
        Mistake("smarthosts.mine.colour", "there is no such key", file="/etc/kurir/own.toml"),
    ]
    output.show_config_error(ConfigError("/etc/kurir/kurir.toml", mistakes))
    assert capsys.readouterr().err.splitlines() == [
        "/etc/kurir/kurir.toml: 1 mistake:",
        "  queue.retry: is no list",
        "/etc/kurir/own.toml: 1 mistake:",
        "  smarthosts.mine.colour: there is no such key",
    ]
