"""A start that fails is no start: nothing is announced, and whoever cannot go on says why."""

import os
import subprocess
import sys

import pytest

from kurir.app.process import privileges
from tests.harness import PATIENCE

_ONE_FAILS = """
import os, signal, sys, time
from kurir.app.process.supervisor import Role, Supervisor

def good(line):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(line.ready, b"x")
    time.sleep(0.4)
    return 0

def bad(line):
    time.sleep(0.1)
    return 1

started = []
boss = Supervisor([Role("good", good), Role("bad", bad)], started.append, lambda: None, lambda *a, **k: None)
code = boss.run()
print(len(started), code)
"""


def test_what_never_worked_is_not_announced() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ONE_FAILS], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["0", "1"], done.stderr


def test_a_user_who_cannot_read_python_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    privileges._still_runs("kurir")
    monkeypatch.setattr(os, "__file__", "/nowhere/os.py")
    with pytest.raises(privileges.PrivilegeError, match="cannot read Python itself"):
        privileges._still_runs("kurir")


_FALLS_OFTEN = """
import os, time, signal
from kurir.app.process import supervisor as s
count = [0]
def falls(line):
    os.write(line.ready, b"1")
    time.sleep(0.05)
    os._exit(3)
waits = []
def log(event, **values):
    if event == "role_ended":
        waits.append(values["restart_in"])
        if len(waits) == 6:
            os.kill(os.getpid(), signal.SIGTERM)
s.Supervisor([s.Role("falls", falls)], lambda _: None, lambda: None, log).run()
print(max(waits))
"""


def test_a_role_that_served_is_started_again_within_a_second() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FALLS_OFTEN], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["1.0"], done.stderr
