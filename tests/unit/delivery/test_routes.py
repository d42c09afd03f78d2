"""Next-hop URLs, the route table, and plans."""

import asyncio
from dataclasses import replace
from random import Random

import pytest

from kurir.delivery import (
    Allowed,
    DeliverySettings,
    NextHop,
    RoadSizes,
    Route,
    RouteKind,
    SmarthostUrlError,
    TlsLevel,
    leads_to,
    parse_next_hop,
)
from kurir.delivery.routing.plan import Planner
from kurir.delivery.routing.route import choose_route
from kurir.limits import Atlas, Beyond, Confidence, Lesson, Limit, Per, Receiver, Scope, Smarthost, Unit
from kurir.model import Cause, OutcomeKind, Stage
from kurir.queue.asks import PlanRequest
from tests.harness import PATIENCE

from .doubles import FakeClock, FakeResolver, Harness, lease_for, ok, status

URLS = {
    "smtp://relay.example": ("relay.example", 25, False, False, TlsLevel.OPPORTUNISTIC, False),
    "smtp://relay.example:2525?tls=none": ("relay.example", 2525, False, False, TlsLevel.NONE, True),
    "smtp://me:pw@relay.example": ("relay.example", 587, False, False, TlsLevel.REQUIRE, False),
    "smtp://me:pw@relay.example?tls=opportunistic": ("relay.example", 587, False, False, TlsLevel.OPPORTUNISTIC, True),
    "smtps://relay.example": ("relay.example", 465, True, False, TlsLevel.REQUIRE, False),
    "lmtp://[::1]:2424": ("::1", 2424, False, True, TlsLevel.OPPORTUNISTIC, False),
    "SMTP://Relay.Example./": ("relay.example", 25, False, False, TlsLevel.OPPORTUNISTIC, False),
}  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_urls(url):
    hop = parse_next_hop(url)
    assert (hop.host, hop.port, hop.implicit_tls, hop.lmtp, hop.tls, hop.tls_chosen) == URLS[url]


def test_credentials_are_percent_decoded():
    hop = parse_next_hop("smtp://me%40example.org:p%3A%2F%23w@relay.example")
    assert (hop.username, hop.password) == ("me@example.org", "p:/#w")


def test_unix_socket():
    assert parse_next_hop("lmtp+unix:///run/dovecot/lmtp") == NextHop(
        path="/run/dovecot/lmtp", lmtp=True, tls=TlsLevel.NONE, tls_chosen=True
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [("relay.example", "begins with one of"), ("http://x", "begins with one of"), ("smtp://", "no host"),
     ("smtp://x:99999", "1 to 65535"), ("smtp://x:0", "1 to 65535"), ("smtp://x:y", "1 to 65535"), ("smtp://u@x", "both"),
     ("smtp://x?tls=maybe", "none, opportunistic or require"), ("smtp://x?foo=1", "'foo' is unknown"),
     ("smtps://x?tls=none", "contradicts"), ("smtp://x/path", "nothing belongs"), ("lmtp+unix://run/x", "lmtp+unix:///"),
     ("lmtp+unix:///x?tls=require", "no TLS"), ("smtp://u:p#w@x", "%23")],
)  # fmt: skip
def test_bad_urls_say_what_is_wrong(url, words):
    with pytest.raises(SmarthostUrlError, match=words.replace("+", r"\+")) as e:
        parse_next_hop(url)
    assert "p#w" not in str(e.value)


def mx(name, **changes):
    return Route(name=name, kind=RouteKind.MX, **changes)


TABLE = (
    mx("own", recipients=("here.example",)),
    mx("bounces", senders=("<>",)),
    mx("team", senders=("team.example",), recipients=("*.partner.example",)),
    mx("rest", senders=("here.example", "team.example")),
)


@pytest.mark.parametrize(
    ("sender", "domain", "name"),
    [("x.example", "here.example", "own"), ("", "y.example", "bounces"), ("", "here.example", "own"),
     ("team.example", "a.partner.example", "team"), ("team.example", "partner.example", "rest"),
     ("team.example", "evilpartner.example", "rest"), ("x.example", "y.example", None)],
)  # fmt: skip
def test_first_match_wins(sender, domain, name):
    route = choose_route(TABLE, sender, domain)
    assert (route.name if route else None) == name


