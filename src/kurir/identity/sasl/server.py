"""The table of mechanisms, and PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login).

Who wants to act for somebody else (an authorization identity that differs from the name) is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kurir.identity.passwords import MAX_PASSWORD, RandomBytes
from kurir.identity.ports import Account

from .bearer import Bearer, Dialect, OAuthBearer, XOAuth2
from .external import External
from .steps import Challenge, Failure, NeedsPassword, Step


@dataclass(frozen=True, slots=True)
class SaslContext:
    """What mechanisms need from outside.

    `lookup` finds an account by its name; `secret` (32 octets, the same on every worker) makes the salt
    of unknown users stable; `endpoint` is the ``tls-server-end-point`` binding (RFC 5929 section 4), or None.
    `token_scope` and `token_configuration` are told to clients whose token is refused.
    """

    lookup: Callable[[str], Account | None]
    secret: bytes
    random: RandomBytes
    endpoint: bytes | None = None
    token_scope: str = ""
    token_configuration: str = ""


class ServerMechanism(Protocol):
    """One exchange.  `authcid` is the name that logs in, as soon as the client said it, else ""."""

    authcid: str

    def start(self, initial: bytes | None) -> Step:
        """Begin, with the initial response where the client sent one."""
        ...

    def answer(self, response: bytes) -> Step:
        """Take the client's answer to the last challenge."""
        ...


class Plain:
    """``[authzid] NUL authcid NUL password`` in one message."""

    authcid = ""

    def start(self, initial: bytes | None) -> Step:
        """See `ServerMechanism`."""
        return Challenge(b"") if initial is None else self.answer(initial)

    def answer(self, response: bytes) -> Step:
        """See `ServerMechanism`."""
        parts = response.split(b"\0") if len(response) <= 3 * MAX_PASSWORD + 2 else []
        if len(parts) != 3:
            return Failure("PLAIN message is not authzid NUL authcid NUL password")
        authzid, authcid, password = (_text(part) for part in parts)
        self.authcid = authcid or ""
        if authzid is None or not authcid or not password:
            return Failure("PLAIN message is not UTF-8, or has an empty or too long part", authcid or "")
        if authzid and authzid.lower() != authcid.lower():
            return Failure("asked to act for somebody else", authcid)
        return NeedsPassword(authcid, password)


class LoginMechanism:
    """Name and password asked for one after the other."""

    authcid = ""

    def start(self, initial: bytes | None) -> Step:
        """See `ServerMechanism`."""
        return Challenge(b"Username:") if initial is None else self.answer(initial)

    def answer(self, response: bytes) -> Step:
        """See `ServerMechanism`."""
        text = _text(response)
        if not text or "\0" in text:
            return Failure("LOGIN answer is empty, too long, has a NUL or is not UTF-8", self.authcid)
        if not self.authcid:
            self.authcid = text
            return Challenge(b"Password:")
        return NeedsPassword(self.authcid, text)


def _text(data: bytes) -> str | None:
    if len(data) > MAX_PASSWORD:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _scram(context: SaslContext) -> ServerMechanism:
    from .scram import Scram

    return Scram(context, plus=False)


def _scram_plus(context: SaslContext) -> ServerMechanism:
    from .scram import Scram

    return Scram(context, plus=True)


def _bearer(dialect: Dialect) -> Callable[[SaslContext], ServerMechanism]:
    return lambda context: Bearer(
        dialect, configuration=context.token_configuration, scope=context.token_scope
    )


MECHANISMS: dict[str, Callable[[SaslContext], ServerMechanism]] = {
    "EXTERNAL": lambda _: External(),
    "SCRAM-SHA-256-PLUS": _scram_plus,
    "SCRAM-SHA-256": _scram,
    "OAUTHBEARER": _bearer(OAuthBearer()),
    "XOAUTH2": _bearer(XOAuth2()),
    "PLAIN": lambda _: Plain(),
    "LOGIN": lambda _: LoginMechanism(),
}
"""Strongest first, as they are offered."""


def begin(mechanism: str, context: SaslContext) -> ServerMechanism:
    """Start an exchange.  Raises `KeyError` for a mechanism that is not in `MECHANISMS`."""
    return MECHANISMS[mechanism](context)
