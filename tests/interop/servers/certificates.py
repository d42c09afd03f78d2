"""Certificates of every kind for peers: each a PEM file with key and chain, readable by other users."""

import datetime as dt
import subprocess
from pathlib import Path

import trustme

NAMES = ("localhost", "127.0.0.1")


class Certificates:
    """In `folder`: ``ca`` is what Kurir is told to trust; the others are named after what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        authority, stranger = trustme.CA(), trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        self.trusted = self._write(folder / "trusted.pem", authority.issue_cert(*NAMES))
        self.wrong_name = self._write(folder / "wrong-name.pem", authority.issue_cert("somebody-else.test"))
        self.expired = self._write(
            folder / "expired.pem",
            authority.issue_cert(*NAMES, not_before=yesterday - dt.timedelta(days=9), not_after=yesterday),
        )
        self.foreign = self._write(folder / "foreign.pem", stranger.issue_cert(*NAMES))
        self.self_signed = folder / "self-signed.pem"
        key, certificate = folder / "self.key", folder / "self.crt"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        self.self_signed.write_bytes(key.read_bytes() + certificate.read_bytes())

    @staticmethod
    def _write(path: Path, certificate: trustme.LeafCert) -> Path:
        certificate.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path
