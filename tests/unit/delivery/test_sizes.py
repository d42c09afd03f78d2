"""How large a message may be where a road would make the mail of its sender look forged."""

import asyncio
from dataclasses import replace

import pytest

from kurir.delivery import Allowed, DeliverySettings, Genuine, RoadSizes, Route, RouteKind, parse_next_hop
from kurir.delivery.routing import genuine
from kurir.limits import Atlas, Beyond, Confidence, Limit, Per, Scope, Smarthost, Unit

from .doubles import FakeClock, FakeResolver, ok, status
from .test_alternatives import Txt, spf


def provider(name: str, octets: int) -> Smarthost:
    size = Limit(
        id="size", unit=Unit.OCTETS, value=octets, per=Per.MESSAGE, scope=Scope.ACCOUNT, beyond=Beyond.REFUSE,
        source="s", seen="2026-11-23", confidence=Confidence.READ,
    )  # fmt: skip
    return Smarthost(name=name, label=name, hosts=(f"{name}.example",), limits=(size,))


def hop(name: str, **more) -> Route:
    return Route(
        name=name, kind=RouteKind.SMARTHOST, next_hop=parse_next_hop(f"smtp://{name}.example"), **more
    )


ATLAS = Atlas((provider("narrow", 1000), provider("wide", 5000)), ())
MAIN = hop("narrow", fallback=("wide",))
WIDE = hop("wide", only_fallback=True)
FORBIDS = {"a.example": spf("ip4:192.0.2.1 -all")}
ALLOWS = {"a.example": spf("ip4:192.0.2.7 -all")}
ADDRESSES = {"wide.example": ok("192.0.2.7")}


def sizes(resolver: FakeResolver, *routes: Route, clock: FakeClock | None = None, signed=()) -> RoadSizes:
    clock = clock or FakeClock()
    settings = DeliverySettings(hello_name="us.example", routes=routes, atlas=ATLAS, signed=frozenset(signed))
    return RoadSizes(routes, Allowed(ATLAS, clock), settings.signed, Genuine(resolver, settings, clock))


@pytest.mark.parametrize(
    ("records", "sender", "signed", "octets"),
    [
        (FORBIDS, "a.example", (), 1000),  # it would look forged by the wide one
        (ALLOWS, "a.example", (), 5000),
        ({}, "a.example", (), 5000),  # no record forbids anything
        ({"a.example": status("servfail")}, "a.example", (), 5000),  # not known: not refused
        (FORBIDS, "a.example", ("a.example",), 5000),  # its signature proves it anywhere
        (FORBIDS, "", (), 5000),
    ],
)
async def test_a_road_where_mail_would_look_forged_carries_nothing(records, sender, signed, octets):
    roads = sizes(Txt(records, a=ADDRESSES), MAIN, WIDE, signed=signed)
    assert roads.towards(sender, "b.example").octets == 5000  # before anybody asked
    await roads.prove(sender)
    assert roads.towards(sender, "b.example").octets == octets
    assert roads.anywhere(sender).octets == octets


async def test_what_was_found_out_is_asked_again_after_a_while():
    resolver, clock = Txt(dict(FORBIDS), a=ADDRESSES), FakeClock()
    roads = sizes(resolver, MAIN, WIDE, clock=clock)
    await roads.prove("a.example")
    asked = len(resolver.asked)
    await roads.prove("a.example")
    assert len(resolver.asked) == asked
    resolver.txt_records |= ALLOWS
    clock.at += genuine.KEPT
    await roads.prove("a.example")
    assert roads.towards("a.example", "b.example").octets == 5000


async def test_dns_that_is_silent_keeps_nobody_waiting(monkeypatch):
    class Silent(FakeResolver):
        async def txt(self, name):
            await asyncio.Event().wait()

    monkeypatch.setattr(genuine, "PATIENCE", 0.01)
    roads = sizes(Silent(), MAIN, WIDE)
    await roads.prove("a.example")
    assert roads.towards("a.example", "b.example").octets == 5000


def test_the_widest_road_of_a_sender_wherever_its_mail_goes():
    team = replace(hop("wide"), name="team", senders=("team.example",), recipients=("x.example",))
    narrow = hop("narrow")
    behind = Route(name="mx", kind=RouteKind.MX)  # never reached: the one before takes everybody
    roads = sizes(FakeResolver(), team, narrow, behind)
    assert roads.anywhere("a.example").octets == 1000
    assert roads.anywhere("team.example").octets == 5000
    home = Route(name="local", kind=RouteKind.MAILDIR, recipients=("us.example",))
    assert sizes(FakeResolver(), home, narrow).anywhere("a.example") is None  # nobody limits what stays here
    assert sizes(FakeResolver()).anywhere("a.example") is None
