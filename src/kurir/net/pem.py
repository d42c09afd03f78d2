"""Certificates from PEM files (RFC 7468); what a file holds instead is said in words that help."""

from cryptography import x509

from kurir.model.told import told

_INSTEAD = {
    "PRIVATE KEY-----": told("it is a private key, which stays with its owner: name the certificate"),
    "CERTIFICATE REQUEST-----": told("it is a request for a certificate: name what the authority answered it with"),
    "PUBLIC KEY-----": told("it is a public key alone"),
}  # fmt: skip
_NOTHING = told("no line says -----BEGIN CERTIFICATE-----")
_DAMAGED = told("what stands behind -----BEGIN CERTIFICATE----- is damaged")


def certificates(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates in `pem`, at least one.  Raises ValueError, whose text (`Told`) says what it holds."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ValueError(_instead(pem.decode("latin-1"))) from None


def _instead(text: str) -> str:
    if "-----BEGIN CERTIFICATE-----" in text:
        return _DAMAGED
    begins = [line.rstrip() for line in text.splitlines() if line.startswith("-----BEGIN ")]
    return next((why for end, why in _INSTEAD.items() if any(b.endswith(end) for b in begins)), _NOTHING)
