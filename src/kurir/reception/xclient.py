"""What a trusted front server says of its client (https://www.postfix.org/XCLIENT_README.html)."""

from collections.abc import Mapping
from dataclasses import dataclass

from kurir.identity import plain_address


@dataclass(frozen=True, slots=True)
class Introduction:
    """The client behind a front server; `host` and `login` are None, `port` 0 where nothing is said of them.

    `login` is "" for a client that is not logged in.
    """

    host: str | None
    port: int
    helo: str
    login: str | None


def introduction(attributes: Mapping[str, str | None]) -> Introduction | None:
    """Read the attributes of XCLIENT (None: not known to the front server); None where they make no sense."""
    address, port = attributes.get("ADDR"), attributes.get("PORT") or "0"
    host = plain_address(address.removeprefix("IPV6:").removeprefix("IPv6:")) if address else None
    if (address and host is None) or not port.isdecimal():
        return None
    return Introduction(
        host=str(host) if host is not None else None,
        port=int(port[:5]),
        helo=attributes.get("HELO") or "",
        login=attributes["LOGIN"] or "" if "LOGIN" in attributes else None,
    )
