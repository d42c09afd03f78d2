"""The kinds of values in ``kurir.toml``: domains, addresses, networks, doors and roads, each checked and normalised."""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kurir.delivery import parse_next_hop
from kurir.model import AddressError, normalise_domain, parse_address
from kurir.model.told import of_error, told


def _domain(text: str) -> str:
    try:
        return normalise_domain(text)
    except AddressError as e:
        raise ValueError(of_error(e)) from None


def _domain_pattern(text: str) -> str:
    if text == "*":
        return text
    if text.startswith("*."):
        return "*." + _domain(text[2:])
    return _domain(text)


def _address(text: str) -> str:
    try:
        return str(parse_address(text))
    except AddressError as e:
        raise ValueError(of_error(e)) from None


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(
            told('{text!r} is no IP address; write "192.0.2.1" or "2001:db8::1"', text=text)
        ) from None


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(
            told('{text!r} is not a network; write "192.0.2.0/24" or "2001:db8::/32"', text=text)
        ) from None


_HOSTPORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]*):(\d{1,5})")


def _listen(text: str) -> str:
    if text.startswith("unix:") and len(text) > 5:
        return text
    m = _HOSTPORT.fullmatch(text)
    if not m or int(m[1]) > 65535:
        raise ValueError(
            told('{text!r} is no place to listen; write "192.0.2.1:25", "[::]:25" or "unix:/path"', text=text)
        )
    return text


def _host_port(text: str) -> str:
    m = _HOSTPORT.fullmatch(text)
    if not m or int(m[1]) > 65535:
        raise ValueError(told('{text!r} is not a resolver; write "127.0.0.1:53" or "[::1]:53"', text=text))
    return text


def _server(text: str) -> str:
    m = re.fullmatch(r"([^:]+):(\d{1,5})", text)
    if not m or not 0 < int(m[2]) < 65536:
        raise ValueError(told('{text!r} is no server; write "imap.example.org:993"', text=text))
    return f"{_domain(m[1])}:{int(m[2])}"


def _certificate_name(text: str) -> str:
    return _domain_pattern(text) if text != "*" else _domain(text)


def _road_url(text: str) -> str:
    if text not in ("mx:", "sandbox:"):
        parse_next_hop(text)
    return text


def _next_hop_url(text: str) -> str:
    parse_next_hop(text)
    return text


DomainName = Annotated[str, AfterValidator(_domain)]
DomainPattern = Annotated[str, AfterValidator(_domain_pattern)]
AddressText = Annotated[str, AfterValidator(_address)]
Network = Annotated[str, AfterValidator(_network)]
IpAddress = Annotated[str, AfterValidator(_ip_address)]
Listen = Annotated[str, AfterValidator(_listen)]
ServerName = Annotated[str, AfterValidator(_server)]
CertificateName = Annotated[str, AfterValidator(_certificate_name)]
HostPort = Annotated[str, AfterValidator(_host_port)]
RoadUrl = Annotated[str, AfterValidator(_road_url)]
NextHopUrl = Annotated[str, AfterValidator(_next_hop_url)]
TlsRule = Literal["none", "opportunistic", "required", "verified", "dane-only"]
Port = Annotated[int, Field(ge=1, le=65535)]
