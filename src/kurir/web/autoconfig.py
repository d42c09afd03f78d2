"""What mail programs are told about this server, in the two forms that they ask for.

Thunderbird and its like: https://www.bucksch.org/1/projects/thunderbird/autoconfiguration/ (config-v1.1.xml).
Outlook and its like: Autodiscover in plain XML ([MS-OXDSCLI] sections 2.2.3, 2.2.4).  Passwords travel within TLS only, so they are
asked for in the clear there.
"""

import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

from kurir.model import Address, AddressError, parse_address


@dataclass(frozen=True, slots=True)
class MailServers:
    """Where a program finds us; ports are None where that door is closed."""

    smtp: str
    submissions: int | None
    submission: int | None
    imap: str
    imap_port: int = 993


# Section: (kind, host, port, encryption as Thunderbird calls it, as Outlook does)
_Service = tuple[str, str, int, str, str]


def _outgoing(servers: MailServers) -> _Service | None:
    if servers.submissions:
        return "smtp", servers.smtp, servers.submissions, "SSL", "SSL"
    if servers.submission:
        return "smtp", servers.smtp, servers.submission, "STARTTLS", "TLS"
    return None


def _services(servers: MailServers) -> tuple[_Service, ...]:
    outgoing = _outgoing(servers)
    incoming: _Service = ("imap", servers.imap, servers.imap_port, "SSL", "SSL")
    return (incoming, outgoing) if outgoing else (incoming,)


def thunderbird(domain: str, servers: MailServers) -> bytes:
    """Return ``config-v1.1.xml`` for the addresses of `domain`."""
    parts = []
    for kind, host, port, security, _ in _services(servers):
        element = "incomingServer" if kind == "imap" else "outgoingServer"
        parts.append(
            f'    <{element} type="{kind}">\n'
            f"      <hostname>{escape(host)}</hostname>\n"
            f"      <port>{port}</port>\n"
            f"      <socketType>{security}</socketType>\n"
            "      <authentication>password-cleartext</authentication>\n"
            "      <username>%EMAILADDRESS%</username>\n"
            f"    </{element}>\n"
        )
    name = escape(domain)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<clientConfig version="1.1">\n'
        f'  <emailProvider id="{name}">\n'
        f"    <domain>{name}</domain>\n"
        f"    <displayName>{name}</displayName>\n"
        f"    <displayShortName>{name}</displayShortName>\n"
        f"{''.join(parts)}"
        "  </emailProvider>\n"
        "</clientConfig>\n"
    ).encode()


def outlook(address: Address, servers: MailServers) -> bytes:
    """Return the answer to an Autodiscover request for `address`."""
    login = escape(str(address))
    parts = [
        "      <Protocol>\n"
        f"        <Type>{kind.upper()}</Type>\n"
        f"        <Server>{escape(host)}</Server>\n"
        f"        <Port>{port}</Port>\n"
        "        <DomainRequired>off</DomainRequired>\n"
        f"        <LoginName>{login}</LoginName>\n"
        "        <SPA>off</SPA>\n"
        "        <SSL>on</SSL>\n"
        f"        <Encryption>{security}</Encryption>\n"
        "        <AuthRequired>on</AuthRequired>\n"
        "      </Protocol>\n"
        for kind, host, port, _, security in _services(servers)
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">\n'
        '  <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">\n'
        "    <Account>\n"
        "      <AccountType>email</AccountType>\n"
        "      <Action>settings</Action>\n"
        f"{''.join(parts)}"
        "    </Account>\n"
        "  </Response>\n"
        "</Autodiscover>\n"
    ).encode()


# Found without an XML parser: strangers send this, and nothing else of it is wanted.
_ASKED = re.compile(rb"<(?:\w{1,20}:)?EMailAddress>\s{0,20}([^<>&\s]{3,320})\s{0,20}</")


def asked_address(body: bytes) -> Address | None:
    """Return the address that an Autodiscover request asks about."""
    found = _ASKED.search(body)
    if found is None:
        return None
    try:
        return parse_address(found[1].decode("utf-8"))
    except (AddressError, UnicodeDecodeError):
        return None
