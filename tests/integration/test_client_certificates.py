"""Each wrong certificate on each path where Kurir is the client: nothing is sent, fetched or believed."""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from joserfc.jwk import ECKey, KeySet

from kurir.app.reports.tlsreports import TlsReports
from kurir.delivery import (
    AccessTokens,
    DeliverySettings,
    OAuthClient,
    Route,
    RouteKind,
    TlsLevel,
)
from kurir.delivery.oauth import NoToken
from kurir.delivery.tlspolicy import Rule
from kurir.delivery.tlspolicy.stscache import fetch_policy
from kurir.identity import OAuthSettings, make_token_checker
from kurir.model import Cause, OutcomeKind
from kurir.net import (
    ClientTlsFactory,
    ClientTlsSettings,
    Fetch,
    PeerPolicy,
    WebClient,
    WebSettings,
)
from kurir.net import (
    TlsLevel as NetLevel,
)
from tests.certs import Made, make
from tests.harness import PATIENCE
from tests.integration.scripted_peer import ehlo, peer
from tests.unit.delivery.doubles import (
    FakeResolver,
    Harness,
    RealClock,
    lease_for,
    ok,
    smarthost_settings,
)
from tests.unit.net.test_web import answer, answering

NAME, DOMAIN = "server.test", "office.test"
HOSTS = (NAME, f"mta-sts.{DOMAIN}")
EHLO = ehlo("PIPELINING", "STARTTLS")


@dataclass
class World:
    """Whom we trust, and where everybody is."""

    folder: Path
    trusted: Made
    tls: ClientTlsFactory
    resolver: FakeResolver

    def fetch(self, port: int) -> Fetch:
        settings = WebSettings(port=port, timeout=PATIENCE, peers=PeerPolicy(allow_loopback=True))
        return WebClient(self.resolver, self.tls.level(NetLevel.VERIFIED), settings).fetch


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder, trusted = tmp_path_factory.mktemp("certificates"), make("an authority", ca=True)
    bundle = folder / "ca.pem"
    bundle.write_bytes(trusted.certificate.public_bytes(Encoding.PEM))
    tls = ClientTlsFactory(ClientTlsSettings(bundle=bundle), now=time.time)
    here = ok("127.0.0.1")
    resolver = FakeResolver(mx={DOMAIN: ok((10, NAME))}, a=dict.fromkeys((*HOSTS, DOMAIN), here))
    return World(folder, trusted, tls, resolver)


