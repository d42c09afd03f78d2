"""A small client for the few documents that are fetched over HTTPS: keys and tokens of OAuth issuers.

One request, one bounded answer, no redirects, no cookies, no proxies from the environment.  Plain HTTP is taken for
this machine only.
"""

import asyncio
import http.client
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .addresses import ip_of
from .ports import NetError

SECONDS = 10.0
MOST_OCTETS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class WebRequest:
    """What to ask; with a `body` it is a POST."""

    url: str
    body: bytes | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What was said."""

    status: int
    body: bytes = field(repr=False)


Fetch = Callable[[WebRequest], Awaitable[WebAnswer]]
"""Raises `NetError` where no answer can be had."""


def why_not_url(url: str) -> str | None:
    """Return why this address may not be asked; None where it may."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as e:
        return str(e)
    if not host or parts.username is not None:
        return "it names no host, or a user"
    if parts.scheme == "https" or (parts.scheme == "http" and _here(host)):
        return None
    return "it does not begin with https://"


class WebClient:
    """Asks; `fetch` is the `Fetch` of this process.  `extra_ca` is trusted besides the system's authorities."""

    def __init__(self, extra_ca: Path | None = None, *, timeout: float = SECONDS) -> None:
        self._timeout = timeout
        self._context = ssl.create_default_context()
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        if extra_ca is not None:
            self._context.load_verify_locations(cafile=extra_ca)

    async def fetch(self, request: WebRequest) -> WebAnswer:
        """Ask once.  Raises `NetError`."""
        why = why_not_url(request.url)
        if why is not None:
            raise NetError("denied", f"{request.url} is not asked: {why}")
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.to_thread(self._ask, request)
        except TimeoutError:
            raise NetError(
                "timeout", f"{_host(request.url)} did not answer within {self._timeout:g} seconds"
            ) from None
        except ssl.SSLCertVerificationError as e:
            raise NetError("tls", f"{_host(request.url)} did not prove its name: {e.verify_message}") from e
        except (OSError, http.client.HTTPException) as e:
            raise NetError("lost", f"{_host(request.url)} could not be asked: {e or type(e).__name__}") from e

    def _ask(self, request: WebRequest) -> WebAnswer:
        parts = urlsplit(request.url)
        host = parts.hostname or ""
        connection = (
            http.client.HTTPSConnection(host, parts.port, timeout=self._timeout, context=self._context)
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, parts.port, timeout=self._timeout)
        )
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {"Accept": "application/json", "User-Agent": "Kurir", **dict(request.headers)}
            connection.request("GET" if request.body is None else "POST", path, request.body, headers)
            answer = connection.getresponse()
            body = answer.read(MOST_OCTETS + 1)
            if len(body) > MOST_OCTETS:
                raise http.client.HTTPException(f"it sent more than {MOST_OCTETS} octets")
            return WebAnswer(answer.status, body)
        finally:
            connection.close()


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ip_of(host).is_loopback
    except ValueError:
        return False


def _host(url: str) -> str:
    return urlsplit(url).netloc
