"""SPF beyond the openspf suite: identities, limits, deadlines, hostile input."""

import asyncio
import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.net.ports import DnsAnswer, DnsStatus
from kurir.senderauth.settings import SpfSettings
from kurir.senderauth.spf import (
    RecordError,
    SpfIdentity,
    SpfQuery,
    SpfReason,
    SpfResult,
    SpfVerdict,
    check_helo,
    check_mail_from,
    parse_record,
    spf_texts,
)
from kurir.senderauth.spf.macro import MacroError, expand, expand_name, parse_domain_spec, parse_macros

from .zones import TIMEOUT, Zones


async def _check(
    zone: dict[str, list[tuple[str, object]]],
    sender: str = "joe@a.test",
    client: str = "192.0.2.1",
    settings: SpfSettings | None = None,
) -> SpfVerdict:
    query = SpfQuery(client, "mx.a.test", sender, receiver="us.test", at=1_700_000_000)
    return await check_mail_from(query, Zones(zone), settings or SpfSettings())


def _txt(*records: str) -> list[tuple[str, object]]:
    return [("TXT", record.encode()) for record in records]


async def test_null_sender_is_postmaster_at_helo() -> None:
    verdict = await _check({"mx.a.test": [*_txt("v=spf1 a -all"), ("A", "192.0.2.1")]}, sender="")
    assert (verdict.result, verdict.domain) == (SpfResult.PASS, "mx.a.test")
    assert verdict.sender == "postmaster@mx.a.test"
    assert (verdict.mechanism, verdict.record_domain) == ("a", "mx.a.test")


async def test_helo_identity() -> None:
    query = SpfQuery("192.0.2.1", "mx.a.test", "joe@other.test")
    verdict = await check_helo(query, Zones({"mx.a.test": _txt("v=spf1 ip4:192.0.2.0/24 -all")}))
    assert (verdict.result, verdict.identity) == (SpfResult.PASS, SpfIdentity.HELO)
    named = SpfQuery("192.0.2.1", "[192.0.2.1]", "")
    assert (await check_helo(named, Zones({}))).reason is SpfReason.NO_DOMAIN


async def test_mapped_address_is_ipv4() -> None:
    zone = {"a.test": _txt("v=spf1 ip4:192.0.2.1 -all")}
    assert (await _check(zone, client="::ffff:192.0.2.1")).result is SpfResult.PASS


async def test_international_domain() -> None:
    zone = {"xn--bcher-kva.test": _txt("v=spf1 ip4:192.0.2.1 exp=%{o}.x -all")}
    verdict = await _check(zone, sender="joe@Bücher.test")
    assert (verdict.result, verdict.domain) == (SpfResult.PASS, "xn--bcher-kva.test")


