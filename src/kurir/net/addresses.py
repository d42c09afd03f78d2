"""Socket addresses in words: where to listen, whom we speak to, whom never to dial.

A bind spec is ``host:port``, ``[v6]:port``, ``*:port`` (every IPv4 address) or ``unix:/path``.
IPv4-mapped IPv6 addresses are always shown and judged as the IPv4 address they mean, so that no
rule about an address can be passed by in its other spelling.
"""

import ipaddress
from dataclasses import dataclass

from kurir.model.told import told

from .ports import Endpoint

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAMED_HOSTS = {"": "0.0.0.0", "*": "0.0.0.0", "localhost": "127.0.0.1"}

# "This host" in its spellings (RFC 6890): dialling one of these reaches ourselves.
_SELF_NETWORKS: tuple[IPNetwork, ...] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("0.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
    ipaddress.ip_network("::/128"),
)
_NEVER_A_PEER: tuple[IPNetwork, ...] = (
    ipaddress.ip_network("224.0.0.0/4"),
    ipaddress.ip_network("255.255.255.255/32"),
    ipaddress.ip_network("ff00::/8"),
)


@dataclass(frozen=True, slots=True)
class BindSpec:
    """A parsed place to listen: an IP address and port, or (`path`) a unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_bind(spec: str) -> BindSpec:
    """Parse a bind spec.  Raises ValueError that says what is wrong and how it should look."""
    if spec.startswith("unix:"):
        path = spec.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(told("{spec!r}: a unix socket is written unix:/absolute/path", spec=spec))
        if len(path.encode()) > 107:  # sun_path of unix(7)
            raise ValueError(
                told("{spec!r}: the path of a unix socket must be shorter than 108 bytes", spec=spec)
            )
        return BindSpec(path=path)
    host, colon, port_text = spec.rpartition(":")
    if not colon or not port_text.isascii() or not port_text.isdigit() or int(port_text) > 65535:
        raise ValueError(
            told("{spec!r}: write host:port, [IPv6 address]:port or unix:/path, port 0 to 65535", spec=spec)
        )
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(
            told(
                "{spec!r}: write the IPv6 address in brackets: [{host}]:{port_text}",
                spec=spec,
                host=host,
                port_text=port_text,
            )
        )
    host = _NAMED_HOSTS.get(host, host)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(
            told(
                "{spec!r}: {host!r} is not an IP address (a host name is not looked up here)",
                spec=spec,
                host=host,
            )
        ) from None
    return BindSpec(str(address), int(port_text))


def ip_of(text: str) -> IPAddress:
    """Parse an IP address; a mapped one comes back as IPv4, a zone (``%eth0``) is dropped.  Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def endpoint_of(sockaddr: object) -> Endpoint:
    """Turn what `socket.getpeername` gave into an `Endpoint`."""
    if isinstance(sockaddr, tuple) and len(sockaddr) >= 2:
        host = str(sockaddr[0])
        if ":" in host and ("%" in host or host.lower().startswith("::ffff:")):
            host = str(ip_of(host))
        return Endpoint(host, int(sockaddr[1]))
    if isinstance(sockaddr, bytes):
        return Endpoint(sockaddr.decode("utf-8", "replace"), 0)
    return Endpoint(sockaddr if isinstance(sockaddr, str) else "", 0)


def within(host: str, networks: tuple[IPNetwork, ...]) -> bool:
    """Tell whether an address given as text is in one of the networks; False for what is no IP address."""
    try:
        address = ip_of(host)
    except ValueError:
        return False
    return any(address in network for network in networks if network.version == address.version)


def is_own_host(host: str) -> bool:
    """Tell whether an address can only mean this host: loopback or unspecified."""
    return within(host, _SELF_NETWORKS)


def is_never_a_peer(host: str) -> bool:
    """Tell whether an address can never be a TCP peer: multicast or broadcast."""
    return within(host, _NEVER_A_PEER)
