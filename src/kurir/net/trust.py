"""Judging a certificate without refusing it: what it would have proved, and why it does not.

Opportunistic TLS takes every certificate, so OpenSSL checks none; the judgement is made here from
the chain the peer sent, with the verifier of `cryptography`, and kept for a while per certificate
and name, since the same few mail servers come again and again.
"""

import contextlib
import hashlib
import ipaddress
import re
import ssl
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from .pem import certificates
from .settings import ClientTlsSettings

JUDGEMENT_SECONDS = 3600.0
MAX_JUDGEMENTS = 2000
MAX_CHAIN = 10  # certificates looked at; more is abuse

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Ubuntu, Arch, Alpine
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Fedora, RHEL
    Path("/etc/ssl/cert.pem"),  # the BSDs, macOS
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a chain proves: everything when `why_not` is None.  `subject` is a name from the certificate."""

    why_not: str | None
    subject: str


class Trust:
    """The authorities we trust, and judgements by them.  Raises OSError or ValueError for files that cannot be used."""

    def __init__(self, settings: ClientTlsSettings, *, now: Callable[[], float]) -> None:
        self._now = now
        bundle = settings.bundle or system_bundle()
        self._pem = bundle.read_text("ascii", "replace") if bundle else ""
        if settings.extra_ca is not None:
            extra = settings.extra_ca.read_text("ascii", "replace")
            x509.load_pem_x509_certificates(extra.encode("ascii", "replace"))  # raises where nothing is in it
            self._pem += "\n" + extra
        self._roots: dict[bytes, x509.Certificate] | None = None
        self._store: Store | None = None
        self._kept: dict[tuple[bytes, str], tuple[float, Judgement]] = {}

    def load_into(self, context: ssl.SSLContext) -> None:
        """Make an OpenSSL context trust the same authorities."""
        if self._pem.strip():
            context.load_verify_locations(cadata=self._pem)

    def judge(self, chain: tuple[bytes, ...], name: str) -> Judgement:
        """Say whether a chain (DER, leaf first) proves `name`, a host name or an IP address."""
        if not chain:
            return Judgement("the other side showed no certificate", "")
        key = (hashlib.sha256(b"".join(chain)).digest(), name)
        now = self._now()
        kept = self._kept.get(key)
        if kept is not None and now < kept[0]:
            return kept[1]
        judgement = self._judge(chain, name, datetime.fromtimestamp(now, UTC))
        if len(self._kept) >= MAX_JUDGEMENTS:
            self._kept.clear()
        self._kept[key] = (now + JUDGEMENT_SECONDS, judgement)
        return judgement

    def _judge(self, chain: tuple[bytes, ...], name: str, at: datetime) -> Judgement:
        try:
            leaf, *others = (x509.load_der_x509_certificate(der) for der in chain[:MAX_CHAIN])
            names = names_of(leaf)
            why = [*_date_problems(leaf, at), *_name_problems(names, name)]
            why += self._chain_problems(leaf, others, name, at, quiet=bool(why))
        except ValueError as e:
            return Judgement(f"the certificate cannot be read: {e}", "")
        return Judgement("; ".join(why) or None, names[0] if names else _common_name(leaf))

    def _chain_problems(
        self, leaf: x509.Certificate, others: list[x509.Certificate], name: str, at: datetime, *, quiet: bool
    ) -> list[str]:
        roots, store = self._load()
        if leaf.issuer == leaf.subject and _der(leaf) not in roots:
            return [_WORDS["self_signed"]]
        if store is None:
            return ["no trusted authority is configured"]
        if not _reaches_root(leaf, others, roots):
            return [_WORDS["unknown_ca"]]
        if quiet:  # a date or the name is wrong: the verifier would only say so again
            return []
        subject: x509.DNSName | x509.IPAddress
        try:
            subject = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            subject = x509.DNSName(name)
        try:
            _policy().store(store).time(at).build_server_verifier(subject).verify(leaf, others)
        except VerificationError as e:
            return [f"the chain of certificates does not hold: {e}"]
        return []

    def _load(self) -> tuple[dict[bytes, x509.Certificate], Store | None]:
        if self._roots is None:
            found = list(_authorities(self._pem))
            self._roots = {_der(root): root for root in found}
            self._store = Store(found) if found else None
        return self._roots, self._store


def _authorities(pem: str) -> Iterator[x509.Certificate]:
    """Yield the certificates of a bundle; one that cannot be read (a serial number of 0) must not cost the others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for block in _PEM.findall(pem):
            with contextlib.suppress(ValueError):
                yield x509.load_pem_x509_certificate(block.encode("ascii", "replace"))


