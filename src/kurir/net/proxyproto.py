"""The PROXY protocol, versions 1 and 2: a pure, bounded parser of what a load balancer says first.

Source: haproxy.org/download/3.0/doc/proxy-protocol.txt.  Whoever may send such a header may claim any
address, so the listener asks for one only from configured networks, and there always.
"""

import ipaddress
import struct
from dataclasses import dataclass

from .ports import Endpoint

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_V1 = 107  # octets with CRLF (section 2.1)
MAX_V2 = 4096  # octets of addresses and TLVs; the format would allow 65,535

_V2_LENGTHS = {0x1: 12, 0x2: 36, 0x3: 216}  # family -> octets of addresses (section 2.2)


class ProxyError(ValueError):
    """The header is malformed; the connection is to be closed without a word."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What the proxy said.  `source` None: the proxy speaks for itself (LOCAL, UNKNOWN), the socket's peer counts."""

    source: Endpoint | None
    destination: Endpoint | None


@dataclass(frozen=True, slots=True)
class Parsed:
    """`header` and how many octets it took; `header` None: all octets given belong to it and more are needed."""

    header: ProxyHeader | None
    consumed: int


_LOCAL = ProxyHeader(None, None)


def parse_proxy(data: bytes) -> Parsed:
    """Look for a header at the start of `data`, which is everything received so far.  Raises `ProxyError`."""
    if data.startswith(SIGNATURE):
        return _parse_v2(data)
    if SIGNATURE.startswith(data) or b"PROXY ".startswith(data):  # also no data at all
        return Parsed(None, len(data))
    if data.startswith(b"PROXY "):
        return _parse_v1(data)
    raise ProxyError("no PROXY header where one must be")


def _parse_v1(data: bytes) -> Parsed:
    end = data.find(b"\r\n", 0, MAX_V1)
    if end < 0:
        if len(data) >= MAX_V1 or b"\n" in data:
            raise ProxyError("the PROXY line has no end where it must have one")
        return Parsed(None, len(data))
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return Parsed(_LOCAL, end + 2)
    if words[1] not in (b"TCP4", b"TCP6") or len(words) != 6:
        raise ProxyError("the PROXY line is malformed")
    version = 4 if words[1] == b"TCP4" else 6
    source = Endpoint(_ip(words[2], version), _port(words[4]))
    destination = Endpoint(_ip(words[3], version), _port(words[5]))
    return Parsed(ProxyHeader(source, destination), end + 2)


def _ip(word: bytes, version: int) -> str:
    try:
        address = ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        raise ProxyError("the PROXY line has no valid address") from None
    if address.version != version or "%" in str(address):
        raise ProxyError("the PROXY line has an address of the other family")
    return _plain(address)


def _port(word: bytes) -> int:
    # Canonical decimal: no sign, no leading zero (section 2.1).
    if not word.isdigit() or len(word) > 5 or (len(word) > 1 and word[:1] == b"0") or int(word) > 65535:
        raise ProxyError("the PROXY line has no valid port")
    return int(word)


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _parse_v2(data: bytes) -> Parsed:
    if len(data) < 16:
        return Parsed(None, len(data))
    version_command, family_protocol, length = struct.unpack_from("!BBH", data, 12)
    version, command = version_command >> 4, version_command & 0xF
    if version != 2 or command > 1:
        raise ProxyError(f"PROXY version {version} command {command} is unknown")
    if length > MAX_V2:
        raise ProxyError(f"the PROXY header announces {length} octets, more than {MAX_V2}")
    if len(data) < 16 + length:
        return Parsed(None, len(data))
    family, protocol = family_protocol >> 4, family_protocol & 0xF
    if command == 0 or family == 0:  # LOCAL (a health check), or UNSPEC
        return Parsed(_LOCAL, 16 + length)
    needed = _V2_LENGTHS.get(family)
    if needed is None or protocol != 1:
        raise ProxyError("the PROXY header is not about a stream connection")
    if length < needed:
        raise ProxyError("the PROXY header is too short for its addresses")
    _check_tlvs(data[16 + needed : 16 + length])
    return Parsed(_addresses(family, data[16 : 16 + needed]), 16 + length)


def _addresses(family: int, block: bytes) -> ProxyHeader:
    if family == 3:
        source, destination = (
            block[i : i + 108].partition(b"\x00")[0].decode("utf-8", "replace") for i in (0, 108)
        )
        return ProxyHeader(Endpoint(source, 0), Endpoint(destination, 0))
    size = 4 if family == 1 else 16
    ports = struct.unpack_from("!HH", block, 2 * size)
    hosts = (_plain(ipaddress.ip_address(block[i : i + size])) for i in (0, size))
    return ProxyHeader(*(Endpoint(host, port) for host, port in zip(hosts, ports, strict=True)))


def _check_tlvs(block: bytes) -> None:
    """Walk the type-length-value fields; what they say is not used, but they must add up."""
    at = 0
    while at < len(block):
        if at + 3 > len(block):
            raise ProxyError("a field behind the PROXY addresses is cut off")
        at += 3 + int.from_bytes(block[at + 1 : at + 3], "big")
    if at != len(block):
        raise ProxyError("a field behind the PROXY addresses is cut off")
