"""Wrong usage is told in both languages, with exit code 2."""

from pathlib import Path

import pytest

from kurir.cli.main import main

CASES = [
    (["trace", "erase"], "ADDRESS is missing.", "ADDRESS belum disebutkan."),
    (["queue", "list", "--limt", "3"], "There is no option --limt. Did you mean '--limit'?", "Tidak ada pilihan --limt."),
    (["queue", "list", "--limit", "x"], "--limit takes a whole number", "--limit harus bilangan bulat"),
    (["doctor", "everything"], "takes one of: own", "harus salah satu dari: own"),
    (["queue", "lst"], "There is no command 'lst'. Did you mean 'list'?", "Tidak ada perintah 'lst'. Maksud Anda 'list'?"),
    (["status", "now"], "one word too many: now", "Kata ini berlebih: now"),
    (["queue", "list", "--limit"], "--limit needs a value", "--limit harus diikuti nilainya"),
    (["status", "--json=3"], "--json stands alone", "--json berdiri sendiri"),
    (["--lang", "en"], "Say which command", "Sebutkan perintahnya"),
    (["trase"], "There is no command 'trase'. Did you mean 'trace'?", "Tidak ada perintah 'trase'. Maksud Anda 'trace'?"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "english", "indonesian"), CASES)
@pytest.mark.parametrize("lang", ["en", "id"])
def test_wrong_usage(
    arguments: list[str],
    english: str,
    indonesian: str,
    lang: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KURIR_LANG", lang)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert (english if lang == "en" else indonesian) in said
    assert ("Lihat: kurir" if lang == "id" else "See: kurir") in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--lang", "id", "--help"],
        ["user", "--lang", "id", "--help"],
        ["trace", "--lang=id", "--help"],
        ["limits", "--lang", "id", "--help"],
        ["--lang", "id", "trace", "erase", "--help"],
        ["trace", "--lang", "id", "erase", "--help"],
    ],
)
def test_the_language_may_stand_before_the_verb(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["kurir", *arguments])
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "Pemakaian: kurir" in said
    assert ("trace erase" in said) is ("erase" in arguments)


CONFIG = '[server]\nhostname = "x.test"\n[domains."{domain}"]\n'


@pytest.mark.parametrize(
    ("domain", "arguments", "said"),
    [
        ("bad domain", ["check"], "domains.bad domain: 'bad domain' bukan nama domain"),
        ("x.test", ["route", "a@x.test", "b@y.test", "--size", "zz"], "'zz' bukan ukuran"),
        ("x.test", ["tls", "show", "a b"], "'a b' bukan nama domain"),
    ],
)
def test_wrong_values_are_told_in_indonesian(
    domain: str,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "kurir.toml").write_text(CONFIG.format(domain=domain))
    monkeypatch.setenv("KURIR_LANG", "id")
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "-c", str(tmp_path / "kurir.toml")])
    assert ended.value.code == 1
    assert said in capsys.readouterr().err