@pytest.mark.parametrize("client", ["", "unix:/x", "999.1.1.1"])
async def test_without_a_network_address(client: str) -> None:
    assert (await _check({}, client=client)).reason is SpfReason.NO_CLIENT


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("v=spf1 " + " ".join(f"include:i{n}.test" for n in range(11)) + " -all", SpfReason.TOO_MANY_LOOKUPS),
        ("v=spf1 a:n1.test a:n2.test a:n3.test +all", SpfReason.TOO_MANY_VOID),
        ("v=spf1 mx:many.test -all", SpfReason.TOO_MANY_NAMES),
        ("v=spf1 mx:voids.test -all", SpfReason.TOO_MANY_VOID),
        ("v=spf1 mx:null.test -all", SpfReason.NOT_LISTED),
        ("v=spf1 mx:order.test -all", SpfReason.LISTED),
        ("v=spf1 include:nothing.test -all", SpfReason.INCLUDE_MISSING),
        ("v=spf1 redirect=nothing.test", SpfReason.INCLUDE_MISSING),
        ("v=spf1 redirect=loop.test", SpfReason.TOO_MANY_LOOKUPS),
        ("v=spf1 a:slow.test -all", SpfReason.DNS_FAILED),
        ("v=spf1 exists:%{d0}.test -all", SpfReason.SYNTAX),
        ("v=spf1 ip4:192.0.2.1 include:-all oops", SpfReason.SYNTAX),
        ("v=spf1 " + "ip4:192.0.2.9 " * 1500, SpfReason.TOO_LARGE),
        ("v=spf1 ?all", SpfReason.SAYS_NOTHING),
        ("v=spf1 ~all", SpfReason.PROBABLY_NOT),
        ("v=spf1", SpfReason.NO_MATCH),
        ("v=spf10 +all", SpfReason.NO_RECORD),
    ],
)
async def test_reasons(record: str, reason: SpfReason) -> None:
    zone = {
        "a.test": _txt(record),
        "loop.test": _txt("v=spf1 redirect=loop.test"),
        "slow.test": [(TIMEOUT, None)],
        "many.test": [("MX", (n, "there.test")) for n in range(11)],
        "voids.test": [("MX", (n, f"v{n}.test")) for n in range(3)],
        "null.test": [("MX", (0, ""))],
        "order.test": [("MX", (20, "slow.test")), ("MX", (10, "here.test"))],
        "here.test": [("A", "192.0.2.1")],
        "there.test": [("A", "198.51.100.1")],
        **{f"i{n}.test": _txt("v=spf1 ?all") for n in range(12)},
    }
    verdict = await _check(zone)
    assert verdict.reason is reason
    assert verdict.lookups <= 11


async def test_two_records() -> None:
    zone = {"a.test": _txt("v=spf1 -all", "v=spf1 +all")}
    assert (await _check(zone)).reason is SpfReason.SEVERAL_RECORDS


async def test_what_a_client_says_cannot_get_into_an_explanation() -> None:
    zone = {
        "a.test": _txt("v=spf1 -all exp=why.test"),
        "why.test": _txt("%{h} is not %{c}, says %{r} at %{t}"),
    }
    good = await _check(zone)
    assert good.explanation == "mx.a.test is not 192.0.2.1, says us.test at 1700000000"
    query = SpfQuery("192.0.2.1", "x\r\n250 ok", "joe@a.test")
    bad = await check_mail_from(query, Zones(zone))
    assert (bad.result, bad.explanation) == (SpfResult.FAIL, "")


class _Silent(Zones):
    """Never answers for one name."""

    def __init__(self, zone: dict[str, list[tuple[str, object]]], name: str) -> None:
        super().__init__(zone)
        self._name = name

    async def txt(self, name: str) -> DnsAnswer:
        if name == self._name:
            await asyncio.Event().wait()
        return await super().txt(name)


async def test_deadline() -> None:
    limits = SpfSettings(deadline=0.01)
    query = SpfQuery("192.0.2.1", "mx.a.test", "joe@a.test")
    assert (await check_mail_from(query, _Silent({}, "a.test"), limits)).reason is SpfReason.DEADLINE
    zone = {"a.test": _txt("v=spf1 -all exp=why.test")}
    late = await check_mail_from(query, _Silent(zone, "why.test"), limits)
    assert (late.result, late.explanation) == (SpfResult.FAIL, "")


async def test_an_address_family_that_fails_does_not_matter_for_the_other() -> None:
    class Half(Zones):
        async def addresses(self, name: str) -> tuple[DnsAnswer, DnsAnswer]:
            return (await super().addresses(name))[0], DnsAnswer(DnsStatus.SERVFAIL)

    zone = {"a.test": [*_txt("v=spf1 a -all"), ("A", "192.0.2.1")]}
    query = SpfQuery("192.0.2.1", "h.test", "joe@a.test")
    assert (await check_mail_from(query, Half(zone))).result is SpfResult.PASS


@pytest.mark.parametrize(
    ("text", "value"),
    [  # RFC 7208 section 7.4
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%%%_%-", "% %20"),
        ("%{d999999999999999999999}", "email.example.com"),
    ],
)
def test_macro_examples(text: str, value: str) -> None:
    values = {"s": "strong-bad@email.example.com", "l": "strong-bad", "o": "email.example.com"}
    values |= {"d": "email.example.com", "i": "192.0.2.3", "v": "in-addr", "h": "h", "p": "p"}
    assert expand(parse_macros(text), values) == value


