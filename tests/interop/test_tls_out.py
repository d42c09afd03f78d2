"""DANE and MTA-STS against a real signed DNS tree behind Unbound, real certificates, a real policy web server."""

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from kurir.delivery import DeliverySettings, Route, RouteKind
from kurir.delivery.tlspolicy import (
    DaneSettings,
    KeptPolicy,
    Rule,
    StsFacts,
    StsMode,
    StsSettings,
    TlsDesk,
    TlsSettings,
    Validation,
)
from kurir.model import Cause, OutcomeKind, Stage
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
from kurir.net.tlsa import association
from tests.certs import make
from tests.harness import PATIENCE
from tests.integration.scripted_peer import ehlo, peer
from tests.unit.delivery.doubles import Harness, RealClock, lease_for

from .servers.peer import free_port
from .servers.signeddns import SignedDns

pytestmark = pytest.mark.interop
D, F, H = OutcomeKind.DEFERRED, OutcomeKind.FAILED, OutcomeKind.HANDED_OVER
EHLO = ehlo("PIPELINING", "STARTTLS", "REQUIRETLS")
NO_TLS = ehlo("PIPELINING")


@dataclass(frozen=True)
class Case:
    """A domain below a zone: its TLSA record, the server's certificate (None: no TLS), and what becomes of mail."""

    zone: str
    tlsa: tuple[int, int, int, str] | None  # usage, selector, matching, of which certificate
    shows: str | None
    kind: OutcomeKind
    cause: Cause = Cause.OK
    verified: str | None = None
    policy: str | None = None
    lease: tuple[str, ...] = ()  # parameters of the message


# What DANE makes of it: RFC 7672 section 2.2, and with MX hosts in the same signed zone
CASES = {
    "own-key": Case("dane", (3, 1, 1, "own"), "own", H, verified="dane", policy="dane"),
    "own-key-512": Case("dane", (3, 1, 2, "own"), "own", H, verified="dane", policy="dane"),
    "own-certificate": Case("dane", (3, 0, 1, "own"), "own", H, verified="dane", policy="dane"),
    "whole-key": Case("dane", (3, 1, 0, "own"), "own", H, verified="dane", policy="dane"),
    "expired-key": Case("dane", (3, 1, 1, "expired"), "expired", H, verified="dane", policy="dane"),
    "authority": Case("dane", (2, 0, 1, "root"), "chain", H, verified="dane", policy="dane"),
    "authority-key": Case("dane", (2, 1, 0, "root"), "chain", H, verified="dane", policy="dane"),
    "authority-name": Case("dane", (2, 0, 1, "root"), "chain-elsewhere", D, Cause.TLS_UNTRUSTED),
    "authority-old": Case("dane", (2, 0, 1, "root"), "chain-expired", D, Cause.TLS_UNTRUSTED),
    "mismatch": Case("dane", (3, 1, 1, "other"), "own", D, Cause.TLS_UNTRUSTED),
    "mismatch-optional": Case("dane", (3, 1, 1, "other"), "own", H, policy="tls_optional", lease=("optional",)),
    "no-tls": Case("dane", (3, 1, 1, "own"), None, D, Cause.TLS_REQUIRED),
    "unusable": Case("dane", (1, 1, 1, "own"), "own", H, policy="dane_unusable"),
    "unusable-no-tls": Case("dane", (1, 1, 1, "own"), None, D, Cause.TLS_REQUIRED),
    "missing": Case("dane", None, "own", H, policy="opportunistic"),
    "missing-no-tls": Case("dane", None, None, H),
    "unsigned": Case("plain", (3, 1, 1, "other"), "own", H, policy="opportunistic"),
    "forged": Case("forged", (3, 1, 1, "own"), "own", D, Cause.DNS_FAILURE),
    "forged-optional": Case("forged", (3, 1, 1, "own"), "own", H, policy="tls_optional", lease=("optional",)),
    "sealed": Case("dane", (3, 1, 1, "own"), "own", H, verified="dane", policy="dane", lease=("sealed",)),
    "sealed-public": Case("dane", None, "public", H, verified="name", policy="requiretls", lease=("sealed",)),
    "sealed-unsigned": Case("plain", None, "public", F, Cause.TLS_UNTRUSTED, lease=("sealed",)),
}  # fmt: skip


