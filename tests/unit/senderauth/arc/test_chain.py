"""Chains made by Kurir: whole over many hops, broken by any change, and never an exception."""

import asyncio
import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.message import scan
from kurir.net.ports import DnsStatus
from kurir.senderauth.arc import ArcReason, ArcResult, ArcSettings, Sealer, check_message, of_arc, own_results
from kurir.senderauth.dkim import BodyDigests, Canon, DkimCheck, DkimReason, SigningKey, record_text
from kurir.senderauth.dkim.canon import canonical_fields, relaxed
from kurir.senderauth.results import render_results
from tests.unit.senderauth.dkim.material import MAIL, NOW, rsa_key, signed, zone_records
from tests.unit.senderauth.dns import TxtZone
from tests.unit.senderauth.oracle import dkimpy

KEYS = {
    n: SigningKey(f"hop{n}.example", "s", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32))
    for n in range(1, 60)
}


def zone(**changed):
    records = {f"s._domainkey.hop{n}.example": record_text(key.public).encode() for n, key in KEYS.items()}
    return TxtZone(
        records | zone_records() | {f"s._domainkey.{name}.example": v for name, v in changed.items()}
    )


def judge(message, dns=None, settings=None):
    head = scan(message)
    body = [message[head.header_end :]]
    return asyncio.run(check_message(head, body, dns or zone(), NOW, settings or ArcSettings()))


def hop(message, n, found="spf=pass", key=None):
    """Pass the message through server n, which checks the chain, writes what it found, and seals."""
    chain = judge(message).result.value
    server = f"mx.hop{n}.example"
    message = (
        b"Authentication-Results: %s; %s; arc=%s\r\n" % (server.encode(), found.encode(), chain.encode())
        + message
    )
    head = scan(message)
    return (
        Sealer(key or KEYS[n]).seal(head, [message[head.header_end :]], own_results(head, server), NOW)
        + message
    )


def test_a_chain_of_many_hops():
    message = signed()
    for n in range(1, 13):
        message = b"Received: by hop\r\n" + hop(message, n)
    verdict = judge(message)
    assert verdict.passed and verdict.result is ArcResult.PASS
    assert [h.domain for h in verdict.hops] == [f"hop{n}.example" for n in range(1, 13)]
    assert verdict.hops[0].results == "mx.hop1.example; spf=pass; arc=none"
    assert verdict.hops[1].results == "mx.hop2.example; spf=pass; arc=pass"
    assert verdict.oldest_pass == 4  # the newest and eight below it are looked at
    assert judge(message, settings=ArcSettings(older=50)).oldest_pass == 0
    assert judge(message, settings=ArcSettings(older=0)).oldest_pass == 12


def test_a_list_changes_the_body_and_the_chain_tells_since_when():
    message = hop(hop(signed(), 1), 2) + b"-- \r\nthe list's footer\r\n"
    message = hop(message, 3)
    verdict = judge(message)
    assert verdict.reason is ArcReason.DECLARED_BROKEN  # hop 3 saw that it was changed by others
    listed = hop(signed(), 1)
    head = scan(listed)
    results = own_results(head, "mx.hop1.example")
    changed = listed + b"-- \r\nthe list's footer\r\n"
    # A list seals what it changed itself: it found the chain whole when the message came in.
    head = scan(b"Authentication-Results: list; dkim=pass; arc=pass\r\n" + changed)
    results = own_results(head, "list")
    body = head.data[head.header_end :]
    verdict = judge(Sealer(KEYS[2]).seal(head, [body], results, NOW) + head.data)
    assert verdict.passed and verdict.oldest_pass == 2


@pytest.mark.parametrize(
    ("old", "new", "reason", "cause"),
    [
        (b"there.", b"there!", ArcReason.MESSAGE_CHANGED, DkimReason.BODY_CHANGED),
        (b"Subject: Lunch", b"Subject: Brunch", ArcReason.MESSAGE_CHANGED, DkimReason.HEADER_CHANGED),
        (b"i=1; mx.hop1.example; spf=pass", b"i=1; mx.hop1.example; spf=fail", ArcReason.SEAL_BROKEN, DkimReason.HEADER_CHANGED),
        (b"i=2; mx.hop2.example; spf=pass", b"i=2; mx.hop2.example; spf=fail", ArcReason.SEAL_BROKEN, DkimReason.HEADER_CHANGED),
        (b"ARC-Authentication-Results: i=1", b"X: i=1", ArcReason.INCOMPLETE, None),
        (b"ARC-Seal:", b"ARC-Seal: i=1; a=b\r\nARC-Seal:", ArcReason.INCOMPLETE, None),
        (b"cv=pass", b"cv=none", ArcReason.BAD_STATUS, None),
        (b"cv=pass", b"cv=fail", ArcReason.DECLARED_BROKEN, None),
        (b"cv=pass", b"cv=maybe", ArcReason.SYNTAX, DkimReason.SYNTAX),
        (b"a=ed25519-sha256", b"a=rsa-sha1", ArcReason.SYNTAX, DkimReason.SHA1),
        (b"s=s;", b"s=t;", ArcReason.KEY_UNUSABLE, DkimReason.KEY_MISSING),
    ],
)  # fmt: skip
def test_each_way_to_break_it(old, new, reason, cause):
    message = hop(hop(signed(), 1), 2)
    assert old in message
    verdict = judge(message.replace(old, new, 1))
    assert (verdict.reason, verdict.cause, verdict.result) == (reason, cause, ArcResult.FAIL)


