"""Each way in which a signature can fail has its own reason; nothing a peer wrote raises."""

import asyncio
import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.message import scan
from kurir.net.ports import DnsAnswer, DnsStatus
from kurir.senderauth.dkim import DkimReason, DkimResult, DkimSettings, DkimVerdict, of_dkim, record_text
from kurir.senderauth.dkim.verdict import RESULTS
from kurir.senderauth.results import MethodResult

from .material import MAIL, NOW, TxtZone, check, ed_key, rsa_key, signed, zone

RSA_TEXT = record_text(rsa_key().public).encode()
ED_TEXT = record_text(ed_key().public).encode()


def one(message: bytes, dns: TxtZone | None = None, **kwargs: object) -> DkimVerdict:
    (verdict,) = check(message, dns, **kwargs)
    return verdict


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"", b"", DkimReason.VALID),
        (b"see you", b"see ya", DkimReason.BODY_CHANGED),
        (b"Hello  Bob,\t \r\n", b"Hello Bob,\r\n", DkimReason.VALID),
        (b"there.\r\n", b"there.\r\n\r\n\r\n", DkimReason.VALID),
        (b"there.\r\n", b"there.\r\nmore\r\n", DkimReason.BODY_CHANGED),
        (b"Subject: Lunch", b"SUBJECT:   Lunch", DkimReason.VALID),
        (b"Subject: Lunch", b"Subject: Brunch", DkimReason.HEADER_CHANGED),
        (b"To: bob@example.net\r\n", b"", DkimReason.HEADER_CHANGED),
        (
            b"To: bob@example.net\r\n",
            b"To: bob@example.net\r\nTo: eve@example.net\r\n",
            DkimReason.HEADER_CHANGED,
        ),
        (
            b"To: bob@example.net\r\n",
            b"To: bob@example.net\r\nCc: eve@example.net\r\n",
            DkimReason.HEADER_CHANGED,
        ),
        (b"From: Ann", b"From: eve@example.com\r\nFrom: Ann", DkimReason.HEADER_CHANGED),
        (b"From: Ann", b"List-Id: <x>\r\nFrom: Ann", DkimReason.VALID),
        (b"Received: from a", b"Received: from z by y; now\r\nReceived: from a", DkimReason.VALID),
    ],
)
def test_what_may_change_and_what_may_not(old, new, reason):
    for key in (rsa_key(), ed_key()):
        message = signed(MAIL, key)
        assert one(message.replace(old, new, 1)).reason is reason


