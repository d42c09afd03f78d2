"""Single cases of the catalogue that fit no table: before the greeting, logs, half-finished messages, full disks."""

import json
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.harness import Kurir

from .cases import Transport
from .client import Client
from .stage import Stage

_OPEN = b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<box@example.test>\r\n"


@pytest.mark.parametrize(
    "early", [b"EHLO early.test\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n", b"\r\n"]
)
def test_15_who_talks_before_the_greeting_is_refused(stage: Stage, early: bytes) -> None:
    """The server is stopped for a moment, so that what the client says is surely there before the greeting."""
    processes = stage.server.pids().values()
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        client = Client(stage.server.smtp, stage.player.strangers.next())
        client.send((early,))
        time.sleep(0.1)
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
    with client:
        client.expect("554 5.5.1")
        assert client.reply() is None


def test_15_who_waits_is_greeted(stage: Stage) -> None:
    with stage.player.connect(Transport.PLAIN) as client:
        client.ask(b"NOOP\r\n", "250")


def test_55_proxy_headers_only_where_they_are_expected(tmp_path: Path) -> None:
    """From a trusted proxy: a header is demanded, and one that is broken ends the connection without a word."""
    server = Kurir(tmp_path / "k")
    text = server.config.read_text()
    server.config.write_text(text.replace("networks = []", 'networks = []\nproxies = ["127.60.0.0/16"]'))
    with server:
        for header, greeted in (
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n", True),
            (b"PROXY UNKNOWN\r\n", True),
            (b"PROXY TCP4 192.0.2.1\r\n", False),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 70000 25\r\n", False),
            (b"EHLO x\r\n", False),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x00\x19", True),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + b"\0" * 100, False),
            (b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c" + b"\0" * 12, False),
        ):
            with socket.create_connection(
                ("127.0.0.1", server.smtp), 10, source_address=("127.60.0.1", 0)
            ) as s:
                s.sendall(header)
                try:
                    said = s.recv(200)
                except ConnectionResetError:
                    said = b""
            assert said.startswith(b"220") == greeted, header
            assert greeted or said == b"", header


def test_100_nothing_a_peer_says_steers_a_log_or_a_terminal(stage: Stage) -> None:
    """Logs and the trace hold one record for each event, and no control character of a peer's."""
    evil = b"\x1b[2J\x1b]0;owned\x07"
    with stage.player.connect(Transport.PLAIN) as client:
        client.ask(b"EHLO " + evil + b"\r\n", "501")
        client.ask(evil + b"\r\n", "500")
        client.ask(b"VRFY " + evil + b"\r\n", "252")
        client.ask(b'MAIL FROM:<"\x1b[2J"@sender.test>\r\n', "501")
        client.ask(b"MAIL FROM:<a@sender.test> ENVID=+1B+5B2J\r\n", "501")
        client.ask(_OPEN + b"DATA\r\n", "250", "250", "354")
        client.ask(
            b"From: a@sender.test\r\nSubject: "
            + evil
            + b"\r\nMessage-ID: <"
            + evil
            + b"@x>\r\n\r\nx\r\n.\r\n",
            "250 2.0.0",
        )
    stage.server.wait_empty()
    words = stage.server.cli("trace", "box@example.test").stdout
    listed = stage.server.cli("trace", "box@example.test", "--json").stdout
    for said in (stage.server.said().encode(), words, listed):
        assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", said)
    json.loads(listed)


def test_107_half_finished_messages_cost_disk_and_not_memory(stage: Stage) -> None:
    """Fifty messages of most of the limit are left lying; memory stays, and when they go, so do their files."""
    server = stage.server

    def memory() -> int:
        texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in server.pids().values()]
        return sum(int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) for text in texts)  # type: ignore[index]

    def files() -> int:
        return sum(p.is_file() for p in (server.folder / "bodies").rglob("*"))

    before, files_before = memory(), files()
    open_now = []
    for _ in range(50):
        client = stage.player.connect(Transport.PLAIN)
        client.ask(_OPEN + b"DATA\r\n", "250", "250", "354")
        client.send([b"Subject: half\r\n\r\n", *((b"x" * 998 + b"\r\n") * 100 for _ in range(9))])
        open_now.append(client)
    server.wait("the files of half-finished messages", lambda: files() >= files_before + 50)
    grown = memory() - before
    for client in open_now:
        client.reset()
    server.wait("the files to be gone", lambda: files() <= files_before)
    print(f"50 half-finished messages of 900 KB: {grown / 50:.0f} KB of memory each")
    assert grown < 50 * 500


def test_107_below_the_mark_of_free_disk_nothing_is_taken(tmp_path: Path) -> None:
    """452 at MAIL, before anything was sent."""
    with (
        Kurir(tmp_path / "k", toml='[limits]\ndisk_free = "100000 GB"\n') as server,
        Client(server.smtp, "127.0.0.1") as client,
    ):
        client.expect("220")
        client.ask(b"EHLO x.test\r\n", "250")
        client.ask(b"MAIL FROM:<a@sender.test>\r\n", "452 4.3.1")
