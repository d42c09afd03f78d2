"""SIGTERM drains, SIGHUP switches or stays as it is: under load, and without losing or refusing anybody."""

import contextlib
import os
import signal
import smtplib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.harness import PATIENCE, Kurir, Load, Sink, arrivals, free_offset
from tests.harness.kurir import KURIR

DRAIN = 10 * PATIENCE  # long, wherever it is not what is tested: on a slow machine too nothing is cut off
WORKERS = pytest.mark.parametrize("workers", [0, 1], ids=["one-process", "workers"])


def settings(port: int, more: str = "") -> str:
    return f"""
[queue]
retry = [1, 1, 2]

[[roads]]
name = "out"
url = "smtp://127.0.0.1:{port}?tls=none"
{more}"""


def server(folder: Path, sink: Sink, workers: int) -> Kurir:
    drain = {"KURIR_SERVER__DRAIN": f"{DRAIN:g}"}
    return Kurir(folder, workers=workers, trust=("127.0.0.0/8",), toml=settings(sink.port), env=drain)


class Hanging:
    """The script of a server that takes the whole message and then says nothing, while it is `on`."""

    on = True
    now = 0  # how many messages hang

    def __call__(self, verb: str, _line: str, _n: int) -> str | None:
        if verb != "BODY" or not self.on:
            return None
        self.now += 1
        return "hang"


def rewrite(kurir: Kurir, old: str, new: str) -> None:
    text = kurir.config.read_text()
    assert old in text
    kurir.config.write_text(text.replace(old, new))


def reload(kurir: Kurir) -> None:
    assert kurir.process is not None
    os.kill(kurir.process.pid, signal.SIGHUP)


@contextlib.contextmanager
def knocking(port: int) -> Iterator[list[str]]:
    """Connect again and again; yields what went wrong (a 421 is an answer, a refusal or a reset is not)."""
    wrong: list[str] = []
    stop = threading.Event()

    def knock() -> None:
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
                    s.settimeout(PATIENCE)
                    said = s.recv(200)
                    if not said.startswith((b"220", b"421")):
                        wrong.append(f"said {said!r}")
                    s.sendall(b"QUIT\r\n")
                    s.recv(200)
            except OSError as e:
                wrong.append(repr(e))
            time.sleep(0.02)

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join(2 * PATIENCE)


@WORKERS
def test_sigterm_drains_under_load(tmp_path: Path, workers: int) -> None:
    def slowly(verb: str, _line: str, _n: int) -> None:
        if verb == "BODY":
            time.sleep(0.1)  # so that deliveries are open when the signal comes

    with Sink(slowly) as sink:
        kurir = server(tmp_path / "kurir", sink, workers)
        kurir.start()
        with Load(kurir.smtp) as load:
            kurir.wait("load", lambda: len(load.acked) > 60)
            assert kurir.stop() == 0
        with kurir:
            kurir.wait_empty()
            assert kurir.audit()["balanced"]
        arrived = arrivals(sink)
        assert load.refused == []
        assert load.acked <= set(arrived)
        assert [t for t, n in arrived.items() if n > 1] == []
        assert "Traceback" not in kurir.said()


@pytest.mark.parametrize(
    "workers", [pytest.param(0, marks=pytest.mark.full), 1], ids=["one-process", "workers"]
)
def test_sigterm_does_not_wait_for_a_server_that_hangs(tmp_path: Path, workers: int) -> None:
    hanging = Hanging()
    with Sink(hanging) as sink:
        kurir = server(tmp_path / "kurir", sink, workers)
        kurir.env["KURIR_SERVER__DRAIN"] = "2"
        with kurir:
            kurir.cli(
                "send", "--to", "bob@far.test", "--subject", "t0-1", "--from", "a@example.test", stdin="x\n"
            )
            kurir.wait("the hanging delivery", lambda: hanging.now)
            began = time.monotonic()
            assert kurir.stop() == 0  # the other side has ten minutes for its answer
            assert time.monotonic() - began > 1.5  # server.drain
        (message,) = kurir.ask("trace", "bob@far.test")["messages"]
        (recipient,) = message["recipients"]
        assert recipient["fate"] is None
        assert recipient["possibly_delivered"]
        hanging.on = False
        with kurir:
            kurir.wait_empty()
            assert kurir.audit()["balanced"]
        assert set(arrivals(sink)) == {"t0-1"}


