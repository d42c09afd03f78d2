"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as a server (RFC 5802, RFC 7677), on `scramp`.

An unknown user, or one without a verifier, gets a salt that is always the same for that name and keys
that fit no password, and fails at the end like a wrong password.  The server's signature goes out as a
last challenge that the client answers with an empty line (RFC 4954 section 4).
"""

import hashlib
import hmac
from typing import Any

from scramp import ScramException, ScramMechanism

from kurir.identity.passwords import MAX_PASSWORD
from kurir.identity.ports import Account

from .server import SaslContext
from .steps import Challenge, Failure, Step, Success

FAKE_ITERATIONS = 15_000


class Scram:
    """One exchange: client-first, server-first, client-final, server-final."""

    def __init__(self, context: SaslContext, *, plus: bool) -> None:
        self._context = context
        self._plus = plus
        self.authcid = ""
        self._real = False
        self._proven = False
        self._first = True
        self._server: Any = None

    def start(self, initial: bytes | None) -> Step:
        """See `ServerMechanism`."""
        if self._plus and not self._context.endpoint:
            return Failure("channel binding is not possible on this connection")
        # With a binding at hand scramp refuses a client that was made to believe we have none (flag "y").
        endpoint = self._context.endpoint
        self._server = ScramMechanism("SCRAM-SHA-256-PLUS" if self._plus else "SCRAM-SHA-256").make_server(
            self._verifier,
            channel_binding=("tls-server-end-point", endpoint) if endpoint else None,
            s_nonce=self._context.random(18).hex(),
        )
        return Challenge(b"") if initial is None else self.answer(initial)

    def answer(self, response: bytes) -> Step:
        """See `ServerMechanism`."""
        if self._proven:
            return (
                Success(self.authcid)
                if not response
                else Failure("data behind the last message", self.authcid)
            )
        if len(response) > 4 * MAX_PASSWORD:
            return Failure("message too long", self.authcid)
        try:
            text = response.decode()
            if self._first:
                self._first = False
                if not self._plus and text.startswith("p="):
                    return Failure("channel binding asked for without -PLUS")
                self._server.set_client_first(text)
                return Challenge(self._server.get_server_first().encode())
            self._server.set_client_final(text)
            final = self._server.get_server_final().encode()
        except (ScramException, ValueError) as e:  # UnicodeDecodeError is a ValueError
            return Failure(f"SCRAM: {e}", self.authcid)
        if not self._real:
            return Failure("no such user, or it has no SCRAM verifier", self.authcid)
        self._proven = True
        return Challenge(final)

    def _verifier(self, name: str) -> tuple[bytes, bytes, bytes, int]:
        self.authcid = name[:MAX_PASSWORD]
        account: Account | None = self._context.lookup(self.authcid)
        salt, stored, server = (self._fake(part) for part in (b"salt", b"stored", b"server"))
        if account is None or account.scram is None:
            return salt[:16], stored, server, FAKE_ITERATIONS
        self._real = True
        iterations, salt, stored, server = account.scram
        return salt, stored, server, iterations

    def _fake(self, part: bytes) -> bytes:
        return hmac.new(
            self._context.secret, part + b"\0" + self.authcid.lower().encode(), hashlib.sha256
        ).digest()
