"""Signs a message while it passes by (RFC 6376 section 5, RFC 8463 section 3: two algorithms side by side).

Keys are loaded once.  `Signer.begin` reads the header, `Signing.feed` hashes the body as it goes by, and
`Signing.fields` makes the DKIM-Signature fields, which go in front of the header; the message itself is not touched.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from kurir.message import Headers
from kurir.model import AddressError, normalise_domain

from .body import BodyDigests
from .canon import Canon, canonical_fields, choose_fields, relaxed
from .keyrecord import PublicKey
from .settings import SigningSettings
from .signature import Algorithm

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

_SHA256 = Prehashed(hashes.SHA256())
_MIN_RSA_BITS = 1024  # RFC 8301 section 3.2: MUST; new keys have 2048 (SHOULD)
_NEW_RSA_BITS = 2048
_LINE = 76
_DEFAULT = SigningSettings()
_PEM_LIMIT = 64 * 1024
_FOLD = re.compile(r".{1,72}")
_PIECES = re.compile(r"[^:]+:?")


class KeyFileError(ValueError):
    """A private key cannot be used; `str(error)` says why, never what the file holds."""


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key, and the name its public half is published under (`selector`._domainkey.`domain`)."""

    domain: str
    selector: str
    private: PrivateKey

    def __repr__(self) -> str:
        return f"SigningKey({self.selector}._domainkey.{self.domain}, {self.algorithm.value})"

    @classmethod
    def from_pem(cls, domain: str, selector: str, pem: bytes) -> "SigningKey":
        """Load an RSA or Ed25519 key from PEM without a password.  Raises `KeyFileError`."""
        try:
            # Our own file: the check of its primes takes 30 ms, and a wrong signature would show at once.
            private = load_pem_private_key(pem[:_PEM_LIMIT], None, unsafe_skip_rsa_key_validation=True)
            name = normalise_domain(f"{selector}._domainkey.{normalise_domain(domain)}")
        except AddressError as e:
            raise KeyFileError(str(e)) from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyFileError("not a private key in PEM form without a password") from None
        if not isinstance(private, (RSAPrivateKey, Ed25519PrivateKey)):
            raise KeyFileError("neither an RSA nor an Ed25519 key")
        if isinstance(private, RSAPrivateKey) and private.key_size < _MIN_RSA_BITS:
            raise KeyFileError(f"an RSA key of {private.key_size} bits proves nothing; make one of 2048")
        selector, _, domain = name.partition("._domainkey.")
        return cls(domain, selector, private)

    @classmethod
    def generate(cls, domain: str, selector: str, algorithm: Algorithm) -> "SigningKey":
        """Make a new key (RSA with 2048 bits: RFC 8301 section 3.2)."""
        if algorithm is Algorithm.RSA:
            return cls(domain, selector, generate_private_key(65537, _NEW_RSA_BITS))
        return cls(domain, selector, Ed25519PrivateKey.generate())

    def pem(self) -> bytes:
        """Return the private key in PEM without a password: for a file that nobody else may read."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm it signs with."""
        return Algorithm.RSA if isinstance(self.private, RSAPrivateKey) else Algorithm.ED25519

    @property
    def public(self) -> PublicKey:
        """The half to publish."""
        return self.private.public_key()

    def sign(self, digest: bytes) -> str:
        """Return the signature of a SHA-256 `digest` in base64."""
        if isinstance(self.private, RSAPrivateKey):
            octets = self.private.sign(digest, padding.PKCS1v15(), _SHA256)
        else:
            octets = self.private.sign(digest)
        return base64.b64encode(octets).decode()


def covered_names(headers: Headers, settings: SigningSettings = _DEFAULT) -> tuple[str, ...]:
    """Return the names for ``h=``, once for each field, and once more for those that nobody may add."""
    names: list[str] = []
    for name in settings.sealed:
        names += [name] * (len(headers.named(name)) + 1)
    for name in settings.guarded:
        if count := len(headers.named(name)):
            names += [name] * (count + 1)
    for name in settings.signed:
        names += [name] * len(headers.named(name))
    return tuple(names)


class Signing:
    """One message being signed."""

    __slots__ = ("_bodies", "_covered", "_expires_after", "_identity", "_keys", "_names")

    def __init__(
        self, headers: Headers, keys: Sequence[SigningKey], settings: SigningSettings, identity: str
    ) -> None:
        self._keys = keys
        self._expires_after = settings.expires_after
        self._identity = identity
        names = covered_names(headers, settings)
        self._names = names
        chosen = choose_fields(headers, names)
        self._covered = hashlib.sha256(canonical_fields(headers, chosen, Canon.RELAXED))
        self._bodies = BodyDigests()
        self._bodies.want(Canon.RELAXED)

    def feed(self, data: bytes) -> None:
        """Take the next octets of the body, as they will be sent (without dot-stuffing)."""
        self._bodies.feed(data)

    def fields(self, now: float) -> bytes:
        """Return the DKIM-Signature fields, CRLF included, to put in front of the header; the body has ended.

        `now` is in seconds since the epoch.  Costs one private-key operation for each key.
        """
        body_hash = base64.b64encode(self._bodies.digest(Canon.RELAXED).sha256).decode()
        return b"".join([self._field(key, body_hash, int(now)) for key in self._keys])

    def _field(self, key: SigningKey, body_hash: str, now: int) -> bytes:
        tags = {
            "v": "1",
            "a": key.algorithm.value,
            "c": "relaxed/relaxed",
            "d": key.domain,
            "s": key.selector,
            "t": str(now),
        }
        if self._expires_after is not None:
            tags["x"] = str(now + self._expires_after)
        if self._identity:
            tags["i"] = self._identity
        tags |= {"h": ":".join(self._names), "bh": body_hash}
        value = tag_lines(tags, len("DKIM-Signature:")) + ";\r\n b="
        whole = self._covered.copy()
        whole.update(relaxed(b"DKIM-Signature", value.encode())[:-2])
        signature = "\r\n ".join(_FOLD.findall(key.sign(whole.digest())))
        return b"DKIM-Signature:" + value.encode() + signature.encode() + b"\r\n"


class Signer:
    """Signs the messages of one domain with all of its active keys, the first one uppermost.

    Put RSA first: it is the one that every receiver can check.
    """

    __slots__ = ("_keys", "_settings")

    def __init__(self, keys: Iterable[SigningKey], settings: SigningSettings = _DEFAULT) -> None:
        self._keys = tuple(keys)
        self._settings = settings

    def begin(self, headers: Headers, identity: str = "") -> Signing:
        """Start with the header of a message; `identity` is written as ``i=`` (left out where it is empty)."""
        return Signing(headers, self._keys, self._settings, identity)

    def sign(self, headers: Headers, body: Iterable[bytes], now: float) -> bytes:
        """Return the fields for a message whose body is at hand."""
        signing = self.begin(headers)
        for chunk in body:
            signing.feed(chunk)
        return signing.fields(now)


def tag_lines(tags: Mapping[str, str], lead: int) -> str:
    """Return tags as the value of a field whose name, with its colon, has `lead` octets.

    Folded between tags; only a list of names that is longer than a line is folded within, behind its colons.
    """
    lines: list[str] = []
    line = ""
    room = _LINE - lead
    for name, value in tags.items():
        text = f" {name}={value};"
        pieces = [text] if name != "h" or len(text) <= _LINE else _PIECES.findall(text)
        for at, piece in enumerate(pieces):
            if line and len(line) + len(piece) > room:
                lines.append(line)
                line, room = "", _LINE
            line += piece if line or not at else " " + piece
    lines.append(line)
    return "\r\n".join(lines).removesuffix(";")