def test_long_names_lose_labels_on_the_left() -> None:
    name = ".".join(["a" * 10] * 40)
    cut = expand_name(parse_domain_spec("%{d}"), {"d": name})
    assert len(cut) <= 253 < len(cut) + 11
    assert name.endswith("." + cut)
    assert expand_name(parse_domain_spec("%{d}"), {"d": "b" * 300}) == "b" * 300


def test_parsed_record() -> None:
    record = parse_record(b"v=spf1 -ip4:192.0.2.0/24 A//64 ~mx:b.test/30//60 redirect=c.test")
    first, second, third = record.mechanisms
    assert (first.qualifier, first.prefix4, first.network) == ("-", 24, 0xC00002)
    assert (second.name, second.target, second.prefix4, second.prefix6) == ("a", None, 32, 64)
    assert (third.target, third.prefix4, third.prefix6) == (("b.test",), 30, 60)
    assert record.redirect == ("c.test",)


printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80)
spfish = st.lists(
    st.sampled_from(
        ["include:", "a", "mx", ":", "/", "//", "%{", "d", "r", "}", "ip4:", "ip6:", "1", ".", "=", " ", "-"]
    )
    | printable,
    max_size=20,
).map("".join)


@given(st.binary(max_size=200) | spfish.map(str.encode))
def test_any_record_is_read_or_refused(tail: bytes) -> None:
    record = b"v=spf1 " + tail
    assert spf_texts([record]) == [record]
    try:
        parse_record(record)
    except RecordError as e:
        assert str(e)


@given(spfish)
def test_any_macro_is_read_or_refused(text: str) -> None:
    for parse in (parse_macros, parse_domain_spec):
        try:
            parts = parse(text)
        except MacroError:
            continue
        expand_name(parts, dict.fromkeys("slodiphvcrt", "x.y"))


@settings(max_examples=150, deadline=None)
@given(
    sender=st.text(max_size=60),
    helo=st.text(max_size=60),
    client=st.sampled_from(["192.0.2.1", "::1", "x"]),
    tail=spfish,
)
async def test_no_exception_on_hostile_facts(sender: str, helo: str, client: str, tail: str) -> None:
    class Everywhere(Zones):
        async def txt(self, name: str) -> DnsAnswer:
            return DnsAnswer(DnsStatus.OK, (b"v=spf1 " + tail.encode(), b"other", 7))

        async def addresses(self, name: str) -> tuple[DnsAnswer, DnsAnswer]:
            odd = DnsAnswer(DnsStatus.OK, ("nonsense", "192.0.2.9", ""))
            return odd, odd

        async def mx(self, name: str) -> DnsAnswer:
            return DnsAnswer(DnsStatus.OK, ((0, ""), "odd", (10, "x" * 300)))

        async def ptr(self, ip: str) -> DnsAnswer:
            return DnsAnswer(DnsStatus.OK, ("", "..", "a.test", 5))

    query = SpfQuery(client, helo, sender)
    for verdict in (await check_mail_from(query, Everywhere({})), await check_helo(query, Everywhere({}))):
        assert verdict.result in SpfResult
        assert verdict.explanation.isascii()


@pytest.mark.parametrize(
    "unit",
    ["ip4:1", "%{d", "a/", "a//", "a:1", "%{d}", "include:%{d2r-}.", "x=%{", "-", "a:%{l" + "." * 9, "1.-"],
)
def test_the_worst_record_is_cheap(unit: str) -> None:
    """A quadratic step would take many seconds at the largest record that is read."""
    record = b"v=spf1 " + (unit * (SpfSettings().record_octets // len(unit))).encode()
    start = time.process_time()
    with contextlib.suppress(RecordError):
        parse_record(record)
    assert time.process_time() - start < 0.5