@pytest.mark.parametrize("kind", [RouteKind.SMARTHOST, RouteKind.LMTP])
def test_a_route_without_its_url_is_refused(kind):
    with pytest.raises(ValueError, match="has a URL"):
        Route(name="x", kind=kind)


def planner(resolver, *routes, clock=None):
    settings = DeliverySettings(hello_name="me.example", routes=routes or (mx("mx"),))
    return Planner(settings, resolver, clock or FakeClock(), Random(1)), settings


@pytest.mark.parametrize(("ttl", "expected"), [(0.0, 5.0), (300.0, 300.0), (1e9, 3600.0)])
async def test_plans_live_as_long_as_dns_says_within_bounds(ttl, expected):
    p, _ = planner(FakeResolver(mx={"d.example": ok((10, "a.d.example"), (10, "b.d.example"), ttl=ttl)}))
    plan = await p.plan(PlanRequest("x.example", "d.example"))
    assert plan.ttl == expected and plan.roads[0].site == "(a|b).d.example" and plan.failure is None


async def test_plan_of_a_domain_that_is_not_there():
    p, _ = planner(FakeResolver())
    plan = await p.plan(PlanRequest("x.example", "gone.example"))
    assert plan.roads == () and plan.failure.cause is Cause.UNKNOWN_DOMAIN
    assert (plan.failure.kind, plan.failure.stage) == (OutcomeKind.FAILED, Stage.PLAN)


def test_requests_of_one_sender_by_one_smarthost_are_answered_together():
    smart = Route(
        name="smart",
        kind=RouteKind.SMARTHOST,
        next_hop=NextHop(host="x"),
        recipients=("a.example", "b.example"),
    )
    p, _ = planner(FakeResolver(), smart, mx("mx"))
    asked = [
        PlanRequest(sender, f"{domain}.example")
        for domain in "abcd"
        for sender in ("me.example", "you.example")
    ]
    groups = sorted((len(group), group[0].sender, group[0].domain) for group in p.alike(asked))
    assert [size for size, _, _ in groups] == [1, 1, 1, 1, 2, 2]
    assert {domain for size, _, domain in groups if size == 2} == {"a.example"}


async def test_plan_without_a_route_waits_for_the_administrator():
    p, _ = planner(FakeResolver(), mx("one", recipients=("one.example",)))
    plan = await p.plan(PlanRequest("", "two.example"))
    assert (plan.failure.kind, plan.failure.cause) == (OutcomeKind.DEFERRED, Cause.CONFIGURATION)


async def test_destination_is_remembered_and_looked_up_again():
    resolver, clock = FakeResolver(mx={"d.example": ok((10, "a.d.example"))}), FakeClock()
    p, settings = planner(resolver, clock=clock)
    await p.plan(PlanRequest("", "d.example"))
    lease = lease_for(settings, 1, ["x@d.example"], site="a.d.example")
    for _ in range(3):
        assert (await p.destination(lease)).hosts[0].name == "a.d.example"
    assert len(resolver.asked) == 1
    clock.at += 10_000
    resolver.mx_records["d.example"] = ok((10, "new.example"))
    found = await p.destination(lease)
    assert found.site == "a.d.example" and found.hosts[0].name == "new.example"
    clock.at += 10_000
    resolver.mx_records["d.example"] = status("servfail")
    assert (await p.destination(lease)).cause is Cause.DNS_FAILURE


async def test_local_and_smarthost_sites():
    hop = NextHop(host="relay.example", port=587)
    p, _ = planner(
        FakeResolver(),
        Route(name="local", kind=RouteKind.MAILDIR, recipients=("here.example",)),
        Route(name="out", kind=RouteKind.SMARTHOST, next_hop=hop, concurrency=3, rate=1.5),
    )
    local = await p.plan(PlanRequest("", "here.example"))
    out = await p.plan(PlanRequest("", "there.example"))
    assert (local.roads[0].name, local.roads[0].site) == ("local", "maildir")
    road = out.roads[0]
    assert (road.name, road.site, road.concurrency, road.rate) == ("out", "relay.example:587", 3, 1.5)