@pytest.mark.parametrize(
    "line", [b"From: eve@example.com", b"From\0: eve@example.com", b"\x0b, eve@example.com"]
)
def test_a_field_added_beside_a_sealed_one_is_a_change(line):
    """As in DKIM: what readers may see was not sealed, wherever a set does not oversign."""
    message = hop(signed(), 1, key=KEYS[1])
    sender = b"From: Ann <ann@example.org>\r\n"
    assert sender in message
    verdict = judge(
        line + b"\r\n" + message if b":" in line else message.replace(sender, sender + line + b"\r\n")
    )
    assert (verdict.reason, verdict.cause) == (ArcReason.MESSAGE_CHANGED, DkimReason.ADDED_FIELDS)
    assert verdict.detail == "from"
    raw = message.replace(sender, sender + "à bientôt\r\n".encode())
    assert judge(raw).passed


def sealed_without_c(message, form):
    """Put a first set in front whose message signature, made in `form`, does not say so."""
    head, key = scan(message), KEYS[1]
    bodies = BodyDigests()
    bodies.want(form)
    bodies.feed(message[head.header_end :])
    body = base64.b64encode(bodies.digest(form).sha256).decode()
    results = b"ARC-Authentication-Results: i=1; mx; spf=pass\r\n"
    start = (
        f"ARC-Message-Signature:  i=1; a={key.algorithm.value}; d={key.domain}; s=s; h=from:to; bh={body}; b="
    )
    covered = canonical_fields(head, [head.named("from")[0], head.named("to")[0]], form)
    own = start.encode() if form is Canon.SIMPLE else relaxed(*start.encode().split(b":", 1))[:-2]
    sets = (results, f"{start}{key.sign(hashlib.sha256(covered + own).digest())}\r\n".encode())
    start = f"ARC-Seal: i=1; a={key.algorithm.value}; cv=none; d={key.domain}; s=s; b=".encode()
    parts = [relaxed(*field.split(b":", 1)) for field in (*sets, start)]
    seal = start + key.sign(hashlib.sha256(b"".join(parts)[:-2]).digest()).encode()
    return seal + b"\r\n" + sets[1] + sets[0] + message


@pytest.mark.parametrize("form", Canon)
def test_a_signature_that_does_not_say_its_form(form):
    """RFC 8617 section 4.1.2 has simple, as in DKIM; many mean relaxed."""
    message = sealed_without_c(signed(), form)
    assert judge(message).passed
    assert judge(message.replace(b"there.", b"there!")).reason is ArcReason.MESSAGE_CHANGED
    assert judge(message.replace(b"bob@example.net", b"eve@example.net")).reason is ArcReason.MESSAGE_CHANGED
    spaced = message.replace(b"there.", b"there. ")
    assert judge(spaced).passed is (form is Canon.RELAXED)


def test_dns_failures_are_temporary():
    message = hop(hop(signed(), 1), 2)
    for name in ("hop1", "hop2"):
        verdict = judge(message, zone(**{name: DnsStatus.TIMEOUT}))
        assert (verdict.reason, verdict.temporary) == (ArcReason.DNS_FAILED, True)


def test_a_changed_message_costs_one_lookup_at_most():
    message = signed()
    for n in range(1, 6):
        message = hop(message, n)
    dns = zone()
    assert judge(message.replace(b"there.", b"there!"), dns).reason is ArcReason.MESSAGE_CHANGED
    assert dns.asked == []
    assert judge(message.replace(b"Lunch", b"Brunch"), dns).reason is ArcReason.MESSAGE_CHANGED
    assert dns.asked == ["s._domainkey.hop5.example"]
    assert judge(message, dns).passed
    assert len(dns.asked) == 1 + 5