# Changes of the signature field itself.
@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"v=1", b"v=2", DkimReason.VERSION),
        (b"v=1; ", b"", DkimReason.SYNTAX),
        (b"a=rsa-sha256", b"a=rsa-sha1", DkimReason.SHA1),
        (b"a=rsa-sha256", b"a=rsa-sha512", DkimReason.ALGORITHM),
        (b"a=rsa-sha256", b"a=ed25519-sha256", DkimReason.KEY_UNFIT),
        (b"c=relaxed/relaxed", b"c=relaxed/strict", DkimReason.ALGORITHM),
        (b"c=relaxed/relaxed", b"c=simple/relaxed", DkimReason.HEADER_CHANGED),
        (b"c=relaxed/relaxed", b"c=relaxed", DkimReason.BODY_CHANGED),
        (b"s=r;", b"s=q;", DkimReason.KEY_MISSING),
        (b"s=r;", b"s=;", DkimReason.SYNTAX),
        (b"s=r;", b"s=r; s=r;", DkimReason.SYNTAX),
        (b"s=r;", b"s=r;;", DkimReason.SYNTAX),
        (b"s=r;", b"s=r; i=ann@example.com;", DkimReason.FOREIGN_IDENTITY),
        (b"s=r;", b"s=r; i=ann@notexample.org;", DkimReason.FOREIGN_IDENTITY),
        (b"s=r;", b"s=r; i=ann;", DkimReason.SYNTAX),
        (b"s=r;", b"s=r; q=http;", DkimReason.SYNTAX),
        (b"s=r;", b"s=r; x=1600000000;", DkimReason.SYNTAX),
        (b"s=r;", b"s=r; l=-1;", DkimReason.SYNTAX),
        (b"s=r;", b"s=r; l=99999999;", DkimReason.BODY_CHANGED),
        (b"s=r;", b"s=r; l=" + b"9" * 77 + b";", DkimReason.SYNTAX),
        (b"s=r;", b"s=r; z=\xff;", DkimReason.SYNTAX),
        (b"s=r;", b"s=r; unknown=fine;", DkimReason.HEADER_CHANGED),
        (b"d=example.org", b"d=[192.0.2.1]", DkimReason.SYNTAX),
        (b"d=example.org", b"d=exa mple.org", DkimReason.SYNTAX),
        (b"d=example.org", b"d=" + b"a." * 130 + b"org", DkimReason.SYNTAX),
        (b"t=1700000000", b"t=1700100000", DkimReason.FROM_THE_FUTURE),
        (b"t=1700000000", b"t=soon", DkimReason.SYNTAX),
        (b"from:from:", b"", DkimReason.FROM_NOT_SIGNED),
        (b"bh=", b"bh=*", DkimReason.SYNTAX),
        (b"\r\n b=", b"\r\n b=Z", DkimReason.SYNTAX),
        (b"\r\n b=", b"\r\n b=;x=", DkimReason.SYNTAX),
    ],
)
def test_a_changed_signature_has_its_reason(old, new, reason):
    message = signed(MAIL, rsa_key())
    assert old in message
    assert one(message.replace(old, new, 1)).reason is reason


@pytest.mark.parametrize(
    ("record", "reason", "result"),
    [
        (RSA_TEXT.replace(b"v=DKIM1; ", b""), DkimReason.VALID, "pass"),
        (RSA_TEXT + b"; t=y", DkimReason.VALID, "pass"),
        (RSA_TEXT.replace(b"k=rsa; ", b""), DkimReason.VALID, "pass"),
        (RSA_TEXT + b"; s=tlsrpt : *", DkimReason.VALID, "pass"),
        (RSA_TEXT + b"; h=sha1 : sha256", DkimReason.VALID, "pass"),
        (RSA_TEXT + b"; h=sha1", DkimReason.KEY_UNFIT, "permerror"),
        (RSA_TEXT + b"; s=tlsrpt", DkimReason.KEY_UNFIT, "permerror"),
        (RSA_TEXT.replace(b"DKIM1", b"DKIM2"), DkimReason.KEY_SYNTAX, "permerror"),
        (RSA_TEXT.replace(b"v=DKIM1; ", b"") + b"; v=DKIM1", DkimReason.KEY_SYNTAX, "permerror"),
        (RSA_TEXT.replace(b"k=rsa", b"k=dsa"), DkimReason.KEY_UNFIT, "permerror"),
        (ED_TEXT.replace(b"ed25519", b"rsa"), DkimReason.KEY_SYNTAX, "permerror"),
        (ED_TEXT, DkimReason.KEY_UNFIT, "permerror"),
        (b"v=DKIM1; p=", DkimReason.KEY_REVOKED, "permerror"),
        (b"v=DKIM1; k=rsa", DkimReason.KEY_SYNTAX, "permerror"),
        (b"v=DKIM1; k=rsa; p=AAAA", DkimReason.KEY_SYNTAX, "permerror"),
        (b"v=spf1 -all", DkimReason.KEY_SYNTAX, "permerror"),
        (b"\xff\xfe", DkimReason.KEY_SYNTAX, "permerror"),
        (b"v=DKIM1; p=" + b"A" * 9_000, DkimReason.KEY_SYNTAX, "permerror"),
        (record_text(rsa_key(1024).public).encode(), DkimReason.HEADER_CHANGED, "fail"),
        (record_text(rsa_key(1024).public).encode() + b"; t=y", DkimReason.HEADER_CHANGED, "neutral"),
        ([b"v=spf1 -all", ED_TEXT, RSA_TEXT], DkimReason.VALID, "pass"),
        ([], DkimReason.KEY_MISSING, "permerror"),
        (DnsStatus.NODATA, DkimReason.KEY_MISSING, "permerror"),
        (DnsStatus.SERVFAIL, DkimReason.DNS_FAILED, "temperror"),
        (DnsStatus.TIMEOUT, DkimReason.DNS_FAILED, "temperror"),
    ],
)
def test_key_records(record, reason, result):
    verdict = one(signed(MAIL, rsa_key()), zone(r=record))
    assert (verdict.reason, verdict.result.value) == (reason, result)


