"""Bearer tokens: each claim and key that may be wrong, rolled keys, issuers that are away, introspection."""

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from tests.harness.issuer import AUDIENCE, Issuer, issuing
from tests.harness.web import web_client

from kurir.identity import OAuthSettings, make_token_checker
from kurir.identity.tokens import judge
from kurir.net import NetError, WebAnswer, WebRequest


class Clock:
    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        return time.time() + self.passed

    def monotonic(self) -> float:
        return time.monotonic() + self.passed


@pytest.fixture
def issuer():
    with issuing() as one:
        yield one


def settings(issuer: Issuer, **more: object) -> OAuthSettings:
    usual = {"issuer": issuer.url, "audience": (AUDIENCE, "other"), "jwks": f"{issuer.url}/jwks"}
    return OAuthSettings(**{**usual, **more})


def check(issuer: Issuer, token: str, **more: object):
    checker = make_token_checker(settings(issuer, **more), web_client().fetch, Clock())
    return asyncio.run(checker.check(token))


def test_a_good_token(issuer: Issuer) -> None:
    assert check(issuer, issuer.token("ana@example.test")).name == "ana@example.test"
    assert check(issuer, issuer.token("x", aud=["a", "other"], sub="42"), claim="sub").name == "42"
    assert check(issuer, issuer.token("x@y", scope="a smtp b"), scope="smtp a").name == "x@y"
    assert check(issuer, issuer.token("x@y", scope=None, scp=["smtp"]), scope="smtp").name == "x@y"


NOW = int(time.time())
BAD = {
    "issuer": ({"iss": "http://evil.example"}, "not from"),
    "no issuer": ({"iss": None}, "not from"),
    "audience": ({"aud": "imap"}, "not for this server"),
    "no audience": ({"aud": None}, "not for this server"),
    "odd audience": ({"aud": {"kurir": 1}}, "not for this server"),
    "expired": ({"exp": NOW - 100}, "has expired"),
    "for ever": ({"exp": None}, "until when"),
    "until nonsense": ({"exp": "tomorrow"}, "until when"),
    "until true": ({"exp": True}, "until when"),
    "not yet": ({"nbf": NOW + 900}, "future"),
    "issued later": ({"iat": NOW + 900}, "future"),
    "nobody": ({"email": None}, "no claim"),
    "a number": ({"email": 7}, "no claim"),
    "unverified": ({"email_verified": False}, "not verified"),
}


@pytest.mark.parametrize(("claims", "why"), BAD.values(), ids=BAD)
def test_wrong_claims(issuer: Issuer, claims: dict[str, object], why: str) -> None:
    email = claims.pop("email", "ana@example.test") if "email" in claims else "ana@example.test"
    checked = check(issuer, issuer.token(email, **claims))  # type: ignore[arg-type]
    assert (checked.name, checked.error, checked.later) == ("", "invalid_token", False)
    assert why in checked.reason


def test_scope_is_told_apart(issuer: Issuer) -> None:
    assert check(issuer, issuer.token("a@b", scope="imap"), scope="smtp").error == "insufficient_scope"


def encoded(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_signatures(issuer: Issuer) -> None:
    claims = issuer.claims("ana@example.test")
    public = issuer.keys[0].as_pem(private=False)
    confused = f"{encoded({'alg': 'HS256', 'kid': 'first'})}.{encoded(claims)}"
    tag = urlsafe_b64encode(hmac.digest(public, confused.encode(), "sha256")).decode().rstrip("=")
    stranger = ECKey.generate_key("P-256", {"kid": "first"})
    good = issuer.token("ana@example.test")
    head, body, signature = good.split(".")
    forged = {
        "none": f"eyJhbGciOiJub25lIn0.{body}.",
        "HMAC with the public key": f"{confused}.{tag}",
        "a stranger's key of the same name": jwt.encode({"alg": "ES256", "kid": "first"}, claims, stranger),
        "cut": f"{head}.{body}.{signature[:-4]}",
        "no signature": f"{head}.{body}.",
        "another body": f"{head}.{body[:-2]}AA.{signature}",
        "not a token": "abc",
        "five parts": "a.b.c.d.e",
        "header is a list": "W10.e30.AA",
        "kid is a list": "eyJhbGciOiJFUzI1NiIsImtpZCI6WzFdfQ.e30.AA",
    }
    for what, token in forged.items():
        checked = check(issuer, token)
        assert checked.name == "", what
        assert checked.reason, what


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSAKey.generate_key(2048), "RS256"),
        (RSAKey.generate_key(2048), "PS256"),
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
    ],
)
def test_kinds_of_keys(issuer: Issuer, key, algorithm: str) -> None:
    issuer.keys.append(key)
    claims = issuer.claims("ana@example.test")
    with_id = jwt.encode({"alg": algorithm, "kid": key.thumbprint()}, claims, key, algorithms=[algorithm])
    without = jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm])
    assert check(issuer, with_id).name == check(issuer, without).name == "ana@example.test"
    assert "not allowed" in check(issuer, with_id, algorithms=("ES256",)).reason


