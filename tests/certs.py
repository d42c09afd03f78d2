"""Certificates of every kind for tests: authorities, chains, expired, for other names, for other uses."""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass
class Made:
    """A certificate with its key and the chain above it (its issuers, nearest first)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple[x509.Certificate, ...] = field(default=())

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def chain(self) -> tuple[bytes, ...]:
        return (self.der, *(c.public_bytes(Encoding.DER) for c in self.above))

    def context(self, folder: Path) -> ssl.SSLContext:
        """Return a server's context that shows this certificate and the chain above it."""
        file = folder / f"{self.certificate.serial_number:x}.pem"
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem = [c.public_bytes(Encoding.PEM) for c in (self.certificate, *self.above)]
        file.write_bytes(key + b"".join(pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def make(
    name: str,
    issuer: Made | None = None,
    *,
    names: tuple[str, ...] | None = None,
    ca: bool = False,
    path_length: int | None = None,
    days: tuple[float, float] = (-1, 30),
    purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
    show_root: bool = False,
) -> Made:
    """Make a certificate, signed by `issuer` or by itself.  `days` from now: valid from, valid until."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(known, critical=False)
    if not ca:
        if purpose is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        wanted = (name,) if names is None else names
        if wanted:
            san = x509.SubjectAlternativeName([x509.DNSName(n) for n in wanted])
            builder = builder.add_extension(san, critical=False)
    certificate = builder.sign((issuer or Made(None, key)).key, hashes.SHA256())  # type: ignore[arg-type]
    above: tuple[x509.Certificate, ...] = ()
    if issuer is not None and (issuer.above or show_root):
        above = (issuer.certificate, *issuer.above)
    elif issuer is not None and issuer.certificate.issuer != issuer.certificate.subject:
        above = (issuer.certificate,)
    return Made(certificate, key, above)
