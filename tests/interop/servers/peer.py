"""One foreign server as a process: found or skipped by name, configured into a folder, started, stopped.

Nothing outside the folder is written: configuration, spool, mail and log of a peer lie in it.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import pytest

from tests.harness import PATIENCE

LOOPBACK = "127.0.0.1"
START_SECONDS = PATIENCE
ROOT = Path(os.environ.get("KURIR_PEERS", Path.home() / ".cache/kurir-peers")) / "root"
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def program(name: str) -> str:
    """Return an installed program, or skip by name."""
    found = shutil.which(name, path=PLACES)
    if found is None:
        pytest.skip(f"{name} is not installed here: nothing was tested against it")
    return found


def unpacked(path: str) -> Path:
    """Return a program of a package that is only unpacked (see scripts/lib/peers.sh), or skip by name."""
    found = ROOT / path
    if not found.exists():
        pytest.skip(f"{found} is missing (KURIR_PEERS): nothing was tested against it")
    return found


def need_root(who: str) -> None:
    """Skip unless we may become other users, which mail servers do."""
    if os.geteuid() != 0:
        pytest.skip(f"{who} changes users and needs root: nothing was tested against it")


def has_ipv6() -> bool:
    """Whether this machine has ::1, which containers often have not."""
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        return False
    return True


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that is free now."""
    with socket.socket() as s:
        s.bind((host, 0))
        return int(s.getsockname()[1])


def give(path: Path, user: str) -> Path:
    """Make a folder that belongs to `user`."""
    path.mkdir(parents=True, exist_ok=True)
    owner = pwd.getpwnam(user)
    os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


class Peer:
    """A server in `home`.  Subclasses say how it is configured, `command` what runs."""

    name = "?"
    version = ""

    def __init__(self) -> None:
        # Short and open to other users, which pytest's own folders are not.
        self.home = Path(tempfile.mkdtemp(prefix=f"k-{self.name}-", dir="/tmp"))
        self.home.chmod(0o755)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Write the configuration and return what to run in the foreground."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it greets."""
        command = self.command()
        with (self.home / "output").open("ab") as out:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.home,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not start:\n{self.said()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it and everything it started."""
        if self._process is None:
            return
        groups = self.groups()
        for sign, patience in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0)):
            for group in groups:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, sign)
            end = time.monotonic() + patience
            while (left := [g for g in groups if self._lives(g)]) and time.monotonic() < end:
                time.sleep(0.02)
            if not left:
                break
        self._process.wait()
        self._process = None

    def groups(self) -> list[int]:
        """Return the process groups that belong to it."""
        return [self._process.pid] if self._process is not None else []

    def _lives(self, group: int) -> bool:
        if self._process is not None:
            self._process.poll()  # a dead child of ours counts as long as nobody has asked for it
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        return True

    def answers(self) -> bool:
        """Whether it greets on its port."""
        try:
            with socket.create_connection((LOOPBACK, self.port), 2) as s:
                s.settimeout(2)
                greeting = s.recv(200)
                s.sendall(b"QUIT\r\n")
                return greeting.startswith(b"220")
        except OSError:
            return False

    def said(self) -> str:
        """Everything in its logs."""
        logs = [self.home / "output", *self.home.glob("log/*")]
        return "\n".join(p.read_text(errors="replace") for p in logs if p.is_file())

    def mail(self, local: str) -> list[bytes]:
        """Return the messages in a user's Maildir, line ends made CRLF again, oldest first."""
        files = sorted((self.home / "mail" / local / "new").glob("*"), key=lambda p: p.stat().st_mtime_ns)
        return [crlf(p.read_bytes()) for p in files]


def crlf(stored: bytes) -> bytes:
    """Undo what Unix stores do: they keep LF, the wire has CRLF (a file with CRLF stays as it is)."""
    return stored if b"\r\n" in stored else stored.replace(b"\n", b"\r\n")
