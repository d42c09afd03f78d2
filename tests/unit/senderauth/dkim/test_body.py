"""Canonical bodies: the same whatever the chunks, the same as a plain line-by-line reading of the RFC."""

import hashlib
import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.senderauth.dkim import BodyDigests, Canon

pieces = st.lists(
    st.sampled_from(
        [b"a", b"bc", b" ", b"\t", b"   ", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b".", b"\xff"]
    ),
    max_size=30,
)
cuts = st.lists(st.integers(0, 60), max_size=8)


def plainly(body: bytes, canon: Canon) -> bytes:
    """RFC 6376 sections 3.4.3 and 3.4.4 read word for word."""
    lines = body.split(b"\r\n")
    if canon is Canon.RELAXED:
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    text = b"\r\n".join(lines)
    return text + b"\r\n" if text or lines or canon is Canon.SIMPLE else b""


def digest(chunks, canon, length=None):
    bodies = BodyDigests()
    bodies.want(canon, length)
    for chunk in chunks:
        bodies.feed(chunk)
    return bodies.digest(canon, length)


def split(body, places):
    edges = sorted({0, len(body), *(p for p in places if p < len(body))})
    return [body[a:b] for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize("canon", list(Canon))
@given(pieces, cuts, st.integers(0, 30))
def test_chunks_do_not_matter(canon, parts, places, length):
    body = b"".join(parts)
    wanted = plainly(body, canon)
    for chunks in (split(body, places), [bytes((b,)) for b in body], [body]):
        found = digest(chunks, canon)
        assert found.sha256 == hashlib.sha256(wanted).digest()
        assert found.size == len(wanted)
        partial = digest(chunks, canon, length)
        assert partial.sha256 == hashlib.sha256(wanted[:length]).digest()
        assert partial.unsigned == len(wanted) - length


@pytest.mark.parametrize(
    ("canon", "body", "sha256"),
    [  # RFC 6376 sections 3.4.3 and 3.4.4
        (Canon.SIMPLE, b"", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
        (Canon.RELAXED, b"", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        (Canon.RELAXED, b" \r\n\r\n", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ],
)
def test_empty_bodies(canon, body, sha256):
    import base64

    assert base64.b64encode(digest([body], canon).sha256).decode() == sha256


@pytest.mark.parametrize("canon", list(Canon))
@pytest.mark.parametrize("unit", [b"\r\n", b"\r", b"\n", b" ", b"\t ", b" \r\n", b"\r\r\n", b"a  ", b" \r"])
def test_time_is_linear_and_memory_small(canon, unit):
    body = unit * (4_000_000 // len(unit))
    before = time.process_time()
    bodies = BodyDigests()
    bodies.want(canon)
    for at in range(0, len(body), 65_536):
        bodies.feed(body[at : at + 65_536])
    held = len(bodies._forms[canon]._open)
    bodies.digest(canon)
    assert time.process_time() - before < 1.5
    assert held <= 2


def test_several_hashes_at_once():
    bodies = BodyDigests()
    for canon in Canon:
        for length in (None, 3, 0):
            bodies.want(canon, length)
    bodies.feed(b"a b  c\r\n\r\n")
    assert bodies.digest(Canon.RELAXED, 3).sha256 == hashlib.sha256(b"a b").digest()
    assert bodies.digest(Canon.SIMPLE).sha256 == hashlib.sha256(b"a b  c\r\n").digest()
    assert bodies.digest(Canon.RELAXED).sha256 == hashlib.sha256(b"a b c\r\n").digest()
    with pytest.raises(KeyError):
        bodies.digest(Canon.SIMPLE, 77)
