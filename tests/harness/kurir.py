"""A real Kurir: made by ``kurir init``, run by ``kurir serve``, asked by the command line, killed at will."""

import contextlib
import io
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any, Self
from unittest import mock

from .patience import PATIENCE

LONGEST_POLL = 2.0  # seconds; what takes longer is a pause of the machine
KURIR = [sys.executable, "-m", "kurir.cli.main"]


_GRID = 17  # no two of Kurir's ports (nor 53) are a multiple of this apart, so that two offsets never share a port


def free_offset(owner: object = sys) -> int:
    """Return a port offset with which all of Kurir's ports are free; it stays ours while `owner` lives.

    Servers share ports on purpose (SO_REUSEPORT), so "free now" is not enough while another test process
    chooses too: a socket with an abstract name, as wide as the ports themselves, is the lock.  The range is
    below the one from which the kernel takes ports for outgoing connections, so that none of them is taken
    while a server is down for a moment.
    """
    slots = list(range(20_000, 32_768 - 8080, _GRID))
    random.SystemRandom().shuffle(slots)
    for offset in slots:
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0kurir-tests-{offset}")
        except OSError:
            lock.close()
            continue
        if all(_free(p + offset) for p in (24, 25, 80, 443, 465, 587, 8080)):
            weakref.finalize(owner, lock.close)
            return offset
        lock.close()
    raise RuntimeError("no free ports")


