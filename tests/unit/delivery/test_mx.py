"""Domain -> hosts: only proof makes a failure final."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.delivery.mx import MailHost, MailHosts, NoHosts, find_mail_hosts, in_order, is_own_machine
from kurir.delivery.site import MAX_KEY, site_key
from kurir.model import Cause, OutcomeKind

from .doubles import NODATA, FakeResolver, ok, status

D, F = OutcomeKind.DEFERRED, OutcomeKind.FAILED
OWN = {"me.example"}

HOSTS = {
    "sorted": (ok((20, "b.example."), (10, "A.example")), ["a.example", "b.example"]),
    "own name hides equals and worse": (ok((5, "best.example"), (10, "me.example"), (10, "x.example")), ["best.example"]),
    "null among others is ignored": (ok((0, "."), (10, "a.example")), ["a.example"]),
    "an address is dialled": (ok((10, "192.0.2.7.")), ["192.0.2.7"]),
    "the same host twice": (ok((10, "a.example"), (20, "a.example")), ["a.example"]),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTS)
async def test_hosts(case):
    answer, expected = HOSTS[case]
    found = await find_mail_hosts(FakeResolver(mx={"d.example": answer}), "d.example", OWN, 10)
    assert isinstance(found, MailHosts) and [h.name for h in found.hosts] == expected


NONE = {
    "null MX": (ok((0, ".")), {}, {}, F, Cause.NULL_MX, "5.1.10"),
    "no such domain": (status("nxdomain"), {}, {}, F, Cause.UNKNOWN_DOMAIN, "5.1.2"),
    "nothing at all": (NODATA, {"d.example": NODATA}, {}, F, Cause.UNKNOWN_DOMAIN, "5.1.2"),
    "servers failed": (status("servfail"), {}, {}, D, Cause.DNS_FAILURE, "4.4.3"),
    "no answer": (status("timeout"), {}, {}, D, Cause.DNS_FAILURE, "4.4.3"),
    "address unknown": (NODATA, {"d.example": status("timeout")}, {"d.example": NODATA}, D, Cause.DNS_FAILURE, "4.4.3"),
    "we are the best": (ok((10, "me.example"), (20, "b.example")), {}, {}, F, Cause.LOOP, "5.4.6"),
}  # fmt: skip


@pytest.mark.parametrize("case", NONE)
async def test_no_hosts(case):
    mx, a, aaaa, kind, cause, code = NONE[case]
    resolver = FakeResolver(mx={"d.example": mx}, a=a, aaaa=aaaa)
    found = await find_mail_hosts(resolver, "d.example", OWN, 10)
    assert isinstance(found, NoHosts)
    assert (found.kind, found.cause) == (kind, cause) and f"({code})" in found.detail


async def test_no_mx_means_the_domain_itself():
    resolver = FakeResolver(
        mx={"d.example": NODATA, "me.example": NODATA},
        aaaa={"d.example": ok("2001:db8::1"), "me.example": ok("2001:db8::2")},
    )
    found = await find_mail_hosts(resolver, "d.example", OWN, 10)
    assert isinstance(found, MailHosts) and found.hosts == (MailHost("d.example", implicit=True),)
    loop = await find_mail_hosts(resolver, "me.example", OWN, 10)
    assert isinstance(loop, NoHosts) and loop.cause is Cause.LOOP


@pytest.mark.parametrize(
    ("domain", "host"), [("[192.0.2.1]", "192.0.2.1"), ("[IPv6:2001:db8::1]", "2001:db8::1")]
)
async def test_address_literals_need_no_dns(domain, host):
    resolver = FakeResolver()
    found = await find_mail_hosts(resolver, domain, OWN, 10)
    assert isinstance(found, MailHosts) and found.hosts[0].name == host and not resolver.asked


async def test_two_hundred_hosts_are_ten():
    resolver = FakeResolver(mx={"d.example": ok(*((n, f"h{n:03}.example") for n in range(200)))})
    found = await find_mail_hosts(resolver, "d.example", OWN, 10)
    assert isinstance(found, MailHosts) and [h.preference for h in found.hosts] == list(range(10))


def test_equal_hosts_share_the_load():
    hosts = [MailHost("a", 10), MailHost("b", 10), MailHost("c", 20)]
    orders = {tuple(h.name for h in in_order(hosts, Random(seed))) for seed in range(50)}
    assert orders == {("a", "b", "c"), ("b", "a", "c")}


@pytest.mark.parametrize(
    ("address", "own"),
    [("127.0.0.1", True), ("::1", True), ("0.0.0.0", True), ("::", True), ("::ffff:127.0.0.1", True),
     ("169.254.169.254", True), ("224.0.0.1", True), ("192.0.2.1", False), ("10.0.0.1", False), ("2001:db8::1", False)],
)  # fmt: skip
def test_addresses_of_nobody_else(address, own):
    assert is_own_machine(address) is own


def test_site_key_reads_well():
    assert site_key(["mx1.example.org", "MX2.example.org."]) == "(mx1|mx2).example.org"
    assert site_key(["mx.example.org"]) == "mx.example.org"
    assert site_key(["example.org", "mx.example.org"]) == "(example|mx.example).org"


NAMES = st.lists(
    st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){1,4}", fullmatch=True), min_size=1, max_size=12, unique=True
)


@given(NAMES, st.randoms())
def test_site_key_is_a_function_of_the_set(names, random):
    other = list(names) + names[:1]
    random.shuffle(other)
    assert site_key(names) == site_key([n.upper() for n in other])
    assert len(site_key(names)) <= MAX_KEY


@given(NAMES, NAMES)
def test_different_sets_have_different_keys(a, b):
    assert (site_key(a) == site_key(b)) == (set(a) == set(b))
