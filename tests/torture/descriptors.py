"""(e) EMFILE: with the last descriptor gone, a session that is open still works, and all is well afterwards."""

import resource
import socket
import time
from contextlib import suppress
from pathlib import Path

from tests.harness import PATIENCE

from .engine import KurirEngine
from .load import reply
from .probe import send, until_accepted
from .rounds import Bench

SPARE = 12


def exhaust(bench: Bench) -> tuple[list[float], list[str]]:
    """Lower the limit of the serving process, take what is left, look."""
    problems: list[str] = []
    engine = bench.engine
    assert isinstance(engine, KurirEngine)
    pid = engine.victims()["all"]
    send(bench, 2000)
    open_now = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with socket.create_connection(("127.0.0.1", engine.port), 5) as honest, honest.makefile("rb") as lines:
        honest.settimeout(PATIENCE)
        reply(lines)
        honest.sendall(b"EHLO client.test\r\n")
        reply(lines)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_now + SPARE, before[1]))
        crowd = []
        for _ in range(SPARE * 4):
            with suppress(OSError):
                crowd.append(socket.create_connection(("127.0.0.1", engine.port), 2))
        time.sleep(0.5)
        for size in (2000, 190_000):
            message, rcpts = bench.load.compose(bench.draw, size)
            try:
                said = bench.load.submit(honest, lines, message, rcpts)
            except OSError as e:
                problems.append(f"without descriptors an open session broke: {e!r}")
                break
            if said[:1] not in b"24":
                problems.append(f"without descriptors an open session was told {said!r}")
    for s in crowd:
        s.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    took = until_accepted(bench, PATIENCE, 190_000)
    if took is None or took > 30:
        problems.append(f"took {took} s to accept mail again")
    if engine.victims().get("all") != pid:
        problems.append("the process died of it")
    return [took or PATIENCE], problems
