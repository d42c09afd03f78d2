import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.message.headers import Problem, scan
from kurir.message.received import (
    HopLimits,
    count_received,
    loop_reason,
    own_passes,
    received_field,
    return_path,
)
from kurir.model import Address, Origin, TlsFacts

TLS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384")
BOB = Address("bob", "b.example")


def write(origin, **kwargs):
    return received_field(origin, by="mx.a.example", queue_id="k0000011", at=1e9, **kwargs)


def test_the_field():
    origin = Origin("ESMTPSA", "submission", "192.0.2.1", 4711, "laptop", "me", TLS)
    assert write(origin, recipients=[BOB], client_name="pc.isp.example") == (
        b"Received: from laptop (pc.isp.example [192.0.2.1])\r\n"
        b"\tby mx.a.example (Kurir) with ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        b"\tid k0000011\r\n\tfor <bob@b.example>; Sun, 09 Sep 2001 01:46:40 +0000\r\n"
    )


@pytest.mark.parametrize(
    ("kwargs", "present", "absent"),
    [
        ({"recipients": [BOB, BOB]}, b"id k0000011; ", b"for"),
        ({"recipients": [Address("bü", "b.example")]}, b"by ", b"for"),
        ({"hide_client": True}, b"Received: by mx.a.example", b"192.0.2.1"),
        ({"hide_client": True}, b"with ESMTP", b"laptop"),
    ],
)
def test_what_is_left_out(kwargs, present, absent):
    field = write(Origin("ESMTP", "mx", "192.0.2.1", 1, "laptop"), **kwargs)
    assert present in field
    assert absent not in field


def test_ipv6_and_local_origins():
    assert b"([IPv6:2001:db8::1])" in write(Origin("ESMTP", "mx", "2001:db8::1", 1, "h"))
    assert write(Origin("LMTP", "local")).startswith(b"Received: by mx.a.example (Kurir) with LMTP\r\n")


@given(st.text(max_size=300), st.text(max_size=40), st.text(max_size=40))
def test_nothing_a_peer_said_breaks_the_field(helo, cipher, local):
    origin = Origin("ESMTPS", "mx", "192.0.2.1", 1, helo, None, TlsFacts(cipher, cipher))
    field = write(origin, recipients=[Address(local, "b.example")], client_name=helo)
    head = scan(field + b"\r\n")
    assert head.problems == Problem(0)
    assert [f.name for f in head] == [b"Received"]
    assert own_passes(head, "mx.a.example") == 1


@given(st.text(max_size=60), st.text(max_size=60))
def test_delivery_fields_are_one_line(local, domain):
    field = return_path(Address(local, domain))
    assert field.endswith(b"\r\n")
    assert not set(field[:-2]) & {0, 10, 13}
    assert len(scan(field + b"\r\n").fields) == 1


def test_return_path_of_the_null_sender():
    assert return_path(None) == b"Return-Path: <>\r\n"


def test_loops_are_seen():
    hop = write(Origin("ESMTP", "mx", "192.0.2.1", 1, "by mx.other.example"))
    other = hop.replace(b"mx.a.example", b"mx.c.example")
    head = scan(other * 50 + b"\r\n")
    assert count_received(head) == 50
    assert loop_reason(head, "mx.a.example") is None
    assert "51 servers" in loop_reason(scan(other * 51 + b"\r\n"), "mx.a.example")
    assert loop_reason(scan(hop * 8 + b"\r\n"), "MX.A.example") is None
    assert "this server 9 times" in loop_reason(scan(hop * 9 + b"\r\n"), "mx.a.example")
    assert loop_reason(scan(hop * 3 + b"\r\n"), "mx.a.example", limits=HopLimits(received=2))
