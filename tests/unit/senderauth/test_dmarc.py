"""DMARC: the examples of RFC 9989, policies, the data of OpenDMARC, hostile input."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.message import scan
from kurir.net.ports import DnsAnswer
from kurir.senderauth.dmarc import (
    Author,
    AuthorProblem,
    DmarcReason,
    DmarcResult,
    DmarcVerdict,
    Override,
    OverrideType,
    Policy,
    Proven,
    aligned_strictly,
    author_in,
    author_of,
    check,
    dmarc_texts,
    parse_record,
    walk_names,
)
from kurir.senderauth.publicsuffix import PublicSuffixes
from kurir.senderauth.settings import DmarcSettings
from kurir.senderauth.spf import SpfIdentity, SpfReason, SpfVerdict
from tests.shared import need

from .zones import TIMEOUT, Zones

SUFFIXES = PublicSuffixes(["com", "test", "uk", "co.uk", "ar", "edu.ar", "// comment", "*.ck", "!www.ck"])


def _zone(**records: str) -> dict[str, list[tuple[str, object]]]:
    """``a_test="p=none"`` is the record at ``_dmarc.a.test``."""
    return {f"_dmarc.{n.replace('_', '.')}": [("TXT", f"v=DMARC1; {r}".encode())] for n, r in records.items()}


async def _check(
    zone: dict[str, list[tuple[str, object]]],
    author: str = "a.test",
    spf: str = "",
    dkim: tuple[str, ...] = (),
    **options: Any,
) -> DmarcVerdict:
    return await check(Author((author,)), Proven(spf, dkim), Zones(zone), **options)


async def test_alignment_examples() -> None:
    """RFC 9989 sections B.1.1 and B.1.2: the same, a parent, a stranger."""
    relaxed, strict = _zone(example_com="p=reject"), _zone(example_com="p=reject; adkim=s; aspf=s")
    cases = [
        ("example.com", "example.com", True, True),
        ("example.com", "child.example.com", True, False),
        ("child.example.com", "example.com", True, False),
        ("child.example.com", "example.net", False, False),
    ]
    for author, identifier, in_relaxed, in_strict in cases:
        for zone, wanted in ((relaxed, in_relaxed), (strict, in_strict)):
            assert (await _check(zone, author, spf=identifier)).spf_aligned is wanted
            verdict = await _check(zone, author, dkim=(identifier,))
            assert verdict.dkim_aligned == ((identifier,) if wanted else ())
            assert verdict.result is (DmarcResult.PASS if wanted else DmarcResult.FAIL)


def test_walk_of_a_long_name_asks_eight_times() -> None:
    """RFC 9989 section 4.10."""
    assert walk_names("a.b.c.d.e.f.g.h.i.j.mail.example.com") == (
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    )
    assert walk_names("a.b.c.d.e.f.g.h") == tuple("a.b.c.d.e.f.g.h"[n:] for n in range(0, 16, 2))
    assert walk_names("com") == ("com",)


async def test_deep_walk() -> None:
    """RFC 9989 section B.4.2."""
    zone = _zone(example_com="p=reject", signing_example_com="p=none")
    author = "a.b.c.d.e.f.g.h.i.j.k.example.com"
    verdict = await _check(zone, author, spf="example.com", dkim=("signing.example.com",))
    assert (verdict.organization, verdict.policy_domain) == ("example.com", "example.com")
    assert verdict.spf_aligned
    assert verdict.dkim_aligned == ("signing.example.com",)


async def test_public_suffix_domain() -> None:
    """RFC 9989 section B.4.3."""
    zone = _zone(bank_example="p=reject; psd=y", giant_bank_example="p=quarantine")
    verdict = await _check(
        zone, "giant.bank.example", spf="mail.giant.bank.example", dkim=("mail.mega.bank.example",)
    )
    assert (verdict.organization, verdict.policy_domain) == ("giant.bank.example", "giant.bank.example")
    assert verdict.spf_aligned
    assert verdict.dkim_aligned == ()
    orphan = await _check(zone, "mega.bank.example")
    assert (orphan.policy_domain, orphan.policy, orphan.organization) == (
        "bank.example",
        Policy.REJECT,
        "mega.bank.example",
    )


async def test_psd_n_ends_the_walk() -> None:
    zone = _zone(dept_example_com="p=none; psd=n", example_com="p=reject")
    verdict = await _check(zone, "x.dept.example.com", spf="example.com")
    assert (verdict.organization, verdict.result) == ("dept.example.com", DmarcResult.FAIL)


@pytest.mark.parametrize(
    ("record", "exists", "tag", "policy", "disposition"),
    [
        ("p=reject; sp=quarantine; np=none", True, "sp", Policy.QUARANTINE, Policy.QUARANTINE),
        ("p=reject; sp=quarantine; np=none", False, "np", Policy.NONE, Policy.NONE),
        ("p=none; np=reject", False, "np", Policy.REJECT, Policy.REJECT),
        ("p=reject", False, "p", Policy.REJECT, Policy.REJECT),
        ("p=reject; t=y", True, "p", Policy.REJECT, Policy.QUARANTINE),
        ("p=none; sp=quarantine; t=y", True, "sp", Policy.QUARANTINE, Policy.NONE),
        ("p=reject; pct=0", True, "p", Policy.REJECT, Policy.REJECT),
        ("p=reject; sp=oops; rua=mailto:x@a.test", True, "p", Policy.NONE, Policy.NONE),
    ],
)
async def test_policy_for_a_subdomain(
    record: str, exists: bool, tag: str, policy: Policy, disposition: Policy
) -> None:
    zone = _zone(a_test=record)
    if exists:
        zone["sub.a.test"] = [("A", "192.0.2.1")]
    verdict = await _check(zone, "sub.a.test")
    assert (verdict.reason, verdict.tag, verdict.policy, verdict.disposition) == (
        DmarcReason.NOTHING_PROVEN,
        tag,
        policy,
        disposition,
    )
    if "t=y" in record:
        assert verdict.overrides == (Override(OverrideType.POLICY_TEST_MODE, "t=y"),)


async def test_p_counts_for_the_domain_itself() -> None:
    assert (await _check(_zone(a_test="p=quarantine; sp=none; np=none"))).policy is Policy.QUARANTINE


async def test_no_record_and_two_records() -> None:
    assert (await _check({})).reason is DmarcReason.NO_RECORD
    two = {"_dmarc.a.test": [("TXT", b"v=DMARC1; p=reject"), ("TXT", b"v=DMARC1; p=none")]}
    assert (await _check(two)).result is DmarcResult.NONE
    assert (await _check({}, "[192.0.2.1]")).result is DmarcResult.NONE


async def test_unusable_record() -> None:
    verdict = await _check(_zone(a_test="p=bob"))
    assert (verdict.result, verdict.disposition) == (DmarcResult.PERMERROR, Policy.NONE)
    assert "p=bob" in verdict.detail


async def test_dns_failure_is_neither_pass_nor_fail() -> None:
    down: dict[str, list[tuple[str, object]]] = {"_dmarc.a.test": [(TIMEOUT, None)]}
    assert (await _check(down, spf="a.test")).result is DmarcResult.TEMPERROR
    half = _zone(sub_a_test="p=reject") | down
    verdict = await _check(half, "sub.a.test", spf="mail.a.test")
    assert (verdict.result, verdict.disposition) == (DmarcResult.TEMPERROR, Policy.NONE)
    # what needs no walk is not hurt by it
    assert (await _check(half, "sub.a.test", dkim=("x.a.test", "sub.a.test"))).result is DmarcResult.PASS


async def test_the_list_helps_where_the_dns_does_not() -> None:
    zone: dict[str, list[tuple[str, object]]] = _zone(sub_a_co_uk="p=reject")
    zone["_dmarc.co.uk"] = [(TIMEOUT, None)]
    verdict = await _check(zone, "sub.a.co.uk", spf="mail.a.co.uk", suffixes=SUFFIXES)
    assert (verdict.result, verdict.method, verdict.organization) == (DmarcResult.PASS, "psl", "a.co.uk")
    assert (await _check(zone, "sub.a.co.uk", spf="b.co.uk", suffixes=SUFFIXES)).result is DmarcResult.FAIL


@pytest.mark.parametrize(
    ("record", "policy"), [("p=reject; np=none", Policy.NONE), ("p=quarantine; np=reject", Policy.QUARANTINE)]
)
async def test_where_the_dns_is_silent_about_a_domain_the_milder_policy_holds(
    record: str, policy: Policy
) -> None:
    zone = _zone(a_test=record)
    zone["sub.a.test"] = [(TIMEOUT, None)]
    assert (await _check(zone, "sub.a.test")).policy is policy


@pytest.mark.parametrize(
    "line", ["From : b@c.test", "From\0: b@c.test", "From\r\n : b@c.test", "\x0b, b@c.test"]
)
def test_a_second_author_in_a_malformed_line(line: str) -> None:
    for first, second in ((line, "From: a@b.test"), ("From: a@b.test", line)):
        found = author_of(scan(f"{first}\r\n{second}\r\nTo: x@y.test\r\n\r\n".encode()))
        alone = first.startswith("\x0b")  # it stands at the top, where it can continue nothing
        assert (found.problem is None) is alone, first


async def test_few_questions() -> None:
    dns = Zones(_zone(a_test="p=reject; np=quarantine"))
    await check(Author(("a.test",)), Proven("a.test", ("x.other.example", "a.test")), dns)
    assert dns.asked == [("_dmarc.a.test", "TXT")]
    dns = Zones(_zone(a_test="p=reject"))
    await check(Author(("a.test",)), Proven("", ("x.example", "evil.net", "a.b.c.d.e.example")), dns)
    assert dns.asked == [("_dmarc.a.test", "TXT")]


async def test_many_signatures_cost_a_bounded_number_of_questions() -> None:
    dns = Zones(_zone(a_test="p=reject"))
    signers = tuple(f"n{n}.x.y.z.a.test" for n in range(200))
    await check(Author(("a.test",)), Proven("", signers), dns)
    assert len(dns.asked) <= 8 + 10 * 8


async def test_deadline() -> None:
    class Silent(Zones):
        async def txt(self, name: str) -> DnsAnswer:
            await asyncio.Event().wait()
            raise AssertionError

    verdict = await check(Author(("a.test",)), Proven(), Silent({}), DmarcSettings(deadline=0.01))
    assert (verdict.reason, verdict.result) == (DmarcReason.DEADLINE, DmarcResult.TEMPERROR)


async def test_several_authors_are_judged_by_the_worst() -> None:
    zone = _zone(a_test="p=none", b_test="p=reject")
    both = Author(("a.test", "b.test"))
    assert (await check(both, Proven("a.test"), Zones(zone))).disposition is Policy.REJECT
    assert (await check(both, Proven("a.test", ("b.test",)), Zones(zone))).result is DmarcResult.PASS
    four = Author(("a.test", "b.test", "c.test", "d.test"))
    assert (await check(four, Proven("a.test"), Zones(zone))).reason is DmarcReason.TOO_MANY_AUTHORS


@pytest.mark.parametrize("rule", ["none", "quarantine", "reject"])
async def test_without_an_author_our_own_rule_holds(rule: Any) -> None:
    settings = DmarcSettings(without_author=rule)
    verdict = await check(Author((), AuthorProblem.REPEATED, "2"), Proven("a.test"), Zones({}), settings)
    assert (verdict.result, verdict.disposition.value) == (DmarcResult.PERMERROR, rule)


def test_local_override() -> None:
    verdict = DmarcVerdict(DmarcReason.NOTHING_PROVEN, "a.test", Policy.REJECT, Policy.REJECT)
    changed = verdict.overridden(Policy.NONE, OverrideType.TRUSTED_FORWARDER, "arc=pass")
    assert (changed.result, changed.policy, changed.disposition) == (
        DmarcResult.FAIL,
        Policy.REJECT,
        Policy.NONE,
    )
    assert changed.overrides == (Override(OverrideType.TRUSTED_FORWARDER, "arc=pass"),)


def test_only_a_pass_for_mail_from_counts() -> None:
    def spf(reason: SpfReason, identity: SpfIdentity) -> SpfVerdict:
        return SpfVerdict(reason, identity, "a.test", "x@a.test", "192.0.2.1")

    assert Proven.by(spf(SpfReason.LISTED, SpfIdentity.MAIL_FROM), ()).spf == "a.test"
    assert Proven.by(spf(SpfReason.LISTED, SpfIdentity.HELO), ()).spf == ""
    assert Proven.by(spf(SpfReason.PROBABLY_NOT, SpfIdentity.MAIL_FROM), ()).spf == ""
    assert Proven.by(None, ["b.test", "b.test"]) == Proven("", ("b.test",))


def test_record_with_everything() -> None:
    record = parse_record(
        b"v=DMARC1;p=Reject; sp=none ;np=quarantine; adkim=s; aspf=r; psd=n; t=y; fo=1:d; pct=50; new=x;"
        b" rua=mailto:a@x.test!10m , https://x.test/r,mailto:bad; ruf=mailto:b%2Bc@x.test"
    )
    assert (record.p, record.sp, record.np) == (Policy.REJECT, Policy.NONE, Policy.QUARANTINE)
    assert (record.strict_dkim, record.strict_spf, record.psd, record.testing) == (True, False, "n", True)
    assert (record.fo, record.pct) == (frozenset("1d"), 50)
    assert [str(uri.address) for uri in record.rua] == ["a@x.test", "None"]
    assert str(record.ruf[0].address) == "b+c@x.test"
    assert len(record.faults) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"v=DMARC1", True),
        (b"v = DMARC1 ; p=none", True),
        (b"v=dmarc1; p=none", False),
        (b"v=DMARC12; p=none", False),
        (b" v=DMARC1; p=none", False),
        (b"p=none; v=DMARC1", False),
    ],
)
def test_what_a_record_is(text: bytes, found: bool) -> None:
    assert bool(dmarc_texts([text])) is found


# Where RFC 9989 differs from RFC 7489, which those cases were made for: adkim, aspf fall back to their default;
# rf, ri and pct are unknown tags; a wrong p without an address for reports leaves the record without effect.
DIFFERENT = {
    "v=DMARC1; p=n;": False,
    "v=DMARC1; p=none; adkim=bob;": True,
    "v=DMARC1; p=none; aspf=bob;": True,
    "v=DMARC1; p=none; rf=bob;": True,
    "v=DMARC1; p=none; ri=bob;": True,
    "v=DMARC1; p=none; pct=500;": True,
    "v=DMARC1; p=none; rf=000000000000000000000000000000000": True,
}


def test_opendmarc_records() -> None:
    cases = json.loads(need("data", "dmarc", "cases.json").read_text())["parse"]
    for case in cases:
        texts = dmarc_texts([case["record"].encode()])
        usable = bool(texts) and parse_record(texts[0]).usable
        assert usable is DIFFERENT.get(case["record"], case["expect"] == "okay"), case
    assert len(cases) == 19


def test_opendmarc_alignment() -> None:
    suffixes = PublicSuffixes(["com", "de", "au", "ar", "edu.ar"])
    for case in json.loads(need("data", "dmarc", "cases.json").read_text())["alignment"]:
        a, b = case["a"], case["b"]
        if case["mode"] == "strict":
            assert aligned_strictly(a, b) is case["aligned"], case
        else:
            assert (suffixes.privatesuffix(a) == suffixes.privatesuffix(b)) is case["aligned"], case


def test_opendmarc_from() -> None:
    """Our parser refuses what can be read in two ways; it must never name another domain."""
    read = []
    for case in json.loads(need("data", "dmarc", "cases.json").read_text())["from_domain"]:
        author = author_in(case["from"].encode())
        if "ace@ace.com" in case["from"]:
            assert author.domains == ("joe.com", "ace.com")
        elif author.problem is None:
            assert author.domains == (case["domain"],), case
        else:
            assert author.problem is AuthorProblem.UNREADABLE, case
            assert author.domains == ()
            continue
        read.append(case["from"])
    assert len(read) >= 8


@pytest.mark.parametrize(
    ("head", "domains", "problem"),
    [
        (b"From: A <a@A.Test>\r\n\r\n", ("a.test",), None),
        (b"From: a@b\xc3\xbccher.test\r\n\r\n", ("xn--bcher-kva.test",), None),
        (b"From: a@a.test, b@a.test\r\n\r\n", ("a.test",), None),
        (b"From: Team: a@a.test;\r\n\r\n", ("a.test",), None),
        (b"From: nobody:;\r\n\r\n", (), AuthorProblem.NO_ADDRESS),
        (b"From: \r\n\r\n", (), AuthorProblem.NO_ADDRESS),
        (b"To: a@a.test\r\n\r\n", (), AuthorProblem.MISSING),
        (b"From: a@a.test\r\nfrom: b@b.test\r\n\r\n", (), AuthorProblem.REPEATED),
        (b"From: a@good.test)b@evil.test\r\n\r\n", (), AuthorProblem.UNREADABLE),
        (b"From: a@good.test <b@evil.test>\r\n\r\n", (), AuthorProblem.UNREADABLE),
    ],
)
def test_author(head: bytes, domains: tuple[str, ...], problem: AuthorProblem | None) -> None:
    author = author_of(scan(head))
    assert (author.domains, author.problem) == (domains, problem)


dmarcish = st.lists(
    st.sampled_from(
        [
            "p=",
            "sp=",
            "np=",
            "none",
            "reject",
            ";",
            " ",
            "rua=mailto:",
            "a@b.test",
            ",",
            "!",
            "%",
            "psd=",
            "y",
            "=",
            "t=y",
        ]
    )
    | st.text(max_size=10),
    max_size=25,
).map(lambda parts: ("v=DMARC1;" + "".join(parts)).encode())


@given(dmarcish | st.binary(max_size=100).map(b"v=DMARC1;".__add__))
def test_any_record_is_read(text: bytes) -> None:
    record = parse_record(text)
    assert record.text.isprintable()
    assert record.usable or record.p is Policy.NONE


@given(st.binary(max_size=120))
def test_any_from_is_read(value: bytes) -> None:
    author = author_in(value)
    assert bool(author.domains) is (author.problem is None)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(max_size=30), max_size=4),
    st.lists(st.text(max_size=30), max_size=6),
    st.text(max_size=20),
    st.lists(dmarcish, max_size=3),
)
async def test_no_exception_on_hostile_facts(
    authors: list[str], signers: list[str], spf: str, texts: list[bytes]
) -> None:
    class Everywhere(Zones):
        async def txt(self, name: str) -> DnsAnswer:
            self.asked.append((name, "TXT"))
            return DnsAnswer(_OK, tuple(texts))

    from kurir.net.ports import DnsStatus

    _OK = DnsStatus.OK
    dns = Everywhere({})
    verdict = await check(
        Author(tuple(authors)) if authors else Author((), AuthorProblem.MISSING),
        Proven(spf, tuple(signers)),
        dns,
    )
    assert verdict.result in DmarcResult
    assert len(dns.asked) <= 300
