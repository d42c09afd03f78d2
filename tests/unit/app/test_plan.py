"""Plans and sockets, handed from the process that has everything loaded to the one that stays small."""

import os
import socket
from pathlib import Path

import pytest

from kurir.app.process.bound import Bound
from kurir.app.process.plan import Plan, channel, receive, send
from kurir.app.process.systemd import notify


def plan(*places: tuple[str, int], workers: int = 0, config: bytes = b"packed") -> Plan:
    return Plan("k.toml", workers, config, places, "hello", "json", "info", 50.0)


@pytest.mark.parametrize(
    ("workers", "names"),
    [(0, ["all"]), (1, ["brain", "reception-1", "delivery-1", "control"]),
     (2, ["brain", "reception-1", "reception-2", "delivery-1", "delivery-2", "control"])],
)  # fmt: skip
def test_who_runs(workers: int, names: list[str]) -> None:
    assert plan(workers=workers).names() == names


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_plan_travels_before_anybody_receives_it_with_more_sockets_than_one_packet_takes(size: int) -> None:
    bound = Bound()
    first = bound.take("127.0.0.1:0", 1)
    fresh = bound.copy()
    fresh.take("127.0.0.1:0", 300)
    fresh.take("127.0.0.2:0", 2)
    sent = plan(*fresh.newer(bound), config=b"x" * size)
    ours, theirs = channel()
    send(theirs, sent, fresh.newest(sent.places))
    handed = receive(ours)
    assert handed is not None
    got, sockets = handed
    assert (got, got.places) == (sent, (("127.0.0.1:0", 299), ("127.0.0.2:0", 2)))
    elsewhere = bound.copy()
    elsewhere.add(got.places, sockets)
    for spec, theirs_there in fresh.sockets.items():
        names = [s.getsockname() for s in elsewhere.sockets[spec]]
        assert names == [s.getsockname() for s in theirs_there]
    assert elsewhere.sockets["127.0.0.1:0"][:1] == first
    assert not any(os.get_inheritable(s.fileno()) or s.getblocking() for s in sockets)
    for s in (*sockets, *fresh.sockets["127.0.0.1:0"], *fresh.sockets["127.0.0.2:0"]):
        s.close()


def test_a_sender_that_ends_early_has_sent_nothing() -> None:
    ours, theirs = channel()
    theirs.close()
    assert receive(ours) is None
    ours, theirs = channel()
    send(theirs, plan(("127.0.0.1:25", 2)), [])
    assert receive(ours) is None


def test_systemd_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        assert notify({"NOTIFY_SOCKET": path}, "READY=1", "STATUS=serving")
        assert manager.recv(100) == b"READY=1\nSTATUS=serving"
    assert not notify({}, "READY=1")
    assert not notify({"NOTIFY_SOCKET": path + "gone"}, "READY=1")
