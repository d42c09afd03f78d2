"""Mail addresses: one parser for policy, display and configuration (RFC 5321 section 4.1.2, RFC 6531).

There is exactly one, so that what a rule compared is what the next hop is told.  The local part
is kept as it was written (only its owner may interpret it); the domain is normalised to lower-case
A-labels, so that every spelling of a domain is the same value.
"""

import re
from functools import lru_cache

import idna
import msgspec

from .told import told

# RFC 5321 section 4.5.3.1
MAX_LOCAL = 64
MAX_DOMAIN = 255
# A rewritten sender (SRS) holds another address whole: those that forward mail take more from each other.
MAX_REWRITTEN = 192
_REWRITTEN = re.compile(r"srs[01][=+-]", re.IGNORECASE)
MAX_PATH = 256

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_DOT_STRING = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
_DOT_STRING_UTF8 = re.compile(rf"[{_ATEXT}\u0080-\U0010ffff]+(?:\.[{_ATEXT}\u0080-\U0010ffff]+)*")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*)"')
# IDNA 2003 took these for dots and the idna package still does: they must never become a separator.
_DOTS_OF_OTHERS = re.compile("[\u3002\uff0e\uff61]")
_LDH = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)")


class AddressError(ValueError):
    """The text is no address: `str(error)` says why, in words for a person."""


class Address(msgspec.Struct, frozen=True, array_like=True):
    """One mailbox.

    `local` is the local part without quotes or escapes; `domain` is lower-case A-labels, or an
    address literal ``[192.0.2.1]`` / ``[IPv6:2001:db8::1]``, or ``""`` for the bare ``postmaster``
    of RFC 5321 section 4.5.1.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        local = self.local
        if not _DOT_STRING_UTF8.fullmatch(local):
            local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
        return f"{local}@{self.domain}" if self.domain else local

    @property
    def is_ascii(self) -> bool:
        """Whether the address can travel without SMTPUTF8."""
        return self.local.isascii() and self.domain.isascii()

    @property
    def key(self) -> str:
        """A lower-case form for comparing with our own accounts (never for foreign mailboxes)."""
        return f"{self.local.lower()}@{self.domain}"


@lru_cache(8192)  # many messages, few domains
def normalise_domain(text: str) -> str:
    """Return `text` as lower-case A-labels without a trailing dot, or as an address literal.

    Raises `AddressError` for anything that is neither a host name (RFC 1123, RFC 5890; an
    underscore is tolerated) nor a literal (RFC 5321 section 4.1.3).
    """
    if text.startswith("["):
        return _literal(text)
    name = text.removesuffix(".")
    if name.isascii():
        name = name.lower()
    elif _DOTS_OF_OTHERS.search(name):
        raise AddressError(told("{text!r} is not a domain name", text=text))
    else:
        try:
            # No UTS 46 mapping: what looks like a letter of ours must not become one.
            name = idna.encode(name.lower(), uts46=False).decode("ascii")
        except (idna.IDNAError, UnicodeError) as e:
            raise AddressError(
                told("the domain {text!r} is not a valid international name: {why}", text=text, why=e)
            ) from None
    if len(name) > MAX_DOMAIN:
        raise AddressError(told("the domain is longer than {max_domain} octets", max_domain=MAX_DOMAIN))
    if not _LDH.fullmatch(name):
        raise AddressError(told("{text!r} is not a domain name", text=text))
    if "." not in name and name.isdigit():
        raise AddressError(told("{text!r} is a number, not a domain name", text=text))
    if _IPV4.fullmatch(name):
        raise AddressError(told("an IP address as a domain is written in brackets: [{name}]", name=name))
    return name


def _literal(text: str) -> str:
    inner = text[1:-1] if text.endswith("]") else ""
    if _IPV4.fullmatch(inner):
        return f"[{inner}]"
    if inner[:5].lower() == "ipv6:":
        try:
            return f"[IPv6:{_ipv6(inner[5:])}]"
        except ValueError:
            pass
    raise AddressError(
        told("{text!r} is not an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]", text=text)
    )


def _ipv6(text: str) -> str:
    import ipaddress

    address = ipaddress.IPv6Address(text)
    if address.scope_id:
        raise ValueError(text)
    return address.compressed


def parse_address(text: str, *, bare_postmaster: bool = False) -> Address:
    """Parse ``local@domain`` as it stands inside the angle brackets of a path.

    A source route (``@a,@b:``) is dropped as RFC 5321 appendix C asks.  Non-ASCII text is allowed;
    the caller decides whether SMTPUTF8 was asked for.  Raises `AddressError`.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_PATH * 4:
        raise AddressError(told("the address is longer than {max_path} octets", max_path=MAX_PATH))
    if text.startswith("@"):
        route, colon, rest = text.partition(":")
        if not colon:
            raise AddressError(told("the source route has no address behind it"))
        for hop in route.split(","):
            normalise_domain(hop[1:] if hop.startswith("@") else "")
        text = rest
    if text.startswith('"'):
        local, domain_text = _quoted_local(text)
    else:
        local, at, domain_text = text.partition("@")
        if not at:
            if bare_postmaster and local.lower() == "postmaster":
                return Address("postmaster", "")
            raise AddressError(told("the address has no @domain"))
        if not (_DOT_STRING if local.isascii() else _DOT_STRING_UTF8).fullmatch(local):
            raise AddressError(told("the part before the @ is not valid: {local!r}", local=local))
    _check_unicode(local)
    octets = len(local.encode())
    if octets > MAX_LOCAL and octets > (max_local := MAX_REWRITTEN if _REWRITTEN.match(local) else MAX_LOCAL):
        raise AddressError(
            told("the part before the @ is longer than {max_local} octets", max_local=max_local)
        )
    return Address(local, normalise_domain(domain_text))


def _quoted_local(text: str) -> tuple[str, str]:
    m = _QUOTED.match(text)
    if not m or text[m.end() : m.end() + 1] != "@":
        raise AddressError(told("the quoted part before the @ is not valid"))
    return re.sub(r"\\(.)", r"\1", m[1]), text[m.end() + 1 :]


# Characters that look like separators or steer how text is shown: an address never needs them.
_FORBIDDEN = re.compile(
    "[\u0080-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\uff20\uff0e\u3002\uff61\ud800-\udfff]"
)


def _check_unicode(local: str) -> None:
    if not local.isascii() and _FORBIDDEN.search(local):
        raise AddressError(told("the part before the @ has an invisible or separator-like character"))