@dataclass
class Stage_:
    """Everything the cases need, made once: certificates, DNS, ports."""

    certificates: dict
    dns: SignedDns
    port: int
    https_port: int
    ca: object
    folder: object

    def resolver(self):
        return CachingResolver(ResolverSettings((self.dns.address,)), clock=time.monotonic)


def address_of(case):
    return f"127.0.1.{list(CASES).index(case) + 1}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls-out")
    port, https_port = free_port(), free_port()
    public = make("public root", ca=True)
    root = make("root of dane", ca=True)
    zones = {name: {} for name in ("dane", "plain", "forged", "good", "bad")}
    certificates, own = {}, {}
    for i, (name, case) in enumerate(CASES.items()):
        host = f"mx.{name}.{case.zone}.test"
        kinds = {
            "own": lambda host=host: make(host),
            "other": lambda: make("other.test"),
            "expired": lambda host=host: make(host, days=(-30, -1)),
            "root": lambda: root,
            "chain": lambda host=host: make(host, root, show_root=True),
            "chain-elsewhere": lambda: make("elsewhere.test", root, show_root=True),
            "chain-expired": lambda host=host: make(host, root, days=(-30, -1), show_root=True),
            "public": lambda host=host: make(host, public),
        }
        made = {}

        def of(kind, made=made, kinds=kinds):
            if kind not in made:
                made[kind] = kinds[kind]()
            return made[kind]

        if case.shows:
            certificates[name] = of(case.shows).context(folder)
        zone = zones[case.zone]
        zone[name] = {"MX": [f"10 mx.{name}"]}
        zone[f"mx.{name}"] = {"A": [f"127.0.1.{i + 1}"]}
        if case.tlsa:
            usage, selector, matching, kind = case.tlsa
            data = association(of(kind).certificate, selector, matching).hex()
            zone[f"_{port}._tcp.mx.{name}"] = {"TLSA": [f"{usage} {selector} {matching} {data}"]}
    zones["good"] = {"@": {"A": ["127.0.0.1"]}}
    zones["bad"] = {"@": {"A": ["127.0.0.1"]}}
    for i, sts in enumerate(("sts", "sts-web", "sts-testing")):
        zones["plain"] |= {
            f"_mta-sts.{sts}": {"TXT": ['"v=STSv1; id=1"']},
            f"mta-sts.{sts}": {"A": ["127.0.2.100"]},
            sts: {"MX": [f"10 mx.{sts}", f"20 stranger.{sts}"]},
            f"mx.{sts}": {"A": [f"127.0.2.{i + 1}"]},
            f"stranger.{sts}": {"A": ["127.0.2.50"]},
        }
    own["public"] = public
    pem = folder / "ca.pem"
    from cryptography.hazmat.primitives.serialization import Encoding

    pem.write_bytes(public.certificate.public_bytes(Encoding.PEM))
    named = {f"{name}.test": zone for name, zone in zones.items()}
    with SignedDns(
        folder / "dns", named, unsigned=["plain.test"], broken={"bad.test": "A", "forged.test": "TLSA"}
    ) as dns:
        yield Stage_(certificates | own, dns, port, https_port, pem, folder)


SETTINGS = TlsSettings(
    dane=DaneSettings(good="good.test", bogus="bad.test"),
    sts=StsSettings(),
    memory=True,
    trusted_resolver=True,
)


