"""Finds other people's programs, and runs them with a clean environment in a folder of the test."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

PEERS = Path(os.environ.get("KURIR_PEERS") or Path.home() / ".cache" / "kurir-peers")
SECONDS = 90.0


def find(name: str) -> Path | None:
    """Return a program on PATH, in a system folder, or unpacked below the peers' folder."""
    system = [Path("/usr/sbin"), Path("/usr/bin")]
    unpacked = [PEERS / "root" / "usr" / folder for folder in ("sbin", "bin")]
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    return next((f / name for f in [*system, *unpacked] if os.access(f / name, os.X_OK)), None)


def need(name: str) -> Path:
    """Return a program; skips the test by the program's name where it is missing."""
    found = find(name)
    if found is None:
        pytest.skip(f"{name} is not installed (scripts/test installs it; looked in PATH and {PEERS})")
    return found


def need_nodemailer() -> Path:
    """Return the folder whose node_modules has nodemailer."""
    need("node")
    folder = PEERS / "node"
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
