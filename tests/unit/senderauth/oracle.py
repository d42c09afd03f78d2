"""Somebody else's implementation as a second opinion, where it is installed (or lies in KURIR_ORACLES)."""

import os
import sys

import pytest

_FOLDER = os.environ.get("KURIR_ORACLES", "")
if _FOLDER and _FOLDER not in sys.path:
    sys.path.append(_FOLDER)


def dkimpy():
    """Return the module; skips the test, by name, where it is missing."""
    pytest.importorskip("nacl", reason="dkimpy needs pynacl (pip install pynacl, or set KURIR_ORACLES)")
    return pytest.importorskip(
        "dkim", reason="dkimpy is not installed (pip install dkimpy, or set KURIR_ORACLES)"
    )
