"""The keys that ``docs/reference/json.md`` promises are those that the commands print."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import PATIENCE, Kurir

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "json.md").read_text("utf-8")


def promised(command: str) -> set[str]:
    """The keys of the document itself: what stands in the row outside of brackets."""
    row = re.search(rf"^\| `kurir {re.escape(command)}`[^|]*\| (.*) \|$", PAGE, re.MULTILINE)
    assert row, f"json.md has no row for kurir {command}"
    text = row[1].partition(";")[0]
    while (shorter := re.sub(r"\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}", "", text)) != text:
        text = shorter
    return set(re.findall(r"`(\w+)`", text))


@pytest.fixture(scope="module")
def kurir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kurir]:
    with Kurir(tmp_path_factory.mktemp("json") / "play") as server:
        server.user("you")
        yield server


def send(kurir: Kurir, to: str) -> Any:
    return kurir.json("send", "--from", "you@example.test", "--to", to, "--subject", "keys", stdin="hello")


def test_every_document_has_the_keys_of_its_row(kurir: Kurir) -> None:
    captured = send(kurir, "friend@example.net")
    kurir.wait("a capture", lambda: kurir.json("sandbox", "list")["messages"])
    sent = send(kurir, "defer-9@example.net")
    kurir.wait("a try", lambda: kurir.json("queue", "list")["messages"][0]["recipients"][0]["attempts"])
    documents = {
        "send": sent,
        "check": kurir.json("check"),
        "user add": kurir.json("user", "add", "budi@example.test"),
        "user list": kurir.json("user", "list"),
        "trace": kurir.json("trace", captured["id"]),
        "queue list": kurir.json("queue", "list"),
        "queue hold": kurir.json("queue", "hold", sent["id"]),
        "why": kurir.json("why", "550 5.1.1 no such user"),
        "sandbox list": kurir.json("sandbox", "list"),
        "sandbox show": kurir.json("sandbox", "show", kurir.json("sandbox", "list")["messages"][0]["id"]),
        "sandbox roles": kurir.cli("sandbox", "roles", "--json", config=False),
        "cert status": kurir.json("cert", "status", check=1),
        "audit": kurir.audit(),
        "doctor": kurir.json("doctor", check=None),
        "status": kurir.json("status"),
        "limits": kurir.json("limits"),
        "tls reports": kurir.json("tls", "reports"),
        "dmarc": kurir.json("dmarc"),
        "dmarc complaints": kurir.json("dmarc", "complaints"),
        "trace erase": kurir.json("trace", "erase", "friend@example.net"),
        "sandbox clear": kurir.json("sandbox", "clear"),
    }
    import json

    for command, document in documents.items():
        keys = document if isinstance(document, dict) else json.loads(document.stdout)
        assert set(keys) == promised(command), f"kurir {command}"


def test_the_keys_of_a_message_and_its_steps(kurir: Kurir) -> None:
    number = send(kurir, "keys@example.net")["id"]
    message = kurir.wait(
        "a fate", lambda: [m for m in kurir.json("trace", number)["messages"] if m["recipients"][0]["fate"]]
    )[0]
    rows = [
        set(re.findall(r"`(\w+)`", r))
        for r in re.findall(r"^\| (`\w+`, .*) \| (?:the message|each )", PAGE, re.MULTILINE)
    ]
    assert set(message) == rows[0]
    assert set(message["recipients"][0]) == rows[1]
    assert set(message["recipients"][0]["history"][0]) == rows[2]


def test_every_metric_is_described(kurir: Kurir) -> None:
    import urllib.request

    from kurir.web.metrics import HELP

    with urllib.request.urlopen(f"http://127.0.0.1:{kurir.admin}/metrics", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    for name, words in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        assert name.removesuffix("_total") in HELP | {"kurir_up": ""}, f"{name} has no help"
        assert words != name.removesuffix("_total")
