"""The command line as scripts and people rely on it: documents, keys, exit codes, help, and errors in words."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from kurir.cli.main import COMMANDS
from tests.harness import PATIENCE, Kurir, hand_in, login, text
from tests.harness.kurir import KURIR

GOLDEN = Path(__file__).with_name("golden_keys.json")
GROUPS = {
    "user": ("add", "list", "remove", "urgent", "password", "cert"),
    "user password": ("set", "add", "list", "revoke"),
    "user cert": ("add", "list", "remove"),
    "trace": ("show", "erase"),
    "queue": ("list", "show", "hold", "release", "retry", "drop"),
    "tls": ("show", "accept", "reports"),
    "dmarc": ("show", "read", "complaints"),
    "road": ("list", "test", "add"),
    "limits": ("show", "forget"),
    "suppress": ("list", "show", "add", "remove"),
    "cert": ("status", "renew", "order", "roll"),
    "dns": ("show", "check"),
    "dkim": ("list", "rotate", "retire"),
    "sandbox": ("list", "show", "clear", "roles"),
}
ALL = [(c,) for c in COMMANDS] + [(*group.split(), verb) for group, verbs in GROUPS.items() for verb in verbs]


def paths(value: Any, at: str = "") -> set[str]:
    """Return where there are keys in a document: ``{"a": [{"b": 1}]}`` has ``a`` and ``a[].b``."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            where = f"{at}.{key}" if at else key
            found |= {where} | paths(inner, where)
    elif isinstance(value, list):
        for inner in value:
            found |= paths(inner, f"{at}[]")
    return found


@pytest.fixture(scope="module")
def kurir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kurir]:
    with Kurir(tmp_path_factory.mktemp("commands") / "kurir") as server:
        yield server


@pytest.fixture(scope="module")
def documents(kurir: Kurir) -> dict[str, Any]:
    """Every command once, on a server on which something happened."""
    found: dict[str, Any] = {}

    def run(name: str, *arguments: str, code: int = 0) -> Any:
        got, said, errors = kurir.inside(*name.split(), *arguments, "--json")
        assert got == code, (name, got, said, errors)
        found[name] = json.loads(said)
        return found[name]

    made = run("user add", "alice@example.test")
    run("user list")
    with login(kurir, "alice", made["password"]) as s:
        kept, stuck = (
            hand_in(s, "alice@example.test", to, text("alice@example.test", to, name))
            for to, name in (("bob@far.test", "kept"), ("defer-9@far.test", "stuck"))
        )
        hand_in(
            s,
            "alice@example.test",
            "code-550-rcpt@far.test",
            text("alice@example.test", "code-550-rcpt@far.test", "no"),
        )
        s.mail("alice@example.test")
        assert s.rcpt("nobody@example.test")[0] == 550
    kurir.wait("a first try", lambda: kurir.ask("trace", stuck)["messages"][0]["recipients"][0]["attempts"])
    kurir.wait("a capture", lambda: kurir.ask("sandbox", "list")["messages"])
    kurir.wait("the report", lambda: kurir.mail("alice"))
    kurir.wait("what was seen at the door", lambda: kurir.ask("trace", "nobody@example.test")["observations"])
    run("trace", "alice@example.test")
    run("trace show", kept)
    run("queue list")
    for verb in ("show", "hold", "release", "retry", "drop"):
        run(f"queue {verb}", stuck)
    run("sandbox list")
    run("sandbox show", found["sandbox list"]["messages"][0]["id"])
    run("sandbox roles")
    run("sandbox clear")
    run("why", "550 5.1.1 no such user")
    run("check")
    run("status")
    run("limits show")
    run("limits forget", "--all")
    run("summary", "alice@example.test")
    run("user urgent", "alice@example.test", "allow")
    run("tls show", "far.test")
    run("tls accept", "far.test")
    run("tls reports")
    run("dmarc show")
    run("dmarc complaints")
    run("route", "alice@example.test", "bob@far.test")
    run("road list")
    run("suppress add", "gone@far.test", "--reason", "left the school")
    run("suppress list")
    run("suppress show", "gone@far.test")
    run("suppress remove", "gone@far.test")
    run("cert status", code=1)
    run("dns show", "example.test")
    run("dns check", "example.test", code=1)
    run("dkim rotate", "example.test", "--kind", "ed25519")
    ed25519 = [k["selector"] for k in run("dkim list")["keys"] if k["algorithm"] == "ed25519"]
    run("dkim retire", "example.test", ed25519[-1])
    run("audit")
    got, said, _ = kurir.inside("doctor", "--json")
    assert got in (0, 1)  # the machine that runs the tests may have a red finding
    found["doctor"] = json.loads(said)
    run("trace erase", "bob@far.test")
    for verb, *what in (("set",), ("add", "printer"), ("list",), ("revoke", "printer")):
        run(f"user password {verb}", "alice@example.test", *what)
    run("user cert add", "alice@example.test", str(kurir.folder / "tls" / "server.pem"))
    certificate = run("user cert list", "alice@example.test")["certificates"][0]["key"]
    run("user cert remove", "alice@example.test", certificate)
    run("user remove", "alice@example.test")
    done = kurir.cli(
        "init", str(kurir.folder.with_name("second")), "--domain", "x.test", "--json", config=False
    )
    found["init"] = json.loads(done.stdout)
    done = kurir.cli("send", "--to", "x@far.test", "--from", "a@example.test", "--json", stdin="hello\n")
    found["send"] = json.loads(done.stdout)
    return found


