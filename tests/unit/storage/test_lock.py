"""The lock of the state folder: one at a time, gone with its process, saying who holds it."""

import os
import signal
from pathlib import Path

import pytest

from kurir.storage import Layout, StateLock, StateLocked


def test_a_second_one_is_told_who_holds_it(tmp_path: Path) -> None:
    with StateLock(Layout(tmp_path)):
        with pytest.raises(StateLocked, match=f"in use by process {os.getpid()}") as refused:
            StateLock(Layout(tmp_path))
        assert refused.value.pid == os.getpid()
    StateLock(Layout(tmp_path)).release()


def test_releasing_twice_is_harmless(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "new" / "folder")
    lock = StateLock(layout)
    lock.release()
    lock.release()
    with StateLock(layout), pytest.raises(StateLocked):
        lock.release()  # which it does not hold any more
        StateLock(layout)


def test_it_goes_with_a_killed_process(tmp_path: Path) -> None:
    ready, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        lock = StateLock(Layout(tmp_path))
        os.write(say, b"x")
        signal.pause()
        lock.release()
    os.read(ready, 1)
    with pytest.raises(StateLocked, match=str(pid)):
        StateLock(Layout(tmp_path))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    StateLock(Layout(tmp_path)).release()
    os.close(ready)
    os.close(say)
