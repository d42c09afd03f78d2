"""Asking a web server one question over HTTPS: bounded in time and size, redirects are answers and not followed.

The certificate must be valid for the host by the authorities we trust.  For policies and reports (RFC 8461,
RFC 8460): nobody needs cookies, proxies or kept connections there.
"""

import asyncio
import ssl
from dataclasses import dataclass

import h11

from .connect import connect
from .ports import DnsStatus, Endpoint, NetError, Resolver
from .settings import PeerPolicy
from .stream import SocketStream
from .tls import ClientTls


class HttpsError(Exception):
    """No answer was had; `kind` is "dns", "connect", "certificate", "tls", "timeout", "too_large" or "protocol"."""

    def __init__(self, kind: str, text: str, verify_code: int = 0) -> None:
        super().__init__(text)
        self.kind = kind
        self.verify_code = verify_code  # X509_V_ERR_* where the certificate was refused


@dataclass(frozen=True, slots=True)
class HttpsAnswer:
    """An answer of any status; `content_type` in lower case, without parameters."""

    status: int
    content_type: str
    body: bytes
    location: str = ""


_OUTSIDE = PeerPolicy()


@dataclass(frozen=True, slots=True)
class HttpsSettings:
    """`port` of the other side; `timeout` seconds for everything together; `size` octets of an answer at most."""

    port: int = 443
    timeout: float = 60.0
    size: int = 64 * 1024
    source: tuple[str, ...] = ()
    peers: PeerPolicy = _OUTSIDE


class HttpsClient:
    """Asks web servers.  `tls` verifies names."""

    def __init__(self, resolver: Resolver, tls: ClientTls, settings: HttpsSettings) -> None:
        self._resolver = resolver
        self._tls = tls
        self._settings = settings

    async def get(self, host: str, path: str) -> HttpsAnswer:
        """Return what ``https://host/path`` says.  Raises `HttpsError`."""
        return await self._ask(host, "GET", path, (), b"", self._settings.port)

    async def post(
        self, host: str, path: str, body: bytes, content_type: str, *, port: int | None = None
    ) -> HttpsAnswer:
        """Send `body`.  Raises `HttpsError`."""
        headers = (("Content-Type", content_type), ("Content-Length", str(len(body))))
        return await self._ask(host, "POST", path, headers, body, port or self._settings.port)

    async def _ask(
        self, host: str, method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes, port: int
    ) -> HttpsAnswer:
        try:
            async with asyncio.timeout(self._settings.timeout):
                stream = await self._connect(host, port)
                try:
                    return await self._exchange(stream, host, method, path, headers, body)
                finally:
                    stream.abort()
        except TimeoutError:
            raise HttpsError("timeout", f"{host} did not answer in time") from None
        except NetError as e:
            raise HttpsError("timeout" if e.kind == "timeout" else "connect", str(e)) from e
        except h11.ProtocolError as e:
            raise HttpsError("protocol", f"{host} does not speak HTTP properly: {e}") from e

    async def _connect(self, host: str, port: int) -> SocketStream:
        s = self._settings
        answers = await self._resolver.addresses(host)
        found = [str(a) for answer in reversed(answers) for a in answer.records]
        if not found:
            unsure = any(a.status in (DnsStatus.SERVFAIL, DnsStatus.TIMEOUT) for a in answers)
            raise HttpsError("dns", f"{host} could not be looked up" if unsure else f"{host} has no address")
        endpoints = [Endpoint(address, port) for address in found]
        stream = await connect(endpoints, source=s.source, timeout=s.timeout, policy=s.peers)
        try:
            await stream.upgrade_client(self._tls, host, timeout=s.timeout)
        except NetError as e:
            if isinstance(e.__cause__, ssl.SSLCertVerificationError):
                raise HttpsError("certificate", str(e), e.__cause__.verify_code) from e
            raise HttpsError("timeout" if e.kind == "timeout" else "tls", str(e)) from e
        return stream

    async def _exchange(
        self,
        stream: SocketStream,
        host: str,
        method: str,
        path: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
    ) -> HttpsAnswer:
        talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=16 * 1024)
        request = h11.Request(
            method=method, target=path,
            headers=[("Host", host), ("Connection", "close"), ("User-Agent", "kurir"), *headers],
        )  # fmt: skip
        pieces = [
            talk.send(request),
            talk.send(h11.Data(data=body)) if body else b"",
            talk.send(h11.EndOfMessage()),
        ]
        stream.write(b"".join(p for p in pieces if p))
        response: h11.Response | None = None
        got = bytearray()
        while True:
            event = talk.next_event()
            if event is h11.NEED_DATA:
                talk.receive_data(await stream.read(self._settings.timeout))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                got += event.data
                if len(got) > self._settings.size:
                    raise HttpsError(
                        "too_large", f"{host} answers with more than {self._settings.size} octets"
                    )
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                return _answer(response, bytes(got))
            elif isinstance(event, h11.ConnectionClosed):
                raise HttpsError("protocol", f"{host} closed the connection without an answer")


def _answer(response: h11.Response, body: bytes) -> HttpsAnswer:
    headers = {bytes(name).lower(): bytes(value) for name, value in response.headers}
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    location = headers.get(b"location", b"")
    return HttpsAnswer(
        response.status_code, kind.decode("ascii", "replace"), body, location.decode("ascii", "replace")[:500]
    )
