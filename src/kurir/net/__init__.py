"""Sockets, TLS, DNS and HTTPS: this room moves bytes and does not know what they mean.

`bind` makes listening sockets, `serve` calls a handler with a `SocketStream` per connection, `connect`
dials one host at its addresses.  A stream is upgraded in place (`upgrade_server`, `upgrade_client`) with the
contexts of `ServerTls` and `ClientTlsFactory`.  `CachingResolver` looks up names and never raises; `WebClient` asks web
servers; `tlsa` judges certificates by DANE.
What others are written against stands in `ports`.
"""

from .addresses import BindSpec, parse_bind
from .bind import BindError, bind
from .connect import connect
from .dns import CachingResolver
from .listener import Listener, Trouble, serve
from .ports import DnsAnswer, DnsStatus, Endpoint, NetError, Resolver, Stream
from .proxyproto import ProxyError, ProxyHeader, parse_proxy
from .settings import (
    CertificateFiles,
    ClientTlsSettings,
    ClientTrust,
    PeerPolicy,
    ResolverSettings,
    ServerTlsSettings,
    TlsLevel,
)
from .stream import SocketStream
from .tls import CertificateError, ClientTls, ClientTlsFactory, ServerTls
from .trust import authorities
from .web import Fetch, WebAnswer, WebClient, WebError, WebRequest, WebSettings, why_not_url

__all__ = [
    "BindError",
    "BindSpec",
    "CachingResolver",
    "CertificateError",
    "CertificateFiles",
    "ClientTls",
    "ClientTlsFactory",
    "ClientTlsSettings",
    "ClientTrust",
    "DnsAnswer",
    "DnsStatus",
    "Endpoint",
    "Fetch",
    "Listener",
    "NetError",
    "PeerPolicy",
    "ProxyError",
    "ProxyHeader",
    "Resolver",
    "ResolverSettings",
    "ServerTls",
    "ServerTlsSettings",
    "SocketStream",
    "Stream",
    "TlsLevel",
    "Trouble",
    "WebAnswer",
    "WebClient",
    "WebError",
    "WebRequest",
    "WebSettings",
    "authorities",
    "bind",
    "connect",
    "parse_bind",
    "parse_proxy",
    "serve",
    "why_not_url",
]
