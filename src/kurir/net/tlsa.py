"""Does a certificate match the TLSA records of a mail server?  DANE as SMTP uses it (RFC 7672, 7671, 6698).

Pure: records and the chain that the peer showed in, a verdict out.  Of the four usages SMTP knows two: 3 names
the server's own key and asks nothing else (no name, no date); 2 names an authority, and the chain from the
server's certificate up to it has to hold, with one of our names for the server in it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from .trust import MAX_CHAIN, name_matches, names_of, signed

DANE_TA, DANE_EE = 2, 3
_DIGESTS = {1: "sha256", 2: "sha512"}
_LENGTHS = {1: 32, 2: 64}
MAX_TLSA = 100  # records looked at; more are abuse
_MAX_STEPS = 200  # issuers tried in one chain


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One TLSA record: usage, selector (0 certificate, 1 key), matching type (0 whole, 1 SHA-256, 2 SHA-512), data."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"


@dataclass(frozen=True, slots=True)
class TlsaVerdict:
    """`why_not` None: `record` matches.  Otherwise why none does, and whether that is an expired certificate."""

    record: Tlsa | None = None
    why_not: str | None = None
    expired: bool = False
    wrong_name: bool = False


def usable(records: Iterable[object]) -> tuple[Tlsa, ...]:
    """Return the records that SMTP can use (RFC 7672 section 3.1), with digest agility (RFC 7671 section 9).

    `records` are the tuples of a DNS answer.  Usages 0 and 1, unknown selectors and matching types, digests of the
    wrong length and whole certificates or keys that cannot be read are not usable.  Of several digests for one usage
    and selector only the strongest counts, so that a broken one cannot be used against us.
    """
    found = [
        record
        for item in list(records)[:MAX_TLSA]
        if _is_usable(record := Tlsa(*cast("tuple[int, int, int, bytes]", item)))
    ]
    best: dict[tuple[int, int], int] = {}
    for r in found:
        if r.matching:
            best[r.usage, r.selector] = max(best.get((r.usage, r.selector), 0), r.matching)
    return tuple(r for r in found if not r.matching or r.matching == best[r.usage, r.selector])


def _is_usable(r: Tlsa) -> bool:
    if r.usage not in (DANE_TA, DANE_EE) or r.selector not in (0, 1) or r.matching not in (0, 1, 2):
        return False
    if r.matching:
        return len(r.data) == _LENGTHS[r.matching]
    try:
        _ = x509.load_der_x509_certificate(r.data) if r.selector == 0 else load_der_public_key(r.data)
    except Exception:  # noqa: BLE001 - whatever a parser says to such octets, they are of no use
        return False
    return True


def match(records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str], now: float) -> TlsaVerdict:
    """Say whether `chain` (DER, the server's first) matches one of the usable `records`.

    `names` are what the server may be called for usage 2: the TLSA base domain, and the domain of the recipient
    where its MX records are secure (RFC 7672 section 3.2.3).  `now` is seconds since the epoch.  Never raises.
    """
    if not chain:
        return TlsaVerdict(why_not="the other side showed no certificate")
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain[:MAX_CHAIN]]
        return _Matcher(records, certificates, names, datetime.fromtimestamp(now, UTC)).verdict()
    except ValueError as e:
        return TlsaVerdict(why_not=f"the certificate cannot be read: {e}")


class _Matcher:
    """One chain against one set of records."""

    def __init__(
        self, records: Sequence[Tlsa], chain: list[x509.Certificate], names: Sequence[str], at: datetime
    ) -> None:
        self._own = [r for r in records if r.usage == DANE_EE]
        self._authorities = [r for r in records if r.usage == DANE_TA]
        self._leaf, *self._others = chain
        self._names = names
        self._at = at
        self._steps = 0
        self._expired = False

    def verdict(self) -> TlsaVerdict:
        found = _first_match(self._own, self._leaf)
        if found is not None:
            return TlsaVerdict(found)
        if not self._authorities:
            return TlsaVerdict(why_not="its key is not the one that the domain's TLSA records name")
        # What the records hold whole may be left out of the chain (RFC 7671 section 5.2.2).
        whole = [r for r in self._authorities if r.matching == 0]
        given = [x509.load_der_x509_certificate(r.data) for r in whole if r.selector == 0]
        keys = [(r, load_der_public_key(r.data)) for r in whole if r.selector == 1]
        found = self._climb(self._leaf, [*self._others, *given], keys, 0)
        if found is None:
            if self._expired:
                return TlsaVerdict(why_not="a certificate in its chain has expired", expired=True)
            return TlsaVerdict(
                why_not="neither its key nor its authority is one that the domain's TLSA records name"
            )
        return self._of_leaf(found)

    def _of_leaf(self, found: Tlsa) -> TlsaVerdict:
        """The chain holds; what usage 2 asks of the server's own certificate (RFC 7672 section 3.1.2)."""
        leaf = self._leaf
        if self._at > leaf.not_valid_after_utc:
            return TlsaVerdict(why_not=f"it expired on {leaf.not_valid_after_utc:%Y-%m-%d}", expired=True)
        if self._at < leaf.not_valid_before_utc:
            return TlsaVerdict(
                why_not=f"it is valid only from {leaf.not_valid_before_utc:%Y-%m-%d}", expired=True
            )
        if not _for_servers(leaf):
            return TlsaVerdict(why_not="it is not meant for a server")
        own = _reference_names(leaf)
        if not any(name_matches(pattern, name) for pattern in own for name in self._names):
            called = ", ".join(own[:3]) or "nobody"
            return TlsaVerdict(why_not=f"it is not for {self._names[0]} but for {called}", wrong_name=True)
        return TlsaVerdict(found)

    def _climb(
        self,
        current: x509.Certificate,
        candidates: list[x509.Certificate],
        keys: Sequence[tuple[Tlsa, object]],
        below: int,
    ) -> Tlsa | None:
        """Go from `current` up to an authority that a record names; `below` counts the authorities passed so far."""
        for record, key in keys:
            if _signed_by_key(current, key):
                return record
        for issuer in candidates:
            self._steps += 1
            if self._steps > _MAX_STEPS or below >= MAX_CHAIN:
                return None
            if issuer == current or issuer.subject != current.issuer or not signed(current, issuer):
                continue
            if not _may_issue(issuer, below):
                continue
            if not issuer.not_valid_before_utc <= self._at <= issuer.not_valid_after_utc:
                self._expired = True
                continue
            found = _first_match(self._authorities, issuer)
            if found is None:
                rest = [c for c in candidates if c != issuer]
                found = self._climb(issuer, rest, keys, below + 1)
            if found is not None:
                return found
        return None


def _first_match(records: Sequence[Tlsa], certificate: x509.Certificate) -> Tlsa | None:
    return next((r for r in records if association(certificate, r.selector, r.matching) == r.data), None)


def association(certificate: x509.Certificate, selector: int, matching: int) -> bytes:
    """Return what a TLSA record with that selector and matching type says of a certificate (RFC 6698 section 2.1)."""
    if selector == 0:
        whole = certificate.public_bytes(Encoding.DER)
    else:
        whole = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.new(_DIGESTS[matching], whole).digest() if matching else whole


def _signed_by_key(certificate: x509.Certificate, key: object) -> bool:
    algorithm, signature = certificate.signature_hash_algorithm, certificate.signature
    body = certificate.tbs_certificate_bytes
    try:
        if isinstance(key, rsa.RSAPublicKey):
            parameters = certificate.signature_algorithm_parameters
            if algorithm is None or not isinstance(parameters, padding.AsymmetricPadding):
                return False
            key.verify(signature, body, parameters, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            if algorithm is None:
                return False
            key.verify(signature, body, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, body)
        else:
            return False
    except (InvalidSignature, ValueError, TypeError):
        return False
    return not isinstance(key, dsa.DSAPublicKey)


def _may_issue(issuer: x509.Certificate, below: int) -> bool:
    """Whether a certificate may issue others, `below` authorities under it (RFC 5280 sections 4.2.1.3, 4.2.1.9)."""
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    if not basic.ca or (basic.path_length is not None and basic.path_length < below):
        return False
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _for_servers(leaf: x509.Certificate) -> bool:
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return (
        ExtendedKeyUsageOID.SERVER_AUTH in purposes or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes
    )


def _reference_names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The names it is for; the common name counts where no other is given (RFC 7672 section 3.2.3)."""
    names = names_of(leaf)
    if names:
        return names
    return tuple(str(a.value) for a in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[:1])
