"""Our certificate, its key, and what is known about renewing it: files below ``DIR/tls`` that only our user may write.

::

    DIR/tls/server.pem     the chain that is shown (an authority's, or until there is one: of our own authority)
    DIR/tls/server.key     its key; a renewal keeps it, so that TLSA records stay right
    DIR/tls/next.key       the key that takes over when its TLSA record has been seen (``kurir cert roll``)
    DIR/tls/account.key    our account at the authority
    DIR/tls/acme.json      the account's address; what failed last, and when it is tried again

One writer (the control role).  Where the key changes too, the chain waits as ``coming.pem`` until its key is in place:
`mend` finishes a change that a power cut has interrupted.
"""

import contextlib
import os
from pathlib import Path

import msgspec

from kurir.identity.acme import AccountKey, CertificateFacts, CertificateKey, certificate_facts
from kurir.model.told import Packed

from .layout import Layout


class RenewalState(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known after a restart; times in seconds since the epoch, 0.0 where there is none."""

    directory: str = ""
    account: str = ""
    failures: int = 0
    failed_at: float = 0.0
    retry_at: float = 0.0
    why: Packed | None = None
    seen_since: float = 0.0  # the TLSA record of the next key
    seen_ttl: float = 0.0


class CertificateFolder:
    """Methods block; they raise OSError, and ValueError for a damaged file."""

    def __init__(self, layout: Layout) -> None:
        self._folder = layout.folder / "tls"
        self._chain, self._key = self._folder / "server.pem", self._folder / "server.key"
        self._coming, self._next = self._folder / "coming.pem", self._folder / "next.key"

    # -- reading --------------------------------------------------------------------------------

    def facts(self) -> CertificateFacts | None:
        """Read the certificate; None where there is none."""
        chain = _read(self._chain)
        return certificate_facts(chain, _read(self._folder / "ca.pem")) if chain else None

    def key(self) -> CertificateKey | None:
        """Read its key; None where there is none."""
        return _key(_read(self._key))

    def next_key(self) -> CertificateKey | None:
        """Read the key that is to take over; None where none is prepared."""
        return _key(_read(self._next))

    def account(self) -> AccountKey | None:
        """Read the key of our account; None where there is none yet."""
        pem = _read(self._folder / "account.key")
        return AccountKey.from_pem(pem) if pem else None

    def state(self) -> RenewalState:
        """Read what is known."""
        data = _read(self._folder / "acme.json")
        try:
            return msgspec.json.decode(data, type=RenewalState) if data else RenewalState()
        except msgspec.DecodeError as e:
            raise ValueError(f"{self._folder / 'acme.json'}: {e}") from None

    # -- writing --------------------------------------------------------------------------------

    def save(self, state: RenewalState) -> None:
        """Replace what is known."""
        self._write(self._folder / "acme.json", msgspec.json.format(msgspec.json.encode(state), indent=1))

    def put_account(self, key: AccountKey) -> None:
        """Keep the key of our account."""
        self._write(self._folder / "account.key", key.pem())

    def put_key(self, key: CertificateKey) -> None:
        """Keep the key of a certificate that is still to come."""
        self._write(self._key, key.pem())

    def put_next(self, key: CertificateKey) -> None:
        """Keep a key that is to take over."""
        self._write(self._next, key.pem())

    def install(self, chain: bytes) -> None:
        """Show this chain from now on, with the present key or the next one: whose it is, is in force then."""
        self._write(self._coming, chain, 0o644)
        self.mend()

    def mend(self) -> None:
        """Finish what `install` has begun; a chain that belongs to no key of ours is dropped."""
        chain = _read(self._coming)
        if not chain:
            return
        wanted = certificate_facts(chain).association
        following = self.next_key()
        if following is not None and following.association == wanted:
            self._next.replace(self._key)
        present = self.key()
        if present is not None and present.association == wanted:
            self._coming.replace(self._chain)
        else:
            self._coming.unlink()
        self._sync()

    def _write(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            os.fchmod(fd, mode)
            os.write(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
        self._sync()

    def _sync(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> bytes:
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    return b""


def _key(pem: bytes) -> CertificateKey | None:
    return CertificateKey.from_pem(pem) if pem else None
