"""OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's elder of it), as a server."""

import json
import re
from typing import Protocol

from kurir.identity.passwords import MAX_PASSWORD

from .steps import Challenge, Failure, NeedsToken, Step

MAX_TOKEN = 8 * 1024
"""Octets of a bearer token that are looked at; the line limit of AUTH is 12,288 (RFC 4954 section 4.5.3)."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1


class Dialect(Protocol):
    """How one of the two mechanisms writes the same things."""

    def read(self, response: bytes) -> tuple[str, str] | None:
        """Return name ("" where none is said) and authorization of a message, None where it is malformed."""
        ...

    def error(self, error: str, scope: str, configuration: str) -> dict[str, str]:
        """Return what the client is told."""
        ...


class Bearer:
    """One message with a token; where it is refused, an error and a last message of the client.

    `configuration` is the address of the issuer's openid-configuration, `scope` what a token must allow; both may be "".
    """

    def __init__(self, dialect: Dialect, *, configuration: str = "", scope: str = "") -> None:
        self.authcid = ""
        self._dialect = dialect
        self._configuration = configuration
        self._scope = scope
        self._refused = ""

    def start(self, initial: bytes | None) -> Step:
        """See `ServerMechanism`."""
        return Challenge(b"") if initial is None else self.answer(initial)

    def answer(self, response: bytes) -> Step:
        """See `ServerMechanism`."""
        if self._refused:  # RFC 7628 section 3.2.3: %x01, or whatever; the exchange fails
            return Failure(self._refused, self.authcid)
        said = self._dialect.read(response) if len(response) <= MAX_TOKEN + 2 * MAX_PASSWORD else None
        if said is None:
            return Failure("bearer message cannot be understood", self.authcid)
        name, authorization = said
        self.authcid = name[:MAX_PASSWORD]
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or len(token) > MAX_TOKEN or not _TOKEN.fullmatch(token):
            return Failure("bearer message has no token", self.authcid)
        return NeedsToken(self.authcid, token)

    def refusal(self, error: str, reason: str) -> bytes:
        """Return what a client is told whose token is refused (RFC 7628 section 3.2.2); it answers once more.

        `error` is ``invalid_token`` or ``insufficient_scope``, `reason` for the trace.
        """
        self._refused = reason
        return json.dumps(self._dialect.error(error, self._scope, self._configuration)).encode()


class OAuthBearer:
    """OAUTHBEARER: ``n,a=NAME,^Ahost=...^Aport=...^Aauth=Bearer TOKEN^A^A``."""

    def read(self, response: bytes) -> tuple[str, str] | None:
        """See `Dialect`."""
        try:
            header, _, rest = response.decode().partition("\x01")
        except UnicodeDecodeError:
            return None
        flag, _, gs2 = header.partition(",")
        name, comma, nothing = gs2.partition(",")
        if flag not in {"n", "y"} or not comma or nothing or not rest.endswith("\x01\x01"):
            return None  # channel binding ("p=") is not defined for it
        if name and not name.startswith("a="):
            return None
        pairs = dict(_pair(part) for part in rest[:-2].split("\x01"))
        name = name[2:].replace("=2C", ",").replace("=3D", "=")
        return None if "auth" not in pairs or "\0" in name else (name, pairs["auth"])

    def error(self, error: str, scope: str, configuration: str) -> dict[str, str]:
        """See `Dialect`."""
        said = {"status": error, "scope": scope, "openid-configuration": configuration}
        return {key: value for key, value in said.items() if value}


class XOAuth2:
    """XOAUTH2: ``user=NAME^Aauth=Bearer TOKEN^A^A``."""

    def read(self, response: bytes) -> tuple[str, str] | None:
        """See `Dialect`."""
        try:
            text = response.decode()
        except UnicodeDecodeError:
            return None
        if not text.endswith("\x01\x01"):
            return None
        pairs = dict(_pair(part) for part in text[:-2].split("\x01"))
        if not pairs.get("user") or "auth" not in pairs or "\0" in pairs["user"]:
            return None
        return pairs["user"], pairs["auth"]

    def error(self, error: str, scope: str, configuration: str) -> dict[str, str]:
        """See `Dialect`."""
        return {
            "status": "403" if error == "insufficient_scope" else "401",
            "schemes": "bearer",
            "scope": scope,
        }


def _pair(part: str) -> tuple[str, str]:
    key, _, value = part.partition("=")
    return key.lower(), value