def test_a_second_sigterm_ends_at_once(tmp_path: Path) -> None:
    hanging = Hanging()
    with Sink(hanging) as sink:
        kurir = server(tmp_path / "kurir", sink, 1)
        with kurir, socket.create_connection(("127.0.0.1", kurir.smtp), PATIENCE):
            kurir.cli("send", "--to", "bob@far.test", "--subject", "t0-1", stdin="x\n")
            kurir.wait("the hanging delivery", lambda: hanging.now)
            assert kurir.process is not None
            process, pids = kurir.process, kurir.pids()
            process.send_signal(signal.SIGTERM)
            kurir.wait("the drain", lambda: '"stopping"' in kurir.said())
            time.sleep(1.0)
            assert process.poll() is None  # the delivery has its time
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 1  # nothing is lost, but something was cut off
            assert not [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()]
            kurir.process = None
        hanging.on = False
        with kurir:
            kurir.wait_empty()
            assert kurir.audit()["balanced"]
        assert set(arrivals(sink)) == {"t0-1"}


@WORKERS
def test_a_broken_file_changes_nothing_and_says_everything(tmp_path: Path, workers: int) -> None:
    with Sink() as sink, server(tmp_path / "kurir", sink, workers) as kurir:
        pids = kurir.pids()
        good = kurir.config.read_text()
        with Load(kurir.smtp, threads=2, pause=0.01) as load, knocking(kurir.smtp) as wrong:
            kurir.config.write_text(
                good.replace("retry = [1, 1, 2]", 'retry = []\nlifetme = 5\nlifetime = "soon"').replace(
                    "smtp://127", "gopher://127"
                )
            )
            reload(kurir)
            kurir.wait("the refusal", lambda: "reload_failed" in kurir.said())
            said = [line for line in kurir.said().splitlines() if "reload_refused" in line]
            for mistake in ("queue.retry", "queue.lifetime", "queue.lifetme", "did you mean", "roads.0.url"):
                assert any(mistake in line for line in said), (mistake, said)
            # A file that is well-formed, but cannot be put to use: a port that somebody else has.
            with socket.create_server(("127.0.0.1", 0)) as taken:
                port = taken.getsockname()[1]
                kurir.config.write_text(good.replace("submission = [", f'submission = ["127.0.0.1:{port}", '))
                reload(kurir)
                kurir.wait("the second refusal", lambda: kurir.said().count("reload_failed") == 2)
                assert f"127.0.0.1:{port} is already in use" in kurir.said()
            already = len(load.acked)
            kurir.wait("mail as before", lambda: len(load.acked) > already + 20)
        assert kurir.pids() == pids
        assert wrong == []
        assert load.errors == {}
        kurir.wait_empty()
        assert load.acked == set(arrivals(sink))


@WORKERS
def test_a_good_file_switches_under_load(tmp_path: Path, workers: int) -> None:
    with Sink() as before, Sink() as after, server(tmp_path / "kurir", before, workers) as kurir:
        new_port = free_offset() + 25
        with Load(kurir.smtp, threads=2, pause=0.01) as load, knocking(kurir.smtp) as wrong:
            kurir.wait("mail on the old road", lambda: len(before.messages) > 20)
            rewrite(kurir, f":{before.port}", f":{after.port}")
            rewrite(kurir, "smtp = [", f'smtp = ["127.0.0.1:{new_port}", ')
            kurir.config.write_text(kurir.config.read_text() + "\n[limits]\nmessage_size = 54321\n")
            reload(kurir)
            kurir.wait("mail on the new road", lambda: len(after.messages) > 20)
            kurir.wait("the old road to be left", lambda: before.busy == 0)
            already = len(before.messages)
            kurir.wait("more of it", lambda: len(after.messages) > 60)
            assert len(before.messages) == already
        assert wrong == []
        assert load.refused == []
        assert load.errors.get("ConnectionRefusedError", 0) == 0
        for port in (kurir.smtp, new_port):
            with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as s:
                s.ehlo()
                assert s.esmtp_features["size"] == "54321"
        kurir.wait_empty()
        arrived = arrivals(before) + arrivals(after)
        assert load.acked <= set(arrived)
        assert [t for t, n in arrived.items() if n > 1] == []
        assert kurir.audit()["balanced"]

        # And back: the port that is not named any more is closed.
        rewrite(kurir, f'"127.0.0.1:{new_port}", ', "")
        reload(kurir)

        def closed() -> bool:
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", new_port)) != 0

        kurir.wait("the port to close", closed)
        kurir.wait("an answer", kurir.answers)
        assert kurir.stop() == 0
        assert "Traceback" not in kurir.said()


