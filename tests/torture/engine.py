"""What is tortured: a server that can be started, robbed of one process, killed whole, and asked what it has."""

import os
import re
import shutil
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Protocol

from tests.harness.kurir import Kurir

from .ledger import Ledger

DOMAIN = "example.test"


class Engine(Protocol):
    """A mail server under torture."""

    name: str
    port: int

    def make(self) -> None:
        """Set it up in its folder."""

    def start(self) -> None:
        """Start it and wait until it answers."""

    def stop(self) -> None:
        """End it in an orderly way."""

    def kill_all(self) -> None:
        """SIGKILL every process of it, and wait until they are gone."""

    def freeze(self) -> None:
        """SIGSTOP every process of it: from now on none of them says anything."""

    def victims(self) -> dict[str, int]:
        """Return its processes by role; a role whose end ends everything is `supervisor`."""

    def ended(self) -> bool:
        """Whether the end of one process was, by design, the end of all (an init would start it again)."""

    def idle(self) -> bool:
        """Whether nothing waits any more."""

    def stored(self) -> Iterator[tuple[str, bytes]]:
        """Yield (recipient, message) of all mailboxes."""

    def sweep(self) -> None:
        """Empty the mailboxes."""

    def audit(self) -> list[str]:
        """Return what its own proof finds wrong."""

    def open_deliveries(self, ledger: Ledger) -> int:
        """Return how many deliveries were under way; asked when nothing runs (-1: cannot be told)."""


def freeze(living: Callable[[], Iterable[int]]) -> None:
    """SIGSTOP processes until no new ones are found."""
    stopped: set[int] = set()
    while new := set(living()) - stopped:
        for pid in new:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped |= new


def wait_gone(pids: list[int], seconds: float = 10.0) -> None:
    """Wait until processes (not necessarily children) are gone or zombies."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(_alive(p) for p in pids):
        time.sleep(0.005)


def _alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


class KurirEngine:
    """Kurir with its whole state in `folder`; foreign mail goes to the sink, local mail to Maildirs."""

    def __init__(
        self,
        folder: Path,
        sink_port: int,
        log: Path,
        workers: int = 0,
        env: dict[str, str] | None = None,
        source: Path | None = None,
    ) -> None:
        self.name = f"kurir workers={workers}"
        self.folder = folder
        self._sink = sink_port
        self._workers = workers
        self._log = log
        self._env = {"KURIR_LIMITS__DISK_FREE": "1000000", "KURIR_QUEUE__RETRY": "[1]", **(env or {})}
        if source is not None:
            self._env["PYTHONPATH"] = str(source)
        self._known: list[int] = []
        self.kurir: Kurir

    @property
    def port(self) -> int:
        """The port senders talk to."""
        return self.kurir.smtp

    def make(self) -> None:
        """``kurir init`` and the mailboxes."""
        self.kurir = Kurir(
            self.folder, domain=DOMAIN, playground=False, workers=self._workers, env=self._env,
            smarthost=f"smtp://127.0.0.1:{self._sink}?tls=none", trust=("127.0.0.0/8",),
        )  # fmt: skip
        self.kurir.log = self._log
        for name in ("box0", "box1", "sender"):
            self.kurir.user(name)
        os.sync()

    def start(self) -> None:
        """Start; raises where it does not answer."""
        if self._log.exists() and self._log.stat().st_size > 20_000_000:
            self._log.unlink()
        self.kurir.start()

    def stop(self) -> None:
        """SIGTERM."""
        self.kurir.stop()

    def kill_all(self) -> None:
        """SIGKILL the whole group."""
        pids = [*self.victims().values(), *self._known]
        try:
            self.kurir.kill_all()
        except ProcessLookupError:  # it had ended by itself, as it may without a disk
            self.kurir.process = None
        wait_gone(pids)

    def freeze(self) -> None:
        """SIGSTOP all of it."""
        freeze(lambda: self.victims().values())

    def kill(self, role: str) -> None:
        """SIGKILL one process."""
        os.kill(self.victims()[role], signal.SIGKILL)

    def died(self) -> None:
        """The supervisor was killed: collect it and wait for its orphans, which must end by themselves."""
        assert self.kurir.process is not None
        self.kurir.process.wait()
        self.kurir.process = None
        wait_gone(self._known)
        orphans = [p for p in self._known if _alive(p)]
        if orphans:
            for p in orphans:
                os.kill(p, signal.SIGKILL)
            raise AssertionError(f"processes outlived their supervisor: {orphans}")

    def victims(self) -> dict[str, int]:
        """Return the processes by role."""
        if self.kurir.process is None or self.kurir.process.poll() is not None:
            return {}
        found = self.kurir.pids()
        self._known = [pid for role, pid in found.items() if role != "supervisor"]
        return found

    def ended(self) -> bool:
        """Its supervisor starts again what falls: never."""
        return False

    def gauge(self, name: str) -> float:
        """Read one figure of the metrics; -1 where the server does not answer."""
        with suppress(OSError, ValueError, HTTPException):
            url = f"http://127.0.0.1:{self.kurir.admin}/metrics"
            with urllib.request.urlopen(url, timeout=3) as r:
                m = re.search(rf"^{name} (\S+)", r.read().decode(), re.MULTILINE)
                return float(m[1]) if m else -1.0
        return -1.0

    def idle(self) -> bool:
        """Nothing waits, nothing is owed."""
        names = ("kurir_waiting_messages", "kurir_open_notices", "kurir_open_leases")
        return all(self.gauge(name) == 0 for name in names)

    def _boxes(self) -> Iterator[tuple[str, Path]]:
        for box in sorted((self.folder / "mail" / DOMAIN).glob("*")):
            yield f"{box.name}@{DOMAIN}", box

    def stored(self) -> Iterator[tuple[str, bytes]]:
        """Yield what stands in the Maildirs."""
        for address, box in self._boxes():
            for file in box.glob("new/*"):
                yield address, file.read_bytes()

    def sweep(self) -> None:
        """Empty the Maildirs."""
        for _, box in self._boxes():
            for file in box.glob("new/*"):
                file.unlink()

    def audit(self) -> list[str]:
        """``kurir audit``."""
        done = self.kurir.cli("audit", check=None)
        return [] if done.returncode == 0 else [(done.stdout + done.stderr).decode()[:2000]]

    def open_deliveries(self, ledger: Ledger) -> int:
        """Count what came out already but is not settled, in a copy of the facts: recovery is left to Kurir."""
        copy = self._log.with_suffix(".facts")
        for suffix in ("", "-wal"):
            source = self.folder / f"facts.db{suffix}"
            target = copy.with_name(copy.name + suffix)
            target.unlink(missing_ok=True)
            if source.exists():
                shutil.copyfile(source, target)
        if not copy.exists():
            return 0
        query = "SELECT m.message_id, r.address FROM recipient r JOIN message m USING (number) WHERE r.fate IS NULL"
        with closing(sqlite3.connect(copy)) as db:
            waiting = db.execute(query).fetchall()
            (owed,) = db.execute("SELECT count(*) FROM notice WHERE open = 1").fetchone()
        out = ledger.came_out()
        return int(owed) + sum((name.strip("<>").partition("@")[0], to) in out for name, to in waiting)
