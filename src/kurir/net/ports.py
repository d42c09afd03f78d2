"""The doors to the network that flows are written against: streams and a resolver (skeleton of signatures)."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from kurir.model import TlsFacts


class NetError(Exception):
    """A connection could not be made, was lost, or timed out; `kind` says which, `str(e)` says it in words."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind  # "refused" | "unreachable" | "timeout" | "lost" | "tls" | "denied"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a stream leads: an IP address and port, or the path of a unix socket (`port` 0)."""

    host: str
    port: int


class Stream(Protocol):
    """A byte stream with back-pressure.  `read` returns b"" at the end.  All waits take a deadline in seconds."""

    @property
    def peer(self) -> Endpoint:
        """The other side."""
        ...

    @property
    def local(self) -> Endpoint:
        """Our side."""
        ...

    @property
    def tls(self) -> TlsFacts | None:
        """How the stream is protected now."""
        ...

    def channel_binding(self, kind: str) -> bytes | None:
        """Return what binds a login to this TLS session (``"tls-server-end-point"``), or None where there is none."""
        ...

    async def read(self, timeout: float | None = None) -> bytes:
        """Return what has come in (at least one byte), b"" at end of file.  Raises `NetError`."""
        ...

    def write(self, data: bytes) -> None:
        """Queue bytes; never blocks."""
        ...

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until the write buffer is below its limit.  Raises `NetError`."""
        ...

    async def close(self) -> None:
        """Flush and close politely (bounded time)."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class DnsStatus(str, Enum):
    """What a lookup came to.  Only NXDOMAIN and NODATA are proof that something does not exist."""

    OK = "ok"
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    SERVFAIL = "servfail"  # also bogus DNSSEC, REFUSED
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """One lookup.  `records` in presentation form by type (MX as ``(preference, name)``); `ttl` in seconds.

    `authentic` is the AD bit from a resolver that is trusted for it; `canonical` the name behind CNAMEs.
    """

    status: DnsStatus
    records: tuple[object, ...] = ()
    ttl: float = 0.0
    authentic: bool = False
    canonical: str = ""


class Resolver(Protocol):
    """DNS lookups with a cache behind them.  Never raises: failures are statuses."""

    async def mx(self, name: str) -> DnsAnswer:
        """Records: ``tuple[int, str]`` (preference, host), unsorted."""
        ...

    async def addresses(self, name: str) -> tuple[DnsAnswer, DnsAnswer]:
        """A and AAAA answers; records are IP addresses as ``str``."""
        ...

    async def txt(self, name: str) -> DnsAnswer:
        """Records: ``bytes``, character-strings of each record joined."""
        ...

    async def ptr(self, ip: str) -> DnsAnswer:
        """Records: host names as ``str``."""
        ...

    async def cname(self, name: str) -> DnsAnswer:
        """Records: the name that `name` itself is an alias of, as ``str``."""
        ...

    async def tlsa(self, name: str) -> DnsAnswer:
        """Records: ``(usage, selector, matching type, data)`` (RFC 6698); worth something only where `authentic`."""
        ...