def test_rolled_keys_are_asked_for_but_not_by_every_stranger(issuer: Issuer) -> None:
    clock = Clock()
    checker = make_token_checker(settings(issuer), web_client().fetch, clock)

    async def go() -> None:
        assert (await checker.check(issuer.token("a@b"))).name
        issuer.keys[:] = [ECKey.generate_key("P-256", {"kid": "second"})]
        rolled = issuer.token("a@b")
        for _ in range(5):
            assert (await checker.check(rolled)).name == ""
        assert issuer.asked["/jwks"] == 1
        clock.passed = 61
        assert (await checker.check(issuer.token("a@b", iat=int(clock.now())))).name
        assert issuer.asked["/jwks"] == 2

    asyncio.run(go())


def test_an_issuer_that_is_away(issuer: Issuer) -> None:
    clock, up = Clock(), [True]
    client = web_client()

    async def fetch(request: WebRequest) -> WebAnswer:
        if not up[0]:
            raise NetError("refused", "nobody listens")
        return await client.fetch(request)

    checker = make_token_checker(settings(issuer), fetch, clock)

    def token() -> str:
        now = int(clock.now())
        return issuer.token("a@b", iat=now, exp=now + 600)

    async def go() -> None:
        up[0] = False
        checked = await checker.check(token())
        assert checked.later
        assert "nobody listens" in checked.reason
        up[0], clock.passed = True, 61
        assert (await checker.check(token())).name
        up[0], clock.passed = False, 61 + 20 * 3600
        assert (await checker.check(token())).name  # stale keys are better than none
        clock.passed += 5 * 3600
        assert (await checker.check(token())).later

    asyncio.run(go())


def test_keys_in_a_file(issuer: Issuer, tmp_path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(issuer.get("/jwks")[1]))
    assert check(issuer, issuer.token("a@b"), jwks=str(file)).name == "a@b"
    assert "/jwks" not in issuer.asked
    file.write_text("{")
    assert check(issuer, issuer.token("a@b"), jwks=str(file)).later
    assert check(issuer, issuer.token("a@b"), jwks=str(tmp_path / "none")).later


def test_introspection(issuer: Issuer) -> None:
    clock = Clock()
    usual = {"jwks": "", "introspection": f"{issuer.url}/introspect", "client_id": "kurir"}
    checker = make_token_checker(
        settings(issuer, **usual, client_secret="s3cret/&"), web_client().fetch, clock
    )
    issuer.given["good"] = {"email": "a@b", "aud": AUDIENCE}  # RFC 7662 section 2.2: the rest is optional
    issuer.given["other"] = {"email": "a@b", "aud": "imap"}
    issuer.given["old"] = {"email": "a@b", "aud": AUDIENCE, "exp": time.time() - 100}

    async def go() -> None:
        for _ in range(3):
            assert (await checker.check("good")).name == "a@b"
        assert issuer.asked["/introspect"] == 1
        issuer.given.pop("good")
        clock.passed = 61
        assert "not good" in (await checker.check("good")).reason
        assert "not for this server" in (await checker.check("other")).reason
        assert "expired" in (await checker.check("old")).reason
        wrong = make_token_checker(settings(issuer, **usual, client_secret="x"), web_client().fetch, clock)
        assert (await wrong.check("good")).later

    asyncio.run(go())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "scope", "scp", "email", "email_verified"]), JSON
    ),
    st.booleans(),
)
def test_no_claims_whatever_they_are_raise_or_pass(claims: dict[str, object], asked: bool) -> None:
    wanted = OAuthSettings(issuer="https://i.example", audience=("kurir-of-us",), scope="smtp-send")
    checked = judge(claims, wanted, 1e9, asked=asked)
    assert checked.name == ""
    assert checked.reason
