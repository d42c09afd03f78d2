"""Authentication-Results: what is written is read back, what poses as ours goes, nothing hostile gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.message import scan
from kurir.senderauth.dmarc import DmarcReason, DmarcVerdict, Policy, parse_record
from kurir.senderauth.iprev import ReverseReason, ReverseVerdict
from kurir.senderauth.results import (
    MethodResult,
    of_dmarc,
    of_reverse,
    of_spf,
    parse_results,
    posing_spans,
    render_results,
    results_field,
)
from kurir.senderauth.spf import SpfIdentity, SpfReason, SpfVerdict


def test_our_field() -> None:
    spf = SpfVerdict(
        SpfReason.LISTED, SpfIdentity.MAIL_FROM, "a.test", "joe@a.test", "192.0.2.1", mechanism="mx"
    )
    dmarc = DmarcVerdict(
        DmarcReason.OTHER_DOMAIN,
        "b.test",
        Policy.NONE,
        Policy.REJECT,
        record=parse_record(b"v=DMARC1; p=reject"),
    )
    reverse = ReverseVerdict(ReverseReason.PROVEN, "2001:db8::1", "mx.a.test")
    field = results_field("mx.us.test", [of_reverse(reverse), of_spf(spf), of_dmarc(dmarc)])
    assert field == (
        b"Authentication-Results: mx.us.test;\r\n"
        b'\tiprev=pass (mx.a.test)\r\n\t policy.iprev="2001:db8::1";\r\n'
        b"\tspf=pass (mx)\r\n\t smtp.mailfrom=joe@a.test;\r\n"
        b"\tdmarc=fail (p=reject dis=none)\r\n\t header.from=b.test\r\n"
    )
    assert len(scan(field + b"\r\n").fields) == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a@b.test", "a@b.test"),
        ("@b.test", "@b.test"),
        ("a@b@c", '"a@b@c"'),
        ("2001:db8::1", '"2001:db8::1"'),  # a colon is no part of a token (RFC 2045 section 5.1)
        ("a/b=", '"a/b="'),
        ("", '""'),
    ],
)
def test_a_value_is_a_token_an_address_or_quoted(value: str, written: str) -> None:
    """RFC 8601 section 2.2, pvalue."""
    said = render_results("mx", [MethodResult("x", "pass", (("policy.v", value),))])
    assert said.endswith(f"policy.v={written}")
    assert parse_results(said.encode()).results[0].get("policy.v") == value


def test_nothing_checked() -> None:
    assert results_field("mx.us.test", []) == b"Authentication-Results: mx.us.test;\r\n\tnone\r\n"
    assert parse_results(b" mx.us.test;\r\n\tnone\r\n").results == ()


def test_an_example_of_the_rfc() -> None:
    """RFC 8601 appendix B.5 and B.7: comments everywhere."""
    value = (
        b" foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
        b" policy (A dot can go here) . (like that) expired\r\n"
        b" (this surprised me) = (as I wasn't expecting it) 1362471462"
    )
    read = parse_results(value)
    assert (read.authserv_id, read.problem) == ("foo.example.net", "")
    assert read.results == (MethodResult("dkim", "fail", (("policy.expired", "1362471462"),)),)
    for part in (b"policy.expired =1", b"policy. expired=1", b"policy .expired= 1"):
        assert parse_results(b"x; dkim=fail " + part).results[0].get("policy.expired") == "1"
    assert parse_results(b"x; dkim=fail policy.=1").problem

    value = (
        b' example.com;\r\n dkim=pass reason="good signature" header.i=@mail-router.example.net;\r\n'
        b' dkim=fail reason="bad; signature" header.i=@newyork.example.com; spf=pass smtp.mailfrom="a b"@x.test'
    )
    read = parse_results(value)
    assert read.problem == ""
    assert [(r.method, r.result, r.reason) for r in read.results] == [
        ("dkim", "pass", "good signature"),
        ("dkim", "fail", "bad; signature"),
        ("spf", "pass", ""),
    ]
    assert read.results[0].get("Header.i") == "@mail-router.example.net"
    assert read.results[2].get("smtp.mailfrom") == "a b@x.test"


def test_what_big_providers_write() -> None:
    value = (
        b" mx.google.com;\r\n       dkim=pass header.i=@github.com header.s=pf2023 header.b=ZW4/xQ==;\r\n"
        b"       spf=pass (google.com: domain of x@y.test designates 192.0.2.1 as permitted sender) "
        b"smtp.mailfrom=x@y.test;\r\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=github.com;"
    )
    read = parse_results(value)
    assert (read.problem, [r.method for r in read.results]) == ("", ["dkim", "spf", "dmarc"])
    assert read.results[0].get("header.b") == "ZW4/xQ=="
    assert read.results[2].comment == "p=REJECT sp=REJECT dis=NONE"


@pytest.mark.parametrize(
    ("field", "gone"),
    [
        (b"Authentication-Results: mx.us.test; spf=pass\r\n", True),
        (b"authentication-results:MX.US.Test. 1; spf=pass\r\n", True),
        (b"Authentication-Results: (x) mx.us.test\r\n ; spf=pass\r\n", True),
        (b"Authentication-Results:\r\n mx.us.test; spf=pass\r\n", True),
        (b"Authentication-Results : mx.us.test; spf=pass\r\n", True),
        (b"Authentication-Results\r\n : mx.us.test; spf=pass\r\n", True),
        (b"Authentication-Results\0\xa0: mx.us.test; spf=pass\r\n", True),
        (b'Authentication-Results: "mx.us.test"; spf=pass\r\n', True),
        (b"Authentication-Results: spf=pass smtp.mailfrom=x\r\n", True),
        (b"Authentication-Results: ((((((((((x; spf=pass\r\n", True),
        (b"Authentication-Results: other.test; spf=pass\r\n", False),
        (b"Authentication-Results: not.mx.us.test; spf=pass\r\n", False),
        (b"X-Authentication-Results: mx.us.test; spf=pass\r\n", False),
        (b"ARC-Authentication-Results: i=1; mx.us.test; spf=pass\r\n", False),
    ],
)
def test_posing(field: bytes, gone: bool) -> None:
    head = b"Subject: x\r\n" + field + b"To: y\r\n\r\nAuthentication-Results: mx.us.test; body\r\n"
    spans = posing_spans(head, ["mx.us.test"], scan(head).header_end)
    assert [head[a:b] for a, b in spans] == ([field] if gone else [])


@given(st.binary(max_size=300))
def test_any_value_is_read(value: bytes) -> None:
    parse_results(value)
    for start, stop in posing_spans(b"Authentication-Results:" + value, ["x"]):
        assert stop > start


def test_a_huge_value_is_cheap() -> None:
    for unit in (b"(", b"a=", b'"', b";", b"a=b ", b"\\", b"()"):
        assert parse_results(b"x;" + unit * 10_000).problem or unit in (b";", b"()")


texts = st.text(max_size=40)


@given(texts, st.lists(st.tuples(texts, texts, texts, texts), max_size=4), st.booleans())
def test_no_value_breaks_out(server: str, raw: list[tuple[str, str, str, str]], utf8: bool) -> None:
    results = [
        MethodResult("spf", "pass", (("smtp.mailfrom", value), (name, value)), reason, comment)
        for name, value, reason, comment in raw
    ]
    value = render_results(server, results, utf8=utf8)
    field = f"Authentication-Results: {value}\r\n".encode()
    assert len(scan(field + b"\r\n").fields) == 1
    assert utf8 or value.isascii()
    read = parse_results(value.encode())
    assert read.problem == ""
    assert [(r.method, r.result) for r in read.results] == [("spf", "pass")] * len(results)
    for ours, theirs in zip(results, read.results, strict=True):
        if ours.properties[0][1].isprintable() and (utf8 or ours.properties[0][1].isascii()):
            assert theirs.get("smtp.mailfrom") == ours.properties[0][1]
