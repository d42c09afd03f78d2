"""What can be set in this room: plain frozen values, checked where they are made from configuration."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .addresses import IPNetwork


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate chain (leaf first, PEM) and its unencrypted private key (PEM)."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ServerTlsSettings:
    """Certificates to show; the first is for clients that name no host or an unknown one."""

    certificates: tuple[CertificateFiles, ...]


@dataclass(frozen=True, slots=True)
class ClientTrust:
    """Which certificates of clients are taken (DER each): those `known`, and what an `authority` issued.

    Others end the handshake: OpenSSL lets nobody else judge them.
    """

    known: frozenset[bytes] = frozenset()
    authorities: tuple[bytes, ...] = ()


class TlsLevel(str, Enum):
    """How much a client connection asks of the certificate."""

    OPPORTUNISTIC = "opportunistic"  # any certificate is taken; what it proves is noted (RFC 7435)
    VERIFIED = "verified"  # a trusted CA and the right name, or no connection


@dataclass(frozen=True, slots=True)
class ClientTlsSettings:
    """Whom outgoing TLS trusts: the system's bundle (or `bundle` in its place) plus `extra_ca`."""

    bundle: Path | None = None
    extra_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class PeerPolicy:
    """Whom not to dial.

    `allow_loopback` lets addresses that mean this host be dialled (tests, smarthosts on the same machine);
    `deny` are further networks, `own` our own public addresses (mail to them would loop).
    """

    allow_loopback: bool = False
    deny: tuple[IPNetwork, ...] = ()
    own: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """How names are looked up.  Times in seconds.

    `nameservers` are ``host:port`` or ``host`` (port 53), asked in order; empty means those of
    ``resolv_conf``.  The AD bit is believed only from nameservers on loopback, or all with `trust_ad`.
    """

    nameservers: tuple[str, ...] = ()
    trust_ad: bool = False
    resolv_conf: Path = Path("/etc/resolv.conf")
    try_timeout: float = 2.0  # one question to one nameserver
    deadline: float = 10.0  # the whole lookup, all nameservers, retries and CNAMEs
    rounds: int = 2  # how often the list of nameservers is gone through
    cache_size: int = 20_000  # answers kept
    min_ttl: float = 1.0
    max_ttl: float = 86_400.0
    negative_max_ttl: float = 3_600.0  # RFC 2308 section 5 suggests one to three hours
    failure_ttl: float = 5.0  # SERVFAIL and time-outs (RFC 2308 section 7 allows up to 300)
