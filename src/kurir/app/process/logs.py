"""Logs: one line per event on standard error, as words on a terminal, JSON in a pipe, prefixed for journald.

Lines are written by a thread of their own: a log reader that is slow or gone never stops mail.  When the
backlog is full, lines are dropped and counted, and the count is said as soon as there is room again.  A process
that forks (the supervisor) has no threads: what its reader does not take at once is dropped.  It is also kept
small, so this module is too: the fast encoder is loaded only where lines are many.
"""

import contextlib
import json
import os
import select
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

MAX_BACKLOG = 20_000
LINGER = 0.05  # seconds that lines about mail may wait for others
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3}
_COLOUR = {"debug": "2", "info": "32", "warning": "33", "error": "31;1"}  # SGR, ECMA-48
# Values under these names never reach a line, whoever logs them.
_SECRET = frozenset({"password", "token", "secret", "authorization", "initial", "response"})


Lines = Callable[[], Iterable[bytes]]
Values = dict[str, object]
Encode = Callable[[object], bytes]


class Writer(Protocol):
    """Where finished lines go."""

    def line(self, line: bytes) -> None:
        """Take one line (without its end)."""
        ...

    def later(self, count: int, lines: Lines) -> None:
        """Take `count` lines that are made when they are written."""
        ...

    def close(self) -> None:
        """Write what is left, as far as that is soon done."""
        ...


class LineWriter:
    """Writes lines to a file descriptor from a thread.

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

    def line(self, line: bytes) -> None:
        """Take one line (without its end), which is written at once."""
        self._take(1, line)
        if not self._hurry.is_set():
            self._hurry.set()

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

    def line(self, line: bytes) -> None:
        """Write one line (without its end)."""
        room = select.poll()
        room.register(self._fd, select.POLLOUT)
        if room.poll(0):
            with contextlib.suppress(OSError):  # nobody reads any more
                os.write(self._fd, line[: select.PIPE_BUF - 1] + b"\n")  # so much never waits (pipe(7))

    def later(self, count: int, lines: Lines) -> None:
        """Write `count` lines, one by one."""
        for line in lines():
            self.line(line)

    def close(self) -> None:
        """Nothing is ever left."""


class Format:
    """How an event becomes a line; `encode` makes JSON of one."""

    def __init__(self, kind: str, colour: bool, encode: Encode) -> None:
        self._encode = encode
        self._words = kind == "console"
        self._journald = kind == "journald"
        self._colour = colour

    def __call__(self, level: str, event: Values) -> bytes:
        """Return the line of an event; it has a time, a level and a name."""
        for name in _SECRET & event.keys():
            event[name] = "(hidden)"
        if self._words:
            return self._said(level, event).encode("utf-8", "backslashreplace")
        line = self._encode(event)
        return b"<%d>%b" % (_PRIORITY[level], line) if self._journald else line

    def _said(self, level: str, event: Values) -> str:
        """For a person: time, level and name in columns, then the values; the words of an exception below."""
        trace = event.pop("exception", "")
        time, _, name = event.pop("time"), event.pop("level"), event.pop("event")
        shown = f"\x1b[{_COLOUR[level]}m{level:<7}\x1b[0m" if self._colour else f"{level:<7}"
        values = " ".join(f"{key}={value if _plain(value) else repr(value)}" for key, value in event.items())
        return f"{time} {shown} {name:<24} {values}" + (f"\n{trace}" if trace else "")


def _plain(value: object) -> bool:
    """Whether a value stands in a line as it is: one word that can be printed."""
    return not isinstance(value, str) or (value.isprintable() and bool(value) and " " not in value)


def stamp(at: datetime) -> str:
    """Return a time as it stands in a line."""
    return at.isoformat(timespec="milliseconds")


class Log:
    """Says what happened: an event by name, with values.  `said` stands in every line."""

    def __init__(self, writer: Writer, form: Format, level: str, said: Values) -> None:
        self._writer = writer
        self._format = form
        self._least = _LEVELS[level]
        self._said = said

    def debug(self, event: str, **values: object) -> None:
        """Say something that only a search for a mistake needs."""
        self._say("debug", event, values)

    def info(self, event: str, **values: object) -> None:
        """Say what is as it should be."""
        self._say("info", event, values)

    def warning(self, event: str, **values: object) -> None:
        """Say what somebody should look at some day."""
        self._say("warning", event, values)

    def error(self, event: str, **values: object) -> None:
        """Say what somebody should look at now."""
        self._say("error", event, values)

    def exception(self, event: str, **values: object) -> None:
        """Say an error of our own, with where the exception at hand came from."""
        self._say("error", event, {**values, "exception": traceback.format_exc().rstrip()})

    def events(self, count: int, events: Callable[[], Iterable[tuple[str, Values]]]) -> None:
        """Say `count` events at level info; `events` makes their names and values, in the writer's thread."""
        if self._least <= _LEVELS["info"]:
            self._writer.later(
                count, lambda: [self._line("info", event, values) for event, values in events()]
            )

    def close(self) -> None:
        """Write what is left; the last thing that a process says of itself."""
        self._writer.close()

    def _say(self, level: str, event: str, values: Values) -> None:
        if self._least <= _LEVELS[level]:
            self._writer.line(self._line(level, event, values))

    def _line(self, level: str, event: str, values: Values) -> bytes:
        time = values.get("time") or stamp(datetime.now(UTC))
        return self._format(level, {"time": time, "level": level, **self._said, **values, "event": event})


def _fast() -> Encode:
    import msgspec  # here, because the supervisor does without it

    return msgspec.json.Encoder(enc_hook=str).encode


def _small(event: object) -> bytes:
    text = json.dumps(event, default=str, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def make(kind: str, level: str, env: Mapping[str, str], role: str, *, forks: bool = False) -> Log:
    """Return a log for this process.  `kind` is auto, console, json or journald; one that `forks` gets no thread."""
    terminal = sys.stderr.isatty()
    if kind == "auto":
        kind = "console" if terminal else "journald" if "JOURNAL_STREAM" in env else "json"
    form = Format(kind, terminal and "NO_COLOR" not in env, _small if forks else _fast())
    writer = DirectWriter(2) if forks else LineWriter(2)
    return Log(writer, form, level, {"role": role})