def hand(stage, *, settings=SETTINGS, rule=None, clock=None, alarms=None, keep=()):
    clock = clock or RealClock()
    resolver = stage.resolver()
    tls = ClientTlsFactory(ClientTlsSettings(bundle=stage.ca), now=time.time)
    web = WebClient(
        resolver, tls.level(TlsLevel.VERIFIED),
        WebSettings(port=stage.https_port, timeout=PATIENCE, peers=PeerPolicy(allow_loopback=True)),
    )  # fmt: skip
    alarms = [] if alarms is None else alarms
    desk = TlsDesk(settings, resolver, web.fetch, clock, alarm=alarms.append)
    for policy in keep:
        desk.sts.put(policy)
    s = DeliverySettings(
        hello_name="client.test", routes=(Route(name="mx", kind=RouteKind.MX, rule=rule),), mx_port=stage.port,
        allow_loopback_peers=True, host_backoff=0.01, host_backoff_max=0.01,
    )  # fmt: skip
    return Harness(s, resolver, tls=tls, desk=desk, clock=clock), s, desk


async def send(harness, settings, domain, *, number=1, body=b"Subject: x\r\n\r\nhello\r\n", **params):
    lease = lease_for(settings, number, [f"a@{domain}"], site=domain, body=body, **params)
    outcome = (await harness.deliver([lease]))[number, 0]
    await harness.drain()
    harness.hand._draining = False
    return outcome


@pytest.mark.parametrize("name", CASES)
async def test_dane(stage, name):
    case = CASES[name]
    script = {"EHLO": EHLO if case.shows else NO_TLS}
    async with peer(script, tls=stage.certificates.get(name), host=address_of(name), port=stage.port) as p:
        harness, settings, desk = hand(stage)
        body = b"Subject: x\r\n\r\nhello\r\n"
        if "optional" in case.lease:
            body = b"TLS-Required: No\r\n" + body
        outcome = await send(
            harness, settings, f"{name}.{case.zone}.test", body=body, require_tls="sealed" in case.lease
        )
    assert desk.dane.validation is Validation.WORKS
    assert (outcome.kind, outcome.cause) == (case.kind, case.cause), outcome
    if case.kind is H:
        facts = outcome.tls
        assert (facts.verified if facts else None, facts.policy if facts else None) == (
            case.verified,
            case.policy,
        )
        assert len(p.messages) == 1
    else:
        assert p.messages == [] and not any(line.startswith("MAIL") for line in p.lines)
        assert not outcome.plaintext_fallback


async def test_dane_only_and_verified_rules(stage):
    for rule, name, kind in (
        (Rule.DANE_ONLY, "own-key", H),
        (Rule.DANE_ONLY, "missing", D),
        (Rule.VERIFIED, "own-key", H),
        (Rule.VERIFIED, "missing", D),
        (Rule.VERIFIED, "sealed-public", H),
        (Rule.REQUIRED, "missing", H),
        (Rule.REQUIRED, "missing-no-tls", D),
        (Rule.NONE, "mismatch", H),
    ):
        script = {"EHLO": EHLO if CASES[name].shows else NO_TLS}
        async with peer(script, tls=stage.certificates.get(name), host=address_of(name), port=stage.port):
            harness, settings, _ = hand(stage, rule=rule)
            outcome = await send(harness, settings, f"{name}.{CASES[name].zone}.test")
        assert outcome.kind is kind, (rule, name, outcome)


async def test_a_resolver_that_does_not_validate_switches_dane_off(stage):
    settings = TlsSettings(dane=DaneSettings(good="good.test", bogus="good.test"), trusted_resolver=True)
    async with peer(
        {"EHLO": EHLO}, tls=stage.certificates["mismatch"], host=address_of("mismatch"), port=stage.port
    ):
        harness, s, desk = hand(stage, settings=settings)
        outcome = await send(harness, s, "mismatch.dane.test")
    assert desk.dane.validation is Validation.NO_REFUSAL and outcome.kind is H


