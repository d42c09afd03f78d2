"""Sizes in the tables of the commands."""

import pytest

from kurir.cli import output


@pytest.mark.parametrize(("lang", "said"), [("en", ("999 B", "1.7 kB")), ("id", ("999 B", "1,7 kB"))])
def test_a_size_is_written_as_the_reader_writes_numbers(
    lang: str, said: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "current", lambda: lang)
    assert (output.size(999), output.size(1700)) == said
