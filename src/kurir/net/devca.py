"""A development authority and its certificates, so that TLS works before anybody has bought one.

EC P-256 (NIST FIPS 186-5), profile of RFC 5280.  The authority is made once per folder and limited to
signing end certificates; leaves are renewed when fewer than `RENEW_DAYS` days are left or when a wanted
name is missing, and keep their key, which TLSA records may name.  Keys are readable by their owner only, and
every file appears whole or not at all.
"""

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .settings import CertificateFiles
from .trust import names_of

CA_DAYS = 3650
LEAF_DAYS = 365
RENEW_DAYS = 30
ALWAYS = ("localhost", "127.0.0.1", "::1")  # names every leaf has besides those asked for
LeafKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey  # RSA: one that somebody brought
_BACKDATED = dt.timedelta(hours=1)  # for clients whose clock is a little behind


@dataclass(frozen=True, slots=True)
class DevCa:
    """An authority in a folder: `certificate` is what clients are to trust, `key` never leaves the machine."""

    certificate: Path
    key: Path


def ensure_ca(folder: Path, *, now: float) -> DevCa:
    """Return the folder's authority (``ca.pem``, ``ca.key``); made anew where it is missing or about to expire.

    `now` is in seconds since the epoch.  Raises OSError, ValueError for damaged files.
    """
    ca = DevCa(folder / "ca.pem", folder / "ca.key")
    at = dt.datetime.fromtimestamp(now, dt.UTC)
    if ca.certificate.exists() and ca.key.exists() and _days_left(ca.certificate, at) >= RENEW_DAYS:
        return ca
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Kurir"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Kurir development CA {at:%Y-%m-%d}"),
        ]
    )
    certificate = (
        _builder(name, name, key.public_key(), at, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write(ca.key, _key_bytes(key), 0o600)
    _write(ca.certificate, certificate.public_bytes(Encoding.PEM), 0o644)
    return ca


def ensure_leaf(
    ca: DevCa, folder: Path, names: Sequence[str], *, now: float, stem: str = "server"
) -> CertificateFiles:
    """Return a certificate for `names` (host names, IP addresses) plus `ALWAYS`; renewed when needed, with the same key.

    Files are ``<stem>.pem`` (leaf and authority) and ``<stem>.key`` in `folder`.  Raises OSError, ValueError.
    """
    files = CertificateFiles(folder / f"{stem}.pem", folder / f"{stem}.key")
    at = dt.datetime.fromtimestamp(now, dt.UTC)
    wanted = tuple(dict.fromkeys(name.lower() for name in (*names, *ALWAYS)))
    if not _needs_leaf(files, ca, wanted, at):
        return files
    leaf, key = issue(ca, wanted, not_before=now, days=LEAF_DAYS, key=_kept_key(files.key))
    folder.mkdir(parents=True, exist_ok=True)
    _write(files.key, _key_bytes(key), 0o600)
    chain = leaf.public_bytes(Encoding.PEM) + ca.certificate.read_bytes()
    _write(files.certificate, chain, 0o644)
    return files


def issue(
    ca: DevCa, names: Sequence[str], *, not_before: float, days: float, key: LeafKey | None = None
) -> tuple[x509.Certificate, LeafKey]:
    """Issue a certificate without writing it anywhere; for a new key where none is given."""
    ca_certificate = x509.load_pem_x509_certificate(ca.certificate.read_bytes())
    ca_key = load_pem_private_key(ca.key.read_bytes(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise ValueError(  # noqa: TRY004  a wrong file, not a wrong type in the program
            f"{ca.key} is not the key of a development authority"
        )
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    at = dt.datetime.fromtimestamp(not_before, dt.UTC)
    certificate = (
        _builder(subject, ca_certificate.subject, key.public_key(), at, days)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    return certificate, key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    at: dt.datetime,
    days: float,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _BACKDATED)
        .not_valid_after(at + dt.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _needs_leaf(files: CertificateFiles, ca: DevCa, wanted: Sequence[str], at: dt.datetime) -> bool:
    if not (files.certificate.exists() and files.key.exists()):
        return True
    leaf = x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
    authority = x509.load_pem_x509_certificate(ca.certificate.read_bytes())
    return (
        _days_left(files.certificate, at) < RENEW_DAYS
        or leaf.issuer != authority.subject
        or not set(wanted) <= set(names_of(leaf))
    )


def _days_left(path: Path, at: dt.datetime) -> float:
    certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    return (certificate.not_valid_after_utc - at).total_seconds() / 86_400


def _kept_key(path: Path) -> LeafKey | None:
    """Return the key that is there already; None for a file that no server could use either."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, LeafKey) else None


def _key_bytes(key: LeafKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole: under another name with its final permissions, synced, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.fchmod(fd, mode)
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(path)
