"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as a server (RFC 5802, RFC 7677), on `scramp`.

An unknown user, or one without a verifier, gets a salt that is always the same for that name and keys
that fit no password, and fails at the end like a wrong password.  The server's signature goes out as a
last challenge that the client answers with an empty line (RFC 4954 section 4).

SCRAM does not say which of an account's passwords the client has; since all keys of an account share a salt,
the proof is tried on each.
"""

import copy
import hashlib
import hmac
from typing import Any

from scramp import ScramException, ScramMechanism

from kurir.identity.passwords import MAX_PASSWORD
from kurir.identity.ports import Account, AppPassword, ScramKeys
from kurir.identity.scramkeys import ITERATIONS, candidates

from .server import SaslContext
from .steps import Challenge, Failure, Step, Success

KNOWN_BINDING = "tls-server-end-point"


class Scram:
    """One exchange: client-first, server-first, client-final, server-final."""

    def __init__(self, context: SaslContext, *, plus: bool) -> None:
        self._context = context
        self._plus = plus
        self.authcid = ""
        self._candidates: list[tuple[ScramKeys, AppPassword | None]] = []
        self._app: AppPassword | None = None
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
            channel_binding=(KNOWN_BINDING, endpoint) if endpoint else None,
            s_nonce=self._context.random(18).hex(),
        )
        return Challenge(b"") if initial is None else self.answer(initial)

    def answer(self, response: bytes) -> Step:
        """See `ServerMechanism`."""
        if self._proven:
            return (
                Success(self.authcid, self._app)
                if not response
                else Failure("data behind the last message", self.authcid)
            )
        if len(response) > 4 * MAX_PASSWORD:
            return Failure("message too long", self.authcid)
        try:
            text = response.decode()
            if self._first:
                self._first = False
                if text.startswith("p="):
                    wanted = text[2:].partition(",")[0]
                    if not self._plus:
                        return Failure("channel binding asked for without -PLUS")
                    if wanted != KNOWN_BINDING:
                        # tls-exporter (RFC 9266) needs keying material that Python's ssl does not give out
                        return Failure(
                            f"the client binds with {wanted[:40]!r}, this server only with {KNOWN_BINDING}"
                        )
                self._server.set_client_first(text)
                return Challenge(self._server.get_server_first().encode())
            final = self._final(text)
        except (ScramException, ValueError) as e:  # UnicodeDecodeError is a ValueError
            return Failure(f"SCRAM: {e}", self.authcid)
        if not self._candidates:
            return Failure("no such user, or it has no SCRAM verifier", self.authcid)
        self._proven = True
        return Challenge(final)

    def _final(self, text: str) -> bytes:
        """Check the proof with each key; the error is that of the account's own password."""
        fresh = copy.copy(self._server)
        try:
            return self._try(self._server, text, self._candidates[0][1] if self._candidates else None)
        except ScramException:
            for (_, _, stored_key, server_key), app in self._candidates[1:]:
                server = copy.copy(fresh)
                server.stored_key, server.server_key = stored_key, server_key
                try:
                    return self._try(server, text, app)
                except ScramException:
                    continue
            raise

    def _try(self, server: Any, text: str, app: AppPassword | None) -> bytes:
        server.set_client_final(text)
        self._app = app
        final: str = server.get_server_final()
        return final.encode()

    def _verifier(self, name: str) -> tuple[bytes, bytes, bytes, int]:
        self.authcid = name[:MAX_PASSWORD]
        account: Account | None = self._context.lookup(self.authcid)
        salt, stored, server = (self._fake(part) for part in (b"salt", b"stored", b"server"))
        self._candidates = candidates(account) if account is not None else []
        if not self._candidates:
            return salt[:16], stored, server, ITERATIONS
        iterations, salt, stored, server = self._candidates[0][0]
        return salt, stored, server, iterations

    def _fake(self, part: bytes) -> bytes:
        return hmac.new(
            self._context.secret, part + b"\0" + self.authcid.lower().encode(), hashlib.sha256
        ).digest()