@WORKERS
def test_a_reload_forgets_what_a_next_server_refused(tmp_path: Path, workers: int) -> None:
    broken = {"on": True}

    def script(verb: str, _line: str, _n: int) -> bytes | None:
        return b"550 5.1.1 nobody here\r\n" if verb == "RCPT" and broken["on"] else None

    with Sink(script) as behind:
        toml = f'[domains."behind.test"]\nrelay_to = "smtp://127.0.0.1:{behind.port}?tls=none"\n'
        with Kurir(tmp_path / "kurir", workers=workers, toml=toml) as kurir:

            def asked() -> int:
                with (
                    contextlib.suppress(OSError),
                    smtplib.SMTP("127.0.0.1", kurir.smtp, timeout=PATIENCE) as s,
                ):
                    s.ehlo()
                    s.mail("anna@far.test")
                    return s.rcpt("bob@behind.test")[0]
                return 0

            assert asked() == 550
            broken["on"] = False
            assert asked() == 550  # remembered
            reload(kurir)
            # A refusal is remembered for two minutes.
            kurir.wait("the recipient to be taken", lambda: asked() == 250, 60)


def test_a_reload_may_change_the_number_of_processes(tmp_path: Path) -> None:
    with Sink() as sink:
        kurir = server(tmp_path / "kurir", sink, 0)
        del kurir.env["KURIR_WORKERS"]
        rewrite(kurir, 'workers = "auto"', "workers = 0")
        with kurir, Load(kurir.smtp, threads=2, pause=0.01) as load, knocking(kurir.smtp) as wrong:

            def more(count: int) -> None:
                target = len(load.acked) + count
                kurir.wait("load", lambda: len(load.acked) >= target)

            for old, new, roles in (("0", "2", 6), ("2", "1", 4), ("1", "0", 1)):
                more(20)
                rewrite(kurir, f"workers = {old}", f"workers = {new}")
                reload(kurir)
                kurir.wait(f"{roles} roles", lambda n=roles: len(kurir.pids()) == n + 1)
            more(20)
            load.stop()
            kurir.wait_empty()
            assert kurir.audit()["balanced"]
            assert load.acked <= set(arrivals(sink))
            assert load.refused == []
            assert wrong == []


def begun(port: int) -> tuple[socket.socket, BinaryIO]:
    """Return a session in the middle of its body."""
    s = socket.create_connection(("127.0.0.1", port), PATIENCE)
    said = s.makefile("rb")
    replies = [said.readline()]
    for line in (b"HELO c", b"MAIL FROM:<load@far.test>", b"RCPT TO:<bob@far.test>", b"DATA"):
        s.sendall(line + b"\r\n")
        replies.append(said.readline())
    assert replies[-1].startswith(b"354"), replies
    s.sendall(b"Subject: t0-1\r\n\r\nx\r\n")
    return s, said


@WORKERS
def test_a_body_under_way_at_sigterm_is_taken_and_kept(tmp_path: Path, workers: int) -> None:
    with Sink() as sink:
        kurir = server(tmp_path / "kurir", sink, workers)
        kurir.start()
        assert kurir.process is not None
        session, said = begun(kurir.smtp)
        kurir.process.send_signal(signal.SIGTERM)
        left = {"supervisor", "brain", "reception-1"} if workers else {"supervisor", "all"}
        kurir.wait("those who are not needed to end", lambda: set(kurir.pids()) == left)
        session.sendall(b".\r\n")
        assert said.readline().startswith(b"250")
        assert kurir.process.wait(PATIENCE) == 0
        with kurir:
            kurir.wait_empty()
            assert kurir.audit()["balanced"]
        assert set(arrivals(sink)) == {"t0-1"}


