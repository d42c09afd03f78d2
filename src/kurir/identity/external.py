"""EXTERNAL (RFC 4422 appendix A): which account a client certificate of the TLS handshake stands for.

Two ways: its public key is registered for one account (whoever issued it, renewed or not), or the configured
authority for clients issued it and its subjectAltName names an address of exactly one account.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kurir.model import AddressError, parse_address
from kurir.model.told import told
from kurir.net.pem import certificates

from .accounts import AccountError
from .ports import Account, ClientCertificate, PeerCertificate

MOST = 20
"""Certificates of one account."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose certificate it is; or None, and `reason` for the trace."""

    account: Account | None
    reason: str = ""


def owner(
    peer: PeerCertificate | None,
    accounts: Iterable[Account],
    account: Callable[[str], Account | None],
    now: float,
) -> Owner:
    """Say whose certificate this is.  `account` finds one by an address."""
    if peer is None:
        return Owner(None, "the client showed no certificate")
    if not peer.not_before <= now <= peer.not_after:
        return Owner(None, "the client's certificate has expired or is not valid yet")
    for one in accounts:
        if any(c.key == peer.key for c in one.certificates):
            return Owner(one)
    if not peer.by_authority:
        return Owner(None, f"the client's certificate is not registered (SHA-256 of its key: {peer.key})")
    found: dict[str, Account] = {}
    for text in peer.addresses:
        try:
            one_or_none = account(parse_address(text).key)
        except AddressError:
            continue
        if one_or_none is not None:
            found[one_or_none.name.lower()] = one_or_none
    if len(found) == 1:
        return Owner(next(iter(found.values())))
    which = ", ".join(peer.addresses) or "no address"
    return Owner(
        None, f"the client's certificate names {'several accounts' if found else 'no account'}: {which}"
    )


def peer_certificate(der: bytes, *, by_authority: bool) -> PeerCertificate | None:
    """Return the facts of a certificate that a client proved to have; None where it cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        try:
            san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            addresses = tuple(san.get_values_for_type(x509.RFC822Name))
        except x509.ExtensionNotFound:
            addresses = ()
        return PeerCertificate(
            key=key_of(certificate),
            addresses=addresses,
            by_authority=by_authority,
            not_before=certificate.not_valid_before_utc.timestamp(),
            not_after=certificate.not_valid_after_utc.timestamp(),
        )
    except (ValueError, UnsupportedAlgorithm):
        return None


def key_of(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate's public key (SubjectPublicKeyInfo), in hex."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def add_certificate(
    account: Account, pem: str, *, others: Iterable[Account], now: float, label: str = ""
) -> tuple[Account, ClientCertificate]:
    """Register the (first) certificate in `pem`.  Raises `AccountError`."""
    try:
        certificate = certificates(pem.encode("ascii", "replace"))[0]
    except ValueError as e:
        raise AccountError(told("this is no certificate in PEM form: {why}", why=e)) from None
    key = key_of(certificate)
    for one in others:
        if any(c.key == key for c in one.certificates):
            raise AccountError(told("this key is registered already, for {name}", name=one.name))
    if len(account.certificates) >= MOST:
        raise AccountError(told("the account has {most} certificates; remove one first", most=MOST))
    if certificate.not_valid_after_utc.timestamp() <= now:
        raise AccountError(
            told("this certificate expired on {day}", day=f"{certificate.not_valid_after_utc:%Y-%m-%d}")
        )
    name = label.strip()[:64] or certificate.subject.rfc4514_string()[:64] or key[:16]
    made = ClientCertificate(key, certificate.public_bytes(Encoding.DER), name, now)
    return replace(account, certificates=(*account.certificates, made)), made


def remove_certificate(account: Account, which: str) -> tuple[Account, ClientCertificate]:
    """Remove the certificate whose label is `which` or whose key begins so.  Raises `AccountError`."""
    wanted = which.strip().lower().replace(":", "")
    found = [
        c
        for c in account.certificates
        if c.label == which.strip() or (len(wanted) >= 8 and c.key.startswith(wanted))
    ]
    if len(found) != 1:
        raise AccountError(
            told(
                "{which!r} names {count} certificates of {name}",
                which=which,
                count=len(found),
                name=account.name,
            )
        )
    return replace(account, certificates=tuple(c for c in account.certificates if c is not found[0])), found[
        0
    ]
