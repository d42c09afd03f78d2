"""Bearer tokens of OAuth issuers: checked here by the issuer's keys (RFC 7519, RFC 9068), or by asking it (RFC 7662).

A signed token is judged in this order: algorithm on our list (never ``none``, never a shared secret), signature by a key
of the issuer, `iss`, `aud`, `exp`, `nbf`, `iat`, scope, and only then the claim that names the account.
"""

import asyncio
import hashlib
import json
import warnings
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet

from kurir.model import Clock
from kurir.net.ports import NetError
from kurir.net.web import Fetch, WebRequest

from .ports import TokenChecked, TokenChecker
from .settings import OAuthSettings

Claims = Mapping[str, Any]

_JSON = (("Accept", "application/json"),)


def make_token_checker(settings: OAuthSettings, fetch: Fetch, clock: Clock) -> TokenChecker:
    """Return the checker that the settings ask for."""
    if settings.introspection:
        return AskedTokens(settings, fetch, clock)
    return SignedTokens(settings, IssuerKeys(settings, fetch, clock), clock)


class IssuerKeys:
    """The public keys of an issuer, from a file or over HTTPS, kept for a while.

    A key that is not known is asked for again (issuers roll them), but not more often than every `hurry` seconds, whatever
    strangers put into their tokens.  Keys that cannot be renewed stay good for `stale_for` seconds.
    """

    def __init__(self, settings: OAuthSettings, fetch: Fetch, clock: Clock) -> None:
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[Any, ...] = ()
        self._fetched_at = self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self.trouble = ""

    async def find(self, kid: str | None) -> tuple[Any, ...]:
        """Return the keys that a token with this key id may be signed with; `trouble` says why there are none."""
        now = self._clock.monotonic()
        if now - self._fetched_at > self._settings.keys_for or not self._named(kid):
            async with self._asking:
                if self._clock.monotonic() - self._asked_at >= self._settings.hurry:
                    await self._renew()
        if self._clock.monotonic() - self._fetched_at > self._settings.stale_for:
            self._keys = ()
        return self._named(kid)

    def _named(self, kid: str | None) -> tuple[Any, ...]:
        return self._keys if kid is None else tuple(k for k in self._keys if k.kid == kid)

    async def _renew(self) -> None:
        self._asked_at = self._clock.monotonic()
        try:
            found = KeySet.import_key_set(json.loads(await self._read()))
        except (NetError, OSError, JoseError, ValueError, KeyError, TypeError, AttributeError) as e:
            self.trouble = f"the keys of {self._settings.issuer} cannot be had: {e}"
            return
        self._keys = tuple(k for k in found.keys if k.key_type != "oct")
        self._fetched_at = self._asked_at
        self.trouble = ""

    async def _read(self) -> bytes:
        where = self._settings.jwks
        if "://" not in where:
            return await asyncio.to_thread(Path(where).read_bytes)
        answer = await self._fetch(WebRequest(where, headers=_JSON))
        if answer.status != 200:
            raise NetError("refused", f"{where} answered {answer.status}")
        return answer.body


class SignedTokens:
    """Checks JWTs by the issuer's keys (implements `TokenChecker`)."""

    def __init__(self, settings: OAuthSettings, keys: IssuerKeys, clock: Clock) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self.scope = settings.scope
        self.configuration = settings.configuration

    async def check(self, token: str) -> TokenChecked:
        """See `TokenChecker`."""
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError, KeyError, TypeError) as e:
            return TokenChecked(reason=f"this is no signed token: {e}")
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._settings.algorithms:
            return TokenChecked(reason=f"the token is signed with {algorithm!r}, which is not allowed"[:200])
        if kid is not None and not isinstance(kid, str):
            return TokenChecked(reason="the token's key id is no text")
        keys = await self._keys.find(kid)
        if not keys:
            trouble = self._keys.trouble
            return TokenChecked(reason=trouble or "the issuer has no key of that id", later=bool(trouble))
        for key in keys:
            try:
                with warnings.catch_warnings():  # the name EdDSA is old (RFC 9864), and what issuers write
                    warnings.simplefilter("ignore", SecurityWarning)
                    claims = jwt.decode(token, key, algorithms=[algorithm]).claims
            except (JoseError, ValueError, TypeError):
                continue
            return judge(claims, self._settings, self._clock.now())
        return TokenChecked(reason="the token's signature is wrong")


