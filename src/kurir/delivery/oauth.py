"""Access tokens for smarthosts that take no passwords: had for a refresh token (RFC 6749 section 6), kept, renewed.

The refresh token is what a person's consent gave.  Some providers give a new one with each access token; it
is kept beside the access token, durably, and counts as long as the first one stays the same.  All delivery
processes share what is kept; a lock lets one of them ask.
"""

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from kurir.model import Clock
from kurir.net.ports import NetError
from kurir.net.web import Fetch, WebRequest

EARLY = 120.0
"""Seconds before its end from which an access token is not used any more."""
USUAL_LIFE = 3600.0
"""Seconds that a token is good for where the provider does not say (RFC 6749 section 5.1: it should)."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider gives tokens, and what must be asked for."""

    token_url: str
    scope: str = ""


PROVIDERS = {
    # https://developers.google.com/identity/protocols/oauth2/web-server#offline (the scope is that of the consent)
    "gmail": Provider("https://oauth2.googleapis.com/token"),
    # https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
    "microsoft": Provider(
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        "https://outlook.office.com/SMTP.Send offline_access",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """Whose tokens a next hop wants.  `name` (of the road) is what they are kept under.

    `refresh_token` is the one that a person's consent gave, as the operator wrote it down.
    """

    name: str
    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(repr=False)
    scope: str = ""


class NoToken(Exception):
    """No access token can be had; the text says why, for the trace."""


class TokenSource(Protocol):
    """Gives access tokens."""

    async def token(self, client: OAuthClient) -> str:
        """Return one that is good for a while.  Raises `NoToken`."""
        ...

    def refused(self, client: OAuthClient, token: str) -> bool:
        """Forget a token that the server refused; whether asking for another makes sense."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    first: str  # digest of the refresh token that everything began with
    access: str = field(repr=False)
    until: float
    refresh: str = field(repr=False)
    fresh: bool = False  # made by this process just now


class AccessTokens:
    """Implements `TokenSource`; `folder` is where tokens are kept (made where missing, its owner's only)."""

    def __init__(self, fetch: Fetch, clock: Clock, folder: Path) -> None:
        self._fetch = fetch
        self._clock = clock
        self._folder = folder
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._bad: dict[str, str] = {}

    async def token(self, client: OAuthClient) -> str:
        """See `TokenSource`."""
        kept = self._kept.get(client.name)
        if kept is not None and self._is_good(client, kept):
            return kept.access
        async with self._locks.setdefault(client.name, asyncio.Lock()):
            try:
                kept = await self._renewed(client)
            except OSError as e:
                raise NoToken(f"the tokens of {client.name} cannot be read or kept: {e}") from None
            self._kept[client.name] = kept
            return kept.access

    def refused(self, client: OAuthClient, token: str) -> bool:
        """See `TokenSource`."""
        kept = self._kept.pop(client.name, None)
        self._bad[client.name] = token
        return kept is None or not kept.fresh

    def _is_good(self, client: OAuthClient, kept: _Kept) -> bool:
        return kept.until - EARLY > self._clock.now() and self._bad.get(client.name) != kept.access

    async def _renewed(self, client: OAuthClient) -> _Kept:
        first = client.refresh_token
        digest = hashlib.sha256(first.encode()).hexdigest()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        lock = await asyncio.to_thread(self._lock, client.name)
        try:
            kept = self._read(client.name)
            if kept is not None and kept.first == digest and self._is_good(client, kept):
                return kept
            rotated = kept.refresh if kept is not None and kept.first == digest else ""
            made = await self._ask(client, digest, rotated or first)
            self._write(client.name, made)
            return made
        finally:
            os.close(lock)

    async def _ask(self, client: OAuthClient, digest: str, refresh: str) -> _Kept:
        form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": client.client_id}
        if client.client_secret:
            form["client_secret"] = client.client_secret
        if client.scope:
            form["scope"] = client.scope
        headers = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))
        try:
            answer = await self._fetch(WebRequest(client.token_url, urlencode(form).encode(), headers))
            said = json.loads(answer.body)
        except (NetError, ValueError) as e:
            raise NoToken(f"no access token from {client.token_url}: {e}") from None
        access = said.get("access_token") if isinstance(said, dict) else None
        if answer.status != 200 or not isinstance(access, str) or not access.isascii() or not access:
            raise NoToken(f"no access token from {client.token_url}: {_error(answer.status, said)}")
        life = said.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) or str(life).isdecimal() else USUAL_LIFE
        rotated = said.get("refresh_token")
        kept = rotated if isinstance(rotated, str) and rotated else refresh
        return _Kept(digest, access, self._clock.now() + seconds, kept, fresh=True)

    # -- what is kept -------------------------------------------------------------------------

    def _lock(self, name: str) -> int:
        fd = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def _read(self, name: str) -> _Kept | None:
        try:
            said = json.loads((self._folder / f"{name}.json").read_bytes())
            return _Kept(str(said["first"]), str(said["access"]), float(said["until"]), str(said["refresh"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # asked for anew

    def _write(self, name: str, kept: _Kept) -> None:
        """Write whole and durably: a refresh token that is good once must not get lost."""
        path = self._folder / f"{name}.json"
        said = {"first": kept.first, "access": kept.access, "until": kept.until, "refresh": kept.refresh}
        temporary = path.with_suffix(f".{os.getpid()}")
        with _created(temporary) as fd:
            os.write(fd, json.dumps(said).encode())
            os.fsync(fd)
        temporary.replace(path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _created(path: Path) -> Iterator[int]:
    with suppress(FileNotFoundError):
        path.unlink()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def _error(status: int, said: object) -> str:
    """Return what an error answer says (RFC 6749 section 5.2), without anything secret."""
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        more = said.get("error_description")
        words = f"{said['error']}: {more}" if isinstance(more, str) else said["error"]
        if said["error"] == "invalid_grant":
            words += " (the refresh token is spent or revoked: consent anew, put the new one into its file, and reload)"
        return words[:400]
    return f"it answered {status}"
