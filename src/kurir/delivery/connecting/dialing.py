"""Connections to the outside, made by the network room."""

import ssl
from collections.abc import Sequence

from kurir.delivery.ports import Untrusted
from kurir.model import TlsFacts
from kurir.net import ClientTlsFactory, PeerPolicy, SocketStream, TlsLevel, connect
from kurir.net.ports import Endpoint, NetError, Stream

# X509_V_ERR_* -> result type of RFC 8460 section 4.3
_RESULTS = {
    9: "certificate-expired",
    10: "certificate-expired",
    62: "certificate-host-mismatch",
    64: "certificate-host-mismatch",
}


class NetDialer:
    """Implements `Dialer`.

    Which addresses may be dialled for a foreign domain is judged before (`opening`); a smarthost or an
    LMTP store may well be on this machine.
    """

    def __init__(self, tls: ClientTlsFactory, *, source: Sequence[str] = ()) -> None:
        self._tls = tls
        self._source = source
        self._policy = PeerPolicy(allow_loopback=True)

    async def connect(
        self, endpoints: Sequence[Endpoint], timeout: float, *, source: Sequence[str] = ()
    ) -> Stream:
        """Connect to the first address of one host that answers.  Raises `NetError`."""
        return await connect(endpoints, source=source or self._source, timeout=timeout, policy=self._policy)

    async def start_tls(self, stream: Stream, name: str, *, verify: bool, timeout: float) -> TlsFacts:
        """Do the handshake as client.  Raises `NetError`, `Untrusted`."""
        assert isinstance(stream, SocketStream)
        level = TlsLevel.VERIFIED if verify else TlsLevel.OPPORTUNISTIC
        try:
            return await stream.upgrade_client(self._tls.level(level), name, timeout=timeout)
        except NetError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                result = _RESULTS.get(error.__cause__.verify_code, "certificate-not-trusted")
                raise Untrusted(str(error), result) from error
            raise

    def chain(self, stream: Stream) -> tuple[bytes, ...]:
        """Return the certificates that the other side showed."""
        assert isinstance(stream, SocketStream)
        return stream.peer_certificates
