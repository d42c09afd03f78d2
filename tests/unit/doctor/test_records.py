"""Which records a domain needs, how they are written down, and what is said of those that are (not) there."""

import asyncio
import re
from dataclasses import replace

import dns.rdataclass
import dns.zone
import pytest
from tests.harness.dns import Names

from kurir.doctor import DomainFacts, Record, check_records, expected, form_fields, sts_policy, zone_line
from kurir.model import Severity
from kurir.net import CachingResolver, ResolverSettings, WebAnswer, WebError
from kurir.trace import Catalogue

LONG = "v=DKIM1; k=rsa; p=" + "A" * 392
FACTS = DomainFacts(
    domain="example.test",
    hostname="mail.example.test",
    keys={"k1r": LONG, "k1e": "v=DKIM1; k=ed25519; p=AAAA"},
    postmaster="postmaster@example.test",
    addresses=("127.0.0.25", "::1"),
    spki=bytes(range(32)),
    authorities=("letsencrypt.org",),
)
RECORDS = expected(FACTS)


def rdata(record: Record) -> str:
    """The value as the test's name server takes it."""
    return re.sub(r"^\( | \)$", "", zone_line(record).split("\t", 4)[4]).replace("\n", " ")


def right() -> dict[str, dict[str, list[str]]]:
    zone: dict[str, dict[str, list[str]]] = {}
    for record in RECORDS:
        zone.setdefault(record.name, {}).setdefault(record.type, []).append(rdata(record))
    return zone


def look(zone, records=RECORDS, hostname=FACTS.hostname, fetch=None):
    async def run(address):
        resolver = CachingResolver(
            ResolverSettings(nameservers=(address,), try_timeout=2.0, rounds=1, deadline=10.0),
            clock=lambda: 0.0,
        )
        return await check_records(records, hostname, resolver, fetch)

    with Names(zone) as names:
        found = asyncio.run(run(names.address))
    texts = Catalogue.load()
    for finding in found:
        for lang in ("en", "id"):
            assert "{" not in texts.text(lang, f"finding.{finding.key}", **finding.values)
    return dict(zip([(r.name, r.type) for r in records], found, strict=True))


def test_every_kind_of_record_is_there():
    assert {r.type for r in RECORDS} == {"MX", "A", "AAAA", "TXT", "CNAME", "TLSA", "CAA", "SRV"}
    names = {r.name for r in RECORDS}
    assert {"_dmarc.example.test", "_mta-sts.example.test", "_smtp._tls.example.test", "k1r._domainkey.example.test",
            "_25._tcp.mail.example.test", "autoconfig.example.test"} <= names  # fmt: skip
    assert "version: STSv1" in sts_policy("mail.example.test")


def test_the_zone_can_be_read_by_somebody_else():
    text = "$ORIGIN example.test.\n@ 60 IN SOA ns h 1 1 1 1 1\n@ 60 IN NS ns\n" + "\n".join(
        map(zone_line, RECORDS)
    )
    zone = dns.zone.from_text(text, origin="example.test.", relativize=False)
    key = zone.get_rdataset("k1r._domainkey.example.test.", "TXT")[0]
    assert [len(s) for s in key.strings] == [255, len(LONG) - 255]
    assert b"".join(key.strings).decode() == LONG
    assert str(zone.get_rdataset("example.test.", "MX")[0]) == "10 mail.example.test."


def test_a_form_has_names_within_the_domain_and_no_last_dots():
    rows = {(f[0], f[1]): f for f in (form_fields(r, "example.test") for r in RECORDS)}
    assert rows["MX", "@"] == ("MX", "@", "10", "mail.example.test", "3600")
    assert rows["TXT", "k1r._domainkey"][3] == LONG
    assert rows["SRV", "_submissions._tcp"][2:4] == ("0", "1 465 mail.example.test")
    assert rows["CNAME", "autoconfig"][3] == "mail.example.test"


def test_an_unknown_address_is_a_comment_and_no_policy_without_a_public_certificate():
    facts = DomainFacts(
        domain="a.test",
        hostname="a.test",
        keys={},
        postmaster="p@a.test",
        others_send=True,
        public_certificate=False,
    )
    records = expected(facts)
    (address,) = [r for r in records if r.type == "A"]
    assert zone_line(address).startswith(";")
    assert not any("sts" in r.name for r in records)
    assert any(r.value == "v=spf1 mx ~all" for r in records)  # what the smarthost sends must not be refused
    assert not any(r.why == "spf_host" for r in records)


def test_what_is_right_is_green():
    found = look(right())
    assert {f.severity for f in found.values()} == {Severity.GREEN}


def changed(name, rtype, values):
    zone = right()
    if values is None:
        del zone[name][rtype]
    else:
        zone[name] = values if isinstance(values, str) else {**zone[name], rtype: values}
    return look(zone)[name, rtype]


K = "k1r._domainkey.example.test"