def test_every_command_is_here(documents: dict[str, Any]) -> None:
    with_authority = {"cert renew", "cert order", "cert roll"}  # tests/interop/test_acme.py has one
    with_others = {"road test", "road add", "dmarc read"}  # test_road_commands.py, test_dmarc_reports.py
    assert {" ".join(c) for c in ALL} - {"serve", *with_authority, *with_others, *GROUPS} <= set(documents)


def test_keys_stay(documents: dict[str, Any]) -> None:
    """New keys may come, and are written into the file; one that is missing breaks somebody's script."""
    golden = json.loads(GOLDEN.read_text())
    assert {name: sorted(paths(document)) for name, document in documents.items()} == golden


def test_books_without_a_single_message_have_the_same_keys(tmp_path: Path) -> None:
    kurir = Kurir(tmp_path / "kurir")
    golden = json.loads(GOLDEN.read_text())["audit"]
    assert set(kurir.ask("audit")) == {key for key in golden if "." not in key and "[" not in key}


def test_help_in_both_languages(kurir: Kurir) -> None:
    for command in [(), *ALL]:
        told = {}
        for lang in ("en", "id"):
            with mock.patch.dict(kurir.env, KURIR_LANG=lang):
                code, told[lang], errors = kurir.inside(*command, "--help", config=False)
            assert (code, errors) == (0, ""), command
            assert told[lang].startswith(
                " ".join((("Usage:" if lang == "en" else "Pemakaian:"), "kurir", *command))
            )
        assert told["en"] != told["id"]
        if command and command[0] not in GROUPS:
            assert kurir.inside(*command, "--help", "--lang", "id", config=False)[1] == told["id"]


WRONG_USAGE: list[tuple[str, ...]] = [
    ("nonsense",),
    ("quue", "list"),
    ("--nonsense",),
    ("queue",),
    ("queue", "nonsense"),
    ("queue", "list", "--nonsense"),
    ("queue", "list", "--limit", "many"),
    ("queue", "hold"),
    ("queue", "show"),
    ("trace",),
    ("user", "add"),
    ("init",),
    ("init", "/tmp/nowhere"),
    ("doctor", "nonsense"),
    ("send", "--lang", "fr"),
    ("check", "a", "b"),
]


@pytest.mark.parametrize("arguments", WRONG_USAGE, ids=" ".join)
def test_wrong_usage_is_2_and_said_on_standard_error(kurir: Kurir, arguments: tuple[str, ...]) -> None:
    code, said, errors = kurir.inside(*arguments, config=False)
    assert code == 2
    assert "Traceback" not in errors
    assert errors or said  # a group alone shows its help
    if arguments == ("quue", "list"):
        assert "queue" in errors


# What cannot be done on a running server, and a word that the message has to have.
FAILURES: list[tuple[tuple[str, ...], str]] = [
    (("trace", "k0000012"), "k0000012"),  # its check digit is wrong
    (("trace", "nobody@nowhere.test"), "nobody@nowhere.test"),
    (("trace", "x", "--since", "yesterdayish"), "yesterdayish"),
    (("trace", "erase", "no address"), "no address"),
    (("queue", "show", "k0000012"), "k0000012"),
    (("queue", "hold", "k0000012"), "k0000012"),
    (("queue", "release", "k9999999"), "k9999999"),
    (("queue", "drop", "nonsense"), "nonsense"),
    (("queue", "retry", "k0000011", "--recipient", "x@y.test"), "x@y.test"),
    (("user", "add", "nonsense"), "nonsense"),
    (("user", "add", "alice@foreign.test"), "foreign.test"),
    (("user", "remove", "nobody@example.test"), "nobody@example.test"),
    (("user", "password", "nobody@example.test"), "nobody@example.test"),
    (("sandbox", "show", "999999"), "999999"),
    (("send", "--from", "a@example.test"), "--to"),
    (("send", "--to", "nonsense", "--from", "a@example.test"), "nonsense"),
    (("send", "--to", "a@b.test", "--from", "a@example.test", "/no/such/file"), "/no/such/file"),
]


@pytest.mark.parametrize(
    ("arguments", "word"), FAILURES, ids=lambda v: " ".join(v) if isinstance(v, tuple) else None
)
def test_what_cannot_be_done_is_1_and_said_in_words(
    kurir: Kurir, documents: dict[str, Any], arguments: tuple[str, ...], word: str
) -> None:
    for lang in ("en", "id"):
        code, said, errors = kurir.inside(*arguments, "--lang", lang)
        assert (code, said) == (1, ""), (code, said, errors)
        assert word in errors
        assert "Traceback" not in errors
        assert errors.count("\n") <= 3
    code, said, errors = kurir.inside(*arguments, "--json")
    assert code == 1
    document = json.loads(said)
    assert word in document.get("error", said)


