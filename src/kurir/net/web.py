"""Asking web servers: one request, one answer, bounded in time and size, over connections and names of our own.

For policies, reports, tokens and certificates (RFC 8461, RFC 8460, RFC 6749, RFC 8555).  The certificate must be
valid for the host by the authorities we trust.  A redirect is an answer and not followed: no document that is asked
for here may move (RFC 8461 section 3.3 forbids it).  No cookies, no kept connections, no proxies from the environment.
Plain HTTP is spoken with this machine only.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import h11

from .addresses import ip_of
from .connect import connect
from .ports import DnsStatus, Endpoint, NetError, Resolver
from .settings import PeerPolicy
from .stream import SocketStream
from .tls import ClientTls

_LOOPBACK = ("127.0.0.1", "::1")  # what "localhost" means (RFC 6761 section 6.3), whatever the DNS says
_HEADER_OCTETS = 16 * 1024


class WebError(NetError):
    """No answer was had.

    `kind` is "dns", "connect", "certificate", "tls", "timeout", "too_large", "protocol" or "denied"; `verify_code` an
    X509_V_ERR_* of OpenSSL where the certificate was refused.
    """

    def __init__(self, kind: str, text: str, verify_code: int = 0) -> None:
        super().__init__(kind, text)
        self.verify_code = verify_code


@dataclass(frozen=True, slots=True)
class WebRequest:
    """What to ask; GET, or with a `body` POST, where no other `method` is named."""

    url: str
    body: bytes | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    method: str = ""


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """An answer of any status; names of `headers` in lower case."""

    status: int
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def header(self, name: str) -> str:
        """Return the first header of this name, "" where there is none."""
        return next((value for known, value in self.headers if known == name), "")

    @property
    def content_type(self) -> str:
        """The type of the body in lower case, without parameters."""
        return self.header("content-type").partition(";")[0].strip().lower()


Fetch = Callable[[WebRequest], Awaitable[WebAnswer]]
"""Asks once; raises `NetError` (`WebError`) where no answer can be had."""

_OUTSIDE = PeerPolicy()


@dataclass(frozen=True, slots=True)
class WebSettings:
    """`timeout` is seconds for everything together, `size` octets of an answer at most.

    `port` is asked where an https address names none; `peers` says whether hosts may be on this machine.
    """

    timeout: float = 60.0
    size: int = 64 * 1024
    port: int = 443
    source: tuple[str, ...] = ()
    peers: PeerPolicy = _OUTSIDE


def why_not_url(url: str) -> str | None:
    """Return why this address may not be asked; None where it may."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as e:
        return str(e)
    if not host or parts.username is not None:
        return "it names no host, or a user"
    if parts.scheme == "https" or (parts.scheme == "http" and _literal(host, here=True)):
        return None
    return "it does not begin with https://"


class WebClient:
    """`fetch` is the `Fetch` of this process.  `tls` verifies names."""

    def __init__(self, resolver: Resolver, tls: ClientTls, settings: WebSettings) -> None:
        self._resolver = resolver
        self._tls = tls
        self._settings = settings

    async def fetch(self, request: WebRequest) -> WebAnswer:
        """Ask once.  Raises `WebError`."""
        why = why_not_url(request.url)
        if why is not None:
            raise WebError("denied", f"{request.url} is not asked: {why}")
        url = urlsplit(request.url)
        host = url.hostname or ""
        try:
            async with asyncio.timeout(self._settings.timeout):
                stream = await self._connect(url, host)
                try:
                    return await self._exchange(stream, host, _events(url, request))
                finally:
                    stream.abort()
        except TimeoutError:
            raise WebError("timeout", f"{host} did not answer in time") from None
        except WebError:
            raise
        except NetError as e:
            raise WebError("timeout" if e.kind == "timeout" else "connect", str(e)) from e
        except h11.ProtocolError as e:
            raise WebError("protocol", f"{host} does not speak HTTP properly: {e}") from e

    async def _connect(self, url: SplitResult, host: str) -> SocketStream:
        s = self._settings
        secure = url.scheme == "https"
        port = url.port or (s.port if secure else 80)
        endpoints = [Endpoint(address, port) for address in await self._addresses(host)]
        stream = await connect(endpoints, source=s.source, timeout=s.timeout, policy=s.peers)
        if not secure:
            return stream
        try:
            await stream.upgrade_client(self._tls, host, timeout=s.timeout)
        except NetError as e:
            if isinstance(e.__cause__, ssl.SSLCertVerificationError):
                raise WebError("certificate", str(e), e.__cause__.verify_code) from e
            raise WebError("timeout" if e.kind == "timeout" else "tls", str(e)) from e
        return stream

    async def _addresses(self, host: str) -> tuple[str, ...]:
        literal = _literal(host)
        if literal:
            return literal
        answers = await self._resolver.addresses(host)
        found = tuple(str(a) for answer in reversed(answers) for a in answer.records)
        if not found:
            unsure = any(a.status in (DnsStatus.SERVFAIL, DnsStatus.TIMEOUT) for a in answers)
            raise WebError("dns", f"{host} could not be looked up" if unsure else f"{host} has no address")
        return found

    async def _exchange(self, stream: SocketStream, host: str, events: list[h11.Event]) -> WebAnswer:
        talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEADER_OCTETS)
        stream.write(b"".join(talk.send(event) or b"" for event in events))
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
                    raise WebError("too_large", f"{host} answers with more than {self._settings.size} octets")
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                headers = ((n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in response.headers)
                return WebAnswer(response.status_code, bytes(got), tuple(headers))
            elif isinstance(event, h11.ConnectionClosed):
                raise WebError("protocol", f"{host} closed the connection without an answer")


def _events(url: SplitResult, request: WebRequest) -> list[h11.Event]:
    body = request.body
    head = h11.Request(
        method=request.method or ("GET" if body is None else "POST"),
        target=(url.path or "/") + (f"?{url.query}" if url.query else ""),
        headers=[
            ("Host", url.netloc),
            ("Connection", "close"),
            ("User-Agent", "kurir"),
            *request.headers,
            *((("Content-Length", str(len(body))),) if body is not None else ()),
        ],
    )
    return [head, *((h11.Data(data=body),) if body else ()), h11.EndOfMessage()]


def _literal(host: str, *, here: bool = False) -> tuple[str, ...]:
    """Return the addresses of a host that needs no looking up, () for others; `here`: only of this machine."""
    if host == "localhost":
        return _LOOPBACK
    try:
        return (host,) if not here or ip_of(host).is_loopback else ()
    except ValueError:
        return ()