@pytest.mark.parametrize(
    ("name", "rtype", "values", "severity", "key"),
    [
        ("example.test", "MX", None, Severity.RED, "dns_missing"),
        ("example.test", "MX", ["10 other.test."], Severity.RED, "dns_different"),
        ("example.test", "MX", ["5 other.test.", "20 mail.example.test."], Severity.GREEN, "dns_ok"),
        ("example.test", "MX", "SERVFAIL", Severity.GREY, "dns_untested"),
        ("mail.example.test", "A", ["127.0.0.26"], Severity.RED, "dns_different"),
        (K, "TXT", None, Severity.RED, "dns_missing"),
        (K, "TXT", ['"v=DKIM1; p=BBBB"'], Severity.RED, "dns_different"),
        (K, "TXT", "TIMEOUT", Severity.GREY, "dns_untested"),
        (K, "TXT", [f'"p={"A" * 200}" "{"A" * 192}"'], Severity.GREEN, "dns_ok"),
        ("_dmarc.example.test", "TXT", None, Severity.RED, "dns_missing"),
        ("_dmarc.example.test", "TXT", ['"v=DMARC1; p=none"'], Severity.YELLOW, "dns_weak"),
        ("_dmarc.example.test", "TXT", ['"v=DMARC1; p=reject"'], Severity.GREEN, "dns_ok"),
        ("_dmarc.example.test", "TXT", ['"v=DMARC1; p=reject"', '"v=DMARC1; p=none"'], Severity.RED, "dns_different"),
        ("example.test", "TXT", None, Severity.RED, "dns_missing"),
        ("example.test", "TXT", ['"v=spf1 ip4:192.0.2.1 -all"'], Severity.RED, "dns_different"),
        ("example.test", "TXT", ['"v=spf1 a:mail.example.test ~all"', '"other=1"'], Severity.GREEN, "dns_ok"),
        ("_mta-sts.example.test", "TXT", ['"v=STSv1; id=other"'], Severity.YELLOW, "dns_different"),
        ("_mta-sts.example.test", "TXT", None, Severity.YELLOW, "dns_missing"),
        ("_25._tcp.mail.example.test", "TLSA", ["3 1 1 " + "00" * 32], Severity.YELLOW, "dns_different"),
        ("example.test", "CAA", ['0 issue "other.test"'], Severity.YELLOW, "dns_different"),
        ("_submission._tcp.example.test", "SRV", ["9 9 587 mail.example.test."], Severity.GREEN, "dns_ok"),
        ("autoconfig.example.test", "CNAME", ["nowhere.test."], Severity.YELLOW, "dns_missing"),
    ],
)  # fmt: skip
def test_what_the_dns_says_is_told(name, rtype, values, severity, key):
    found = changed(name, rtype, values)
    assert (found.severity, found.key) == (severity, key), found


def test_a_server_without_an_address_is_told_so():
    records = expected(DomainFacts(domain="a.test", hostname="a.test", keys={}, postmaster="p@a.test"))
    found = look({}, records, "a.test")
    assert found["a.test", "A"].key == "dns_no_address"
    found = look({"a.test": {"A": ["127.0.0.1"]}}, records, "a.test")
    assert found["a.test", "A"].severity is Severity.GREEN


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (WebAnswer(200, sts_policy(FACTS.hostname).encode()), "dns_ok"),
        (WebAnswer(200, sts_policy(FACTS.hostname).replace("\r\n", "\n").encode()), "dns_ok"),
        (WebAnswer(200, sts_policy(FACTS.hostname, "enforce").encode()), "dns_sts_stale"),
        (WebAnswer(404, b""), "dns_sts_unserved"),
        (WebError("certificate", "the certificate does not prove the name"), "dns_sts_unserved"),
    ],
)
def test_the_policy_behind_the_record(answer, key):
    asked = []

    async def fetch(request):
        asked.append(request.url)
        if isinstance(answer, WebError):
            raise answer
        return answer

    finding = look(right(), fetch=fetch)["_mta-sts.example.test", "TXT"]
    assert (finding.key, finding.severity is Severity.GREEN) == (key, key == "dns_ok")
    assert asked == ["https://mta-sts.example.test/.well-known/mta-sts.txt"]


def test_the_next_key_stands_beside_the_present_one():
    records = expected(replace(FACTS, next_spki=b"\1" * 32))
    assert [r.value for r in records if r.type == "TLSA"] == [
        f"3 1 1 {s.hex()}" for s in (FACTS.spki, b"\1" * 32)
    ]


def test_what_is_not_served_is_not_published():
    names = {r.name for r in expected(replace(FACTS, sts_mode="off", autoconfig=False))}
    assert not {"_mta-sts.example.test", "mta-sts.example.test", "autoconfig.example.test"} & names


def test_programs_are_led_to_the_ports_that_are_open() -> None:
    found = {
        r.name: r.value for r in expected(replace(FACTS, https=23443, submission=20587)) if r.type == "SRV"
    }
    assert found["_autodiscover._tcp.example.test"] == "0 1 23443 mail.example.test."
    assert found["_submission._tcp.example.test"] == "1 1 20587 mail.example.test."
