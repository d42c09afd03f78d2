"""Asking web servers on loopback, as Kurir does."""

import time
from pathlib import Path

from kurir.net import (
    CachingResolver,
    ClientTlsFactory,
    ClientTlsSettings,
    PeerPolicy,
    ResolverSettings,
    TlsLevel,
    WebClient,
    WebSettings,
)


def web_client(ca: Path | None = None, *, resolver: str = "127.0.0.1:1", **more: object) -> WebClient:
    """Return a client that may ask this machine; without a `resolver`, only by address."""
    tls = ClientTlsFactory(ClientTlsSettings(extra_ca=ca), now=time.time).level(TlsLevel.VERIFIED)
    names = CachingResolver(ResolverSettings((resolver,)), clock=time.monotonic)
    return WebClient(names, tls, WebSettings(peers=PeerPolicy(allow_loopback=True), **more))
