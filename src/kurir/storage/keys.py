"""What the server signs with, kept as files that only its user may read.

::

    DIR/keys/states.json                            every selector of every domain, and its state
    DIR/keys/k202611r._domainkey.example.org.pem    a private key
    DIR/keys/srs                                    the secret of rewritten addresses

Written whole under another name, synced and renamed, by one writer (who holds the lock of the state folder);
read by all.  A key is there before a state names it, and goes after its state says so.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from kurir.senderauth.dkim import Selector, SigningKey

from .layout import Layout

_Table = dict[str, tuple[Selector, ...]]
_SRS_OCTETS = 32


class KeyFolder:
    """The folder of keys.  Methods block; they raise OSError, and ValueError for a damaged file."""

    def __init__(self, layout: Layout) -> None:
        self._folder = layout.keys
        self._states = layout.keys / "states.json"

    def stamp(self) -> int:
        """Return a number that changes with every change of a state (0: there are none yet)."""
        try:
            return self._states.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def selectors(self) -> Mapping[str, tuple[Selector, ...]]:
        """Return the selectors of each domain that has any."""
        try:
            return msgspec.json.decode(self._states.read_bytes(), type=_Table)
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as e:
            raise ValueError(f"{self._states}: {e}") from None

    def save(self, selectors: Mapping[str, Sequence[Selector]]) -> None:
        """Replace all states."""
        data = msgspec.json.format(msgspec.json.encode(selectors), indent=1)
        self._write(self._states, data)

    def put(self, key: SigningKey) -> None:
        """Keep a private key."""
        self._write(self._file(key.domain, key.selector), key.pem())

    def key(self, domain: str, selector: str) -> SigningKey:
        """Read a private key.  Raises `KeyFileError` where it cannot be used."""
        return SigningKey.from_pem(domain, selector, self._file(domain, selector).read_bytes())

    def destroy(self, domain: str, selector: str) -> None:
        """Remove a private key; a missing one is fine."""
        self._file(domain, selector).unlink(missing_ok=True)

    def srs_secret(self) -> bytes:
        """Return the secret of rewritten addresses; b"" where there is none yet."""
        try:
            return (self._folder / "srs").read_bytes()
        except FileNotFoundError:
            return b""

    def ensure_srs_secret(self) -> None:
        """Make the secret of rewritten addresses where there is none."""
        if not self.srs_secret():
            self._write(self._folder / "srs", os.urandom(_SRS_OCTETS))

    def _file(self, domain: str, selector: str) -> Path:
        return self._folder / f"{selector}._domainkey.{domain}.pem"

    def _write(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        temporary = path.with_name(f".{path.name[-200:]}.{os.getpid()}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.fchmod(fd, 0o600)
            os.write(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
