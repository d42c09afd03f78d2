"""What Kurir's own signatures look like, and what is published for them."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.message import scan
from kurir.message.headers import Problem
from kurir.senderauth.dkim import (
    DkimReason,
    DkimSettings,
    KeyFileError,
    Signer,
    SigningKey,
    parse_key_record,
    record_text,
    same_key,
    txt_strings,
    zone_line,
)

from .material import MAIL, NOW, check, ed_key, rsa_key, signed


def test_both_algorithms_side_by_side_and_repeatable():
    first, second = signed(), signed()
    assert first == second
    head = scan(first)
    assert [v.split(b";")[1] for v in head.all("DKIM-Signature")] == [b" a=rsa-sha256", b" a=ed25519-sha256"]
    assert head.problems == Problem(0)
    assert max(map(len, first.split(b"\r\n"))) <= 78
    assert first.endswith(MAIL)


def test_what_nobody_may_add_is_oversigned():
    field = scan(signed(MAIL, rsa_key())).get("DKIM-Signature")
    names = field.split(b"h=")[1].split(b";")[0].replace(b" ", b"").replace(b"\t", b"").split(b":")
    counts = {n: names.count(n) for n in names}
    assert counts[b"from"] == counts[b"subject"] == counts[b"to"] == counts[b"date"] == 2
    assert counts[b"cc"] == counts[b"reply-to"] == 1  # not there, and cannot be added
    assert not {b"received", b"return-path", b"sender", b"list-id"} & counts.keys()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["To", "Cc", "List-Id", "Subject", "X", "Sender"]), st.binary(max_size=90)), max_size=60),
    st.lists(st.binary(max_size=30) | st.sampled_from([b"\r\n", b" \r\n", b"\t"]), max_size=12),
)  # fmt: skip
def test_whatever_is_signed_verifies(fields, chunks):
    """Not only well-formed mail: what Kurir accepted it can sign."""
    values = ((n.encode(), v.translate(None, b"\r\n\0")) for n, v in fields)
    message = b"From: a@b\r\n" + b"".join(n + b": x" + v + b"\r\n" for n, v in values) + b"\r\n"
    head = scan(message)
    signing = Signer([ed_key()]).begin(head)
    for chunk in chunks:
        signing.feed(chunk)
    whole = signing.fields(NOW) + message + b"".join(chunks)
    verdict = check(whole)[0]
    assert verdict.reason is DkimReason.VALID, verdict


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_keys_are_loaded_from_pem(form):
    pem = rsa_key().private.private_bytes(Encoding.PEM, form, NoEncryption())
    key = SigningKey.from_pem("Example.ORG", "R", pem)
    assert (key.domain, key.selector, key.algorithm.value) == ("example.org", "r", "rsa-sha256")
    assert "PrivateKey" not in repr(key)
    assert record_text(key.public) == record_text(rsa_key().public)


def test_unusable_keys_are_refused_without_showing_them():
    curve = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = rsa_key().private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    for domain, selector, pem in [
        ("example.org", "r", b"no key"),
        ("example.org", "r", curve),
        ("example.org", "r", locked),
        ("exa mple", "r", _pem()),
        ("example.org", "r s", _pem()),
    ]:
        with pytest.raises(KeyFileError) as error:
            SigningKey.from_pem(domain, selector, pem)
        assert "BEGIN" not in str(error.value)


def _pem() -> bytes:
    return ed_key().private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_records_for_publishing():
    text = record_text(rsa_key().public)
    parts = txt_strings(text)
    assert "".join(parts) == text and len(parts) == 2 and max(map(len, parts)) == 255
    assert parse_key_record(text.encode(), DkimSettings()).bits == 2048
    assert txt_strings("") == ("",)
    line = zone_line("example.org", "r", 'v=DKIM1; n="x"')
    assert line == 'r._domainkey.example.org. IN TXT ( "v=DKIM1; n=\\"x\\"" )'
    ed = record_text(ed_key().public)
    assert base64.b64decode(ed.rpartition("p=")[2]) == ed_key().public.public_bytes_raw()


@pytest.mark.parametrize(
    ("published", "same"),
    [
        ("{}", True),
        ("{}; t=y; n=hello", True),
        ("v=DKIM1;k=rsa;p=  {p}", True),
        ("p={p}", True),
        ("v=DKIM1; k=rsa; p=", False),
        ("v=DKIM1; k=ed25519; p={p}", False),
        ("garbage", False),
    ],
)
def test_a_published_record_is_recognised(published, same):
    text = record_text(rsa_key().public)
    assert same_key(published.format(text, p=text.partition("p=")[2]).encode(), text) is same
