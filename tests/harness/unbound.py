"""A real resolver on loopback: Unbound (Debian) with zones of its own, started in the foreground, killed at the end."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import pytest

from tests.harness.kurir import free_offset
from tests.harness.patience import PATIENCE

UNBOUND = shutil.which("unbound", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")


class Unbound:
    """Answers for `zones` (apexes) from `records` (``{"a.test": ["TXT text", "A 192.0.2.1"]}``), for nothing else.

    Names at or below one of `silent` are asked of a server that never answers.  Skips the test, by name, where
    Unbound is not installed.
    """

    def __init__(
        self,
        folder: Path,
        zones: Iterable[str],
        records: Mapping[str, Iterable[str]],
        silent: Iterable[str] = (),
    ) -> None:
        if UNBOUND is None:
            pytest.skip("Unbound is not installed (Debian package unbound)")
        self._folder = folder
        self._mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._mute.bind(("127.0.0.1", 0))
        self.port = 53 + free_offset(self)  # UDP and TCP, and below what outgoing connections take
        lines = [
            "server:",
            f"interface: 127.0.0.1@{self.port}",
            'username: ""', 'chroot: ""', f'directory: "{folder}"', 'pidfile: ""', f'logfile: "{folder}/unbound.log"',
            "use-syslog: no", "do-daemonize: no", "access-control: 127.0.0.0/8 allow", "do-not-query-localhost: no",
            "num-threads: 1", "do-ip6: no", "module-config: iterator",
            *(f'local-zone: "{zone}." static' for zone in zones),
            *(f"local-data: '{name}. 60 IN {_record(text)}'" for name, texts in records.items() for text in texts),
        ]  # fmt: skip
        for name in silent:
            lines += [
                "forward-zone:",
                f'name: "{name}."',
                f"forward-addr: 127.0.0.1@{self._mute.getsockname()[1]}",
            ]
        self._config = folder / "unbound.conf"
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What ``net.resolvers`` wants."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        assert UNBOUND is not None
        self._process = subprocess.Popen([UNBOUND, "-d", "-c", str(self._config)], stderr=subprocess.PIPE)
        end = time.monotonic() + PATIENCE
        question = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\x09localhost\0\0\1\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.1)
            s.connect(("127.0.0.1", self.port))
            while time.monotonic() < end and self._process.poll() is None:
                try:
                    s.send(question)
                    s.recv(512)
                    return self
                except OSError:
                    time.sleep(0.02)
        self.__exit__()
        raise RuntimeError(f"unbound does not answer: {self._config.read_text()}")

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
        self._mute.close()


def _record(text: str) -> str:
    """Quote the text of a TXT record, in strings of 255 octets."""
    kind, _, value = text.partition(" ")
    if kind != "TXT":
        return text
    return "TXT " + " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255))