def _free(port: int) -> bool:
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Kurir:
    """One server in `folder`.  `toml` is text added to its configuration; `env` overrides keys (KURIR_...)."""

    def __init__(
        self,
        folder: Path,
        *,
        domain: str = "example.test",
        playground: bool = True,
        smarthost: str | None = None,
        trust: tuple[str, ...] = (),
        workers: int = 0,
        toml: str = "",
        env: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.domain = domain
        self.offset = free_offset(self)
        self.config = folder / "kurir.toml"
        self.log = folder.with_name(folder.name + ".log")
        self.env = {
            **os.environ,
            "KURIR_WORKERS": str(workers),
            "KURIR_LANG": "en",
            "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src"),
            **(env or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        arguments = ["--domain", domain, "--port-offset", str(self.offset)]
        arguments += ["--playground"] if playground else []
        arguments += ["--smarthost", smarthost] if smarthost else []
        for network in trust:
            arguments += ["--trust", network]
        self.cli("init", str(folder), *arguments, config=False)
        if not playground:
            # a server for the world would listen on all addresses: tests stay on loopback
            text = self.config.read_text().replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
            self.config.write_text(text)
        if toml:
            self.config.write_text(self.config.read_text() + "\n" + toml)

    # -- ports -------------------------------------------------------------------

    @property
    def smtp(self) -> int:
        return 25 + self.offset

    @property
    def lmtp(self) -> int:
        return 24 + self.offset

    @property
    def submission(self) -> int:
        return 587 + self.offset

    @property
    def submissions(self) -> int:
        return 465 + self.offset

    @property
    def http(self) -> int:
        return 80 + self.offset

    @property
    def https(self) -> int:
        return 443 + self.offset

    @property
    def admin(self) -> int:
        return 8080 + self.offset

    @property
    def ca(self) -> Path:
        return self.folder / "tls" / "ca.pem"

    # -- running ------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*KURIR, "serve", "-c", str(self.config)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env, start_new_session=True,
            )  # fmt: skip
        process = self.process

        def up() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"kurir serve ended with {process.returncode}:\n{self.said()}")
            return self.answers()

        try:
            self.wait("an answer", up)
        except AssertionError:
            self.kill_all()
            raise

    def answers(self) -> bool:
        """Whether the SMTP port greets with 220 soon (a process that binds but does not serve yet does not)."""
        try:
            with socket.create_connection(("127.0.0.1", self.smtp), 5) as s:
                s.settimeout(5)
                said = s.recv(100)
                s.sendall(b"QUIT\r\n")
                return said.startswith(b"220")
        except OSError:
            return False

    def stop(self, *, timeout: float = PATIENCE) -> int:
        """SIGTERM, and wait; returns the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                raise
        code = self.process.returncode
        self.process = None
        return code

    def kill_all(self) -> None:
        """SIGKILL the whole process group: the machine's power is off, as far as processes go."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def said(self) -> str:
        """The log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def pids(self) -> dict[str, int]:
        """Return the processes by role, the supervisor included."""
        assert self.process is not None
        found = {"supervisor": self.process.pid}
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in children:
            try:
                title = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
            m = re.match(r"kurir: (\S+)", title)
            if m and m[1] != "supervisor":  # who plans a reload still has its name
                found[m[1]] = int(pid)
        return found

    # -- asking --------------------------------------------------------------------

    def cli(
        self, *arguments: str, stdin: bytes | str = b"", config: bool = True, check: int | None = 0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command; `check` is the exit code demanded (None: any)."""
        command = [*KURIR, *arguments, *(["-c", str(self.config)] if config else [])]
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(command, input=data, capture_output=True, env=self.env, timeout=10 * PATIENCE)
        if check is not None and done.returncode != check:
            raise AssertionError(
                f"kurir {' '.join(arguments)} exited with {done.returncode}\n"
                f"{done.stdout.decode()}\n{done.stderr.decode()}\n--- log\n{self.said()[-4000:]}"
            )
        return done

    def json(self, *arguments: str, stdin: bytes | str = b"", check: int | None = 0) -> Any:
        """Run a command with --json and return its document."""
        return json.loads(self.cli(*arguments, "--json", stdin=stdin, check=check).stdout)

    def inside(self, *arguments: str, config: bool = True) -> tuple[int, str, str]:
        """Run a command in this process, for what is asked again and again: (exit code, output, errors)."""
        from kurir.cli.main import main

        said, errors, code = io.StringIO(), io.StringIO(), 0
        command = [*arguments, *(["-c", str(self.config)] if config else [])]
        surroundings = (
            mock.patch.dict(os.environ, self.env),
            mock.patch.object(sys, "argv", ["kurir", *command]),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(errors),
        )
        with contextlib.ExitStack() as stack:
            for surrounding in surroundings:
                stack.enter_context(surrounding)
            try:
                main(command)
            except SystemExit as e:
                code = e.code if isinstance(e.code, int) else 1
        return code, said.getvalue(), errors.getvalue()

    def ask(self, *arguments: str) -> Any:
        """Return the document of a command with --json, whatever its exit code, asked in this process."""
        return json.loads(self.inside(*arguments, "--json")[1])

    def user(self, name: str, password: str | None = None) -> str:
        """Make an account ``name@domain`` and return its password."""
        address = name if "@" in name else f"{name}@{self.domain}"
        if password is None:
            return str(self.json("user", "add", address)["password"])
        self.cli("user", "add", address, "--password-stdin", stdin=password + "\n")
        return password

    def mail(self, local: str, domain: str | None = None) -> list[bytes]:
        """Return the messages in a Maildir, oldest first."""
        folder = self.folder / "mail" / (domain or self.domain) / local
        files = sorted([*folder.glob("new/*"), *folder.glob("cur/*")], key=lambda p: p.stat().st_mtime_ns)
        return [f.read_bytes() for f in files]

    def wait(self, what: str, until: Any, timeout: float = PATIENCE) -> Any:
        """Poll `until()` until it returns something true.  While the machine stands still, nobody loses patience."""
        left = timeout
        while True:
            began = time.monotonic()
            value = until()
            if value:
                return value
            if left <= 0:
                raise AssertionError(f"waited {timeout:g} s for {what}\n--- log\n{self.said()[-4000:]}")
            time.sleep(0.05)
            left -= min(time.monotonic() - began, LONGEST_POLL)

    def wait_empty(self, timeout: float = PATIENCE) -> None:
        """Wait until nothing is in the queue."""
        self.wait("an empty queue", lambda: self.ask("queue", "list")["total"] == 0, timeout)

    def audit(self) -> dict[str, Any]:
        """Run the audit; it must balance."""
        return dict(self.json("audit"))
