"""The client side of SASL, for smarthosts that ask for a user name and a password.

``start()`` returns the initial response (None: wait for the first challenge), ``answer(challenge)`` the
next one.  SCRAM checks the server's proof too: `ServerUnproven` means that the other side does not
know the password and must not get any mail.
"""

from collections.abc import Callable, Collection
from typing import Any, Protocol

from scramp import ScramClient, ScramException


class ServerUnproven(Exception):
    """The server broke SCRAM or did not prove that it knows the password."""


class ClientMechanism(Protocol):
    """One exchange from the client's side."""

    name: str

    def start(self) -> bytes | None:
        """Return the initial response."""
        ...

    def answer(self, challenge: bytes) -> bytes:
        """Return the answer to a challenge.  Raises `ServerUnproven`."""
        ...

    @property
    def satisfied(self) -> bool:
        """Whether a 235 may be believed now (SCRAM: only after the server's proof)."""
        ...


class PlainClient:
    """PLAIN (RFC 4616)."""

    name = "PLAIN"
    satisfied = True

    def __init__(self, user: str, password: str) -> None:
        self._message = f"\0{user}\0{password}".encode()

    def start(self) -> bytes | None:
        """See `ClientMechanism`."""
        return self._message

    def answer(self, challenge: bytes) -> bytes:
        """See `ClientMechanism`."""
        if challenge:
            raise ServerUnproven("the server asks for more than a name and a password")
        return self._message


class LoginClient:
    """LOGIN: whatever the prompts say, the name comes first."""

    name = "LOGIN"
    satisfied = True

    def __init__(self, user: str, password: str) -> None:
        self._left = [user.encode(), password.encode()]

    def start(self) -> bytes | None:
        """See `ClientMechanism`."""
        return None

    def answer(self, challenge: bytes) -> bytes:
        """See `ClientMechanism`."""
        if not self._left:
            raise ServerUnproven("the server asks for more than a name and a password")
        return self._left.pop(0)


class ScramClientMechanism:
    """SCRAM-SHA-256 (RFC 5802, RFC 7677); with `plus` bound to `endpoint` (RFC 5929 section 4).

    Without `plus` a known `endpoint` says "we could have bound it" (flag "y"), by which a server notices
    that somebody took -PLUS off its list.
    """

    def __init__(
        self, user: str, password: str, *, nonce: str, endpoint: bytes | None = None, plus: bool = False
    ) -> None:
        self.name = "SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256"
        binding = ("tls-server-end-point", endpoint) if endpoint else None
        self._client: Any = ScramClient([self.name], user, password, channel_binding=binding, c_nonce=nonce)
        self._step = 0

    @property
    def satisfied(self) -> bool:
        """See `ClientMechanism`."""
        return self._step == 2

    def start(self) -> bytes | None:
        """See `ClientMechanism`."""
        first: str = self._client.get_client_first()
        return first.encode()

    def answer(self, challenge: bytes) -> bytes:
        """See `ClientMechanism`."""
        try:
            text = challenge.decode()
            if self._step == 0:
                self._client.set_server_first(text)
                final: str = self._client.get_client_final()
                self._step = 1
                return final.encode()
            if self._step == 1:
                self._client.set_server_final(text)
                self._step = 2
                return b""
        except (ScramException, ValueError) as e:
            raise ServerUnproven(f"SCRAM: {e}") from None
        raise ServerUnproven("the server goes on after its proof")


def choose(
    offered: Collection[str],
    user: str,
    password: str,
    *,
    random: Callable[[int], bytes],
    endpoint: bytes | None = None,
) -> ClientMechanism | None:
    """Return the strongest mechanism that both sides know, or None.  `offered` as EHLO lists them."""
    names = {name.upper() for name in offered}
    nonce = random(18).hex()
    if endpoint and "SCRAM-SHA-256-PLUS" in names:
        return ScramClientMechanism(user, password, nonce=nonce, endpoint=endpoint, plus=True)
    if "SCRAM-SHA-256" in names:
        return ScramClientMechanism(user, password, nonce=nonce, endpoint=endpoint)
    if "PLAIN" in names:
        return PlainClient(user, password)
    return LoginClient(user, password) if "LOGIN" in names else None
