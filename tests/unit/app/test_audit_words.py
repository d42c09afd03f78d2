"""Everything that the audit can find has a sentence in both languages with the same placeholders."""

import string

import pytest

from kurir.storage.problems import SENTENCES
from kurir.trace.explain.catalogue import Catalogue, placeholders


@pytest.mark.parametrize("key", sorted(SENTENCES))
def test_each_problem_is_told_in_both_languages(key: str) -> None:
    catalogue = Catalogue.load()
    given = {name for _, name, _, _ in string.Formatter().parse(SENTENCES[key]) if name}
    values = {name: f"<{name}>" for name in given}
    for lang in ("en", "id"):
        said = catalogue.text(lang, f"audit.{key}", **values)
        assert not placeholders(said)
        for name in given - {"where"}:
            assert f"<{name}>" in said, (lang, name)


def test_no_sentence_without_a_problem() -> None:
    told = {k.removeprefix("audit.") for k in Catalogue.load().keys("en") if k.startswith("audit.")}
    assert told == set(SENTENCES)
