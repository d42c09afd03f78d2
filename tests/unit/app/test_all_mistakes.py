"""A configuration is told whole: the mistakes of its text and of the files that it names, in one go."""

from pathlib import Path

import pytest

from kurir.app.wiring.setup import SetupError, examined, make
from kurir.config import ConfigError, load, render
from kurir.config.template import Choices
from kurir.trace import say_told

BOTH = """
workers = 99
[server]
hostname = "mail.example.test"
user = "nobody-of-that-name"
colour = "blue"
[tls]
certificate = "missing.pem"
key = "missing.key"
[queue]
retry = ["soon"]
[listen]
smtp = ["nowhere"]
submission = ["unix:/{long}/sock"]
[net]
ca_file = "no-ca.pem"
"""


def mistakes(path: Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        examined(path)
    return {m.where: m.what for m in caught.value.mistakes}


def test_text_and_files_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "kurir.toml").write_text(BOTH.replace("{long}", "x" * 120))
    found = mistakes(tmp_path / "kurir.toml")
    assert set(found) == {
        "server.colour", "server.user", "queue.retry.0", "listen.smtp.0", "listen.submission.0",
        "tls.certificate", "net.ca_file", "file",
    }  # fmt: skip
    assert "0 to 64" in found["file"]


def test_a_file_without_a_name_for_the_server_still_has_its_files_examined(tmp_path: Path) -> None:
    (tmp_path / "kurir.toml").write_text('[net]\nca_file = "no-ca.pem"\n')
    assert set(mistakes(tmp_path / "kurir.toml")) == {"server", "net.ca_file"}


def test_what_is_beyond_repair_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "kurir.toml").write_text('server = 7\nroads = "none"\n[net]\nca_file = "no-ca.pem"\n')
    assert set(mistakes(tmp_path / "kurir.toml")) == {"server", "roads", "net.ca_file"}


def test_a_folder_too_deep_for_sockets_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with pytest.raises(SetupError) as caught:
        make(deep, Choices("example.test", playground=True))
    said = caught.value.args[0]
    assert str(deep) in said
    assert "at most 107 bytes" in said
    assert "shorter path" in said
    assert "paling panjang 107 bita" in say_told(said, "id")
    assert not deep.exists()


def test_a_state_folder_too_deep_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    file = tmp_path / "kurir.toml"
    file.write_text(render(Choices("example.test")).replace('state = "."', f'state = "{deep}"'))
    assert load(file, {}).server.state == deep
    assert "at most 107 bytes" in mistakes(file)["server.state"]


def test_names_of_roads_are_told_beside_mistakes_within_them(tmp_path: Path) -> None:
    road = '[[roads]]\nname = "out"\nurl = "smtp://127.0.0.1:25"\n'
    text = f'[server]\nhostname = "mail.example.test"\n{road}senderz = ["a.example"]\n{road}fallback = ["gone"]\n'
    (tmp_path / "kurir.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        examined(tmp_path / "kurir.toml")
    told = "\n".join(str(m) for m in caught.value.mistakes)
    assert "roads.0.senderz: there is no such key" in told
    assert "'out' is used twice" in told
    assert "'out' names the fallback 'gone', but there is no such road" in told
    assert "can never be taken" not in told  # what was misspelt may say the opposite


def test_mistakes_of_an_atlas_file_name_that_file(tmp_path: Path) -> None:
    fine, wrong = tmp_path / "fine.toml", tmp_path / "wrong.toml"
    fine.write_text("[smarthosts.mine]\nlabel = 'Mine'\nhosts = ['mail.mine.example']\n")
    wrong.write_text("[smarthosts.mine]\ncolour = 'red'\nhosts = ['*.nowhere']\n")
    (tmp_path / "kurir.toml").write_text(
        '[server]\nhostname = "mail.example.test"\n[atlas]\nfiles = ["fine.toml", "wrong.toml"]\n'
    )
    with pytest.raises(ConfigError) as caught:
        examined(tmp_path / "kurir.toml")
    assert {(m.file, m.where) for m in caught.value.mistakes} == {
        (str(wrong), "smarthosts.mine.colour"),
        (str(wrong), "smarthosts.mine.hosts.0"),
    }
