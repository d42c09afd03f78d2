"""The supervisor loads nothing of the server: at the start, over a reload, and where it could not begin anew it still works."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.harness import Kurir

LIBRARIES = ("_pydantic_core", "cryptography", "libssl", "uvloop", "apsw")


def loaded(pid: int) -> set[str]:
    """Which of the big libraries a process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return {name for name in LIBRARIES if name in maps}


def reload(kurir: Kurir) -> None:
    """Reload, and wait until another process serves."""
    assert kurir.process is not None
    before = kurir.pids()["all"]
    os.kill(kurir.process.pid, signal.SIGHUP)
    kurir.wait("the new role", lambda: kurir.pids().get("all", before) != before and kurir.answers())
    assert '"reloaded"' in kurir.said()


def test_it_stays_small_over_a_reload(tmp_path: Path) -> None:
    with Kurir(tmp_path / "kurir") as kurir:
        supervisor, role = (kurir.pids()[name] for name in ("supervisor", "all"))
        assert loaded(supervisor) == set()
        assert loaded(role) == set(LIBRARIES)
        reload(kurir)
        assert loaded(supervisor) == set()
        kurir.config.write_text(kurir.config.read_text() + "\n[nonsense]\n")
        os.kill(supervisor, signal.SIGHUP)
        kurir.wait("the refusal", lambda: '"reload_failed"' in kurir.said())
        assert loaded(supervisor) == set()
        assert kurir.answers()


_CANNOT = """
import sys
from pathlib import Path
from kurir.app import serve
serve._can_begin_anew = lambda: False
sys.exit(serve.serve(Path(sys.argv[1])))
"""


def test_a_program_that_its_user_may_not_read_serves_with_what_it_has(tmp_path: Path) -> None:
    kurir = Kurir(tmp_path / "kurir")
    with kurir.log.open("ab") as log:
        kurir.process = subprocess.Popen(
            [sys.executable, "-c", _CANNOT, str(kurir.config)],
            stdout=log, stderr=log, env=kurir.env, start_new_session=True,
        )  # fmt: skip
    try:
        kurir.wait("an answer", kurir.answers)
        assert loaded(kurir.process.pid) >= {"_pydantic_core", "cryptography"}
        reload(kurir)
        assert kurir.stop() == 0
    finally:
        kurir.kill_all()
