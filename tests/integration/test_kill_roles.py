"""``kill -9`` of each process under load: nothing acknowledged is missing, nothing is doubled without need.

The ledger is outside of the server: the clients remember each 250, the receiving server each message.
"""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.harness import Kurir, Load, Sink, arrivals

CONCURRENCY = 10
TOML = f"""
[queue]
retry = [1, 1, 2]

[[roads]]
name = "out"
url = "smtp://127.0.0.1:%d?tls=none"
concurrency = {CONCURRENCY}
"""
ROLES = {
    0: ("all", "supervisor", "everything"),
    1: ("brain", "reception-1", "delivery-1", "control", "supervisor", "everything"),
}
SOON = 30.0  # seconds; within five on a machine that has time
CASES = [(workers, role) for workers, roles in ROLES.items() for role in roles]


def ports(kurir: Kurir) -> list[int]:
    return [kurir.smtp, kurir.lmtp, kurir.submission, kurir.submissions, kurir.admin]


def held(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended may linger
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill_role(kurir: Kurir, role: str) -> None:
    """Kill a role and wait until the supervisor has started it again and the server answers."""
    before = kurir.pids()[role]
    os.kill(before, signal.SIGKILL)
    kurir.wait(f"a new {role}", lambda: kurir.pids().get(role, before) != before)
    kurir.wait("an answer", kurir.answers)


def kill_supervisor(kurir: Kurir) -> None:
    """Kill the supervisor: everything of it goes by itself, and soon; then start again by hand."""
    assert kurir.process is not None
    pids = kurir.pids()
    os.kill(kurir.process.pid, signal.SIGKILL)
    kurir.process.wait()
    kurir.process = None
    kurir.wait(
        "the end of all processes and ports",
        lambda: not any(map(alive, pids.values())) and not any(map(held, ports(kurir))),
        SOON,
    )
    kurir.start()


def kill_everything(kurir: Kurir) -> None:
    kurir.kill_all()
    kurir.start()


def kill(kurir: Kurir, role: str) -> None:
    if role == "supervisor":
        kill_supervisor(kurir)
    elif role == "everything":
        kill_everything(kurir)
    else:
        kill_role(kurir, role)


def slowly(verb: str, _line: str, _attempt: int) -> None:
    """Take a while, so that deliveries are open whenever something is killed."""
    if verb == "BODY":
        time.sleep(0.03)


def under_fire(folder: Path, workers: int, role: str, rounds: int, pause: float) -> None:
    with (
        Sink(slowly) as sink,
        Kurir(folder, workers=workers, trust=("127.0.0.0/8",), toml=TOML % sink.port) as kurir,
    ):
        with Load(kurir.smtp, pause=pause) as load:
            for _ in range(rounds):
                already = len(load.acked)
                kurir.wait("load", lambda n=already: len(load.acked) >= n + 40)
                kill(kurir, role)
            already = len(load.acked)
            kurir.wait("mail after the last kill", lambda n=already: len(load.acked) >= n + 40)
        kurir.wait_empty()
        kurir.audit()
        arrived = arrivals(sink)
        assert load.refused == []
        assert load.acked - set(arrived) == set(), "acknowledged, but never delivered"
        doubled = {token: n for token, n in arrived.items() if n > 1}
        # What was on its way at the kill may come twice, but only where it is the sender that dies: the hands of a
        # brain that is gone tell the next one how it went, and reception and control have nothing on its way.
        # A delivery is open until its outcome is durable: for each connection that is the one under way and, for the
        # moment of the commit, the one before it.
        open_deliveries = 0 if role in ("brain", "reception-1", "control") else 2 * CONCURRENCY * rounds
        assert sum(n - 1 for n in doubled.values()) <= open_deliveries, doubled
        if role == "delivery-1":  # and each of them is told of
            for token in doubled:
                (message,) = kurir.ask("trace", f"<{token}@client.test>")["messages"]
                assert "recovered" in [h["kind"] for h in message["recipients"][0]["history"]]
        assert kurir.stop() == 0
        assert kurir.audit()["balanced"]
        assert "Traceback" not in kurir.said()
        print(f"{len(load.acked)} acknowledged, {len(doubled)} doubled, errors {dict(load.errors)}")


@pytest.mark.parametrize(("workers", "role"), CASES)
def test_nothing_acknowledged_is_missing(tmp_path: Path, workers: int, role: str) -> None:
    under_fire(tmp_path / "kurir", workers, role, 2, 0.01)


@pytest.mark.full
@pytest.mark.parametrize(("workers", "role"), CASES)
def test_nothing_acknowledged_is_missing_after_many_kills(tmp_path: Path, workers: int, role: str) -> None:
    # Slower: a role that falls that often is started again after a second, and the mail goes on coming.
    under_fire(tmp_path / "kurir", workers, role, 20, 0.1)
