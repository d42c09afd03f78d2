"""Key records in the DNS: read (RFC 6376 section 3.6.1, RFC 8463), and written for publishing."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from .settings import DkimSettings
from .signature import Algorithm
from .tags import TagError, decode_base64, names, parse_tags, squeeze
from .verdict import DkimProblem, DkimReason

PublicKey = RSAPublicKey | Ed25519PublicKey

_SHA256 = Prehashed(hashes.SHA256())
_MAX_EXPONENT_BITS = 64  # more only makes checking slow; every key in use has 65537 or less
REMEMBERED = 512  # records read lately: the same few senders write most mail, and reading costs more than asking the cache
_STRING = 255  # RFC 1035 section 3.3.14: octets of one character-string


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A usable key.  `testing` is ``t=y``; `strict` is ``t=s``: identities of subdomains are not its."""

    key: PublicKey
    bits: int
    testing: bool = False
    strict: bool = False

    def fits(self, algorithm: Algorithm) -> bool:
        """Whether the key is of the type that `algorithm` needs."""
        wanted = RSAPublicKey if algorithm is Algorithm.RSA else Ed25519PublicKey
        return isinstance(self.key, wanted)

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Whether `signature` is this key's, over a SHA-256 `digest`.  Ed25519 signs the digest (RFC 8463)."""
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(signature, digest, padding.PKCS1v15(), _SHA256)
            else:
                self.key.verify(signature, digest)
        except InvalidSignature:
            return False
        return True


@lru_cache(REMEMBERED)
def parse_key_record(text: bytes, settings: DkimSettings) -> KeyRecord:
    """Read a key record.  Raises `DkimProblem` with the reason why it cannot be used."""
    if len(text) > settings.record_octets:
        raise DkimProblem(DkimReason.KEY_SYNTAX, f"{len(text)} octets long")
    try:
        tags = parse_tags(text)
        if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
            raise TagError("v= is not DKIM1, or does not stand first")
        if "p" not in tags:
            raise TagError("p= is missing")
        if not tags["p"]:
            raise DkimProblem(DkimReason.KEY_REVOKED)
        material = decode_base64(tags["p"], "p")
    except TagError as e:
        raise DkimProblem(DkimReason.KEY_SYNTAX, e.detail) from None
    _check_use(tags, settings)
    load = _LOADERS.get(tags.get("k", "rsa"))
    if load is None:
        raise DkimProblem(DkimReason.KEY_UNFIT, f"k={tags['k'][:40]}")
    key, bits = load(material, settings)
    flags = names(tags.get("t", ""))
    return KeyRecord(key, bits, testing="y" in flags, strict="s" in flags)


def _check_use(tags: Mapping[str, str], settings: DkimSettings) -> None:
    if "h" in tags and "sha256" not in names(tags["h"]):
        raise DkimProblem(DkimReason.KEY_UNFIT, f"h={tags['h'][:40]}")
    services = names(tags.get("s", "*"))
    if "*" not in services and settings.service not in services:
        raise DkimProblem(DkimReason.KEY_UNFIT, f"s={tags['s'][:40]}")


def _rsa(material: bytes, settings: DkimSettings) -> tuple[PublicKey, int]:
    try:
        key = load_der_public_key(
            material
        )  # SubjectPublicKeyInfo, or the bare RSAPublicKey of the RFC's text
    except (ValueError, UnsupportedAlgorithm):
        raise DkimProblem(DkimReason.KEY_SYNTAX, "p= is not an RSA key") from None
    if not isinstance(key, RSAPublicKey):
        raise DkimProblem(DkimReason.KEY_UNFIT, "p= is not an RSA key")
    bits = key.key_size
    if bits < settings.min_rsa_bits:
        raise DkimProblem(DkimReason.KEY_TOO_SMALL, f"{bits} bits")
    if bits > settings.max_rsa_bits:
        raise DkimProblem(DkimReason.KEY_TOO_LARGE, f"{bits} bits")
    if key.public_numbers().e.bit_length() > _MAX_EXPONENT_BITS:
        raise DkimProblem(DkimReason.KEY_TOO_LARGE, "a needlessly large exponent")
    return key, bits


def _ed25519(material: bytes, _settings: DkimSettings) -> tuple[PublicKey, int]:
    try:
        return Ed25519PublicKey.from_public_bytes(material), 256
    except ValueError:
        raise DkimProblem(DkimReason.KEY_SYNTAX, "p= is not an Ed25519 key of 32 octets") from None


_LOADERS: Mapping[str, Callable[[bytes, DkimSettings], tuple[PublicKey, int]]] = MappingProxyType(
    {"rsa": _rsa, "ed25519": _ed25519}
)


def record_text(key: PublicKey) -> str:
    """Return the text of the TXT record to publish for `key`."""
    if isinstance(key, RSAPublicKey):
        material = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        material = key.public_bytes_raw()
    kind = "rsa" if isinstance(key, RSAPublicKey) else "ed25519"
    return f"v=DKIM1; k={kind}; p={base64.b64encode(material).decode()}"


def txt_strings(text: str) -> tuple[str, ...]:
    """Return `text`, ASCII, split into character-strings of at most 255 octets (RFC 1035 section 3.3.14)."""
    return tuple(text[at : at + _STRING] for at in range(0, len(text), _STRING)) or ("",)


def zone_line(domain: str, selector: str, text: str) -> str:
    """Return the record as a line of a zone file."""
    strings = " ".join('"' + re.sub(r'(["\\])', r"\\\1", part) + '"' for part in txt_strings(text))
    return f"{selector}._domainkey.{domain}. IN TXT ( {strings} )"


def same_key(published: bytes, expected: str) -> bool:
    """Whether a published record holds the key of the `expected` text, whatever else it says."""
    try:
        found, wanted = parse_tags(published), parse_tags(expected.encode())
    except TagError:
        return False
    return all(
        squeeze(found.get(name, fallback)) == wanted.get(name) for name, fallback in (("k", "rsa"), ("p", ""))
    )