async def test_a_slow_lookup_is_answered_though_others_were_answered_meanwhile():
    gate = asyncio.Event()

    class SlowFor(FakeResolver):
        async def mx(self, name):
            if name == "slow.example":
                await gate.wait()
            return await super().mx(name)

    records = {name: ok((10, "a.example")) for name in ("slow.example", "quick.example")}
    settings = DeliverySettings(hello_name="me.example", routes=(Route(name="mx", kind=RouteKind.MX),))
    harness = Harness(settings, SlowFor(mx=records))
    for domain in ("slow.example", "quick.example"):
        harness.hand.plan([PlanRequest("", domain)])
    await harness.brain.done.wait()
    harness.brain.done.clear()
    gate.set()
    await asyncio.wait_for(harness.brain.done.wait(), PATIENCE)
    assert [p.request.domain for p in harness.brain.plans] == ["quick.example", "slow.example"]
    await harness.drain()


def atlas():
    def limit(id, unit, value, per, **more):
        values = {
            "scope": Scope.ACCOUNT, "beyond": Beyond.REFUSE, "source": "s", "seen": "2026-11-23", "confidence": Confidence.READ,
        }  # fmt: skip
        return Limit(id=id, unit=unit, value=value, per=per, **(values | more))

    return Atlas(
        (
            Smarthost(
                name="tiny",
                label="Tiny Mail",
                hosts=("smtp.tiny.example",),
                plans=("free",),
                limits=(
                    limit("day", Unit.MESSAGES, 100, Per.DAY, plan="free"),
                    limit("each", Unit.RECIPIENTS, 50, Per.MESSAGE),
                    limit("size", Unit.OCTETS, 1000, Per.MESSAGE),
                ),
            ),
        ),
        (
            Receiver(
                name="big",
                label="Big",
                hosts=("*.big.example",),
                limits=(
                    limit("connections", Unit.CONNECTIONS, 5, Per.ONCE, scope=Scope.PROVIDER),
                    limit("each", Unit.MESSAGES, 20, Per.CONNECTION),
                ),
            ),
        ),
    )


def atlas_planner(resolver, *routes):
    settings = DeliverySettings(hello_name="me.example", routes=routes, atlas=atlas())
    return Planner(settings, resolver, FakeClock(), Random(1))


async def test_a_receiver_is_known_by_all_its_mail_hosts():
    resolver = FakeResolver(
        mx={
            "a.example": ok((10, "mx1.big.example"), (20, "mx2.big.example")),
            "b.example": ok((10, "mx1.big.example"), (20, "mx.other.example")),
        }
    )
    planner = atlas_planner(resolver, mx("mx"))
    (known,) = (await planner.plan(PlanRequest("me.example", "a.example"))).roads
    assert (known.concurrency, [q.key for q in known.quotas]) == (5, ["at-big/connections/once"])
    found = planner.known(known)
    assert found is not None
    assert found.messages == 20
    (unknown,) = (await planner.plan(PlanRequest("me.example", "b.example"))).roads
    assert (unknown.concurrency, unknown.quotas, unknown.recipients) == (20, (), 0)


async def test_a_smarthost_is_known_by_its_host_and_its_plan_by_the_operator():
    for plan, keys in (("", []), ("free", ["to-tiny/day/day/anna"])):
        hop = parse_next_hop("smtp://anna:secret@smtp.tiny.example")
        route = Route(name="out", kind=RouteKind.SMARTHOST, next_hop=hop, plan=plan)
        (road,) = (
            await atlas_planner(FakeResolver(), route).plan(PlanRequest("me.example", "a.example"))
        ).roads
        assert ([q.key for q in road.quotas], road.recipients) == (keys, 50)


def test_shares_say_whose_mail_is_signed():
    hop = parse_next_hop("smtp://anna:secret@smtp.tiny.example")
    main = Route(name="main", kind=RouteKind.SMARTHOST, next_hop=hop, plan="free")
    sizes = RoadSizes((main,), Allowed(atlas(), FakeClock()), frozenset({"me.example"}))
    for sender, signed in (("me.example", True), ("", True), ("you.example", False)):
        assert [share.signed for share in sizes.shares(sender, ("a.example",), 100)] == [signed]