def test_testing_and_strict_flags():
    verdict = one(signed(MAIL, rsa_key()), zone(r=RSA_TEXT + b"; t=y:s"))
    assert verdict.passed and verdict.testing
    head = scan(MAIL)
    from kurir.senderauth.dkim import Signer

    signing = Signer([rsa_key()]).begin(head, identity="ann@mail.example.org")
    signing.feed(MAIL[head.header_end :])
    message = signing.fields(NOW) + MAIL
    assert one(message).identity == "ann@mail.example.org"
    assert one(message, zone(r=RSA_TEXT + b"; t=s")).reason is DkimReason.FOREIGN_IDENTITY
    assert one(signed(MAIL, rsa_key()), zone(r=RSA_TEXT + b"; t=s")).passed


def test_small_and_large_keys_are_refused():
    strict = DkimSettings(min_rsa_bits=2049)
    assert one(signed(MAIL, rsa_key()), settings=strict).reason is DkimReason.KEY_TOO_SMALL
    loose = DkimSettings(max_rsa_bits=2047)
    assert one(signed(MAIL, rsa_key()), settings=loose).reason is DkimReason.KEY_TOO_LARGE


def test_large_exponent_is_refused():
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    n = rsa_key().public.public_numbers().n
    slow = record_text(RSAPublicNumbers((1 << 2000) + 1, n).public_key()).encode()
    assert one(signed(MAIL, rsa_key()), zone(r=slow)).reason is DkimReason.KEY_TOO_LARGE


def test_expiry_forgives_a_little():
    from kurir.senderauth.dkim import Signer, SigningSettings

    head = scan(MAIL)
    signer = Signer([rsa_key()], SigningSettings(expires_after=3600))
    message = signer.sign(head, [MAIL[head.header_end :]], NOW) + MAIL
    assert one(message, now=NOW + 3600 + 299).passed
    assert one(message, now=NOW + 3600 + 301).reason is DkimReason.EXPIRED


def with_length(length: int) -> bytes:
    """Sign MAIL with l=, which Kurir never does itself."""
    import hashlib

    from kurir.senderauth.dkim.body import BodyDigests
    from kurir.senderauth.dkim.canon import Canon, canonical_fields, choose_fields, relaxed

    head = scan(MAIL)
    bodies = BodyDigests()
    bodies.want(Canon.RELAXED, length)
    bodies.feed(MAIL[head.header_end :])
    bh = base64.b64encode(bodies.digest(Canon.RELAXED, length).sha256).decode()
    value = (
        f" v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=r; h=from:subject; l={length}; bh={bh}; b="
    ).encode()
    covered = canonical_fields(head, choose_fields(head, ("from", "subject")), Canon.RELAXED)
    digest = hashlib.sha256(covered + relaxed(b"DKIM-Signature", value)[:-2]).digest()
    return b"DKIM-Signature:" + value + rsa_key().sign(digest).encode() + b"\r\n" + MAIL