@pytest.mark.parametrize("change", [(1, 0), (0, 1), (1, 2), (1, 1)], ids=lambda c: f"{c[0]}-to-{c[1]}")
def test_a_body_under_way_at_a_reload_is_taken(tmp_path: Path, change: tuple[int, int]) -> None:
    old, new = change
    with Sink() as sink:
        kurir = server(tmp_path / "kurir", sink, 0)
        del kurir.env["KURIR_WORKERS"]
        rewrite(kurir, 'workers = "auto"', f"workers = {old}")
        with kurir:
            before = set(kurir.pids().values())
            session, said = begun(kurir.smtp)
            rewrite(kurir, f"workers = {old}", f"workers = {new}")
            reload(kurir)
            kurir.wait("the reload", lambda: '"reloaded"' in kurir.said())
            # It is through when nobody is left that can end while the session lasts.
            most = 2 if new == old or old == 0 else 3
            kurir.wait("the others to end", lambda: len(before & set(kurir.pids().values())) <= most)
            session.sendall(b".\r\n")
            assert said.readline().startswith(b"250")
            kurir.wait_empty()
            assert kurir.audit()["balanced"]
        assert set(arrivals(sink)) == {"t0-1"}


@WORKERS
def test_a_command_during_a_reload_is_answered_after_it(tmp_path: Path, workers: int) -> None:
    with Sink() as sink, server(tmp_path / "kurir", sink, workers) as kurir:
        before = kurir.pids()
        session, said = begun(kurir.smtp)  # with one process, this keeps the reload from its end
        reload(kurir)
        kurir.wait("the reload", lambda: '"reloaded"' in kurir.said())
        asking = subprocess.Popen(
            [*KURIR, "status", "-c", str(kurir.config)],
            env=kurir.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        with asking:
            session.sendall(b".\r\n")
            assert said.readline().startswith(b"250")
            answer, _ = asking.communicate(timeout=PATIENCE)
            assert asking.returncode == 0, answer
        kurir.wait(
            "new processes",
            lambda: not set(before.values()) & set(kurir.pids().values()) - {before["supervisor"]},
        )


@WORKERS
def test_a_second_server_in_the_same_folder_refuses_and_does_no_harm(tmp_path: Path, workers: int) -> None:
    with Sink() as sink, server(tmp_path / "kurir", sink, workers) as kurir:
        pids = kurir.pids()
        with Load(kurir.smtp, threads=2, pause=0.01) as load:
            kurir.wait("load", lambda: len(load.acked) > 10)
            done = kurir.cli("serve", check=1)
            assert b"already in use" in done.stderr
            assert b"Traceback" not in done.stderr
            # Other ports do not help: the folder has one writer.
            offset = free_offset()
            doors = {"SMTP": 25, "SUBMISSION": 587, "SUBMISSIONS": 465, "LMTP": 24, "ADMIN": 8080}
            own, kurir.env = kurir.env, dict(kurir.env)
            kurir.env |= {
                f"KURIR_LISTEN__{name}": f'["127.0.0.1:{port + offset}"]' for name, port in doors.items()
            }
            for other in (0, 1):
                kurir.env["KURIR_WORKERS"] = str(other)
                done = kurir.cli("serve", check=1)
                assert str(kurir.folder).encode() in done.stderr
                assert b"Traceback" not in done.stderr
            kurir.env = own
            already = len(load.acked)
            kurir.wait("mail as before", lambda: len(load.acked) > already + 20)
        assert kurir.json("status")["ready"]
        assert kurir.json("send", "--to", "x@far.test", "--subject", "t9-1", stdin="x\n")["id"]
        assert kurir.pids() == pids
        assert load.errors == {}
        kurir.wait_empty()
        assert load.acked | {"t9-1"} == set(arrivals(sink))
        assert kurir.audit()["balanced"]