CERTIFICATES: dict[str, Callable[[Made], Made]] = {
    "good": lambda ca: make(NAME, ca, names=HOSTS),
    "expired": lambda ca: make(NAME, ca, names=HOSTS, days=(-30, -1)),
    "not yet valid": lambda ca: make(NAME, ca, names=HOSTS, days=(1, 30)),
    "wrong name": lambda ca: make("elsewhere.test", ca),
    "no name but the common one": lambda ca: make(NAME, ca, names=()),
    "self-signed": lambda _: make(NAME, names=HOSTS),
    "unknown authority": lambda _: make(NAME, make("nobody", ca=True), names=HOSTS, show_root=True),
    "for clients": lambda ca: make(NAME, ca, names=HOSTS, purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
    "for mail signatures": lambda ca: make(
        NAME, ca, names=HOSTS, purpose=ExtendedKeyUsageOID.EMAIL_PROTECTION
    ),
    "issued by no authority": lambda ca: make(NAME, make("a mere server", ca), names=HOSTS),
}

Path_ = Callable[[World, Made], Awaitable[bool]]
"""Goes the way to a server that shows that certificate; says whether it was believed."""


# -- mail -----------------------------------------------------------------------------------------------


def mail(hop: dict[str, object] | None, *, rule: Rule | None = None, sealed: bool = False) -> Path_:
    """By a road with that next hop, or by MX."""

    async def go(world: World, shown: Made) -> bool:
        implicit, lmtp = bool(hop and hop.get("implicit_tls")), bool(hop and hop.get("lmtp"))
        script = {"EHLO": EHLO, "LHLO": EHLO}
        async with peer(script, tls=shown.context(world.folder), implicit=implicit, lmtp=lmtp) as p:
            if hop is None:
                s = DeliverySettings(
                    hello_name="client.test", routes=(Route(name="mx", kind=RouteKind.MX, rule=rule),),
                    mx_port=p.port, allow_loopback_peers=True,
                )  # fmt: skip
            else:
                s = smarthost_settings(p.port, hop={"host": NAME, "tls": TlsLevel.REQUIRE} | hop)
            harness = Harness(s, world.resolver, tls=world.tls)
            lease = lease_for(s, 1, [f"a@{DOMAIN}"], site=DOMAIN if hop is None else NAME, sealed=sealed)
            outcome = (await harness.deliver([lease]))[1, 0]
            await harness.drain()
        believed = outcome.kind in (OutcomeKind.HANDED_OVER, OutcomeKind.DELIVERED)
        assert believed == bool(p.messages)
        assert believed or (outcome.cause is Cause.TLS_UNTRUSTED and not any("MAIL" in x for x in p.lines))
        return believed

    return go


# -- the web --------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def web(world: World, shown: Made, body: bytes, kind: str) -> AsyncIterator[tuple[int, list[bytes]]]:
    said = answer(body, more=f"Content-Type: {kind}\r\n")
    async with answering(said, shown.context(world.folder)) as (port, asked):
        yield port, asked


async def policy(world: World, shown: Made) -> bool:
    text = f"version: STSv1\r\nmode: enforce\r\nmx: {NAME}\r\nmax_age: 86400\r\n".encode()
    async with web(world, shown, text, "text/plain") as (port, asked):
        facts = await fetch_policy(world.fetch(port), DOMAIN, "1")
    assert facts.error in ("", "sts-webpki-invalid") and bool(asked) == (not facts.error)
    return not facts.error


async def tokens(world: World, shown: Made) -> bool:
    said = json.dumps({"access_token": "x", "token_type": "Bearer", "expires_in": 60}).encode()
    async with web(world, shown, said, "application/json") as (port, asked):
        client = OAuthClient(
            name="road", token_url=f"https://{NAME}:{port}/token", client_id="c", refresh_token="secret"
        )
        source = AccessTokens(world.fetch(port), RealClock(), world.folder / f"tokens-{port}")
        try:
            return await source.token(client) == "x"
        except NoToken:
            assert asked == []
            return False


def issuer(what: str, body: object, reason: str) -> Path_:
    """The issuer of our own people's tokens: its keys, or its word on one."""

    async def go(world: World, shown: Made) -> bool:
        async with web(world, shown, json.dumps(body).encode(), "application/json") as (port, asked):
            settings = OAuthSettings(
                issuer="i", audience=("a",), client_id="c", client_secret="s", algorithms=("ES256",),
                **{what: f"https://{NAME}:{port}/{what}"},
            )  # fmt: skip
            said = await make_token_checker(settings, world.fetch(port), RealClock()).check(TOKEN)
        assert said.name == "" and said.later == (not asked)
        return reason in said.reason

    return go


KEYS = KeySet([ECKey.generate_key("P-256", {"kid": "another"})]).as_dict(private=False)
TOKEN = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.e30.c2ln"


async def report(world: World, shown: Made) -> bool:
    """The upload of a TLS report goes by the same client as everything on the web."""
    async with web(world, shown, b"", "text/plain") as (port, asked):
        reports = TlsReports.__new__(TlsReports)
        reports._fetch, reports._clock, reports._log = world.fetch(port), RealClock(), _Silent()
        sent = await reports._deliver(f"https://{NAME}:{port}/", "2026-11-22", DOMAIN, b"{}")
    assert sent == bool(asked)
    return sent


class _Silent:
    def warning(self, *_: object, **__: object) -> None: ...


PATHS: dict[str, Path_] = {
    "smarthost": mail({}),
    "smarthost, TLS at once": mail({"implicit_tls": True}),
    "store by LMTP": mail({"lmtp": True}),
    "MX, rule verified": mail(None, rule=Rule.VERIFIED),
    "MX, sealed": mail(None, sealed=True),
    "policy of MTA-STS": policy,
    "tokens for a smarthost": tokens,
    "keys of an issuer": issuer("jwks", KEYS, "the issuer has no key of that id"),
    "word of an issuer": issuer(
        "introspection", {"active": False}, "the issuer says that the token is not good"
    ),
    "upload of a report": report,
}


@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("path", PATHS)
async def test_only_the_good_certificate_is_believed(world: World, path: str, certificate: str) -> None:
    shown = CERTIFICATES[certificate](world.trusted)
    assert await PATHS[path](world, shown) == (certificate == "good")
