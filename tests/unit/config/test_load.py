"""Configuration: all mistakes at once, suggestions, layers, units."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.config import ConfigError, load, parse, render
from kurir.config.template import Choices
from kurir.config.units import octets, seconds

GOOD = {"server": {"hostname": "mail.example.org"}}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "kurir.toml"
    path.write_text(text)
    return path


def test_all_mistakes_at_once_with_their_places(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        workers = "many"
        [server]
        hostname = "mail example"
        [queue]
        retry = []
        lifetme = "5d"
        [trust]
        networks = ["10.0.0.0/8", "nonsense"]
        [[roads]]
        name = "isp"
        url = "ftp://x"
        [rods]
        """,
    )
    with pytest.raises(ConfigError) as e:
        load(path, {})
    found = {m.where: m for m in e.value.mistakes}
    assert {
        "server.hostname",
        "queue.retry",
        "queue.lifetme",
        "trust.networks.1",
        "roads.0.url",
        "rods",
    } <= set(found)
    assert found["queue.lifetme"].hint == "did you mean 'lifetime'?"
    assert found["rods"].hint == "did you mean 'roads'?"


def test_the_environment_wins_over_conf_d_and_conf_d_over_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path, '[server]\nhostname = "a.example"\n[queue]\nlifetime = 10\n[limits]\nmessage_size = 5\n'
    )
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10.toml").write_text("[queue]\nlifetime = 20\n[limits]\nmessage_size = 6\n")
    config = load(
        path,
        {
            "KURIR_QUEUE__LIFETIME": "2d",
            "KURIR_QUEUE__RETRY": "[1, 2]",
            "KURIR_LANG": "id",
            "KURIR_HOME": "x",
        },
    )
    assert config.queue.lifetime == 2 * 86400
    assert config.queue.retry == [1, 2]
    assert config.limits.message_size == 6


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[server]\nhostname = "a.example"\nstate = "var"\n[tls]\ncertificate = "c.pem"\nkey = "/k.pem"\n',
    )
    config = load(path, {})
    assert config.server.state == tmp_path / "var"
    assert config.tls.certificate == tmp_path / "c.pem"
    assert config.tls.key == Path("/k.pem")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"roads": [{"name": "a", "url": "mx:"}, {"name": "b", "url": "mx:"}]}, "can never be taken"),
        (
            {"roads": [{"name": "a", "url": "mx:", "recipients": ["x.org"]}, {"name": "a", "url": "mx:"}]},
            "used twice",
        ),
        ({"aliases": {"a@foreign.example": ["b@x.org"]}}, "not in a local domain"),
        ({"domains": {"x.org": {"relay_to": "smtp://h", "catch_all": "a@b.c"}}}, "its next server decides"),
        ({"tls": {"certificate": "a.pem"}}, "belong together"),
        ({"workers": 65}, "0 to 64"),
        ({"queue": {"delay_notice": 8}}, r"must be a list, in brackets: \[8\]"),
        ({"listen": {"smtp": "127.0.0.1:25"}}, r'must be a list, in brackets: \["127.0.0.1:25"\]'),
        ({"listen": {"smtp": {"port": 25}}}, r"must be a list, in brackets: \[\.\.\.\]"),
    ],
)
def test_contradictions_are_mistakes(data: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse({**GOOD, **data}, "test")


@pytest.mark.parametrize("text", ["", "= 1", "[server\n", "\x00"])
def test_broken_toml_is_one_clear_mistake(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load(write(tmp_path, text), {})


@pytest.mark.parametrize(
    "choices",
    [
        Choices("example.org"),
        Choices("play.test", playground=True, port_offset=20000),
        Choices(
            "example.org",
            smarthost="smtp://127.0.0.1:2600?tls=none",
            trust=("127.0.0.0/8", "::1"),
            user="nobody",
        ),
    ],
)
def test_the_template_is_a_valid_configuration(tmp_path: Path, choices: Choices) -> None:
    config = load(write(tmp_path, render(choices)), {})
    assert config.server.hostname == choices.domain
    assert choices.domain in config.domains
    assert config.server.playground == choices.playground
    assert len(config.roads) == (1 if choices.smarthost else 0)


@given(st.text())
def test_any_text_is_a_duration_or_a_clear_error(text: str) -> None:
    for read in (seconds, octets):
        try:
            value = read(text)
        except ValueError as e:
            assert "write" in str(e)
        else:
            assert isinstance(value, float | int)


@pytest.mark.parametrize(
    ("text", "value"),
    [("90s", 90), ("5m", 300), ("1.5h", 5400), ("5d", 432000), ("300", 300), ("2 W", 1209600)],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("50MB", 50_000_000), ("50MiB", 52_428_800), ("1k", 1000), ("7", 7), ("1.5 GB", 1_500_000_000)],
)
def test_sizes(text: str, value: int) -> None:
    assert octets(text) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
        max_leaves=10,
    )
)
def test_any_data_is_a_configuration_or_a_config_error(data: object) -> None:
    if isinstance(data, dict):
        try:
            parse(data, "test")
        except ConfigError as e:
            assert e.mistakes
