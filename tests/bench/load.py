"""Load tools (smtp-source and smtp-sink of Postfix, a client of our own) and meters (CPU, memory, noise)."""

import contextlib
import multiprocessing
import os
import re
import signal
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

HOST = "127.0.0.1"
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
CGROUPS = Path("/sys/fs/cgroup")
MEMORY_DISK = Path("/dev/shm")


class Group:
    """All processes of one server, dead ones too: their CPU time and memory, by a control group."""

    def __init__(self, name: str) -> None:
        self._v1 = (CGROUPS / "cpuacct").is_dir()
        self.folder = (CGROUPS / "cpuacct" if self._v1 else CGROUPS) / f"kurir-bench-{os.getpid()}-{name}"
        self.folder.mkdir(exist_ok=True)

    def enter(self) -> None:
        """Put the calling process in; for ``preexec_fn``."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def pids(self) -> list[int]:
        """Return who lives."""
        return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]

    def cpu(self) -> float:
        """Return the CPU seconds used so far."""
        if self._v1:
            return int((self.folder / "cpuacct.usage").read_text()) / 1e9
        lines = (self.folder / "cpu.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6

    def pss(self) -> float:
        """Return the memory of all processes in KiB, shared pages counted once."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                found = re.search(
                    r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE
                )
                total += int(found[1]) if found else 0
        return float(total)

    def end(self) -> None:
        """End what runs in here, politely first."""
        for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
            until = time.monotonic() + patience
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while self.pids() and time.monotonic() < until:
                time.sleep(0.05)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def run(command: Sequence[object], group: Group | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """Start a program, in a group where one is given."""
    environment = {**os.environ, "PATH": PATH, **options.pop("env", {})}
    enter = group.enter if group else None
    return subprocess.Popen([str(c) for c in command], preexec_fn=enter, env=environment, **options)


def wait_for_port(port: int, seconds: float = 30.0) -> None:
    """Wait for a banner."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 2) as s:
            s.settimeout(10)
            if s.recv(100).startswith(b"220"):
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


@dataclass(frozen=True, slots=True)
class Load:
    """What smtp-source is to send: `count` messages of `size` octets over `sessions` connections at once."""

    count: int
    sessions: int = 20
    size: int = 4096
    kept: bool = True
    recipient: str = "b@sink.test"

    def times(self, factor: float) -> "Load":
        """Return the same with more or fewer messages."""
        count = max(2 * self.sessions, int(self.count * factor))
        return Load(count, self.sessions, self.size, self.kept, self.recipient)

    def send(self, port: int, timeout: float = 300.0) -> None:
        """Send it all.  Raises RuntimeError unless each message got its 250."""
        command = [
            "smtp-source",
            "-s",
            self.sessions,
            "-m",
            self.count,
            "-l",
            self.size,
            "-f",
            "a@source.test",
        ]
        command += ["-t", self.recipient, *(["-d"] if self.kept else []), f"{HOST}:{port}"]
        p = run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            out, _ = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            raise RuntimeError("smtp-source did not end") from None
        if p.returncode:
            raise RuntimeError(f"smtp-source: {out.decode(errors='replace')[-300:]}")


class Sink:
    """smtp-sink with its counter on a memory disk.  `delay` seconds pass before it answers DATA."""

    def __init__(self, port: int, delay: int = 0) -> None:
        self.port = port
        folder = MEMORY_DISK if MEMORY_DISK.is_dir() else Path(tempfile.gettempdir())
        self._path = folder / f"kurir-bench-{os.getpid()}-{port}"
        self._out = self._path.open("wb", buffering=0)
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        slow = ["-w", delay] if delay else []
        command = ["smtp-sink", "-c", "-m", "2000", "-h", "sink.test", *slow, *user, f"{HOST}:{port}", "1024"]
        self._process = run(command, stdout=self._out, stderr=subprocess.STDOUT, cwd="/")
        wait_for_port(port)

    def count(self) -> int:
        """Return how many messages it has taken."""
        with self._path.open("rb") as f:
            f.seek(max(0, self._path.stat().st_size - 200))
            found = re.findall(rb"mesg=(\d+)\r", f.read())
        return int(found[-1]) if found else 0

    def wait(self, count: int, seconds: float = 120.0) -> None:
        """Wait until `count` messages have come.  Raises RuntimeError when they do not."""
        until = time.monotonic() + seconds
        while self.count() < count:
            if time.monotonic() > until:
                raise RuntimeError(f"only {self.count()} of {count} messages came")
            time.sleep(0.003)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._path.unlink(missing_ok=True)


class Client:
    """A plain client in lock-step, for latency, TLS and idle sessions."""

    def __init__(self, port: int) -> None:
        self._socket: socket.socket = socket.create_connection((HOST, port), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._reply()

    def _reply(self) -> None:
        while True:
            line = self._file.readline()
            if line[3:4] != b"-":
                if line[:1] not in (b"2", b"3"):
                    raise RuntimeError(f"refused: {line!r}")
                return

    def say(self, line: bytes) -> None:
        """Send a command and read its reply."""
        self._socket.sendall(line + b"\r\n")
        self._reply()

    def hello(self, tls: ssl.SSLContext | None = None) -> Self:
        """EHLO, and STARTTLS with another EHLO."""
        self.say(b"EHLO client.test")
        if tls is not None:
            self.say(b"STARTTLS")
            self._socket = tls.wrap_socket(self._socket)
            self._file = self._socket.makefile("rb")
            self.say(b"EHLO client.test")
        return self

    def send(self, message: bytes) -> None:
        """One transaction."""
        self.say(b"MAIL FROM:<a@source.test>")
        self.say(b"RCPT TO:<b@sink.test>")
        self.say(b"DATA")
        self._socket.sendall(message)
        self._reply()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


def message(size: int = 4096) -> bytes:
    """Return a message with its end of data."""
    head = b"From: a@source.test\r\nTo: b@sink.test\r\nSubject: bench\r\nMessage-ID: <1@source.test>\r\n\r\n"
    line = b"x" * 76 + b"\r\n"
    return head + line * max(1, (size - len(head)) // len(line)) + b".\r\n"


def no_proof() -> ssl.SSLContext:
    """Return a client context that trusts anybody and never resumes."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def together(clients: int, seconds: float, once: Callable[[], None]) -> float:
    """Call `once` as many clients for a while; return how many calls a second were done.

    The clients are threads of as many processes as there are cores: one interpreter would be the ceiling.
    """
    processes = min(clients, os.cpu_count() or 1)
    context = multiprocessing.get_context("fork")  # `once` is a closure, which no other way takes along
    done = context.SimpleQueue()

    def crew(size: int) -> None:
        done.put(_calls(size, until, once))

    began = time.monotonic()
    until = began + seconds
    crews = [context.Process(target=crew, args=((clients + i) // processes,)) for i in range(processes)]
    for c in crews:
        c.start()
    for c in crews:
        c.join()
    if any(c.exitcode for c in crews):
        raise RuntimeError("a client failed: its error is above")
    took = time.monotonic() - began
    return sum(done.get() for _ in crews) / took


def _calls(clients: int, until: float, once: Callable[[], None]) -> int:
    counts = [0] * clients

    def work(i: int) -> None:
        while time.monotonic() < until:
            once()
            counts[i] += 1

    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(work, range(clients)))
    return sum(counts)


@dataclass(slots=True)
class Meter:
    """Wall and CPU seconds of a ``with`` block."""

    group: Group
    seconds: float = 0.0
    cpu: float = 0.0
    _began: tuple[float, float] = field(default=(0.0, 0.0))

    def __enter__(self) -> Self:
        self._began = (time.monotonic(), self.group.cpu())
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began[0]
        self.cpu = self.group.cpu() - self._began[1]


def wait_for_quiet(patience: float = 10.0) -> None:
    """Wait until the machine is nearly idle, but not for ever."""

    def busy() -> tuple[float, float]:
        ticks = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(ticks[:8]) - ticks[3] - ticks[4], sum(ticks[:8])

    until = time.monotonic() + patience
    while time.monotonic() < until:
        before = busy()
        time.sleep(0.4)
        after = busy()
        if after[0] - before[0] < 0.1 * (after[1] - before[1]):
            return


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


@contextlib.contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """Yield ports that are free now, above 20000."""
    held = []
    for port in range(21000 + os.getpid() % 500 * 20, 60000):
        s = socket.socket()
        try:
            s.bind((HOST, port))
        except OSError:
            s.close()
            continue
        held.append(s)
        if len(held) == count:
            break
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    yield ports
