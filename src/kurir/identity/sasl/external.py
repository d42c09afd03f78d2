"""EXTERNAL (RFC 4422 appendix A), as a server: who the client is was proved in the TLS handshake."""

from kurir.identity.passwords import MAX_PASSWORD

from .steps import Challenge, Failure, NeedsCertificate, Step


class External:
    """One message: the authorization identity, or nothing."""

    authcid = ""

    def start(self, initial: bytes | None) -> Step:
        """See `ServerMechanism`."""
        return Challenge(b"") if initial is None else self.answer(initial)

    def answer(self, response: bytes) -> Step:
        """See `ServerMechanism`."""
        try:
            text = response.decode()
        except UnicodeDecodeError:
            return Failure("EXTERNAL message is not UTF-8")
        if len(response) > MAX_PASSWORD or "\0" in text:
            return Failure("EXTERNAL message is too long or has a NUL")
        self.authcid = text
        return NeedsCertificate(text)
