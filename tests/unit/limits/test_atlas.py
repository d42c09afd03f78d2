"""The order of entries, and what follows from them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.limits import (
    Atlas,
    Beyond,
    Confidence,
    Limit,
    Per,
    Receiver,
    Scope,
    Smarthost,
    Unit,
    contradictions,
    encoded,
    in_order,
    road_size,
    unencoded,
)  # fmt: skip


def limit(id: str, unit: Unit, value: int, per: Per, **more: object) -> Limit:
    values = {"scope": Scope.ACCOUNT, "beyond": Beyond.REFUSE, "source": "s", "seen": "2026-11-23"}
    return Limit(id=id, unit=unit, value=value, per=per, **{"confidence": Confidence.READ, **values, **more})  # type: ignore[arg-type]


def service(name: str, *hosts: str, **more: object) -> Smarthost:
    return Smarthost(name=name, label=name, hosts=hosts, **more)  # type: ignore[arg-type]


def words(*entries: Smarthost | Receiver) -> list[str]:
    return [f"{c.entry}: {c.what}" for c in contradictions(entries)]


def test_two_that_fit_need_an_order() -> None:
    one, two = service("one", "*.example.org"), service("two", "smtp.example.org")
    assert words(one, two) == ["two: fits smtp.example.org and so does 'one': nobody knows which one counts"]
    assert words(service("one", "*.example.org", after=("two",)), two) == []


def test_one_that_is_never_reached() -> None:
    one, two = service("one", "*.example.org"), service("two", "smtp.example.org", after=("one",))
    assert words(one, two) == ["two: can never be found: one fit everything before it"]


def test_logins_tell_apart_and_order_what_is_left() -> None:
    private = service("private", "smtp.a", logins=("mail.a",))
    rest = service("rest", "smtp.a", after=("private",))
    assert words(private, rest) == []
    assert words(private, service("other", "smtp.a", logins=("b.a",))) == []
    assert words(rest, service("private", "smtp.a", logins=("mail.a",), after=("rest",))) != []


def test_unknown_and_circular_orders() -> None:
    assert words(service("one", "a.b", after=("tow",)), service("two", "c.d")) == [
        "one: comes after 'tow', which there is not"
    ]
    assert (
        contradictions([service("one", "a.b", after=("tow",)), service("two", "c.d")])[0].hint
        == "did you mean 'two'?"
    )
    circle = [service("one", "a.b", after=("two",)), service("two", "c.d", after=("one",))]
    assert [c.entry for c in contradictions(circle)] == ["one", "two"]
    assert in_order(circle) == ["one", "two"]


def test_all_mail_hosts_have_to_fit() -> None:
    atlas = Atlas(receivers=(Receiver(name="g", label="G", hosts=("*.google.com",)),))
    assert atlas.receiver(["a.google.com", "b.google.com"]) is atlas.receivers[0]
    assert atlas.receiver(["a.google.com", "mx.example.org"]) is None
    assert atlas.receiver(["google.com"]) is None
    assert atlas.receiver([]) is None


def test_plans_and_accounts() -> None:
    limits = (
        limit("all", Unit.MESSAGES, 5, Per.MINUTE),
        limit("free", Unit.MESSAGES, 100, Per.DAY, plan="free"),
        limit("ip", Unit.CONNECTIONS, 3, Per.ONCE, scope=Scope.ADDRESS),
        limit("each", Unit.RECIPIENTS, 50, Per.MESSAGE),
    )
    a = Atlas(smarthosts=(service("s", "smtp.s.id", limits=limits, plans=("free", "paid")),))
    s = a.smarthost("SMTP.s.id", "me@x")
    assert s is not None
    assert [x.id for x in s.of_plan("")] == ["all", "ip", "each"]
    known = a.by_smarthost(s, "me@x", "free")
    assert [q.key for q in known.quotas] == ["to-s/all/minute/me@x", "to-s/free/day/me@x", "to-s/ip/once"]
    assert known.most(Unit.RECIPIENTS, Per.MESSAGE) == 50
    assert known.most(Unit.MESSAGES, Per.CONNECTION) is None


@pytest.mark.parametrize(
    ("confidence", "encoded_", "octets"),
    [
        (Confidence.READ, True, 1000),
        (Confidence.READ, False, encoded(1000)),
        (Confidence.REMEMBERED, True, None),
    ],
)
def test_no_mail_is_refused_on_hearsay(confidence: Confidence, encoded_: bool, octets: int | None) -> None:
    size = limit("size", Unit.OCTETS, 1000, Per.MESSAGE, confidence=confidence, encoded=encoded_)
    a = Atlas(smarthosts=(service("s", "smtp.s.id", limits=(size,)),))
    found = road_size(a.by_smarthost(a.smarthosts[0], "me"), "road")
    assert (found.octets if found else None) == octets


@given(st.integers(0, 5000))
def test_base64(octets: int) -> None:
    lines = base64.encodebytes(b"x" * octets).replace(b"\n", b"\r\n")
    assert 0 <= encoded(octets) - len(lines) < 78
    assert len(base64.encodebytes(b"x" * unencoded(octets)).replace(b"\n", b"\r\n")) <= octets


def test_attachments_grow_by_37_percent() -> None:
    assert round(encoded(10_000_000) / 10_000_000, 2) == 1.37
