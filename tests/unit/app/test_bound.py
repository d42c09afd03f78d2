"""Sockets over reloads: what is in use is never touched before everything new could be bound."""

import socket
from pathlib import Path

import pytest

from kurir.app.process.bound import Bound
from kurir.net import BindError


def free() -> str:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{s.getsockname()[1]}"


def open_ones(sockets: list[socket.socket]) -> list[bool]:
    return [s.fileno() >= 0 for s in sockets]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_more_and_fewer_workers_share_the_place(tmp_path: Path, kind: str) -> None:
    spec = free() if kind == "tcp" else f"unix:{tmp_path}/s"
    bound = Bound()
    first = bound.take(spec, 1)
    fresh = bound.copy()
    three = fresh.take(spec, 3)
    bound.adopt(fresh)
    assert three[:1] == first
    assert open_ones(three) == [True] * 3
    fewer = bound.copy()
    assert fewer.take(spec, 2) == three  # one worker gets two: nobody who waits in one is reset
    bound.adopt(fewer)
    assert open_ones(three) == [True] * 3
    bound.adopt(bound.copy())
    assert (bound.sockets, open_ones(three)) == ({}, [False] * 3)


def test_what_could_not_be_bound_leaves_no_trace() -> None:
    spec, new = free(), free()
    bound = Bound()
    (first,) = bound.take(spec, 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fresh = bound.copy()
        fresh.take(spec, 2)
        fresh.take(new, 1)
        with pytest.raises(BindError):
            fresh.take(f"127.0.0.1:{taken.getsockname()[1]}", 1)
        del fresh  # with it ends the process that planned
    assert bound.sockets == {spec: [first]}
    assert open_ones([first]) == [True]
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", int(new.rpartition(":")[2]))) != 0
    first.close()


def test_a_place_that_is_not_named_any_more_is_closed() -> None:
    spec, other = free(), free()
    bound = Bound()
    (gone,) = bound.take(spec, 1)
    fresh = bound.copy()
    (stays,) = fresh.take(other, 1)
    bound.adopt(fresh)
    assert open_ones([gone, stays]) == [False, True]
    assert bound.sockets == {other: [stays]}
    stays.close()
