"""The PROXY parser against the specification's examples, cut at every byte, and against nonsense."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.net import Endpoint, ProxyError, ProxyHeader, parse_proxy
from kurir.net.proxyproto import MAX_V1, MAX_V2, SIGNATURE


def v2(command=1, family=1, protocol=1, block=b"", version=2):
    return SIGNATURE + struct.pack("!BBH", version << 4 | command, family << 4 | protocol, len(block)) + block


IP4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 5000, 25)
IP6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "::ffff:198.51.100.1")
    + struct.pack("!HH", 5000, 25)
)
UNIX = b"/a".ljust(108, b"\0") + b"/b".ljust(108, b"\0")
FROM, TO = Endpoint("192.0.2.7", 5000), Endpoint("198.51.100.1", 25)
TLV = b"\x04\x00\x03abc"

GOOD = {
    b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 25\r\n": ProxyHeader(FROM, TO),
    b"PROXY TCP6 2001:db8::7 2001:db8::1 65535 0\r\n": ProxyHeader(
        Endpoint("2001:db8::7", 65535), Endpoint("2001:db8::1", 0)
    ),
    b"PROXY UNKNOWN\r\n": ProxyHeader(None, None),
    b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n": ProxyHeader(None, None),
    v2(block=IP4): ProxyHeader(FROM, TO),
    v2(block=IP4 + TLV): ProxyHeader(FROM, TO),
    v2(family=2, block=IP6): ProxyHeader(Endpoint("2001:db8::7", 5000), TO),
    v2(family=3, block=UNIX): ProxyHeader(Endpoint("/a", 0), Endpoint("/b", 0)),
    v2(command=0, family=0, protocol=0): ProxyHeader(None, None),
    v2(command=0, block=b"anything"): ProxyHeader(None, None),
    v2(family=0, protocol=0, block=b"xyz"): ProxyHeader(None, None),
}


@pytest.mark.parametrize("header", GOOD)
def test_good_headers_cut_at_every_byte(header):
    for cut in range(len(header)):
        parsed = parse_proxy(header[:cut])
        assert (parsed.header, parsed.consumed) == (None, cut)
    for rest in (b"", b"EHLO x\r\n"):
        parsed = parse_proxy(header + rest)
        assert (parsed.header, parsed.consumed) == (GOOD[header], len(header))


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO x\r\n",
        b"proxy TCP4 192.0.2.7 198.51.100.1 5000 25\r\n",
        b"PROXY \r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 5000\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 25 9\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 5000 25\r\n",
        b"PROXY TCP4 2001:db8::7 198.51.100.1 5000 25\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 5000 25\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 5000 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 05000 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 25\n",
        b"PROXY UNKNOWN " + b"x" * MAX_V1,
        v2(version=1, block=IP4),
        v2(command=2, block=IP4),
        v2(protocol=2, block=IP4),
        v2(family=4, block=IP4),
        v2(block=IP4[:-1]),
        v2(block=IP4 + TLV[:-1]),
        v2(block=IP4 + b"\x04"),
        v2(block=IP4 + bytes(MAX_V2)),
    ],
)
def test_malformed_headers(header):
    with pytest.raises(ProxyError):
        parse_proxy(header)


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", SIGNATURE, SIGNATURE + b"\x21\x11"]))
def test_any_bytes_give_an_answer_or_the_error(data, start):
    data = start + data
    try:
        parsed = parse_proxy(data)
    except ProxyError:
        return
    assert parsed.consumed <= len(data)
    assert parsed.header is not None or parsed.consumed == len(data)
    assert parsed.header is not None or len(data) < 16 + MAX_V2
