"""Signatures as they stand in a header: DKIM-Signature (RFC 6376 section 3.5), and what ARC shares with it.

`read_stamp` reads what all three kinds have (who, which key, the signature itself), `read_signature` a
DKIM-Signature or ARC-Message-Signature.  Both raise `DkimProblem`, which ends as a verdict.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from kurir.model import AddressError, normalise_domain

from .canon import Canon
from .settings import DkimSettings
from .tags import decode_base64, names, number, parse_tags, squeeze
from .verdict import DkimProblem, DkimReason

_REQUIRED_STAMP = ("a", "b", "d", "s")
_LENGTH_DIGITS = 76  # RFC 6376 section 3.5, l=
_FIELD_NAME = re.compile(r"[!-9;-~]*")


class Algorithm(str, Enum):
    """The signing algorithms of RFC 8301 and RFC 8463; rsa-sha1 is none any more."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"

    @property
    def key_type(self) -> str:
        """The ``k=`` of a key for it."""
        return self.value.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who signed: `domain` and `selector` normalised, `record_name` where the key is, `octets` the signature."""

    algorithm: Algorithm
    domain: str
    selector: str
    record_name: str
    octets: bytes
    mark: str
    signed_at: int | None


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature over header and body: what it covers (`names`, lower case; `length` of the body) and how."""

    stamp: Stamp
    header_canon: Canon
    body_canon: Canon
    body_hash: bytes
    names: tuple[str, ...]
    length: int | None
    expires_at: int | None
    identity: str
    identity_domain: str


def read_tags(value: bytes, settings: DkimSettings) -> dict[str, str]:
    """Return the tags of a raw field value.  Raises `DkimProblem`."""
    if len(value) > settings.signature_octets:
        raise DkimProblem(DkimReason.SYNTAX, f"{len(value)} octets long")
    return parse_tags(value)


def read_stamp(tags: Mapping[str, str]) -> Stamp:
    """Return what every kind of signature has.  Raises `DkimProblem`."""
    _demand(tags, _REQUIRED_STAMP)
    algorithm = _algorithm(tags["a"])
    try:
        domain = normalise_domain(tags["d"])
        record_name = normalise_domain(f"{tags['s']}._domainkey.{domain}")
    except AddressError as e:
        raise DkimProblem(DkimReason.SYNTAX, str(e)) from None
    if domain.startswith("["):
        raise DkimProblem(DkimReason.SYNTAX, "d= is not a domain name")
    return Stamp(
        algorithm=algorithm,
        domain=domain,
        selector=record_name.partition("._domainkey.")[0],
        record_name=record_name,
        octets=decode_base64(tags["b"], "b"),
        mark=squeeze(tags["b"])[:8],
        signed_at=number(tags["t"], "t") if "t" in tags else None,
    )


def read_signature(tags: Mapping[str, str], settings: DkimSettings) -> Signature:
    """Return a signature over header and body.  Raises `DkimProblem`.

    ``v=`` is the caller's: ARC-Message-Signature has none, and means something else by ``i=``.
    """
    _demand(tags, (*_REQUIRED_STAMP, "bh", "h"))
    stamp = read_stamp(tags)
    header_canon, body_canon = _canons(tags.get("c", "simple/simple"))
    covered = names(tags["h"])
    if len(covered) > settings.signed_names or not all(map(_FIELD_NAME.fullmatch, covered)):
        raise DkimProblem(DkimReason.SYNTAX, "h= is not a list of field names, or is too long")
    if "from" not in covered:
        raise DkimProblem(DkimReason.FROM_NOT_SIGNED)
    expires_at = number(tags["x"], "x") if "x" in tags else None
    if expires_at is not None and stamp.signed_at is not None and expires_at <= stamp.signed_at:
        raise DkimProblem(DkimReason.SYNTAX, "x= is not after t=")
    if "dns/txt" not in names(tags.get("q", "dns/txt")):
        raise DkimProblem(DkimReason.SYNTAX, f"unknown way to find the key: q={tags['q'][:40]}")
    return Signature(
        stamp=stamp,
        header_canon=header_canon,
        body_canon=body_canon,
        body_hash=decode_base64(tags["bh"], "bh"),
        names=covered,
        length=number(tags["l"], "l", _LENGTH_DIGITS) if "l" in tags else None,
        expires_at=expires_at,
        identity=f"@{stamp.domain}",
        identity_domain=stamp.domain,
    )


def read_dkim(value: bytes, settings: DkimSettings) -> Signature:
    """Return the signature in the raw value of a DKIM-Signature field.  Raises `DkimProblem`."""
    tags = read_tags(value, settings)
    _demand(tags, ("v",))
    if tags["v"] != "1":
        raise DkimProblem(DkimReason.VERSION, tags["v"][:40])
    signature = read_signature(tags, settings)
    if "i" not in tags:
        return signature
    local, at, domain_text = tags["i"].rpartition("@")
    try:
        domain = normalise_domain(domain_text)
    except AddressError as e:
        raise DkimProblem(DkimReason.SYNTAX, f"i=: {e}") from None
    if not at:
        raise DkimProblem(DkimReason.SYNTAX, "i= has no @")
    if domain != signature.stamp.domain and not domain.endswith(f".{signature.stamp.domain}"):
        raise DkimProblem(DkimReason.FOREIGN_IDENTITY, f"i={tags['i'][:80]}")
    return replace(signature, identity=f"{local}@{domain}", identity_domain=domain)


def check_times(signature: Signature, now: float, settings: DkimSettings) -> None:
    """Raise `DkimProblem` for a signature that is expired, or from the future (RFC 6376 section 3.5, t= and x=)."""
    signed_at = signature.stamp.signed_at
    if signature.expires_at is not None and signature.expires_at < now - settings.expiry_slack:
        raise DkimProblem(DkimReason.EXPIRED)
    if signed_at is not None and signed_at > now + settings.future_slack:
        raise DkimProblem(DkimReason.FROM_THE_FUTURE)


def _demand(tags: Mapping[str, str], required: tuple[str, ...]) -> None:
    for name in required:
        if not tags.get(name):
            raise DkimProblem(DkimReason.SYNTAX, f"{name}= is missing or empty")


def _algorithm(text: str) -> Algorithm:
    if text == "rsa-sha1":
        raise DkimProblem(DkimReason.SHA1)
    try:
        return Algorithm(text)
    except ValueError:
        raise DkimProblem(DkimReason.ALGORITHM, text[:40]) from None


def _canons(text: str) -> tuple[Canon, Canon]:
    header, _, body = text.partition("/")
    try:
        return Canon(header), Canon(body or "simple")
    except ValueError:
        raise DkimProblem(DkimReason.ALGORITHM, f"c={text[:40]}") from None
