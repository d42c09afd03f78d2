"""SPF records: which TXT record is one, and what it says (RFC 7208 sections 4.5, 4.6, 5, 6 and 12).

The whole record is read before anything in it is evaluated: a syntax error anywhere makes it worthless (section
4.6).  Networks are kept as integers, ready to be compared.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from .macro import MacroError, MacroString, parse_domain_spec, parse_macros

_VERSION = b"v=spf1"

_TERM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*+)([:/=]?)(.*)", re.DOTALL)
_CIDR = re.compile(r"(.*?)(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?", re.DOTALL)
_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}")
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IP4 = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}")

REMEMBERED = 512  # records read lately: the same few senders write most mail, and reading costs more than asking the cache


class RecordError(ValueError):
    """The record breaks the grammar of RFC 7208 section 12; the message says where, in words."""


class Mechanism(NamedTuple):
    """One directive.

    `target` is the domain-spec, None for the current domain.  `prefix4` and `prefix6` are prefix lengths;
    `version` and `network` (shifted right by the host bits) belong to ip4 and ip6.
    """

    qualifier: str
    name: str
    text: str
    target: MacroString | None = None
    prefix4: int = 32
    prefix6: int = 128
    version: int = 0
    network: int = 0


class SpfRecord(NamedTuple):
    """A record without mistakes: its directives in order, and the two modifiers that mean something."""

    mechanisms: tuple[Mechanism, ...]
    redirect: MacroString | None = None
    explanation: MacroString | None = None


def spf_texts(records: Iterable[object]) -> list[bytes]:
    """Return those TXT records that are SPF records (RFC 7208 section 4.5): the version, then a blank or the end."""
    return [
        record
        for record in records
        if isinstance(record, bytes)
        and record[:6].lower() == _VERSION
        and (len(record) == 6 or record[6] == 0x20)
    ]


@lru_cache(REMEMBERED)
def parse_record(record: bytes) -> SpfRecord:
    """Parse a record that `spf_texts` chose.  Raises `RecordError`."""
    try:
        text = record.decode("ascii")
    except UnicodeDecodeError:
        raise RecordError("the record has octets that are not ASCII") from None
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, MacroString] = {}
    for term in text[6:].split(" "):
        if not term:
            continue
        m = _TERM.fullmatch(term)
        if m is None:
            raise RecordError(f"{term[:60]!r} is no term of SPF")
        try:
            if m[3] == "=":
                _modifier(m, modifiers)
            else:
                mechanisms.append(_mechanism(m))
        except MacroError as e:
            raise RecordError(f"in {term[:60]!r}: {e}") from None
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"))


def _modifier(m: re.Match[str], modifiers: dict[str, MacroString]) -> None:
    name = m[2].lower()
    if m[1]:
        raise RecordError(f"{m[0][:60]!r}: a modifier has no qualifier")
    if name not in ("redirect", "exp"):
        parse_macros(m[4])  # unknown ones are ignored, but must be well formed (section 6)
        return
    if name in modifiers:
        raise RecordError(f"{name}= stands there twice")
    modifiers[name] = parse_domain_spec(m[4])


def _mechanism(m: re.Match[str]) -> Mechanism:
    read = _READERS.get(m[2].lower())
    if read is None:
        raise RecordError(f"{m[0][:60]!r} is no mechanism of SPF")
    return read(m[1] or "+", m[2].lower(), m[3], m[4], m[0])


def _all(qualifier: str, name: str, sign: str, rest: str, text: str) -> Mechanism:
    if sign or rest:
        raise RecordError(f"{text[:60]!r}: nothing may follow {name}")
    return Mechanism(qualifier, name, text)


def _with_domain(qualifier: str, name: str, sign: str, rest: str, text: str) -> Mechanism:
    if sign != ":":
        raise RecordError(f"{text[:60]!r}: a domain name is missing")
    return Mechanism(qualifier, name, text, parse_domain_spec(rest))


def _ptr(qualifier: str, name: str, sign: str, rest: str, text: str) -> Mechanism:
    if not sign and not rest:
        return Mechanism(qualifier, name, text)
    return _with_domain(qualifier, name, sign, rest, text)


def _address(qualifier: str, name: str, sign: str, rest: str, text: str) -> Mechanism:
    m = _CIDR.fullmatch(("/" if sign == "/" else "") + rest)
    assert m is not None  # every group is optional
    prefix4, prefix6 = int(m[2] or 32), int(m[3] or 128)
    if prefix4 > 32 or prefix6 > 128 or (not sign and rest) or (sign == "/" and m[1]):
        raise RecordError(f"{text[:60]!r}: the network size is wrong")
    target = parse_domain_spec(m[1]) if sign == ":" else None
    return Mechanism(qualifier, name, text, target, prefix4, prefix6)


def _ip4(qualifier: str, name: str, sign: str, rest: str, text: str) -> Mechanism:
    address, size = _network(sign, rest, 32, text)
    m = _IP4.fullmatch(address)
    if m is None:
        raise RecordError(f"{text[:60]!r}: not an IPv4 address")
    number = int(m[1]) << 24 | int(m[2]) << 16 | int(m[3]) << 8 | int(m[4])
    return Mechanism(qualifier, name, text, None, size, 128, 4, number >> (32 - size))


def _ip6(qualifier: str, name: str, sign: str, rest: str, text: str) -> Mechanism:
    address, size = _network(sign, rest, 128, text)
    try:
        if "%" in address or len(address) > 45:
            raise ValueError
        number = int(ipaddress.IPv6Address(address))
    except ValueError:
        raise RecordError(f"{text[:60]!r}: not an IPv6 address") from None
    return Mechanism(qualifier, name, text, None, 32, size, 6, number >> (128 - size))


def _network(sign: str, rest: str, bits: int, text: str) -> tuple[str, int]:
    address, slash, prefix = rest.partition("/")
    if sign != ":" or (slash and not _PREFIX.fullmatch(prefix)):
        raise RecordError(f"{text[:60]!r}: not a network")
    size = int(prefix) if slash else bits
    if size > bits:
        raise RecordError(f"{text[:60]!r}: the network size is wrong")
    return address, size


_READERS: dict[str, Callable[[str, str, str, str, str], Mechanism]] = {
    "all": _all,
    "include": _with_domain,
    "exists": _with_domain,
    "a": _address,
    "mx": _address,
    "ptr": _ptr,
    "ip4": _ip4,
    "ip6": _ip6,
}
