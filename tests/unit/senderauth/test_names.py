"""The client's name, and the public suffix list."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kurir.senderauth.iprev import ReverseReason, check_reverse
from kurir.senderauth.publicsuffix import PublicSuffixes

from .zones import TIMEOUT, Zones

REVERSE = "1.2.0.192.in-addr.arpa"


@pytest.mark.parametrize(
    ("zone", "reason", "name"),
    [
        (
            {REVERSE: [("PTR", "MX.a.test.")], "mx.a.test": [("A", "192.0.2.1")]},
            ReverseReason.PROVEN,
            "mx.a.test",
        ),
        (
            {REVERSE: [("PTR", "b.test"), ("PTR", "a.test")], "a.test": [("A", "192.0.2.1")]},
            ReverseReason.PROVEN,
            "a.test",
        ),
        ({REVERSE: [("PTR", "a.test")], "a.test": [("A", "192.0.2.2")]}, ReverseReason.OTHER_ADDRESS, ""),
        ({REVERSE: [("PTR", "a.test")], "a.test": [(TIMEOUT, None)]}, ReverseReason.DNS_FAILED, ""),
        ({REVERSE: [(TIMEOUT, None)]}, ReverseReason.DNS_FAILED, ""),
        ({REVERSE: [("PTR", "a b;\r\n.test")]}, ReverseReason.NO_NAME, ""),
        ({}, ReverseReason.NO_NAME, ""),
    ],
)
async def test_reverse(zone: dict[str, list[tuple[str, object]]], reason: ReverseReason, name: str) -> None:
    for client in ("192.0.2.1", "::ffff:192.0.2.1"):
        verdict = await check_reverse(client, Zones(zone))
        assert (verdict.reason, verdict.name) == (reason, name)


async def test_reverse_without_network_and_with_many_names() -> None:
    assert (await check_reverse("", Zones({}))).reason is ReverseReason.NO_CLIENT
    dns = Zones({REVERSE: [("PTR", f"n{n}.test") for n in range(500)]})
    assert (await check_reverse("192.0.2.1", dns)).reason is ReverseReason.OTHER_ADDRESS
    assert len(dns.asked) <= 21


LIST = [
    "// rules",
    "com",
    "uk",
    "co.uk",
    "*.ck",
    "!www.ck",
    "jp",
    "*.kobe.jp",
    "!city.kobe.jp",
    "公司.cn",
    "cn",
]
SUFFIXES = PublicSuffixes(LIST)


@pytest.mark.parametrize(
    ("domain", "private"),
    [  # as in the list's own test file
        ("com", None),
        ("example.com", "example.com"),
        ("a.b.example.com.", "example.com"),
        ("WWW.Example.CO.UK", "example.co.uk"),
        ("co.uk", None),
        ("ck", None),
        ("test.ck", None),
        ("b.test.ck", "b.test.ck"),
        ("a.b.test.ck", "b.test.ck"),
        ("www.ck", "www.ck"),
        ("www.www.ck", "www.ck"),
        ("c.kobe.jp", None),
        ("b.c.kobe.jp", "b.c.kobe.jp"),
        ("www.city.kobe.jp", "city.kobe.jp"),
        ("example.unknown", "example.unknown"),
        ("xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("", None),
        ("[192.0.2.1]", None),
    ],
)
def test_suffixes(domain: str, private: str | None) -> None:
    assert SUFFIXES.privatesuffix(domain) == private


@given(
    st.lists(
        st.sampled_from(["com", "uk", "co", "ck", "www", "jp", "kobe", "city", "x", "github", "io"]),
        min_size=1,
        max_size=5,
    )
)
def test_the_same_as_the_library(labels: list[str]) -> None:
    library = pytest.importorskip("publicsuffixlist").PublicSuffixList(source=LIST)
    domain = ".".join(labels)
    # The list's algorithm lets "*.kobe.jp" say nothing about kobe.jp itself; the library takes it as a suffix too.
    assume(domain != "kobe.jp")
    assert SUFFIXES.privatesuffix(domain) == library.privatesuffix(domain)


def test_debian_s_list() -> None:
    path = Path("/usr/share/publicsuffix/public_suffix_list.dat")
    if not path.exists():
        pytest.skip("Debian's package publicsuffix is not installed")
    with path.open(encoding="utf-8") as lines:
        suffixes = PublicSuffixes(lines)
    assert len(suffixes) > 5_000
    assert suffixes.privatesuffix("mail.ui.ac.id") == "ui.ac.id"
    assert suffixes.privatesuffix("a.github.io") == "a.github.io"


@given(st.text(max_size=60))
def test_any_domain(domain: str) -> None:
    private = SUFFIXES.privatesuffix(domain)
    assert private is None or domain.lower().strip(".").endswith(private)
