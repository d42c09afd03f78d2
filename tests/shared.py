"""Where the real test material lies, if it is there at all."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("KURIR_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def shared(*parts: str) -> Path | None:
    """Return a file or folder of the shared material, or None where it is absent."""
    path = ROOT.joinpath(*parts)
    return path if path.exists() else None


def need(*parts: str) -> Path:
    """Return a file or folder of the shared material; skips the test, loudly, where it is absent."""
    path = shared(*parts)
    if path is None:
        pytest.skip(f"the shared test material has no {'/'.join(parts)} (set KURIR_SHARED to its folder)")
    return path