# A server that is not running: what can be done all the same, and what says so.
NOT_RUNNING: list[tuple[tuple[str, ...], int]] = [
    (("status",), 1),
    (("send", "--to", "a@b.test", "--from", "a@example.test", "--subject", "s"), 1),
    (("queue", "list"), 0),
    (("queue", "hold", "k0000011"), 1),  # no such message: the command itself works
    (("user", "add", "alice@example.test"), 0),
    (("user", "list"), 0),
    (("user", "password", "alice@example.test"), 0),
    (("user", "remove", "alice@example.test"), 0),
    (("trace", "k0000011"), 1),
    (("trace", "erase", "alice@example.test"), 0),
    (("audit",), 0),
    (("check",), 0),
    (("sandbox", "list"), 0),
]


def test_a_server_that_is_not_running(tmp_path: Path) -> None:
    kurir = Kurir(tmp_path / "kurir")
    (tmp_path / "mail").write_text("Subject: x\n\nx\n")
    for arguments, expected in NOT_RUNNING:
        file = (str(tmp_path / "mail"),) if arguments[0] == "send" else ()
        code, said, errors = kurir.inside(*arguments, *file)
        assert code == expected, (arguments, said, errors)
        assert "Traceback" not in errors
        if arguments[0] in ("status", "send"):
            assert "kurir serve" in errors


BROKEN = """
workers = "many"
colour = "blue"
[server]
hostname = "example.test"
[queue]
lifetme = "5d"
retry = []
[[roads]]
name = "x"
url = "gopher://x"
"""


@pytest.mark.parametrize(
    "command", [("serve",), ("status",), ("queue", "list"), ("audit",), ("send", "--to", "a@b.test")]
)
def test_a_broken_configuration_is_told_whole(tmp_path: Path, command: tuple[str, ...]) -> None:
    kurir = Kurir(tmp_path / "kurir")
    kurir.config.write_text(BROKEN)
    del kurir.env["KURIR_WORKERS"]
    code, _, said = kurir.inside(*command)
    assert code == 1
    for mistake in ("workers", "colour", "lifetme", "did you mean 'lifetime'", "queue.retry", "roads.0.url"):
        assert mistake in said, said
    assert "Traceback" not in said


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    kurir = Kurir(tmp_path / "kurir")
    for octets, word in ((b"[server\n", "TOML"), (b"\xff\xfe", "UTF-8"), (b"", "server")):
        kurir.config.write_bytes(octets)
        code, _, errors = kurir.inside("check")
        assert code == 1
        assert word in errors
        assert "Traceback" not in errors
    kurir.config.unlink()
    for command in ("check", "serve", "status"):
        code, _, errors = kurir.inside(command)
        assert code == 1
        assert str(kurir.config) in errors
        assert "kurir init" in errors


def unprivileged() -> list[str]:
    """Return what makes a command obey file permissions: nothing, or for root the loss of the right not to."""
    if os.geteuid() != 0:
        return []
    assert shutil.which("setpriv"), "as root this test needs setpriv (Debian: util-linux)"
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner,-chown"]


def test_without_permission(tmp_path: Path) -> None:
    with Kurir(tmp_path / "kurir") as kurir:
        run = kurir.folder / "run"
        for name in ("control.sock", "submit.sock"):
            (run / name).chmod(0)
        for arguments in (("user", "add", "a@example.test"), ("send", "--to", "a@b.test", "--subject", "s")):
            command = [*unprivileged(), *KURIR, *arguments, "-c", str(kurir.config)]
            done = subprocess.run(
                command, capture_output=True, env=kurir.env, timeout=PATIENCE, stdin=subprocess.DEVNULL
            )
            assert done.returncode == 1, done
            assert b"may not use" in done.stderr
            assert b"Traceback" not in done.stderr
        kurir.config.chmod(0)
        command = [*unprivileged(), *KURIR, "queue", "list", "-c", str(kurir.config)]
        done = subprocess.run(command, capture_output=True, env=kurir.env, timeout=PATIENCE)
        assert done.returncode == 1
        assert b"ermission denied" in done.stderr
        assert b"Traceback" not in done.stderr
        kurir.config.chmod(0o640)


def test_init_refuses_a_folder_with_something_in_it_and_undoes_what_failed(tmp_path: Path) -> None:
    kurir = Kurir(tmp_path / "kurir")

    def init(folder: Path, *more: str) -> str:
        code, _, errors = kurir.inside("init", str(folder), *more, config=False)
        assert code == 1
        assert "Traceback" not in errors
        return errors

    assert "not empty" in init(kurir.folder, "--domain", "x.test")
    new = tmp_path / "new"
    for extra in (("--smarthost", "gopher://x"), ("--port-offset", "65000"), ("--trust", "nonsense")):
        assert extra[1].partition(":")[0] in init(new, "--domain", "x.test", *extra)
        assert not new.exists()
    assert "no domain" in init(new, "--domain", "no domain")
    assert not new.exists()
