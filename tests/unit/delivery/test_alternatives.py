"""Plans with several roads: their order, and what keeps a mail off one for good."""

import asyncio
from random import Random

import pytest

from kurir.delivery import DeliverySettings, Route, RouteKind, parse_next_hop
from kurir.delivery.routing.authentic import authenticity
from kurir.delivery.routing.floor import tls_floor
from kurir.delivery.routing.plan import Planner
from kurir.delivery.routing.route import choose_roads
from kurir.delivery.tlspolicy import Rule
from kurir.queue.asks import ObstacleKind, PlanRequest

from .doubles import FakeClock, FakeResolver, ok, status


def hop(name: str, url: str = "smtp://me:pw@relay.example", **more) -> Route:
    return Route(name=name, kind=RouteKind.SMARTHOST, next_hop=parse_next_hop(url), **more)


DIRECT = Route(name="mx", kind=RouteKind.MX, only_fallback=True)
MAIN = hop("main", fallback=("spare", "mx", "gone"))
SPARE = hop("spare", "smtp://me:pw@spare.example", only_fallback=True, spf=("spf.spare.example",))
ROUTES = (MAIN, SPARE, DIRECT)


class Txt(FakeResolver):
    def __init__(self, txt: dict, **more) -> None:
        super().__init__(**more)
        self.txt_records = txt

    async def txt(self, name):
        return self.txt_records.get(name, status("nxdomain"))


def spf(text: str):
    return ok(b"v=spf1 " + text.encode())


def test_fallbacks_follow_the_main_road_in_their_order():
    assert [r.name for r in choose_roads(ROUTES, "a.example", "b.example")] == ["main", "spare", "mx"]
    assert choose_roads((SPARE, DIRECT), "a.example", "b.example") == ()


def test_the_plan_says_what_keeps_a_mail_off_a_road():
    resolver = Txt(
        {"a.example": spf("ip4:192.0.2.1 -all")},
        mx={"b.example": ok((10, "mx.b.example"))},
        a={"mx.b.example": ok("192.0.2.9"), "spare.example": ok("192.0.2.7"), "us.example": ok("192.0.2.1")},
    )
    settings = DeliverySettings(hello_name="us.example", routes=ROUTES)
    plan = asyncio.run(
        Planner(settings, resolver, FakeClock(), Random(1)).plan(PlanRequest("a.example", "b.example"))
    )
    assert [(r.name, r.hop) for r in plan.roads] == [("main", True), ("spare", True), ("mx", False)]
    assert [[o.kind for o in r.obstacles] for r in plan.roads] == [[], [ObstacleKind.AUTHENTICITY], []]
    assert plan.roads[1].obstacles[0].values["include"] == "include:spf.spare.example"
    assert plan.ttl <= 600


@pytest.mark.parametrize(
    ("records", "route", "kept"),
    [
        ({}, SPARE, True),  # no SPF record: nothing to lose
        ({"a.example": spf("include:spf.spare.example -all")}, SPARE, True),
        ({"a.example": spf("include:other.example -all"), "other.example": spf("include:spf.spare.example")}, SPARE, True),
        ({"a.example": spf("redirect=spf.spare.example")}, SPARE, True),
        ({"a.example": spf("include:a.example -all")}, SPARE, False),  # a circle
        ({"a.example": spf("-all")}, SPARE, False),
        ({"a.example": spf("-include:spf.spare.example -all")}, SPARE, False),
        ({"a.example": spf("ip4:192.0.2.7 -all")}, SPARE, True),  # its own address
        ({"a.example": status("servfail")}, SPARE, True),  # DNS has not told
        ({"a.example": spf("ip4:203.0.113.7 -all")}, Route(name="x", kind=RouteKind.MX, source=("203.0.113.7",)), True),
        ({"a.example": spf("ip4:203.0.113.7 -all")}, Route(name="x", kind=RouteKind.MX, source=("203.0.113.7", "203.0.113.8")), False),
    ],
)  # fmt: skip
def test_authenticity(records, route, kept):
    resolver = Txt(records, a={"spare.example": ok("192.0.2.7")})
    settings = DeliverySettings(hello_name="us.example", routes=())
    found = asyncio.run(authenticity(resolver, settings, route, "a.example", route.spf))
    assert (found is None) is kept
    signed = DeliverySettings(hello_name="us.example", routes=(), signed=frozenset({"a.example"}))
    assert asyncio.run(authenticity(resolver, signed, route, "a.example", route.spf)) is None
    assert asyncio.run(authenticity(resolver, settings, route, "", route.spf)) is None


@pytest.mark.parametrize(
    ("main", "other", "kept"),
    [
        (MAIN, DIRECT, True),  # verified because of its login, not by the operator's word
        (hop("m", rule=Rule.VERIFIED), DIRECT, False),
        (hop("m", "smtp://relay.example?tls=require"), DIRECT, False),
        (hop("m", rule=Rule.VERIFIED), SPARE, True),
        (hop("m", rule=Rule.DANE_ONLY), SPARE, False),
        (
            Route(name="mx", kind=RouteKind.MX, rule=Rule.OPPORTUNISTIC),
            hop("s", "smtp://r.example?tls=none"),
            False,
        ),
    ],
)
def test_the_tls_floor(main, other, kept):
    assert (tls_floor(main, other) is None) is kept
