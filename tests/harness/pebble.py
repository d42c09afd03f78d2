"""A real authority: Pebble, the test server of Let's Encrypt (Debian package `pebble`), strict and ill-tempered.

It refuses one good nonce in five, and validates over HTTP at a port of ours and names of ours.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kurir.net.devca import ensure_ca, ensure_leaf
from tests.harness.patience import PATIENCE


def pebble_program() -> str:
    """Return where Pebble is; skips the test, loudly, where it is not."""
    found = os.environ.get("KURIR_PEBBLE") or shutil.which("pebble")
    if not found:
        pytest.skip(
            "Pebble is not installed (Debian: pebble; or name it in KURIR_PEBBLE): ACME IS NOT TESTED"
        )
    return found


class Pebble:
    """A running authority: `directory` is its address, `ca` what its own HTTPS is to be trusted by."""

    def __init__(self, folder: Path, directory: str, ca: Path, roots: str) -> None:
        self.folder, self.directory, self.ca, self._roots = folder, directory, ca, roots

    @property
    def log(self) -> str:
        return (self.folder / "pebble.log").read_text(errors="replace")

    def root(self) -> Path:
        """Return the certificate that it issues under."""
        file = self.folder / "root.pem"
        done = subprocess.run(
            ["curl", "-sf", "--cacert", self.ca, "-o", file, f"{self._roots}/roots/0"], timeout=PATIENCE
        )
        assert done.returncode == 0
        return file


@contextlib.contextmanager
def pebble(
    folder: Path, dns: str, http_port: int, *, external: dict[str, str] | None = None, bad_nonces: int = 20
) -> Iterator[Pebble]:
    """Run an authority that asks the name server at `dns` and validates at `http_port`."""
    program = pebble_program()
    folder.mkdir(exist_ok=True)
    ca = ensure_ca(folder, now=time.time())
    files = ensure_leaf(ca, folder, ["localhost"], now=time.time())
    ports = [_free_port() for _ in range(2)]
    (folder / "config.json").write_text(
        json.dumps(
            {
                "pebble": {
                    "listenAddress": f"127.0.0.1:{ports[0]}",
                    "managementListenAddress": f"127.0.0.1:{ports[1]}",
                    "certificate": str(files.certificate),
                    "privateKey": str(files.key),
                    "httpPort": http_port,
                    "tlsPort": 1,
                    "ocspResponderURL": "",
                    "externalAccountBindingRequired": external is not None,
                    "externalAccountMACKeys": external or {},
                }
            }
        )
    )
    settings = {
        "PEBBLE_VA_NOSLEEP": "1",
        "PEBBLE_WFE_NONCEREJECT": str(bad_nonces),
        "PEBBLE_AUTHZREUSE": "50",
    }
    with (folder / "pebble.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-strict", "-config", str(folder / "config.json"), "-dnsserver", dns],
            env={**os.environ, **settings}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_for(ports[0], process)
        yield Pebble(
            folder, f"https://localhost:{ports[0]}/dir", ca.certificate, f"https://localhost:{ports[1]}"
        )
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, "Pebble has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError("Pebble does not answer")
