"""Single messages and small waits, for the parts that look at one fault at a time."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress

from .load import reply
from .rounds import Bench


def send(bench: Bench, size: int | None = None, *, timeout: float = 15.0) -> bytes:
    """Send one message; return the last reply, or nothing where the connection broke."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", bench.engine.port), 5) as s:
        s.settimeout(timeout)
        with s.makefile("rb") as lines:
            if not (said := reply(lines)).startswith(b"220"):
                return said
            s.sendall(b"EHLO client.test\r\n")
            reply(lines)
            message, rcpts = bench.load.compose(bench.draw, size)
            return bench.load.submit(s, lines, message, rcpts)
    return b""


def until_accepted(bench: Bench, seconds: float, size: int | None = None) -> float | None:
    """Send until one is accepted; return how long that took, None after `seconds`."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if send(bench, size).startswith(b"250"):
            return time.monotonic() - began
        time.sleep(0.1)
    return None


def within(seconds: float, true: Callable[[], object]) -> bool:
    """Wait until `true()`; False after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


class Gate:
    """A script for the sink: everything is deferred while `shut`, some recipients are always refused."""

    def __init__(self) -> None:
        self.shut = False

    def __call__(self, verb: str, line: str, attempt: int) -> bytes | None:
        """Decide about one command."""
        if verb == "RCPT" and "refused" in line:
            return b"550 5.1.1 no such user\r\n"
        return b"451 4.3.0 later\r\n" if self.shut and verb == "MAIL" else None