def test_sizes_of_roads():
    tiny = Route(name="out", kind=RouteKind.SMARTHOST, next_hop=parse_next_hop("smtp://smtp.tiny.example"))
    sizes = RoadSizes((tiny,), Allowed(atlas(), FakeClock()))
    assert sizes.largest == 1000
    size = sizes.towards("me.example", "a.example")
    assert size is not None
    assert (size.octets, size.provider) == (1000, "Tiny Mail")
    home = Route(name="local", kind=RouteKind.MAILDIR, recipients=("home.example",))
    both = RoadSizes((home, tiny), Allowed(atlas(), FakeClock()))
    assert both.largest is None  # one road has no limit that is known
    assert both.towards("me.example", "home.example") is None
    assert RoadSizes((), Allowed(atlas(), FakeClock())).towards("a", "b") is None


def test_to_whom_roads_lead():
    tiny = Route(
        name="out", kind=RouteKind.SMARTHOST, next_hop=parse_next_hop("smtp://smtp.tiny.example:2525")
    )
    other = replace(tiny, name="other", next_hop=parse_next_hop("smtp://relay.example"))
    store = Route(name="store", kind=RouteKind.LMTP, next_hop=parse_next_hop("lmtp+unix:///run/lmtp"))
    found = leads_to(atlas(), (tiny, other, store, mx("mx")))
    assert found["out"] >= {"smtp.tiny.example:2525", atlas().smarthosts[0].key}
    assert "relay.example:25" in found["other"]
    assert found["store"] == {"/run/lmtp"}
    assert found["mx"] == frozenset()  # whoever the receivers are


def test_a_road_that_proves_less_than_is_demanded_carries_and_promises_nothing():
    strict = Route(
        name="main", kind=RouteKind.SMARTHOST, next_hop=parse_next_hop("smtp://smtp.tiny.example?tls=require"),
        fallback=("clear",),
    )  # fmt: skip
    clear = Route(
        name="clear", kind=RouteKind.SMARTHOST, next_hop=parse_next_hop("smtp://wide.example?tls=none"),
        recipients=(),
    )  # fmt: skip
    sizes = RoadSizes((strict, clear), Allowed(atlas(), FakeClock()))
    assert sizes.towards("me.example", "a.example").octets == 1000
    as_good = replace(clear, next_hop=parse_next_hop("smtp://wide.example?tls=require"))
    sizes = RoadSizes((strict, as_good), Allowed(atlas(), FakeClock()))
    assert sizes.towards("me.example", "a.example") is None  # nobody knows how much that one takes


def test_names_of_limits_are_those_that_hold_at_present():
    clock = FakeClock()
    hop = parse_next_hop("smtp://anna:secret@smtp.tiny.example")
    out = Route(name="out", kind=RouteKind.SMARTHOST, next_hop=hop, plan="free")
    straight = Route(name="straight", kind=RouteKind.MX, warm_up=clock.at)
    allowed = Allowed(atlas(), clock)

    def value(key):
        named = allowed.names((out, straight)).of(key)
        return named and (named.label, named.limit.value, named.limit.confidence.value)

    shipped = value("to-tiny/day/day/anna")
    lesson = Lesson("to-tiny/anna", Unit.MESSAGES, Per.DAY, 7, clock.at, "only 7 messages per day")
    allowed.learnt.hear([lesson])
    assert shipped[0] == "Tiny Mail"
    assert value("to-tiny/day/day/anna") == ("Tiny Mail", 7, "learnt")
    assert value("at-big/warm-up/day/straight") == ("Big", 50, "operator")
    assert value("at-mx.unknown.example/warm-up/day/straight") == ("mx.unknown.example", 50, "operator")
    assert value("at-big/warm-up/day/other") is None
    clock.at += 86400
    assert value("at-big/warm-up/day/straight") == ("Big", 100, "operator")
    names = allowed.names((out, straight))
    assert [names.who(k) for k in ("at-big", "to-tiny", "at-mx.x.example", "mx.x.example")] == [
        "Big", "Tiny Mail", "mx.x.example", "mx.x.example",
    ]  # fmt: skip
