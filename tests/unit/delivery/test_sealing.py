"""What is put in front of mail that leaves: by whose keys, in which form, how often it is made, and with which sender."""

import asyncio
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.delivery import DomainKeys, Sealing, SealingSettings
from kurir.delivery.sending.payload import Payload
from kurir.message import scan
from kurir.model import Recipient, parse_address
from kurir.queue.asks import Work
from kurir.senderauth.arc import Sealer
from kurir.senderauth.arc import check_message as check_chain
from kurir.senderauth.dkim import Signer
from kurir.senderauth.srs import Srs
from tests.unit.senderauth.dkim.material import check, ed_key, rsa_key, zone, zone_records
from tests.unit.senderauth.oracle import dkimpy

from .doubles import FakeClock, MemoryBodies, lease_for, smarthost_settings

OURS = "example.org"  # the domain of the keys of the material
ROUTES = smarthost_settings(25)
HEAD = b"From: a@example.org\r\nTo: b@far.test\r\nSubject: x\r\n\r\n"


class Ring:
    """Keys in a dictionary; counts how often they were asked for."""

    version = 1

    def __init__(self, **domains):
        self.domains = {
            OURS: DomainKeys(Signer((rsa_key(), ed_key())), Sealer(rsa_key()))
        } | domains  # fmt: skip
        self.asked = 0

    def keys(self, domain):
        self.asked += 1
        return self.domains.get(domain)


def sealing(ring=None, srs=None, own=(OURS, "alias.example.org")):
    rules = SealingSettings(own=frozenset(own), server="mx.example.org")
    return Sealing(rules, ring or Ring(), FakeClock(), srs)


def lease(body, *, ours=True, trace=b"Received: by x\r\n", number=1, recipients=("b@far.test",), file=False, sender="a@example.org"):  # fmt: skip
    made = lease_for(ROUTES, number, recipients, body=body, file=file, sender=sender)
    return msgspec.structs.replace(made, ours=ours, trace_block=trace)


def front(s, mail, whole, *, form="", bodies=None):
    payload = Payload(whole, mail.size, None, form)
    return asyncio.run(s.front(mail, payload, bodies or MemoryBodies()))


def forwarded(address="member@far.test", wanted="club@alias.example.org", index=0):
    return Work(index, Recipient(parse_address(address), None, None, parse_address(wanted)), 0)


bodies = st.lists(
    st.sampled_from([b"word", b"two  words", b" leading", b"trailing \t", b"", b".", b"\xc3\xa9"]), max_size=8
).map(lambda lines: b"".join(line + b"\r\n" for line in lines))


@settings(max_examples=40, deadline=None)
@given(bodies)
def test_two_valid_signatures_on_any_body(body):
    mail = lease(HEAD + body)
    sent = front(sealing(), mail, HEAD + body) + mail.trace_block + HEAD + body
    verdicts = check(sent)
    assert [v.algorithm for v in verdicts] == ["rsa-sha256", "ed25519-sha256"]
    assert all(v.passed for v in verdicts)
    dkim = dkimpy()
    for i in (0, 1):
        assert dkim.DKIM(sent).verify(
            i, dnsfunc=lambda name, timeout=5: zone_records().get(name.decode().rstrip("."))
        )


