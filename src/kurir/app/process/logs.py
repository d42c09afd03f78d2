"""Logs: one line per event on standard error, as words on a terminal, JSON in a pipe, prefixed for journald.

Lines are written by a thread of their own: a log reader that is slow or gone never stops mail.  When the
backlog is full, lines are dropped and counted, and the count is said as soon as there is room again.  A process
that forks (the supervisor) has no threads: what its reader does not take at once is dropped.
"""

import contextlib
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

MAX_BACKLOG = 20_000
LINGER = 0.05  # seconds that lines about mail may wait for others
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
# Values under these names never reach a line, whoever logs them.
_SECRET = frozenset({"password", "token", "secret", "authorization", "initial", "response"})


Lines = Callable[[], Iterable[bytes]]


class LineWriter:
    """Writes lines to a file descriptor from a thread.  It is a structlog logger: one method per level.

    Lines that come in great numbers (`later`) are gathered for up to `LINGER` seconds: the thread needs the interpreter's
    lock, and woken for each message it would take it just when a client waits for a reply.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._queue: deque[tuple[int, bytes | Lines]] = deque()
        self._waiting = 0  # lines in the queue
        self._wake = threading.Event()  # there is something in the queue
        self._hurry = threading.Event()  # and it is to be written now
        self._dropped = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def msg(self, line: bytes) -> None:
        """Take one line (without its end), which is written at once."""
        self._take(1, line)
        if not self._hurry.is_set():
            self._hurry.set()

    debug = info = warning = error = critical = exception = msg

    def later(self, count: int, lines: Lines) -> None:
        """Take `count` lines that are made when they are written, soon."""
        self._take(count, lines)

    def _take(self, count: int, what: bytes | Lines) -> None:
        if self._waiting >= MAX_BACKLOG:
            self._dropped += count
            return
        self._waiting += count
        self._queue.append((count, what))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what is left, for at most a second."""
        self._closed = True
        self._wake.set()
        self._hurry.set()
        if self._thread:
            self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._hurry.wait(LINGER)
            self._hurry.clear()
            self._wake.clear()
            while self._queue:
                try:
                    view = memoryview(self._chunk())
                    while view:
                        view = view[os.write(self._fd, view) :]
                except OSError:
                    return  # nobody reads any more: mail goes on without logs
            if self._closed:
                return

    def _chunk(self) -> bytes:
        """Take up to 500 lines, more or less, out of the queue."""
        lines: list[bytes] = []
        while self._queue and len(lines) < 500:
            count, what = self._queue.popleft()
            self._waiting -= count
            if isinstance(what, bytes):
                lines.append(what)
            else:
                lines.extend(what())
        if self._dropped:
            lines.append(b'{"event":"log_lines_dropped","count":%d}' % self._dropped)
            self._dropped = 0
        lines.append(b"")
        return b"\n".join(lines)


class DirectWriter:
    """Writes each line at once, from no thread; a line that would have to wait is dropped."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def msg(self, line: bytes) -> None:
        """Write one line (without its end)."""
        room = select.poll()
        room.register(self._fd, select.POLLOUT)
        if room.poll(0):
            with contextlib.suppress(OSError):  # nobody reads any more
                os.write(self._fd, line[: select.PIPE_BUF - 1] + b"\n")  # so much never waits (pipe(7))

    debug = info = warning = error = critical = exception = msg


class Format:
    """The last processor: an event dict becomes a line in the chosen format."""

    def __init__(self, kind: str, colour: bool) -> None:
        self._json = msgspec.json.Encoder(enc_hook=str)
        self._console = structlog.dev.ConsoleRenderer(colors=colour) if kind == "console" else None
        self._journald = kind == "journald"

    def __call__(self, logger: object, method: str, event: MutableMapping[str, Any]) -> bytes:
        """Return the line as bytes."""
        for name in _SECRET & event.keys():
            event[name] = "(hidden)"
        if self._console:
            text = self._console(logger, method, event)
            return text.encode("utf-8", "backslashreplace")
        line = self._json.encode(event)
        return b"<%d>%b" % (_PRIORITY.get(method, 6), line) if self._journald else line


def stamp(at: datetime) -> str:
    """Return a time as it stands in a line."""
    return at.isoformat(timespec="milliseconds")


def _stamp(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {"time": event.get("time") or stamp(datetime.now(UTC)), "level": method, **event}


Log = Any  # a structlog bound logger; its methods are made at run time


def _logger_class(level: int) -> type:
    class Logger(structlog.make_filtering_bound_logger(level)):  # type: ignore[misc]
        """The filtering logger of structlog, and a way to log many events at once."""

        def events(self, count: int, events: Callable[[], Iterable[tuple[str, dict[str, object]]]]) -> None:
            """Log `count` events at level info; `events` makes their names and values, in the writer's thread."""
            if level <= _LEVELS["info"]:
                self._logger.later(
                    count,
                    lambda: [self._process_event("info", event, values)[0][0] for event, values in events()],
                )

    return Logger


def make(kind: str, level: str, env: Mapping[str, str], role: str, *, forks: bool = False) -> Log:
    """Return a logger for this process.  `kind` is auto, console, json or journald; one that `forks` gets no thread."""
    terminal = sys.stderr.isatty()
    if kind == "auto":
        kind = "console" if terminal else "journald" if "JOURNAL_STREAM" in env else "json"
    colour = terminal and "NO_COLOR" not in env
    return structlog.wrap_logger(
        DirectWriter(2) if forks else LineWriter(2),
        processors=[_stamp, Format(kind, colour)],
        wrapper_class=_logger_class(_LEVELS[level]),
    ).bind(role=role)
