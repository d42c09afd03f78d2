"""What a process loads is memory for as long as it runs: each has a list of what it does without."""

import subprocess
import sys

import pytest

# What is started -> packages that it must not load, whatever it imports.
WITHOUT = {
    "kurir.app.serve": (
        "asyncio", "ssl", "msgspec", "pydantic", "cryptography", "apsw", "uvloop", "dns", "click", "rich", "email",
        "kurir.cli", "kurir.config", "kurir.model", "kurir.net", "kurir.app.planning", "kurir.app.roles", "kurir.app.wiring",
    ),
    "kurir.app.roles.processes": ("kurir.cli", "kurir.app.planning", "rich", "pygments", "jinja2", "httpx2", "unittest"),
}  # fmt: skip


@pytest.mark.parametrize("module", WITHOUT)
def test_a_process_does_without(module: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    loaded = set(said.split())
    assert module in loaded
    assert loaded.isdisjoint(WITHOUT[module])
