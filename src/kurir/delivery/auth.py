"""Logging in to a smarthost: which mechanism, and what is said (RFC 4954, RFC 4616, RFC 7677).

SCRAM first, since it does not show the password; then PLAIN and LOGIN.  Whether a password may be sent
at all (TLS or not) is decided by the session.
"""

from collections.abc import Collection
from typing import Protocol

import scramp


class AuthBroken(Exception):
    """The server's side of the exchange makes no sense, or it could not prove that it knows the password."""


class Exchange(Protocol):
    """One login in progress."""

    def initial(self) -> bytes | None:
        """Return the initial response, None where the mechanism has none."""
        ...

    def answer(self, challenge: bytes) -> bytes:
        """Answer a challenge.  Raises `AuthBroken`."""
        ...

    def finished(self) -> None:
        """Check that the server has proven what it has to.  Raises `AuthBroken`."""
        ...


class _Plain:
    """RFC 4616: one message."""

    def __init__(self, username: str, password: str) -> None:
        self._message = f"\0{username}\0{password}".encode()

    def initial(self) -> bytes | None:
        return self._message

    def answer(self, challenge: bytes) -> bytes:
        if challenge:
            raise AuthBroken("the server asked for more after a complete PLAIN login")
        return self._message

    def finished(self) -> None:
        """PLAIN proves nothing about the server."""


class _Login:
    """The old LOGIN: two questions, whatever their words are."""

    def __init__(self, username: str, password: str) -> None:
        self._answers = [password.encode(), username.encode()]

    def initial(self) -> bytes | None:
        return None

    def answer(self, challenge: bytes) -> bytes:
        del challenge
        if not self._answers:
            raise AuthBroken("the server asked more than user name and password")
        return self._answers.pop()

    def finished(self) -> None:
        """LOGIN proves nothing about the server."""


class _Scram:
    """RFC 7677; the server proves that it knows the password too."""

    def __init__(self, username: str, password: str) -> None:
        self._client = scramp.ScramClient(["SCRAM-SHA-256"], username, password)
        self._steps = 0

    def initial(self) -> bytes | None:
        return str(self._client.get_client_first()).encode()

    def answer(self, challenge: bytes) -> bytes:
        self._steps += 1
        try:
            if self._steps == 1:
                self._client.set_server_first(challenge.decode())
                return str(self._client.get_client_final()).encode()
            if self._steps == 2:
                self._client.set_server_final(challenge.decode())
                return b""
        except (scramp.ScramException, UnicodeDecodeError) as e:
            raise AuthBroken(f"SCRAM failed: {e}") from e
        raise AuthBroken("the server asked for more after a complete SCRAM login")

    def finished(self) -> None:
        if self._steps < 2:
            raise AuthBroken("the server did not prove that it knows the password")


_MECHANISMS: dict[str, type[_Plain | _Login | _Scram]] = {
    "SCRAM-SHA-256": _Scram,
    "PLAIN": _Plain,
    "LOGIN": _Login,
}


def choose_mechanism(offered: Collection[str]) -> str | None:
    """Return the best mechanism that both sides know, or None."""
    upper = {name.upper() for name in offered}
    return next((name for name in _MECHANISMS if name in upper), None)


def start_exchange(mechanism: str, username: str, password: str) -> Exchange:
    """Begin a login with a mechanism that `choose_mechanism` returned."""
    return _MECHANISMS[mechanism](username, password)
