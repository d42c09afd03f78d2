"""Access tokens: had once, shared, renewed, rotated, refused; and the login with them, turn by turn."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest

from kurir.delivery import AccessTokens, NextHop, OAuthClient
from kurir.delivery.connecting.token_login import log_in
from kurir.delivery.oauth import NoToken
from kurir.model import Reply
from kurir.net import NetError, WebAnswer, WebRequest
from kurir.smtp.client import AuthChallenged, AuthDone

URL = "https://provider.example/token"


@dataclass
class Clock:
    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@dataclass
class Provider:
    """Answers token requests by a script; counts them."""

    good: str = "r1"
    rotate: bool = False
    life: object = 3600
    asked: list[dict[str, str]] = field(default_factory=list)
    broken: Exception | None = None

    async def fetch(self, request: WebRequest) -> WebAnswer:
        assert request.url == URL
        assert request.body is not None
        self.asked.append({k: v[0] for k, v in parse_qs(request.body.decode()).items()})
        await asyncio.sleep(0)
        if self.broken is not None:
            raise self.broken
        if self.asked[-1]["refresh_token"] != self.good:
            said = {"error": "invalid_grant", "error_description": "revoked"}
            return WebAnswer(400, json.dumps(said).encode())
        answer: dict[str, object] = {"access_token": f"a{len(self.asked)}", "expires_in": self.life}
        if self.rotate:
            self.good = answer["refresh_token"] = f"r{len(self.asked) + 1}"
        return WebAnswer(200, json.dumps(answer).encode())


@pytest.fixture
def client(tmp_path) -> OAuthClient:
    return OAuthClient(
        name="road", token_url=URL, client_id="program", client_secret="s3",
        refresh_token="r1", scope="send",
    )  # fmt: skip


def tokens(provider: Provider, tmp_path, clock: Clock | None = None) -> AccessTokens:
    return AccessTokens(provider.fetch, clock or Clock(), tmp_path / "tokens")


async def test_one_request_serves_everybody(client, tmp_path) -> None:
    provider, clock = Provider(), Clock()
    here, there = tokens(provider, tmp_path, clock), tokens(provider, tmp_path, clock)
    assert set(await asyncio.gather(*(here.token(client) for _ in range(5)))) == {"a1"}
    assert await there.token(client) == "a1"  # another process, or this one after a restart
    wanted = {
        "grant_type": "refresh_token",
        "refresh_token": "r1",
        "client_id": "program",
        "client_secret": "s3",
    }
    assert provider.asked == [{**wanted, "scope": "send"}]
    kept = tmp_path / "tokens" / "road.json"
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    clock.at += 3600 - 119
    assert await here.token(client) == "a2"


@pytest.mark.parametrize("life", [None, "nonsense", "3600", 3600.5])
async def test_a_life_that_is_not_said_is_an_hour(client, tmp_path, life) -> None:
    provider, clock = Provider(life=life), Clock()
    source = tokens(provider, tmp_path, clock)
    await source.token(client)
    clock.at += 3000
    assert await source.token(client) == "a1"


async def test_a_rotated_refresh_token_is_kept_until_the_first_one_changes(client, tmp_path) -> None:
    provider, clock = Provider(rotate=True), Clock()
    for turn in range(1, 4):
        assert await tokens(provider, tmp_path, clock).token(client) == f"a{turn}"
        clock.at += 4000
    assert [form["refresh_token"] for form in provider.asked] == ["r1", "r2", "r3"]
    client = replace(client, refresh_token="new consent")
    provider.good = "new consent"
    assert await tokens(provider, tmp_path, clock).token(client) == "a4"


async def test_why_there_is_no_token(client, tmp_path) -> None:
    provider = Provider(good="other")
    source = tokens(provider, tmp_path)
    with pytest.raises(NoToken, match=r"invalid_grant: revoked .*consent anew"):
        await source.token(client)
    provider.broken = NetError("timeout", "provider.example did not answer")
    with pytest.raises(NoToken, match="did not answer"):
        await source.token(client)
    (tmp_path / "a-file").write_text("")
    with pytest.raises(NoToken, match="cannot be read"):
        await AccessTokens(provider.fetch, Clock(), tmp_path / "a-file").token(client)
    (tmp_path / "tokens" / "road.json").write_text("{damaged")
    provider.broken, provider.good = None, "r1"
    assert await source.token(client) == f"a{len(provider.asked)}"


class Session:
    """A session whose peer answers from a list: "ok", "no", or a challenge in bytes."""

    def __init__(
        self, *answers: object, offered: tuple[str, ...] = ("PLAIN", "XOAUTH2", "OAUTHBEARER")
    ) -> None:
        self.said: list[object] = []
        self._answers = list(answers)
        self.client = SimpleNamespace(
            extensions=SimpleNamespace(keywords={"AUTH": offered}),
            auth=lambda name, first: self.said.append((name, first)),
            auth_response=self.said.append,
        )

    async def event(self, timeout: float) -> object:
        answer = self._answers.pop(0)
        if isinstance(answer, bytes):
            return AuthChallenged(answer)
        return AuthDone(Reply.of(235, "2.7.0", "ok") if answer == "ok" else Reply.of(535, "5.7.8", "no"))


HOP = NextHop(host="smtp.provider.example", port=587, username="ana@x.example")
REFUSAL = b'{"status":"invalid_token"}'


def first(token: str) -> tuple[str, bytes]:
    message = f"n,a=ana@x.example,\x01host=smtp.provider.example\x01port=587\x01auth=Bearer {token}\x01\x01"
    return "OAUTHBEARER", message.encode()


async def test_login(client, tmp_path) -> None:
    session = Session("ok")
    done = await log_in(session, HOP, client, tokens(Provider(), tmp_path), 1.0)
    assert isinstance(done, AuthDone)
    assert done.reply.code == 235
    assert session.said == [first("a1")]


async def test_xoauth2_where_nothing_else_is_known(client, tmp_path) -> None:
    session = Session("ok", offered=("LOGIN", "xoauth2"))
    await log_in(session, HOP, client, tokens(Provider(), tmp_path), 1.0)
    assert session.said == [("XOAUTH2", b"user=ana@x.example\x01auth=Bearer a1\x01\x01")]


async def test_a_kept_token_that_is_refused_is_replaced_once(client, tmp_path) -> None:
    provider = Provider()
    await tokens(provider, tmp_path).token(client)  # kept, as by an earlier process
    session = Session(REFUSAL, "no", REFUSAL, "no")
    done = await log_in(session, HOP, client, tokens(provider, tmp_path), 1.0)
    assert isinstance(done, AuthDone)
    assert done.reply.code == 535
    assert session.said == [first("a1"), b"\x01", first("a2"), b"\x01"]
    assert len(provider.asked) == 2


async def test_what_is_not_even_tried(client, tmp_path) -> None:
    source = tokens(Provider(), tmp_path)
    plain = await log_in(Session(offered=("PLAIN",)), HOP, client, source, 1.0)
    assert isinstance(plain, str)
    assert "takes no access tokens" in plain
    spent = await log_in(Session(), HOP, client, tokens(Provider(good="x"), tmp_path / "b"), 1.0)
    assert isinstance(spent, str)
    assert "cannot be read or kept" in spent  # the folder above is missing
    assert isinstance(await log_in(Session(), HOP, client, None, 1.0), str)
