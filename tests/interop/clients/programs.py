"""Runs other people's programs with a clean environment in a folder of the test."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.interop.servers.peer import ROOT, program

SECONDS = 90.0


def need_nodemailer() -> Path:
    """Return the folder whose node_modules has nodemailer."""
    program("node")
    folder = ROOT.parent / "node"
    if not (folder / "node_modules" / "nodemailer").is_dir():
        pytest.skip(f"nodemailer is not installed below {folder} (scripts/test installs it)")
    return folder


def run(
    command: Sequence[str | Path],
    *,
    stdin: bytes = b"",
    home: Path,
    env: dict[str, str] | None = None,
    check: int | None = 0,
    seconds: float = SECONDS,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; `check` is the exit code demanded (None: any)."""
    done = subprocess.run(
        [str(c) for c in command],
        input=stdin,
        capture_output=True,
        timeout=seconds,
        cwd=home,
        env={
            "PATH": os.environ["PATH"] + ":/usr/sbin",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            **(env or {}),
        },
    )
    if check is not None and done.returncode != check:
        raise AssertionError(f"{Path(command[0]).name} exited with {done.returncode}\n{words(done)[-6000:]}")
    return done


def words(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return everything that a program said."""
    return (done.stdout + done.stderr).decode(errors="replace")
