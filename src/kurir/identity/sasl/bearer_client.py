"""OAUTHBEARER (RFC 7628) and XOAUTH2 as a client: one message with an access token."""

import json
from collections.abc import Collection


class BearerClient:
    """Implements `ClientMechanism`.  `problem` is what the server said about a token that it refuses."""

    satisfied = True

    def __init__(self, name: str, user: str, token: str, *, host: str, port: int) -> None:
        self.name = name
        self.problem = ""
        if name == "OAUTHBEARER":
            safe = user.replace("=", "=3D").replace(",", "=2C")
            self._message = (
                f"n,a={safe},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode()
            )
            self._end = b"\x01"  # RFC 7628 section 3.2.3
        else:
            self._message = f"user={user}\x01auth=Bearer {token}\x01\x01".encode()
            self._end = b""

    def start(self) -> bytes | None:
        """See `ClientMechanism`."""
        return self._message

    def answer(self, challenge: bytes) -> bytes:
        """See `ClientMechanism`: an empty challenge asks for the message, any other says what is wrong with it."""
        if not challenge:
            return self._message
        try:
            said = json.loads(challenge)
            self.problem = str(said.get("status", ""))[:100] if isinstance(said, dict) else ""
        except ValueError:
            self.problem = ""
        self.problem = self.problem or "the token was refused"
        return self._end


def choose_bearer(
    offered: Collection[str], user: str, token: str, *, host: str, port: int
) -> BearerClient | None:
    """Return the mechanism to use, None where the server (`offered` as EHLO lists it) knows neither."""
    names = {name.upper() for name in offered}
    for name in ("OAUTHBEARER", "XOAUTH2"):
        if name in names:
            return BearerClient(name, user, token, host=host, port=port)
    return None
