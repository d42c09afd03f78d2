"""Passwords in files of their own: read once, in one place, with errors that say what to do."""

from pathlib import Path

import pytest

from kurir.app.wiring import roads
from kurir.app.wiring.secrets import MAX_SECRET, with_secrets
from kurir.config import Config, load
from kurir.delivery import TlsLevel
from kurir.model.told import Told

FILE = """
[server]
hostname = "mail.example.test"
state = "state"

[domains."example.test"]

[[roads]]
name = "provider"
url = "%s"
username = "me@isp.test"
password_file = "secret"
"""


def config(folder: Path, url: str = "smtp://smtp.isp.test") -> Config:
    file = folder / "kurir.toml"
    file.write_text(FILE % url)
    return load(file, {})


def test_the_password_is_read_once_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("  kata sandi: ünïk/42\n")
    read, mistakes = with_secrets(config(tmp_path))
    (tmp_path / "secret").unlink()
    assert mistakes == []
    (route,) = (r for r in roads.delivery(read).routes if r.name == "provider")  # opens no file
    assert route.next_hop is not None
    assert (route.next_hop.username, route.next_hop.password) == ("me@isp.test", "kata sandi: ünïk/42")
    assert "ünïk" not in repr(read) + str(read) + read.model_dump_json() + repr(route)


@pytest.mark.parametrize(
    ("url", "level", "port"),
    [
        ("smtp://smtp.isp.test", TlsLevel.REQUIRE, 587),
        ("smtp://smtp.isp.test:25", TlsLevel.REQUIRE, 25),
        ("smtp://smtp.isp.test?tls=opportunistic", TlsLevel.OPPORTUNISTIC, 587),
        ("smtps://smtp.isp.test", TlsLevel.REQUIRE, 465),
    ],
)
def test_a_login_beside_the_url_is_as_safe_as_one_in_it(
    tmp_path: Path, url: str, level: TlsLevel, port: int
) -> None:
    (tmp_path / "secret").write_text("x")
    (route,) = (
        r for r in roads.delivery(with_secrets(config(tmp_path, url))[0]).routes if r.name == "provider"
    )
    assert route.next_hop is not None
    assert (route.tls, route.next_hop.tls, route.next_hop.port) == (level, level, port)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty; write"),
        (b" \n", "is empty; write"),
        (b"\xff\xfe", "is not UTF-8 text; write"),
        (b"one\ntwo\n", "more than one line; write"),
        (b"x" * (MAX_SECRET + 1), "more than one line; write"),
    ],
)
def test_what_is_wrong_names_file_cause_and_next_step(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    _, (mistake,) = with_secrets(config(tmp_path))
    assert mistake.where == "roads.0.password_file"
    assert str(tmp_path / "secret") in mistake.what
    assert words in mistake.what
    assert isinstance(mistake.what, Told)  # so that it can be said in Indonesian


def test_a_folder_is_no_password_file(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    _, (mistake,) = with_secrets(config(tmp_path))
    assert "Is a directory" in mistake.what