def test_a_length_is_noted_and_distrusted():
    size = len(b"Hello Bob,\r\n\r\nsee you there.\r\n")
    verdict = one(with_length(size))
    assert verdict.passed and verdict.unsigned == 0
    verdict = one(with_length(size) + b"Buy now!\r\n")
    assert (verdict.reason, verdict.result) == (DkimReason.PARTLY_SIGNED, DkimResult.POLICY)
    assert verdict.unsigned == len(b"\r\n\r\nBuy now!\r\n")
    assert one(with_length(5), settings=DkimSettings(accept_partial=True)).passed


def test_a_second_field_beside_a_signed_one_is_policy():
    size = len(b"Hello Bob,\r\n\r\nsee you there.\r\n")
    for field in (b"From: eve@example.com\r\n", b"Subject: You won\r\n"):
        verdict = one(field + with_length(size))
        assert (verdict.reason, verdict.result) == (DkimReason.ADDED_FIELDS, DkimResult.POLICY)
        assert verdict.detail == field.partition(b":")[0].decode().lower()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"From : eve@example.com", "from"),
        (b"From\0: eve@example.com", "from"),
        (b"From\r\n : eve@example.com", "from"),
        (b"\x0b, eve@example.com", "from"),
        (b"\xc2\xa0, eve@example.com", "from"),
    ],
)
def test_a_malformed_line_may_show_what_nobody_signed(line, name):
    """RFC 6376 section 3.8: a message that others read in another way than we do proves nothing."""
    sender = b"From: Ann <ann@example.org>\r\n"
    verdict = one(signed(MAIL, rsa_key()).replace(sender, sender + line + b"\r\n"))
    assert not verdict.passed
    assert verdict.reason in (DkimReason.ADDED_FIELDS, DkimReason.HEADER_CHANGED)
    assert verdict.reason is DkimReason.HEADER_CHANGED or verdict.detail == name


def test_a_harmless_malformed_line_spoils_nothing():
    assert one(signed(b">From somebody\r\n" + MAIL, rsa_key())).passed


@pytest.mark.parametrize(
    "line", ["é così via".encode(), "à bientôt: Ann".encode(), b"\xe0 bient\xf4t", b"\xa3\xa0"]
)
def test_raw_8bit_lines_behind_a_signed_field_are_no_disguise(line):
    """Old programs break long values without indenting them, in any charset: nobody takes that for a field."""
    message = signed(MAIL, rsa_key())
    assert one(message.replace(b"Subject:", line + b"\r\nSubject:")).passed


def test_a_blank_before_the_colon_is_signed_and_verified():
    """RFC 6376 section 3.4.2: relaxed form has none."""
    message = MAIL.replace(b"Subject:", b"Subject \t:").replace(b"From:", b"From :")
    assert one(signed(message, rsa_key())).passed
    assert one(signed(message, rsa_key()).replace(b"Subject \t:", b"Subject:")).passed


def test_changed_body_tells_whether_the_header_is_intact():
    message = signed(MAIL, rsa_key()).replace(b"there.", b"there!")
    assert one(message).header_intact is True
    assert one(message.replace(b"Lunch", b"Brunch")).header_intact is False
    # The body stays changed, whatever the DNS will say another time.
    assert one(message, zone(r=DnsStatus.TIMEOUT)).reason is DkimReason.BODY_CHANGED


def test_many_signatures_are_bounded_and_the_authors_come_first():
    field = signed(MAIL, rsa_key()).removesuffix(MAIL)
    foreign = field.replace(b"d=example.org", b"d=example.com")
    dns = zone()
    verdicts = check(foreign * 60 + MAIL, dns)
    assert len(verdicts) == 50
    assert [v.reason for v in verdicts].count(DkimReason.NOT_CHECKED) == 42
    assert len(dns.asked) == 1
    verdicts = check(foreign * 20 + field + MAIL, prefer="example.org")
    assert verdicts[20].passed
    assert check(foreign * 20 + field + MAIL)[20].reason is DkimReason.NOT_CHECKED


