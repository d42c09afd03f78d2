"""Matching certificates against TLSA records, by tables of generated chains (RFC 7672, 7671, 6698)."""

import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from kurir.net.tlsa import Tlsa, association, match, usable
from tests.certs import make

ROOT = make("root", ca=True)
MIDDLE = make("middle", ROOT, ca=True)
SHORT = make("short", ROOT, ca=True, path_length=0)
LEAF = make("mx.example", MIDDLE)
OTHER = make("other root", ca=True)
NAMES = ("mx.example", "example")
FULL = (LEAF.der, MIDDLE.der, ROOT.der)


def record(usage, selector, matching, made):
    return Tlsa(usage, selector, matching, association(made.certificate, selector, matching))


ALL = [(s, m) for s in (0, 1) for m in (0, 1, 2)]


@pytest.mark.parametrize(("selector", "matching"), ALL)
@pytest.mark.parametrize(
    ("usage", "made"), [(3, LEAF), (2, MIDDLE), (2, ROOT)], ids=["leaf", "middle", "root"]
)
def test_every_kind_of_record_matches(usage, made, selector, matching):
    found = record(usage, selector, matching, made)
    assert usable([(found.usage, found.selector, found.matching, found.data)]) == (found,)
    assert match([found], FULL, NAMES, time.time()).record == found


@pytest.mark.parametrize(("selector", "matching"), ALL)
@pytest.mark.parametrize("usage", [2, 3])
def test_no_kind_of_record_matches_somebody_else(usage, selector, matching):
    verdict = match([record(usage, selector, matching, OTHER)], FULL, NAMES, time.time())
    assert verdict.record is None and verdict.why_not


