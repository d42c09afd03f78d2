"""dkimpy as a second opinion, in both directions: what one signs the other verifies, changed or not."""

import base64
import re

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.message import scan
from kurir.senderauth.dkim import DkimReason
from tests.unit.senderauth.oracle import dkimpy

from .material import check, ed_key, rsa_key, signed, zone_records

LATER = 4e9  # dkimpy signs at the time it is

blanks = st.sampled_from([" ", "", "  ", "\t", "\r\n ", " \r\n\t "])
words = st.text('abcXYZ019.,:;=<>@"()\\ é', min_size=1, max_size=12).map(str.strip).filter(bool)
values = st.lists(st.tuples(blanks, words), min_size=1, max_size=5).map(
    lambda ps: "".join(b + w for b, w in ps)
)
names = st.sampled_from(
    ["To", "subject", "CC", "Date", "Message-ID", "Received", "X-a", "List-ID", "Reply-To", "h"]
)
lines = st.lists(
    st.sampled_from(
        ["word", "two  words", " leading", "trailing \t", "", "", "\t", ".", "é" * 3, "a\rb", "x\t y"]
    ),
    max_size=8,
)


@st.composite
def messages(draw):
    fields = [(draw(names), draw(values)) for _ in range(draw(st.integers(0, 6)))]
    fields.insert(draw(st.integers(0, len(fields))), ("From", " a@example.org"))
    head = "".join(f"{name}:{value}\r\n" for name, value in fields)
    end = draw(st.sampled_from(["", "\r\n", "\r\n\r\n"]))
    # dkimpy keeps blanks before an end without CRLF; they would change when the next hop adds one.
    body = "\r\n".join(draw(lines)) if end else "\r\n".join(draw(lines)).rstrip(" \t")
    return (head + "\r\n" + body + end).encode()


def txt(name, timeout=5):
    return zone_records().get(name.decode().rstrip("."))


def _private(key):
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _seed(key):
    return base64.b64encode(key.private.private_bytes_raw())


@settings(max_examples=60, deadline=None)
@given(messages())
def test_dkimpy_verifies_what_kurir_signs(message):
    dkim = dkimpy()
    verifier = dkim.DKIM(signed(message))
    assert verifier.verify(0, dnsfunc=txt)
    assert dkim.DKIM(signed(message)).verify(1, dnsfunc=txt)


@settings(max_examples=60, deadline=None)
@given(
    messages(), st.sampled_from(["simple", "relaxed"]), st.sampled_from(["simple", "relaxed"]), st.booleans()
)
def test_kurir_verifies_what_dkimpy_signs(message, head_canon, body_canon, ed25519):
    dkim = dkimpy()
    key = ed_key() if ed25519 else rsa_key()
    field = dkim.sign(
        message,
        key.selector.encode(),
        key.domain.encode(),
        _seed(key) if ed25519 else _private(key),
        canonicalize=(head_canon.encode(), body_canon.encode()),
        signature_algorithm=key.algorithm.value.encode(),
        linesep=b"\r\n",
    )
    assert check(field + message, now=LATER)[0].reason is DkimReason.VALID


@settings(max_examples=80, deadline=None)
@given(
    messages(),
    st.sampled_from(["simple", "relaxed"]),
    st.integers(0, 10_000),
    st.sampled_from(list(b"aZ \t;:.")),
)
def test_both_agree_on_changed_messages(message, canon, at, octet):
    dkim = dkimpy()
    field = dkim.sign(
        message, b"r", b"example.org", _private(rsa_key()),
        canonicalize=(canon.encode(), canon.encode()), linesep=b"\r\n",
    )  # fmt: skip
    whole = field + message
    head = scan(whole)
    values = [(f.value_at, f.end) for f in head.fields[1:]] + [(head.header_end, len(whole))]
    # Not in the field's name, not beside a line break: what is a field at all, dkimpy decides in another way.
    places = [
        m.start()
        for a, b in values
        for m in re.compile(rb"(?<=[ a-z])[a-z ](?=[a-z ])").finditer(whole, a, b)
    ]
    if not places:
        return
    place = places[at % len(places)]
    changed = whole[:place] + bytes((octet,)) + whole[place + 1 :]
    try:
        theirs = dkim.verify(changed, dnsfunc=txt)
    except (dkim.DKIMException, IndexError):
        theirs = False
    ours = check(changed, now=LATER)[0].passed
    assert ours == theirs, changed


def test_the_oracle_is_one():
    dkim = dkimpy()
    whole = signed()
    assert dkim.verify(whole, dnsfunc=txt)
    assert not dkim.verify(whole.replace(b"Lunch", b"Brunch"), dnsfunc=txt)
    assert not dkim.verify(whole, dnsfunc=lambda name, timeout=5: None)