def test_a_message_without_signature():
    verdict = one(MAIL)
    assert (verdict.reason, verdict.result, verdict.key) == (
        DkimReason.NO_SIGNATURE,
        DkimResult.NONE,
        "dkim.no_signature",
    )


def test_facts_of_a_verdict():
    rsa, ed = check(signed())
    assert (rsa.domain, rsa.selector, rsa.identity, rsa.algorithm) == (
        "example.org", "r", "@example.org", "rsa-sha256",
    )  # fmt: skip
    assert (rsa.key_bits, ed.key_bits, rsa.signed_at, rsa.unsigned) == (2048, 256, int(NOW), None)
    assert rsa.mark == re.search(rb"\r\n b=(.{8})", signed())[1].decode()
    assert {"from", "to", "cc", "subject"} <= set(rsa.names)


def test_what_the_field_says():
    rsa, _ = check(signed())
    assert of_dkim(rsa) == MethodResult(
        "dkim",
        "pass",
        (
            ("header.d", "example.org"),
            ("header.i", "@example.org"),
            ("header.s", "r"),
            ("header.a", "rsa-sha256"),
            ("header.b", rsa.mark),
        ),
    )
    failed = one(signed(MAIL, rsa_key()).replace(b"there.", b"there!"), zone(r=RSA_TEXT + b"; t=y"))
    assert (of_dkim(failed).result, of_dkim(failed).comment) == ("neutral", "body changed, key in testing")
    assert of_dkim(one(MAIL)) == MethodResult("dkim", "none", comment="no signature")


def test_slow_dns_ends_at_the_deadline():
    class Silent:
        async def txt(self, name: str) -> DnsAnswer:
            await asyncio.Event().wait()
            raise AssertionError(name)

    verdict = one(signed(MAIL, rsa_key()), Silent(), settings=DkimSettings(deadline=0.01))
    assert verdict.reason is DkimReason.DNS_FAILED


def test_internationalised_domains_are_found_by_their_a_label():
    message = signed(MAIL, rsa_key()).replace(b"d=example.org", "d=bücher.example".encode())
    dns = zone()
    assert one(message, dns).reason is DkimReason.KEY_MISSING
    assert dns.asked == ["r._domainkey.xn--bcher-kva.example"]


def test_every_reason_is_tested_or_has_a_result():
    assert {r for r in DkimReason if r not in RESULTS} == {
        DkimReason.SHA1, DkimReason.FROM_NOT_SIGNED, DkimReason.FOREIGN_IDENTITY, DkimReason.KEY_MISSING,
        DkimReason.KEY_SYNTAX, DkimReason.KEY_REVOKED, DkimReason.KEY_UNFIT, DkimReason.KEY_TOO_SMALL,
        DkimReason.KEY_TOO_LARGE,
    }  # fmt: skip


FRAGMENTS = [
    b"DKIM-Signature:", b" v=1;", b" a=rsa-sha256;", b" d=example.org;", b" s=r;", b" h=from;", b" bh=AAAA;",
    b" b=AAAA", b"\r\n ", b"\r\n", b";", b"=", b"\0", b"\xff", b" l=1;", b" x=1;", b" t=1;", b" i=@;", b" c=/;",
    b"From: a@b\r\n", b"\r\n\r\n", b":", b" q=;", b" z", b"\t",
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=8), max_size=40).map(b"".join))
def test_hostile_messages_never_raise(data):
    for verdict in check(b"DKIM-Signature: " + data):
        assert not verdict.passed


@settings(max_examples=200)
@given(st.binary(max_size=80) | st.lists(st.sampled_from([b"v=DKIM1;", b"p=", b"AAAA", b"k=", b"rsa", b"ed25519", b";", b" ", b"h=:", b"t=s:y;"]), max_size=12).map(b"".join))  # fmt: skip
def test_hostile_key_records_never_raise(record):
    verdict = one(signed(MAIL, rsa_key()), zone(r=record))
    assert verdict.result is DkimResult.PERMERROR