EXPIRED = make("mx.example", MIDDLE, days=(-30, -1))
FUTURE = make("mx.example", MIDDLE, days=(1, 30))
ELSEWHERE = make("mx.elsewhere", MIDDLE)
NO_NAME = make("mx.example", MIDDLE, names=())
CLIENT = make("mx.example", MIDDLE, purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
ANY_USE = make("mx.example", MIDDLE, purpose=None)
WILD = make("*.mail.example", MIDDLE)
ALONE = make("mx.example")
OLD_MIDDLE = make("old middle", ROOT, ca=True, days=(-30, -1))
UNDER_OLD = make("mx.example", OLD_MIDDLE)
NO_CA = make("leaf as issuer", ROOT)
UNDER_LEAF = make("mx.example", NO_CA)
UNDER_SHORT = make("mx.example", make("one too many", SHORT, ca=True))

# usage 2: the chain, the record -> what is said, None where it matches
AUTHORITY = {
    "the authority is left out, its key is in DNS": ((LEAF.der, MIDDLE.der), record(2, 1, 0, ROOT), None),
    "the authority is left out, it is in DNS whole": ((LEAF.der, MIDDLE.der), record(2, 0, 0, ROOT), None),
    "the authority is left out, DNS has its digest": ((LEAF.der, MIDDLE.der), record(2, 0, 1, ROOT), "neither"),
    "the middle is left out": ((LEAF.der, ROOT.der), record(2, 0, 1, ROOT), "neither"),
    "the server's own certificate is no authority": (FULL, record(2, 0, 1, LEAF), "neither"),
    "a certificate beside the chain": ((LEAF.der, OTHER.der), record(2, 0, 1, OTHER), "neither"),
    "any order": ((LEAF.der, ROOT.der, MIDDLE.der), record(2, 1, 1, ROOT), None),
    "expired": ((EXPIRED.der, MIDDLE.der), record(2, 1, 1, MIDDLE), "expired"),
    "not yet": ((FUTURE.der, MIDDLE.der), record(2, 1, 1, MIDDLE), "valid only from"),
    "other name": ((ELSEWHERE.der, MIDDLE.der), record(2, 1, 1, MIDDLE), "not for mx.example but for mx.elsewhere"),
    "common name where no other is": ((NO_NAME.der, MIDDLE.der), record(2, 1, 1, MIDDLE), None),
    "for clients": ((CLIENT.der, MIDDLE.der), record(2, 1, 1, MIDDLE), "not meant for a server"),
    "for anything": ((ANY_USE.der, MIDDLE.der), record(2, 1, 1, MIDDLE), None),
    "expired in the middle": ((UNDER_OLD.der, OLD_MIDDLE.der, ROOT.der), record(2, 1, 1, ROOT), "has expired"),
    "issued by no authority": ((UNDER_LEAF.der, NO_CA.der, ROOT.der), record(2, 1, 1, ROOT), "neither"),
    "too long below": (
        (*UNDER_SHORT.chain, SHORT.der, ROOT.der), record(2, 1, 1, ROOT), "neither",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", AUTHORITY)
def test_authorities(case):
    chain, found, why = AUTHORITY[case]
    verdict = match([found], chain, NAMES, time.time())
    if why is None:
        assert verdict.record == found
    else:
        assert verdict.record is None and why in verdict.why_not


@pytest.mark.parametrize(
    ("name", "fits"), [("mx.mail.example", True), ("a.b.mail.example", False), ("mail.example", False)]
)
def test_a_wildcard_is_one_label(name, fits):
    verdict = match([record(2, 1, 1, MIDDLE)], WILD.chain, [name], time.time())
    assert (verdict.record is not None) is fits and verdict.wrong_name is not fits


@pytest.mark.parametrize(
    "leaf",
    [EXPIRED, FUTURE, ELSEWHERE, CLIENT, ALONE],
    ids=["expired", "future", "elsewhere", "client", "alone"],
)
def test_the_own_key_needs_no_name_and_no_date(leaf):
    assert match([record(3, 1, 1, leaf)], leaf.chain, NAMES, time.time()).record


def test_one_of_several_is_enough():
    records = [record(3, 1, 1, OTHER), record(2, 0, 1, OTHER), record(3, 1, 2, LEAF)]
    assert match(records, FULL, NAMES, time.time()).record == records[2]


SHA256, SHA512 = bytes(32), bytes(64)
UNUSABLE = {
    "PKIX-TA": (0, 0, 1, SHA256),
    "PKIX-EE": (1, 1, 1, SHA256),
    "usage 4": (4, 1, 1, SHA256),
    "selector 2": (3, 2, 1, SHA256),
    "matching 3": (3, 1, 3, SHA512),
    "short digest": (3, 1, 1, SHA256[1:]),
    "long digest": (3, 1, 2, SHA512 + b"x"),
    "empty": (3, 1, 0, b""),
    "no certificate": (2, 0, 0, b"abc"),
    "a key for a certificate": (
        2, 0, 0, ROOT.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable(case):
    assert usable([UNUSABLE[case]]) == ()


def test_only_the_strongest_digest_counts():
    weak, strong, other = (3, 1, 1, SHA256), (3, 1, 2, SHA512), (2, 0, 1, SHA256)
    assert usable([weak, strong, other]) == (Tlsa(*strong), Tlsa(*other))


def test_no_certificate():
    assert "no certificate" in match([record(3, 1, 1, LEAF)], (), NAMES, 0.0).why_not
    assert "cannot be read" in match([record(3, 1, 1, LEAF)], (b"junk",), NAMES, 0.0).why_not


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 3), st.binary(max_size=70)), max_size=8
    )
)
def test_whatever_stands_in_dns_nothing_breaks_and_nothing_matches_by_chance(records):
    assert match(usable(records), FULL, NAMES, time.time()).record is None


def test_a_cross_signed_maze_ends():
    names = [make(f"same {i % 2}", ROOT, ca=True) for i in range(9)]
    chain = (LEAF.der, *(m.der for m in names))
    assert match([record(2, 1, 1, OTHER)], chain, NAMES, time.time()).record is None
