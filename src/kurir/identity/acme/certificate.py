"""Certificates as a client of an authority sees them: asking for one, reading one, judging what was sent."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from kurir.model.told import told

MAX_CHAIN = 10


class UnfitCertificate(Exception):
    """An authority has sent something that cannot be shown; the text says why."""


class CertificateKey:
    """The private key of a certificate: EC P-256 where it is made here, RSA where the operator brought one."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> "CertificateKey":
        """Make a new one."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> "CertificateKey":
        """Read one.  Raises ValueError."""
        try:
            key = load_pem_private_key(pem, None)
        except TypeError as e:  # it has a password
            raise ValueError(str(e)) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError(told("neither an EC nor an RSA key"))  # noqa: TRY004 - a wrong file
        return cls(key)

    def pem(self) -> bytes:
        """Return it as a file without a password."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def spki(self) -> bytes:
        """The public key (DER), which TLSA records with selector 1 speak of."""
        return self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def association(self) -> bytes:
        """The data of its TLSA record 3 1 1."""
        return hashlib.sha256(self.spki).digest()

    def request(self, names: Sequence[str]) -> bytes:
        """Return a request for these names (PKCS #10, DER); they stand in its subjectAltName only."""
        san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        return (
            builder.add_extension(san, critical=False)
            .sign(self._key, hashes.SHA256())
            .public_bytes(Encoding.DER)
        )


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says: times in seconds since the epoch; `renewal_id` names it in RFC 9773, "" where it cannot."""

    names: tuple[str, ...]
    issuer: str
    serial: int
    begins: float
    ends: float
    association: bytes
    self_made: bool
    renewal_id: str = ""


def certificate_facts(chain: bytes, own_authority: bytes | None = None) -> CertificateFacts:
    """Read the first certificate of a PEM file; `own_authority` is the PEM of ours.  Raises ValueError."""
    leaf = x509.load_pem_x509_certificates(chain)[0]
    ours = own_authority is not None and any(
        leaf.issuer == ca.subject for ca in x509.load_pem_x509_certificates(own_authority)
    )
    return CertificateFacts(
        names=_names(leaf),
        issuer=leaf.issuer.rfc4514_string(),
        serial=leaf.serial_number,
        begins=leaf.not_valid_before_utc.timestamp(),
        ends=leaf.not_valid_after_utc.timestamp(),
        association=key_association(leaf),
        self_made=ours or leaf.issuer == leaf.subject,
        renewal_id=_renewal_id(leaf),
    )


def key_association(leaf: x509.Certificate) -> bytes:
    """Return the data of a TLSA record 3 1 1 for this certificate."""
    spki = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def judge_chain(chain: bytes, key: CertificateKey, names: Iterable[str], now: float) -> bytes:
    """Return the chain as it is to be written, after looking that it is what was asked for.  Raises `UnfitCertificate`."""
    try:
        found = x509.load_pem_x509_certificates(chain)
    except ValueError as e:
        raise UnfitCertificate(told("the authority sent no certificate: {why}", why=e)) from None
    leaf = found[0]
    if len(found) > MAX_CHAIN:
        raise UnfitCertificate(told("the authority sent {count} certificates", count=len(found)))
    if key_association(leaf) != key.association:
        raise UnfitCertificate(told("the authority sent a certificate for another key"))
    missing = sorted(set(names) - set(_names(leaf)))
    if missing:
        raise UnfitCertificate(told("the certificate lacks the names {names}", names=", ".join(missing)))
    if leaf.not_valid_after_utc.timestamp() <= now:
        raise UnfitCertificate(told("the certificate has expired already; is the clock right?"))
    return b"".join(c.public_bytes(Encoding.PEM) for c in found)


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(n.lower() for n in san.get_values_for_type(x509.DNSName))


def _renewal_id(leaf: x509.Certificate) -> str:
    """Return key identifier and serial number, each in base64url (RFC 9773 section 4.1)."""
    try:
        authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return ""
    if authority.key_identifier is None:
        return ""
    serial = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1, "big")
    return ".".join(
        urlsafe_b64encode(part).rstrip(b"=").decode() for part in (authority.key_identifier, serial)
    )
