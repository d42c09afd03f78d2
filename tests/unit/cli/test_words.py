"""Both languages have the same words with the same placeholders, and every command has its texts."""

import re
import string
from pathlib import Path

import click
import pytest

import kurir.doctor
from kurir.cli.commands import doctor
from kurir.cli.main import COMMANDS, root
from kurir.cli.words import _table
from kurir.trace import Catalogue, numbered
from kurir.trace.explain.catalogue import LANGUAGES


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_two_languages_match() -> None:
    en, id_ = _table("en"), _table("id")
    assert en.keys() == id_.keys()
    for key, text in en.items():
        assert fields(text) == fields(id_[key]), key


def test_a_number_decides_about_the_words_behind_it() -> None:
    text = "{domain}: {n} more report(s) (is|are) left out (really) of {all} message(s)"
    one = numbered(text, {"domain": "a.test", "n": 1, "all": 2})
    assert one == "{domain}: {n} more report is left out (really) of {all} messages"
    assert (
        numbered(text, {"n": "0", "all": "1"})
        == "{domain}: {n} more reports are left out (really) of {all} message"
    )


def test_no_count_is_left_without_a_number_before_it() -> None:
    texts = [text for lang in ("en", "id") for text in _table(lang).values()]
    texts += [text for lang in LANGUAGES for text in Catalogue.load()._texts[lang].values()]
    assert not [text for text in texts if re.search(r"\w\(s\)|\(\w+\|\w+\)", numbered(text, {}))]


def test_no_sentence_was_left_in_english() -> None:
    en, id_ = _table("en"), _table("id")
    same = {k for k, v in en.items() if id_[k] == v and len(v.split()) > 4 and not k.startswith("example.")}
    assert not same


def below(name: str, command: click.Command | None) -> list[str]:
    """Return the command and all under it, as they are typed."""
    verbs = command.commands if isinstance(command, click.Group) else {}
    return [name, *(found for verb, its in verbs.items() for found in below(f"{name} {verb}", its))]


def commands() -> list[str]:
    named = ((name, root.get_command(click.Context(root), name)) for name in COMMANDS)
    return [found for name, command in named for found in below(name, command)]


@pytest.mark.parametrize("lang", ["en", "id"])
def test_every_command_has_help_in_both_languages(
    lang: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KURIR_LANG", lang)
    for name in commands():
        with pytest.raises(SystemExit):
            root.main([*name.split(), "--help"], prog_name="kurir")
        shown = capsys.readouterr().out
        assert not re.search(r"\b(opt|help|short)\.[a-z]", shown), name
        assert "\n  kurir " in shown.partition(_table(lang)["help.examples"])[2], f"no example of {name}"


def test_every_check_of_the_doctor_has_a_name() -> None:
    source = Path(kurir.doctor.__file__).parent
    texts = [p.read_text("utf-8") for p in (*source.glob("*.py"), Path(doctor.__file__))]
    checks = {
        c for text in texts for c in re.findall(r'check="(\w+)"|_finding\("(\w+)"', text) for c in c if c
    }
    assert {"dane", "tls", "ports", "certificate", "roads"} <= checks
    for check in checks:
        assert f"checked.{check}" in _table("en"), check