def test_a_broken_chain_is_sealed_once_as_broken_and_then_left_alone():
    message = hop(hop(signed(), 1), 2).replace(b"there.", b"there!")
    failed = hop(message, 3)
    assert failed.startswith(b"ARC-Seal:") and b"cv=fail" in failed
    verdict = judge(failed)
    assert (verdict.reason, verdict.instance, verdict.values["domain"]) == (
        ArcReason.DECLARED_BROKEN,
        3,
        "hop3.example",
    )
    assert hop(failed, 4).startswith(b"Authentication-Results:")


def test_no_more_than_fifty_sets():
    message = signed()
    for n in range(1, 51):
        message = hop(message, n)
    assert judge(message).passed
    assert not hop(message, 51).startswith(b"ARC")
    assert judge(message, settings=ArcSettings(sets=49)).reason is ArcReason.TOO_LONG


def test_nothing_is_sealed_without_own_results():
    head = scan(MAIL)
    assert Sealer(KEYS[1]).begin(head, own_results(head, "mx")) is None
    chained = scan(b"Authentication-Results: mx; spf=pass\r\n" + hop(signed(), 1))
    assert Sealer(KEYS[2]).begin(chained, own_results(chained, "mx")) is None  # the chain was not checked


@pytest.mark.parametrize(
    ("fields", "text", "chain"),
    [
        (["mx; spf=pass; arc=pass"], "spf=pass; arc=pass", ArcResult.PASS),
        (["mx 1; spf=pass"], "spf=pass", None),
        (["mx; spf=pass", "other; dkim=pass", "mx; dkim=fail"], "spf=pass; dkim=fail", None),
        (["mx; none"], None, None),
        (["other; arc=pass"], None, None),
        (["mx; arc=pass", "mx; arc=none"], "arc=pass; arc=none", ArcResult.FAIL),
        (['MX; spf=pass smtp.mailfrom="; arc=pass"@x'], 'spf=pass smtp.mailfrom="; arc=pass"@x', None),
        (
            ["mx; spf=pass (; arc=pass ()) a.b=y; arc=fail"],
            "spf=pass (; arc=pass ()) a.b=y; arc=fail",
            ArcResult.FAIL,
        ),
    ],
)
def test_own_results(fields, text, chain):
    head = scan("".join(f"Authentication-Results: {f}\r\n" for f in fields).encode() + b"\r\n")
    found = own_results(head, "mx")
    if text is None:
        assert found is None
    else:
        assert (found.text, found.chain) == (text, chain)


def test_what_the_field_says():
    message = hop(signed(), 1)
    assert render(of_arc(judge(message))) == "arc=pass (sealed by hop1.example)\r\n\t header.oldest-pass=0"
    assert render(of_arc(judge(message.replace(b"there.", b"there!")))) == (
        "arc=fail (message changed i=1, sealed by hop1.example)"
    )
    assert render(of_arc(judge(MAIL))) == "arc=none (no chain)"


def render(result):
    return render_results("mx", [result]).partition(";\r\n\t")[2]


def test_bodies_are_hashed_once_for_dkim_and_arc():
    from kurir.senderauth.arc import ArcCheck

    message = hop(signed(), 1)
    head = scan(message)
    bodies = BodyDigests()
    dkim, arc = DkimCheck(head, bodies), ArcCheck(head, bodies)
    bodies.feed(message[head.header_end :])

    async def both():
        return await dkim.verdicts(zone(), NOW), await arc.verdict(zone(), NOW)

    signatures, chain = asyncio.run(both())
    assert all(v.passed for v in signatures) and chain.passed
    assert len(bodies._forms) == 1


def test_dkimpy_agrees():
    dkim = dkimpy()
    records = zone().records

    def txt(name, timeout=5):
        return records.get(name.decode().rstrip("."))

    message = signed()
    for n in range(1, 4):
        message = hop(message, n, key=rsa_key())  # dkimpy knows no Ed25519 in ARC
        found, _, why = dkim.ARC(message).verify(txt)
        assert found == b"pass", why


FRAGMENTS = [
    b"ARC-Seal:", b"ARC-Message-Signature:", b"ARC-Authentication-Results:", b" i=1;", b" i=2;", b" cv=none;", b"x;",
    b" a=rsa-sha256;", b" d=a.example;", b" s=s;", b" b=AAAA;", b" bh=AAAA;", b" h=from;", b"\r\n", b"\r\n ", b"\0",
    b"From: a@b\r\n", b"\xff", b"i=51;", b";", b"i=",
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60).map(b"".join))
def test_hostile_chains_never_raise(data):
    verdict = judge(data)
    assert not verdict.passed
    head = scan(b"Authentication-Results: mx; spf=pass; arc=pass\r\n" + data)
    Sealer(KEYS[1]).seal(head, [b"x"], own_results(head, "mx"), NOW)
