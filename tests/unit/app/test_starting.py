"""A start that fails is no start: nothing is announced, and whoever cannot go on says why."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kurir.app.process import privileges
from kurir.app.serve import serve
from kurir.config import ConfigError
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


_ENDS_IN_ORDER = """
import os, signal, sys, time
from kurir.app.process.supervisor import Role, Supervisor

def until_asked(name, wait):
    def run(line):
        def asked(*_):
            time.sleep(wait)
            print(name, flush=True)
            os._exit(0)
        signal.signal(signal.SIGTERM, asked)
        os.write(line.ready, b"1")
        while True:
            time.sleep(60)
    return run

roles = [Role("needed", until_asked("needed", 0), last=True), Role("slow", until_asked("slow", 0.3))]
boss = Supervisor(roles, lambda _: os.kill(os.getpid(), signal.SIGTERM), lambda: None, lambda *a, **k: None)
print(boss.run())
"""


def test_who_is_needed_by_others_ends_after_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ENDS_IN_ORDER], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["slow", "needed", "0"], done.stderr


_NEVER_ENDS = """
import os, signal, time
from kurir.app.process.supervisor import Role, Supervisor

def deaf(line):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(line.ready, b"1")
    while True:
        time.sleep(60)

said = []
boss = Supervisor(
    [Role("deaf", deaf, patience=0.2)], lambda _: os.kill(os.getpid(), signal.SIGTERM), lambda: None,
    lambda event, **_: said.append(event),
)
print(boss.run(), *said)
"""


def test_who_does_not_end_is_killed_and_that_is_said() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NEVER_ENDS], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["1", "stopping", "role_killed"], done.stderr


_KILLED_WHILE_STARTING = """
import os, signal
from kurir.app.process.supervisor import Role, Supervisor

reading, writing = os.pipe()
os.write(writing, b"1")  # one life to lose

def falls(line):
    os.set_blocking(reading, False)
    try:
        os.read(reading, 1)
    except BlockingIOError:
        os.write(line.ready, b"1")
        signal.pause()
    os.kill(os.getpid(), signal.SIGKILL)

said = []
boss = Supervisor(
    [Role("falls", falls)], lambda _: os.kill(os.getpid(), signal.SIGTERM), lambda: None,
    lambda event, **_: said.append(event),
)
print(boss.run(), *said)
"""


def test_who_is_killed_while_it_starts_is_started_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KILLED_WHILE_STARTING], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["0", "role_ended", "stopping"], done.stderr


_RELOADED_WHILE_STARTING = """
import os, signal, time
from kurir.app.process.supervisor import Role, Supervisor

def slow(line):
    os.kill(os.getppid(), signal.SIGHUP)
    os.kill(os.getppid(), signal.SIGHUP)
    time.sleep(0.3)  # longer than the supervisor takes to hear it
    print("serves", flush=True)
    os.write(line.ready, b"1")
    signal.pause()

def other(line):
    print("reloaded", flush=True)
    os.write(line.ready, b"1")
    os.kill(os.getppid(), signal.SIGTERM)
    signal.pause()

boss = Supervisor(
    [Role("role", slow)], lambda _: print("announced", flush=True), lambda: [Role("role", other)], lambda *_, **__: None
)
print(boss.run())
"""


def test_a_reload_waits_for_the_end_of_the_start() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RELOADED_WHILE_STARTING], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["serves", "announced", "reloaded", "0"], done.stderr


_PATIENCE_OF_OLD = """
import os, signal, time
from kurir.app.process.supervisor import Role, Supervisor

def old(line):
    def asked(*_):
        time.sleep(0.5)
        print("ended", flush=True)
        os._exit(0)
    signal.signal(signal.SIGTERM, asked)
    os.write(line.ready, b"1")
    while True:
        signal.pause()

def new(line):
    os.kill(os.getppid(), signal.SIGTERM)
    signal.pause()

boss = Supervisor(
    [Role("role", old, patience=60.0)], lambda _: os.kill(os.getpid(), signal.SIGHUP),
    lambda: [Role("role", new, patience=0.1)], lambda event, **_: print(event, flush=True),
)
print(boss.run())
"""


def test_a_process_has_the_time_that_its_own_settings_give_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PATIENCE_OF_OLD], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["ended", "stopping", "0"], done.stderr


_ASKED_WHILE_PLANNING = """
import os, signal
from pathlib import Path
from kurir.app import planning, serve

def first(path):
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
    print(*sorted(s.name for s in signal.sigpending()), flush=True)

planning.first = first
serve.serve(Path("kurir.toml"))
"""


def test_what_is_asked_before_there_is_a_supervisor_waits_for_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ASKED_WHILE_PLANNING], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["SIGHUP", "SIGTERM"], done.stderr
    assert done.returncode in (-signal.SIGHUP, -signal.SIGTERM)  # nobody has taken them


_PLANS_FOR_EVER = """
import time
from kurir.app import planning, serve
from kurir.app.process.bound import Bound

class Log:
    def error(self, event, **_):
        print(event)

planning.again = lambda *_: time.sleep(600)
serve.PLANNING_SECONDS = 1
print(serve._planned_apart("kurir.toml", Bound(), Log()))
"""


def test_a_reload_that_cannot_be_planned_is_given_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PLANS_FOR_EVER], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["reload_failed", "None"], done.stderr


_ASKED_WHILE_STARTING = """
import asyncio, os, signal
from kurir.app.process import logs, part
from kurir.app.process.supervisor import Lifeline

class Waits:
    name = "waits"
    async def start(self):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

class Serves:
    name = "serves"
    async def start(self):
        print("started")
    async def stop(self):
        print("stopped")

async def parts(stop):
    return [Serves(), Waits()]

reading, writing = os.pipe()
print(part.run(parts, Lifeline(os.pipe()[0], writing), logs.make("json", "info", {}, "all")))
print(os.read(reading, 1))
"""


def test_who_is_asked_to_end_while_it_starts_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ASKED_WHILE_STARTING], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["started", "stopped", "0", "b''"], done.stderr


_ENDS_WITH_A_THREAD = """
import asyncio, os, signal, threading
from kurir.app.process import logs, part
from kurir.app.process.supervisor import Lifeline

class Hands:
    name = "hands"
    async def start(self):
        self.asked = asyncio.create_task(asyncio.to_thread(self.hand_in))
    async def stop(self):
        self.asked.cancel()
        print(await asyncio.to_thread(str, "stopped"), flush=True)
        log.events(1, lambda: [("delivered", {})])
    def hand_in(self):
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait()

async def parts(stop):
    return [Hands()]

reading, writing = os.pipe()
log = logs.make("json", "info", {}, "all")
code = part.run(parts, Lifeline(os.pipe()[0], writing), log)
print(code, flush=True)
os._exit(code)  # as the supervisor's children do
"""


def test_a_thread_that_waits_for_ever_keeps_no_process_alive() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ENDS_WITH_A_THREAD], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["stopped", "0"], done.stderr
    assert '"delivered"' in done.stderr  # and what it said last is written


def test_a_start_that_fails_leaves_the_signals_as_they_were(tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    with pytest.raises(ConfigError):
        serve(tmp_path / "nothing.toml")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == before