class AskedTokens:
    """Asks the issuer about each token (RFC 7662; implements `TokenChecker`); good answers are kept a little while."""

    def __init__(self, settings: OAuthSettings, fetch: Fetch, clock: Clock) -> None:
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, TokenChecked]] = OrderedDict()
        self.scope = settings.scope
        self.configuration = settings.configuration

    async def check(self, token: str) -> TokenChecked:
        """See `TokenChecker`."""
        digest = hashlib.sha256(token.encode()).digest()
        until, known = self._known.get(digest, (0.0, None))
        if known is not None and self._clock.now() < until:
            return known
        try:
            claims = await self._ask(token)
        except (NetError, ValueError) as e:
            return TokenChecked(
                reason=f"{self._settings.issuer} could not be asked about the token: {e}", later=True
            )
        if claims.get("active") is not True:
            return TokenChecked(reason="the issuer says that the token is not good")
        checked = judge(claims, self._settings, self._clock.now(), asked=True)
        if checked.name:
            expires = _number(claims.get("exp"))
            until = self._clock.now() + self._settings.remember
            self._known[digest] = (until if expires is None else min(until, expires), checked)
            while len(self._known) > self._settings.remembered:
                self._known.popitem(last=False)
        return checked

    async def _ask(self, token: str) -> Claims:
        s = self._settings
        headers = [("Content-Type", "application/x-www-form-urlencoded"), *_JSON]
        if s.client_id:  # RFC 6749 section 2.3.1: both are form-encoded first
            pair = f"{quote(s.client_id, safe='')}:{quote(s.client_secret, safe='')}"
            headers.append(("Authorization", "Basic " + b64encode(pair.encode()).decode()))
        body = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        answer = await self._fetch(WebRequest(s.introspection, body, tuple(headers)))
        if answer.status != 200:
            raise NetError("refused", f"{s.introspection} answered {answer.status}")
        claims = json.loads(answer.body)
        if not isinstance(claims, dict):
            raise ValueError("the answer is no JSON object")  # noqa: TRY004  a wrong answer, not a wrong type of ours
        return claims


def judge(claims: Claims, settings: OAuthSettings, now: float, *, asked: bool = False) -> TokenChecked:
    """Judge what stands in a genuine token.

    What the issuer was `asked` about need not repeat who issued it, for whom, and until when (RFC 7662 section 2.2).
    """
    why = _issuer(claims, settings, asked=asked) or _times(claims, settings.leeway, now, asked=asked)
    if why:
        return TokenChecked(reason=why)
    if settings.scope and not set(settings.scope.split()) <= _scopes(claims):
        return TokenChecked(error="insufficient_scope", reason=f"the token does not allow {settings.scope!r}")
    name = claims.get(settings.claim)
    if not isinstance(name, str) or not name:
        return TokenChecked(reason=f"the token has no claim {settings.claim!r}")
    if settings.claim == "email" and claims.get("email_verified", True) not in (True, "true"):
        return TokenChecked(reason="the issuer has not verified the token's e-mail address")
    return TokenChecked(name=name, error="")


def _issuer(claims: Claims, settings: OAuthSettings, *, asked: bool) -> str:
    issuer, audience = claims.get("iss"), claims.get("aud")
    if issuer != settings.issuer and not (asked and issuer is None):
        return f"the token is from {issuer!r}, not from {settings.issuer!r}"[:300]
    named = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if settings.audience and not set(settings.audience) & {a for a in named if isinstance(a, str)}:
        return f"the token is for {audience!r}, not for this server"[:300]
    return ""


def _times(claims: Claims, leeway: float, now: float, *, asked: bool) -> str:
    expires, not_before, issued = (_number(claims.get(key)) for key in ("exp", "nbf", "iat"))
    if expires is None and ("exp" in claims or not asked):
        return "the token does not say until when it is good"
    if expires is not None and now >= expires + leeway:
        return "the token has expired"
    if any(t is not None and t > now + leeway for t in (not_before, issued)):
        return "the token is from the future (or the clock here is behind)"
    return ""


def _scopes(claims: Claims) -> set[str]:
    """Return what a token allows: one text (RFC 8693 section 4.2), or a list, as some issuers write it."""
    found: set[str] = set()
    for value in (claims.get("scope"), claims.get("scp")):
        if isinstance(value, str):
            found.update(value.split())
        elif isinstance(value, list):
            found.update(one for one in value if isinstance(one, str))
    return found


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
