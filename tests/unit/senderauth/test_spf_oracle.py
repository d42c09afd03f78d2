"""Random zones and records, judged by us and by pyspf: the results must be equal."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kurir.net.ports import DnsStatus
from kurir.senderauth.spf import SpfQuery, SpfResult, check_mail_from

from .zones import TIMEOUT, Zones

spf = pytest.importorskip("spf", reason="pyspf is the oracle here")

DOMAINS = ["a.test", "b.test", "sub.a.test", "c.test"]
HOSTS = ["h1.a.test", "h2.b.test", "missing.test", "slow.test"]
NETS4 = ["192.0.2.1", "192.0.2.0/24", "198.51.100.7/31", "0.0.0.0/0", "192.0.2.1/33"]
NETS6 = ["2001:db8::1", "2001:db8::/32", "::/0", "2001:db8::1/129"]

names = st.sampled_from(DOMAINS + HOSTS)
# Not %{p}: pyspf expands it before it evaluates, in terms that are never reached too.
specs = st.one_of(
    names,
    st.sampled_from(["%{d}", "%{ir}.%{v}.a.test", "%{l1r-}.b.test", "%{o}", "%{h}", "%{d2}"]),
    st.sampled_from(["bad%", "%{x}.test", "nodot", "a.test.", "a..test"]),
)
cidr = st.sampled_from(["", "", "/24", "//64", "/24//64", "/33", "/0"])
terms = st.one_of(
    st.just("all"),
    st.builds("include:{}".format, specs),
    st.builds("{}{}{}".format, st.sampled_from(["a", "mx"]), specs.map(":{}".format) | st.just(""), cidr),
    st.builds("exists:{}".format, specs),
    st.builds("ptr{}".format, specs.map(":{}".format) | st.just("")),
    st.sampled_from(NETS4).map("ip4:{}".format),
    st.sampled_from(NETS6).map("ip6:{}".format),
    st.sampled_from(["foo", "a:", "ip4", "all:x", "x=%{d}", "y=%", "-", "include"]),
)
directives = st.builds("{}{}".format, st.sampled_from(["", "+", "-", "~", "?"]), terms)
modifiers = st.builds("{}={}".format, st.sampled_from(["redirect", "redirect", "exp"]), specs)
records = st.builds(
    lambda ds, ms: " ".join(["v=spf1", *ds, *ms]).encode(),
    st.lists(directives, max_size=5),
    st.lists(modifiers, max_size=1),
)
addresses4 = st.sampled_from(["192.0.2.1", "192.0.2.99", "198.51.100.7"])
addresses6 = st.sampled_from(["2001:db8::1", "2001:db8:1::2"])


@st.composite
def zones(draw: st.DrawFn) -> dict[str, list[tuple[str, object]]]:
    zone: dict[str, list[tuple[str, object]]] = {"slow.test": [(TIMEOUT, None)]}
    for domain in DOMAINS:
        entries: list[tuple[str, object]] = [
            ("TXT", record)
            for record in draw(st.lists(records, min_size=0, max_size=2))[: draw(st.integers(1, 2))]
        ]
        entries += [("A", a) for a in draw(st.lists(addresses4, max_size=2, unique=True))]
        entries += [("AAAA", a) for a in draw(st.lists(addresses6, max_size=1))]
        # Only hosts that answer: pyspf looks up all of them before it compares, we stop at the first that fits.
        entries += [("MX", (10, host)) for host in draw(st.lists(st.sampled_from(HOSTS[:2]), max_size=2))]
        zone[domain] = entries
    for host in HOSTS[:2]:
        zone[host] = [("A", draw(addresses4)), ("AAAA", draw(addresses6))]
    for pointer in ("1.2.0.192.in-addr.arpa", "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa"):
        zone[pointer] = [
            ("PTR", name) for name in draw(st.lists(st.sampled_from(DOMAINS + HOSTS[:2]), max_size=2))
        ]
    return zone


# Where pyspf goes its own way, and why ours stands.
OWN_OPINIONS = (
    "trivial recursion",  # it looks for include:self before it evaluates; RFC 7208 only limits the lookups
)


def _oracle(
    zone: dict[str, list[tuple[str, object]]], client: str, sender: str, helo: str
) -> tuple[str, str]:
    dns = Zones(zone)

    def lookup(name: str, qtype: str, *_: Any) -> Iterator[tuple[tuple[str, str], object]]:
        if qtype == "SPF":
            return
        answer = dns._find(name, qtype)
        if answer.status is DnsStatus.TIMEOUT:
            raise spf.TempError("DNS timeout")
        for value in answer.records:
            yield (name, qtype), (value,) if qtype == "TXT" else value

    before, spf.DNSLookup = spf.DNSLookup, lookup
    try:
        result, explanation = spf.check2(client, sender, helo, querytime=0)
        return str(result), str(explanation)
    finally:
        spf.DNSLookup = before


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(zones(), st.sampled_from(["192.0.2.1", "198.51.100.6", "2001:db8::1"]), st.sampled_from(DOMAINS))
async def test_same_result_as_pyspf(
    zone: dict[str, list[tuple[str, object]]], client: str, domain: str
) -> None:
    sender = f"jo-e@{domain}"
    ours = await check_mail_from(SpfQuery(client, "h1.a.test", sender), Zones(zone))
    theirs, why = _oracle(zone, client, sender, "h1.a.test")
    assume(not any(known in why for known in OWN_OPINIONS))
    assert ours.result is SpfResult(theirs), (ours, theirs)