# -- MTA-STS ----------------------------------------------------------------------------------


@asynccontextmanager
async def web(stage, domain, mode="enforce", *, certificate=None, mx=None):
    made = certificate or make(f"mta-sts.{domain}", stage.certificates["public"])
    hosts = "".join(f"mx: {host}\r\n" for host in (mx or [f"mx.{domain}"]))
    policy = f"version: STSv1\r\nmode: {mode}\r\n{hosts}max_age: 86400\r\n".encode()
    asked = []

    async def serve(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(policy), policy)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(
        serve, "127.0.2.100", stage.https_port, ssl=made.context(stage.folder)
    )
    try:
        yield asked
    finally:
        server.close()


def mail_host(stage, domain, address, *, certificate=None, script=None):
    made = certificate or make(f"mx.{domain}", stage.certificates["public"])
    return peer(script or {"EHLO": EHLO}, tls=made.context(stage.folder), host=address, port=stage.port)


async def test_sts_enforced(stage):
    domain = "sts.plain.test"
    wrong = make("elsewhere.test", stage.certificates["public"])
    async with AsyncExitStack() as stack:
        asked = await stack.enter_async_context(web(stage, domain))
        stranger = await stack.enter_async_context(
            mail_host(
                stage,
                domain,
                "127.0.2.50",
                certificate=make(f"stranger.{domain}", stage.certificates["public"]),
            )
        )
        harness, settings, desk = hand(stage)
        async with mail_host(stage, domain, "127.0.2.1") as p:
            outcome = await send(harness, settings, domain)
            assert (outcome.kind, outcome.tls.verified, outcome.tls.policy) == (H, "name", "sts")
            assert (
                len(p.messages) == 1
                and len(asked) == 1
                and b"GET /.well-known/mta-sts.txt HTTP/1.1" in asked[0]
            )
            sealed = await send(harness, settings, domain, require_tls=True)
            assert sealed.kind is H
        for script in ({"EHLO": EHLO}, {"EHLO": NO_TLS}):
            await asyncio.sleep(0.02)  # the host's rest
            async with mail_host(stage, domain, "127.0.2.1", certificate=wrong, script=script) as p:
                outcome = await send(harness, settings, domain)
                assert outcome.kind is D and not p.messages, outcome
                assert outcome.cause in (Cause.TLS_UNTRUSTED, Cause.TLS_REQUIRED)
        assert stranger.connections == 0  # the policy does not name it
    counts = desk.tally.take()
    assert {key.policy for key, _ in counts} == {"sts"}
    assert {"", "certificate-host-mismatch", "starttls-not-supported", "validation-failure"} == {
        k.result for k, _ in counts
    }


async def test_sts_that_cannot_be_fetched_is_no_policy_and_reported(stage):
    domain = "sts-web.plain.test"
    async with web(stage, domain, certificate=make(f"mta-sts.{domain}")):
        async with mail_host(stage, domain, "127.0.2.2", certificate=make("elsewhere.test")):
            harness, settings, desk = hand(stage)
            outcome = await send(harness, settings, domain)
    assert outcome.kind is H and outcome.tls.verified is None
    assert [key.result for key, _ in desk.tally.take()] == ["sts-webpki-invalid"]


async def test_sts_testing_is_reported_and_not_enforced(stage):
    domain = "sts-testing.plain.test"
    async with (
        web(stage, domain, "testing"),
        mail_host(stage, domain, "127.0.2.3", certificate=make("elsewhere.test")),
    ):
        harness, settings, desk = hand(stage)
        outcome = await send(harness, settings, domain)
    assert outcome.kind is H
    ((key, n),) = desk.tally.take()
    assert (key.policy, key.result, n) == ("sts", "certificate-host-mismatch", 1)


