"""The stream that sessions hold: a flow of bytes with two ends, TLS on request, and a polite close.

Bytes that came in the clear never count as protected (the STARTTLS injection of CVE-2011-0411 and
CVE-2024-34083): an upgrade is refused while anything is buffered, and reading is paused from that
check until the TLS layer owns the socket.
"""

import asyncio
import ssl
from typing import Any, cast

from kurir.model import TlsFacts

from .addresses import endpoint_of
from .flow import WRITE_HIGH, Flow
from .ports import Endpoint, NetError
from .tls import (
    ClientShown,
    ClientTls,
    ServerTls,
    client_shown,
    describe_tls_error,
    peer_chain,
    server_end_point,
    session_facts,
)
from .tlsinput import TlsInput

HANDSHAKE_SECONDS = 10.0
CLOSE_SECONDS = 5.0  # flushing the last bytes
LINGER_SECONDS = 1.0  # waiting for the peer to see our end, so that unread input does not become a reset
LINGER_OCTETS = 8 * 1024 * 1024  # read and dropped meanwhile; more is a flood, and a reset is its due


class SocketStream(Flow):
    """Implements `kurir.net.ports.Stream`."""

    __slots__ = ("_local", "_peer", "_secure", "_tls")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        peer: Endpoint | None = None,
        local: Endpoint | None = None,
    ) -> None:
        super().__init__(loop)
        self._peer = peer
        self._local = local
        self._tls: TlsFacts | None = None
        self._secure: ServerTls | ClientTls | ssl.SSLContext | None = None

    # -- what the stream is -------------------------------------------------------------------

    @property
    def peer(self) -> Endpoint:
        """The other side (an IPv4-mapped address as plain IPv4); behind a trusted proxy, the client it names."""
        if self._peer is None:
            self._peer = endpoint_of(self._extra("peername"))
        return self._peer

    @property
    def local(self) -> Endpoint:
        """Our side."""
        if self._local is None:
            self._local = endpoint_of(self._extra("sockname"))
        return self._local

    @property
    def tls(self) -> TlsFacts | None:
        """How the stream is protected now, None in the clear."""
        return self._tls

    def channel_binding(self, kind: str) -> bytes | None:
        """Return channel binding data for SCRAM-PLUS, or None where there is none.

        `kind` is ``"tls-unique"`` (TLS 1.2 only) or ``"tls-server-end-point"`` (RFC 5929 sections 3, 4).
        """
        session = self._extra("ssl_object")
        if session is None:
            return None
        if kind == "tls-unique":
            if session.version() != "TLSv1.2":
                return None
            return cast("bytes | None", session.get_channel_binding(kind))
        if kind == "tls-server-end-point":
            return server_end_point(session, self._secure)
        return None

    @property
    def peer_certificates(self) -> tuple[bytes, ...]:
        """What the other side showed in the handshake (DER, its own first), verified or not."""
        session = self._extra("ssl_object")
        return peer_chain(session) if session is not None else ()

    @property
    def client_certificate(self) -> ClientShown | None:
        """The certificate that the client proved to have, None where there is none or none was asked for."""
        session = self._extra("ssl_object")
        return None if session is None else client_shown(session, self._secure)

    def _extra(self, name: str) -> Any:
        return self._transport.get_extra_info(name) if self._transport is not None else None

    # -- TLS ----------------------------------------------------------------------------------

    async def upgrade_server(self, tls: ServerTls, *, timeout: float = HANDSHAKE_SECONDS) -> TlsFacts:
        """Become TLS as the server.  Raises `NetError` "tls" (also for bytes sent before the handshake) or "lost"."""
        return await self._upgrade(tls.context, tls, None, timeout)

    async def upgrade_client(
        self, tls: ClientTls | ssl.SSLContext, server_hostname: str, *, timeout: float = HANDSHAKE_SECONDS
    ) -> TlsFacts:
        """Become TLS as the client, naming `server_hostname` (SNI and certificate name).  Raises `NetError`.

        With a `ClientTls` the returned facts say whether the certificate proved the name, and why not.
        """
        context = tls.context if isinstance(tls, ClientTls) else tls
        return await self._upgrade(context, tls, server_hostname, timeout)

    async def _upgrade(
        self,
        context: ssl.SSLContext,
        secure: ServerTls | ClientTls | ssl.SSLContext,
        server_hostname: str | None,
        timeout: float,
    ) -> TlsFacts:
        transport = self._transport
        if self._lost is not None or self._ended or transport is None or transport.is_closing():
            raise self._gone()
        self._hold()
        # No await from here until the TLS layer is the protocol of the socket: nothing can slip in between.
        if self._size:
            self.abort()
            raise NetError("tls", f"the other side sent {self._size} octets in the clear behind STARTTLS")
        try:
            upgraded = await self._loop.start_tls(
                transport,
                TlsInput(self),
                context,
                server_side=server_hostname is None,
                server_hostname=server_hostname,
                ssl_handshake_timeout=timeout,
                ssl_shutdown_timeout=CLOSE_SECONDS,
            )
        except (OSError, RuntimeError, ValueError) as e:
            error = describe_tls_error(e, server_hostname, timeout)
            self._lose(error)
            self.abort()
            raise error from e
        except BaseException:
            self._lose(NetError("lost", "the connection was given up during the TLS handshake"))
            self.abort()
            raise
        if upgraded is None:
            self._lose(NetError("lost", "the connection was lost during the TLS handshake"))
            raise self._gone()
        self._transport = upgraded
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._held = False
        self._full = False
        return self.secured(secure, server_hostname)

    def secured(
        self, secure: ServerTls | ClientTls | ssl.SSLContext, server_hostname: str | None = None
    ) -> TlsFacts:
        """Take note of a handshake that is done (by the listener, for ports that are TLS from the first byte)."""
        self._secure = secure
        self._tls = session_facts(self._extra("ssl_object"), secure, server_hostname)
        self._half = False
        return self._tls

    # -- the end ------------------------------------------------------------------------------

    async def close(self) -> None:
        """Flush, tell the peer, wait a bounded time for its end, close.  Never raises.

        The wait matters when the peer is still sending: closing over unread input resets the connection,
        and the reset can destroy our last reply on its way.
        """
        transport = self._transport
        if transport is None or self._lost is not None:
            self.abort()
            return
        self._drop_input()
        try:
            if (
                not transport.is_closing()
                and self._tls is None
                and not self._ended
                and transport.can_write_eof()
            ):
                transport.write_eof()
                await self._wait_for_end(
                    LINGER_SECONDS if not transport.get_write_buffer_size() else CLOSE_SECONDS
                )
            transport.close()
            if self._lost is None:
                await self._wait_for_loss(CLOSE_SECONDS)
        except (NetError, OSError, RuntimeError):
            pass
        finally:
            self.abort()

    def _drop_input(self) -> None:
        self._chunks.clear()
        self._size = 0
        if self._held:
            self._resume()

    async def _wait_for_end(self, seconds: float) -> None:
        deadline = self._loop.time() + seconds
        most = LINGER_OCTETS
        while not self._ended and self._lost is None:
            left = deadline - self._loop.time()
            if left <= 0:
                return
            most -= len(await self.read(left))
            if most < 0:
                return  # it floods: the reply may be lost on it

    async def _wait_for_loss(self, seconds: float) -> None:
        deadline = self._loop.time() + seconds
        while self._lost is None:
            self._full = True  # so that `drain` waits, also behind an empty buffer, for `connection_lost`
            await self.drain(deadline - self._loop.time())
