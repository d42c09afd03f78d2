"""The key of our account at an authority: it signs every request (RFC 8555 section 6.2, RFC 7515)."""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey

from kurir.model.told import told

from .settings import ExternalAccount

# Headers of ACME ("nonce", "url") are none that joserfc knows.
_REGISTRY = jws.JWSRegistry(strict_check_header=False, algorithms=["ES256", "HS256"])


class AccountKey:
    """An EC P-256 key.  Raises ValueError for a file that holds none."""

    def __init__(self, key: ECKey) -> None:
        self._key = key
        self.public: dict[str, Any] = dict(key.as_dict(private=False))
        self.thumbprint = key.thumbprint()  # RFC 7638

    @classmethod
    def generate(cls) -> "AccountKey":
        """Make a new one."""
        return cls(ECKey.generate_key("P-256"))

    @classmethod
    def from_pem(cls, pem: bytes) -> "AccountKey":
        """Read one that `pem` wrote."""
        try:
            key = ECKey.import_key(pem)
        except (JoseError, ValueError, TypeError) as e:
            raise ValueError(told("no EC key in PEM form: {why}", why=e)) from None
        return cls(key)

    def pem(self) -> bytes:
        """Return it as a file without a password."""
        return bytes(self._key.as_pem(private=True))

    def sign(self, url: str, nonce: str, payload: bytes, account: str = "") -> bytes:
        """Return the request for `url`; without an `account` the key itself is shown instead."""
        who = {"kid": account} if account else {"jwk": self.public}
        protected = {"alg": "ES256", "nonce": nonce, "url": url, **who}
        return msgspec.json.encode(
            jws.serialize_json({"protected": protected}, payload, self._key, registry=_REGISTRY)
        )

    def bind(self, url: str, external: ExternalAccount) -> dict[str, Any]:
        """Return the binding to an account that exists there already (RFC 8555 section 7.3.4)."""
        protected = {"alg": "HS256", "kid": external.key_id, "url": url}
        key = OctKey.import_key(external.key)
        payload = msgspec.json.encode(self.public)
        return dict(jws.serialize_json({"protected": protected}, payload, key, registry=_REGISTRY))

    def authorization(self, token: str) -> str:
        """Return what proves a name over HTTP (RFC 8555 section 8.1)."""
        return f"{token}.{self.thumbprint}"

    def record(self, token: str) -> str:
        """Return what proves a name in the DNS (RFC 8555 section 8.4)."""
        digest = hashlib.sha256(self.authorization(token).encode("ascii")).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