async def test_a_kept_policy_protects_when_everything_else_is_gone(stage):
    domain = "missing.dane.test"  # has no record of MTA-STS at all
    policy = StsFacts(StsMode.ENFORCE, (f"mx.{domain}",), 86_400, "1")
    kept = KeptPolicy(domain, policy, time.time(), time.time() + 60)
    async with peer(
        {"EHLO": EHLO}, tls=stage.certificates["missing"], host=address_of("missing"), port=stage.port
    ):
        harness, settings, _ = hand(stage, keep=[kept])
        outcome = await send(harness, settings, domain)
    assert (outcome.kind, outcome.cause, outcome.stage) == (D, Cause.TLS_UNTRUSTED, Stage.TLS)


# -- memory -----------------------------------------------------------------------------------


class Later(RealClock):
    """A clock that can be put forward."""

    ahead = 0.0

    def now(self):
        return super().now() + self.ahead

    def monotonic(self):
        return super().monotonic() + self.ahead


async def test_a_server_that_stops_to_encrypt(stage):
    domain, address, alarms, clock = "missing.dane.test", address_of("missing"), [], Later()
    harness, settings, _ = hand(stage, alarms=alarms, clock=clock)

    async def once(script, number):
        async with peer(script, tls=stage.certificates["missing"], host=address, port=stage.port) as p:
            return await send(harness, settings, domain, number=number), len(p.messages)

    assert (await once({"EHLO": EHLO}, 1))[1] == 1
    outcome, taken = await once({"EHLO": NO_TLS}, 2)
    assert (outcome.kind, outcome.cause, taken) == (D, Cause.TLS_LOST, 0)
    assert outcome.clear_from == pytest.approx(clock.now() + 4 * 3600, abs=600)
    clock.ahead += 60
    refused, taken = await once({"EHLO": EHLO, "STARTTLS": b"454 4.7.0 not now\r\n"}, 3)
    assert (refused.kind, refused.cause, taken) == (D, Cause.TLS_LOST, 0)
    assert refused.clear_from == pytest.approx(
        outcome.clear_from, abs=1
    )  # the time began when it was first missed
    clock.ahead += 4 * 3600
    outcome, taken = await once({"EHLO": NO_TLS}, 4)
    assert (outcome.kind, outcome.plaintext_fallback, taken) == (H, True, 1)
    assert "has not encrypted since" in outcome.detail
    clock.ahead += 60
    outcome, taken = await once({"EHLO": EHLO}, 5)
    assert outcome.tls is not None and taken == 1
    assert [a.kind for a in alarms] == ["encryption_lost", "sent_clear", "recovered"]
    clock.ahead += 60
    assert (await once({"EHLO": NO_TLS}, 6))[0].cause is Cause.TLS_LOST  # and all over again


async def test_domains_of_one_provider_with_policies_of_their_own(stage):
    """One message to two domains at one host: the strict one's failure does not delay the other."""
    strict, easy = "missing.dane.test", "easy.test"
    policy = StsFacts(StsMode.ENFORCE, ("elsewhere.test",), 86_400, "1")
    kept = KeptPolicy(strict, policy, time.time(), time.time() + 60)
    async with peer(
        {"EHLO": EHLO}, tls=stage.certificates["missing"], host=address_of("missing"), port=stage.port
    ) as p:
        harness, settings, _ = hand(stage, keep=[kept])
        for first, second, expected in ((easy, strict, {0: H}), (strict, easy, {0: D})):
            site = "mx.missing.dane.test"
            lease = lease_for(settings, 1, [f"a@{first}", f"b@{second}"], site=site)
            from kurir.delivery.mx import MailHost
            from kurir.delivery.routing.plan import Destination

            harness.hand.planner._remember(Destination(settings.routes[0], site, (MailHost(site),)), 60.0)
            outcomes = await harness.deliver([lease])
            assert {i: o.kind for (_, i), o in outcomes.items()} == expected
            await harness.drain()
            harness.hand._draining = False
    assert p.envelopes == [["a@easy.test"]]