@pytest.mark.parametrize("size", [0, 10, 300_000, 700_000])
def test_a_large_body_gets_the_same_signature_as_a_small_one(size):
    body = HEAD + b"x" * 70 * (size // 72) + b"\r\n" * (size > 0)
    small = front(sealing(), lease(body), body)
    stored = MemoryBodies({1: body})
    large = front(sealing(), lease(body, file=True), None, bodies=stored)
    strip = re.compile(rb"(?<=b=)[A-Za-z0-9+/=\s]+")
    assert small and strip.sub(b"", small) == strip.sub(b"", large)
    assert all(v.passed for v in check(large + b"Received: by x\r\n" + body))


@pytest.mark.parametrize(
    ("header", "signed"),
    [
        (b"From: a@example.org\r\n", True),
        (b"From: a@host.example.org\r\n", True),  # a machine of ours
        (b"From: a@other.test, b@example.org\r\nSender: b@example.org\r\n", True),
        (b"From: a@other.test\r\n", False),
        (b"From: a@notexample.org\r\n", False),
        (b"From: a@org\r\n", False),
        (b"From: a@example.org\r\nFrom: b@other.test\r\n", False),  # nobody knows whose it is
        (b"Subject: no author\r\n", False),
        (b"From: a@alias.example.org\r\n", False),  # ours, but without a key
    ],
)
def test_the_author_decides_about_the_key(header, signed):
    whole = header + b"\r\nhi\r\n"
    made = front(sealing(), lease(whole), whole)
    assert (b"DKIM-Signature" in made) is signed
    assert (b"d=example.org;" in made) is signed


def test_only_our_own_mail_is_signed():
    whole = HEAD + b"hi\r\n"
    assert front(sealing(), lease(whole, ours=False), whole) == b""


def test_made_once_for_each_message_and_form_and_anew_with_new_keys():
    ring = Ring()
    s = sealing(ring)
    whole = HEAD + b"hi\r\n"
    first = front(s, lease(whole), whole)
    assert front(s, lease(whole, recipients=("c@else.test",)), whole) is first
    assert ring.asked == 1
    front(s, lease(whole), whole, form="7bit")
    front(s, lease(whole, number=2), whole)
    assert ring.asked == 3
    ring.version = 2
    assert front(s, lease(whole), whole) == first  # the same second, the same keys
    assert ring.asked == 4


async def test_several_connections_share_the_reading_of_a_large_body():
    whole = HEAD + b"hi\r\n" * 100_000
    ring, stored = Ring(), MemoryBodies({1: whole})
    s = sealing(ring)
    made = await asyncio.gather(
        *(s.front(lease(whole, file=True), Payload(None, len(whole)), stored) for _ in range(5))
    )
    assert len(set(made)) == 1 and ring.asked == 1


FOUND = b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=origin.test; arc=none\r\n"


def sealed(trace, whole, work):
    mail = msgspec.structs.replace(lease(whole, ours=False, trace=trace, sender="x@origin.test"), work=work)
    return front(sealing(Ring(**{"alias.example.org": Ring().domains[OURS]})), mail, whole)


def test_mail_that_an_alias_sends_on_is_sealed():
    whole = b"From: x@origin.test\r\nSubject: y\r\n\r\nhi\r\n"
    trace = FOUND + b"Received: by x\r\n"
    made = sealed(trace, whole, (forwarded(),))
    assert made.startswith(b"ARC-Seal:") and b"DKIM-Signature" not in made
    sent = made + trace + whole
    head = scan(sent)
    verdict = asyncio.run(check_chain(head, [sent[head.header_end :]], zone(), 1_700_000_000.0))
    assert verdict.passed and "spf=pass" in verdict.hops[0].results
    cv, results, _ = (
        dkimpy()
        .ARC(sent)
        .verify(dnsfunc=lambda name, timeout=5: zone_records().get(name.decode().rstrip(".")))
    )
    assert (cv, len(results)) == (b"pass", 1)


def test_what_a_stranger_wrote_in_our_name_is_not_sealed():
    whole = FOUND + b"From: x@origin.test\r\n\r\nhi\r\n"
    assert sealed(b"Received: by x\r\n", whole, (forwarded(),)) == b""


def test_mail_for_ourselves_or_a_domain_behind_us_is_not_sealed():
    whole = b"From: x@origin.test\r\n\r\nhi\r\n"
    for work in (
        Work(0, Recipient(parse_address("b@far.test")), 0),
        forwarded("b@example.org"),
        forwarded(wanted="club@other.test"),
    ):
        assert sealed(FOUND + b"Received: by x\r\n", whole, (work,)) == b""


SRS = Srs((b"secret",))


@pytest.mark.parametrize(
    ("sender", "work", "rewritten"),
    [
        ("x@origin.test", forwarded(), "alias.example.org"),
        ("x@origin.test", forwarded("b@example.org"), None),  # stays with us
        ("x@origin.test", Work(0, Recipient(parse_address("b@far.test")), 0), None),  # relayed, not forwarded
        ("a@example.org", forwarded(), None),  # may be sent by us as it is
        ("", forwarded(), None),
    ],
)
def test_who_gets_a_sender_of_ours(sender, work, rewritten):
    mail = lease(HEAD, sender=sender)
    path = sealing(srs=SRS).reverse_path(mail, work)
    if rewritten is None:
        assert path == mail.reverse_path
    else:
        assert path.domain == rewritten
        assert SRS.original(path.local, FakeClock().at) == mail.reverse_path
    assert sealing().reverse_path(mail, work) == mail.reverse_path