def system_bundle() -> Path | None:
    """Return the system's file of trusted authorities, None where there is none."""
    default = ssl.get_default_verify_paths().cafile
    candidates = (*([Path(default)] if default else []), *_BUNDLES)
    return next((path for path in candidates if path.is_file()), None)


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names and IP addresses a certificate is for (RFC 9525: the common name does not count)."""
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (
        *san.get_values_for_type(x509.DNSName),
        *(str(address) for address in san.get_values_for_type(x509.IPAddress)),
    )


def name_matches(pattern: str, name: str) -> bool:
    """Match a name of a certificate: exactly, or a wildcard as the whole first label (RFC 9525 section 6.3)."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern == name:
        return True
    first, _, rest = name.partition(".")
    return bool(first) and "." in rest and pattern == "*." + rest


def authorities(file: Path) -> tuple[bytes, ...]:
    """Return the certificates (DER) in a PEM file.  Raises OSError, ValueError."""
    return tuple(_der(c) for c in certificates(file.read_bytes()))


def is_issued_to_client(chain: tuple[bytes, ...], authorities: tuple[bytes, ...]) -> bool:
    """Whether an authority (all DER) issued the chain, leaf first, to somebody who is good now."""
    agnostic = Criticality.AGNOSTIC
    authority = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, agnostic, None)
    client = ExtensionPolicy.permit_all().require_present(x509.SubjectAlternativeName, agnostic, None)
    try:
        leaf, *others = (x509.load_der_x509_certificate(der) for der in chain[:MAX_CHAIN])
        store = Store([x509.load_der_x509_certificate(der) for der in authorities])
        policy = PolicyBuilder().extension_policies(ca_policy=authority, ee_policy=client).store(store)
        policy.build_client_verifier().verify(leaf, others)
    except (ValueError, VerificationError):
        return False
    return True


def _date_problems(leaf: x509.Certificate, at: datetime) -> list[str]:
    if at > leaf.not_valid_after_utc:
        return [f"it expired on {leaf.not_valid_after_utc:%Y-%m-%d}"]
    if at < leaf.not_valid_before_utc:
        return [f"it is valid only from {leaf.not_valid_before_utc:%Y-%m-%d}"]
    return []


def _name_problems(names: tuple[str, ...], name: str) -> list[str]:
    if any(name_matches(own, name) for own in names):
        return []
    if not names:
        return [f"it is not for {name}: it names no host"]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"it is not for {name} but for {', '.join(names[:3])}{more}"]


def _policy() -> PolicyBuilder:
    """The rules of RFC 5280 as OpenSSL takes them: stricter ones would call proved mail servers unproved."""
    agnostic = Criticality.AGNOSTIC
    authority = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, agnostic, None)
    server = ExtensionPolicy.permit_all().require_present(x509.SubjectAlternativeName, agnostic, None)
    return PolicyBuilder().extension_policies(ca_policy=authority, ee_policy=server)


def _reaches_root(
    leaf: x509.Certificate, others: list[x509.Certificate], roots: dict[bytes, x509.Certificate]
) -> bool:
    """Follow issuers by name and signature to one of the roots (a bounded walk)."""
    known = [*others, *roots.values()]
    current = leaf
    for _ in range(MAX_CHAIN):
        if _der(current) in roots:
            return True
        issuer = next((c for c in known if c.subject == current.issuer and signed(current, c)), None)
        if issuer is None or issuer == current:
            return False
        current = issuer
    return False


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` is named as the issuer of a certificate, and its key signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


_WORDS = {
    "self_signed": "it is signed by itself, not by an authority",
    "unknown_ca": "the authority that issued it is not trusted here",
}

# X509_V_ERR_* of OpenSSL's x509_vfy.h
_VERIFY_CODES = {
    2: _WORDS["unknown_ca"],
    9: "it is not valid yet (or the clock here is wrong)",
    10: "it has expired",
    18: _WORDS["self_signed"],
    19: _WORDS["unknown_ca"],
    20: _WORDS["unknown_ca"],
    21: "the authority that issued it is not trusted here, or the other side leaves out the certificate between",
    23: "it was revoked",
    26: "it is not meant for a server",
    62: "it is for another name",
    64: "it is for another address",
    66: "its key is too small to be safe",
    67: "an authority's key in its chain is too small to be safe",
    68: "it is signed with an algorithm that is no longer safe",
}


def words_of_verify_code(code: int, message: str, name: str) -> str:
    """Say what OpenSSL's verification result means."""
    if code == 62 and name:
        return f"it is for another name than {name}"
    return _VERIFY_CODES.get(code, message or f"verification error {code}")
