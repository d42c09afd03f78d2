"""The control socket while the server goes away: whoever asks is told, in words."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kurir.app.operating import control


def hears(s: socket.socket) -> None:
    s.recv(1 << 16)


def hears_nothing(_: socket.socket) -> None:
    """Close with the question unread: the asker's connection is reset."""


def begins_an_answer(s: socket.socket) -> None:
    s.recv(1 << 16)
    s.sendall(b'{"ok":')


Serve = Callable[[Callable[[socket.socket], None]], Path]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serve]:
    with socket.socket(socket.AF_UNIX) as listener:

        def serve(talk: Callable[[socket.socket], None]) -> Path:
            def once() -> None:
                with listener.accept()[0] as s:
                    talk(s)

            listener.bind(str(tmp_path / "control.sock"))
            listener.listen()
            threading.Thread(target=once, daemon=True).start()
            return tmp_path / "control.sock"

        yield serve


@pytest.mark.parametrize("talk", [hears, hears_nothing, begins_an_answer])
def test_a_server_that_goes_away_is_told_of(serving: Serve, talk: Callable[[socket.socket], None]) -> None:
    with pytest.raises(control.ControlError, match="middle of the conversation"):
        control.call(serving(talk), "queue.hold", words="x" * 1_000_000)


def test_a_server_that_does_not_answer_is_told_of(serving: Serve) -> None:
    until = threading.Event()
    with pytest.raises(control.ControlError, match="did not answer within"):
        control.call(serving(lambda _: until.wait() and None), "status", patience=0.05)
    until.set()
