"""DMARC policy records: which TXT record is one, and what it asks for (RFC 9989 sections 4.7 and 4.8).

Unlike SPF, a mistake does not spoil the record: a tag that cannot be read counts as absent.  Only a wrong ``p``,
``sp`` or ``np`` weighs more (section 4.10.1): the record then means ``p=none`` where somebody wants reports, and
nothing at all otherwise.  ``pct``, ``rf`` and ``ri`` of RFC 7489 are unknown tags now; ``pct`` is remembered for people.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from urllib.parse import unquote

from kurir.model import Address, AddressError, parse_address

MAX_RECORD = 16 * 1024  # octets; one that is longer is no record
REMEMBERED = 512  # records read lately: the same few senders write most mail, and reading costs more than asking the cache
MAX_URIS = 20  # of one list that are kept

_VERSION = re.compile(rb"[vV][ \t]*+=[ \t]*+DMARC1[ \t]*+(?:;|\Z)")
_TAG = re.compile(r"[ \t]*+([A-Za-z]++)[ \t]*+=[ \t]*+([\x20-\x3a\x3c-\x7e\t]++)")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:[\x21-\x7e]++")
_FAILURE_OPTIONS = frozenset("01ds")


class Policy(str, Enum):
    """What the domain's owner wants done with mail that proves nothing, weakest first."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def strength(self) -> int:
        """For comparing: 0 for none up to 2 for reject."""
        return _STRENGTH[self]


_STRENGTH = {policy: n for n, policy in enumerate(Policy)}


@dataclass(frozen=True, slots=True)
class ReportUri:
    """Where reports go: `address` is set for ``mailto:``, the only scheme that is served."""

    uri: str
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One policy record.

    `usable` is False where it must not be applied at all.  `sp` and `np` are None where they are absent.  `psd` is
    ``"y"``, ``"n"`` or ``"u"``.  `fo` holds the failure report options.  `faults` say in words what was overlooked.
    """

    text: str
    usable: bool = True
    p: Policy = Policy.NONE
    sp: Policy | None = None
    np: Policy | None = None
    strict_dkim: bool = False
    strict_spf: bool = False
    psd: str = "u"
    testing: bool = False
    rua: tuple[ReportUri, ...] = ()
    ruf: tuple[ReportUri, ...] = ()
    fo: frozenset[str] = field(default=frozenset("0"))
    pct: int | None = None
    faults: tuple[str, ...] = ()


def dmarc_texts(records: Iterable[object]) -> list[bytes]:
    """Return those TXT records that are DMARC records: the version first, exactly ``DMARC1`` (section 4.10 step 2)."""
    return [r for r in records if isinstance(r, bytes) and len(r) <= MAX_RECORD and _VERSION.match(r)]


@lru_cache(REMEMBERED)
def parse_record(record: bytes) -> DmarcRecord:
    """Parse a record that `dmarc_texts` chose.  Never raises."""
    text = record.decode("latin-1")
    tags: dict[str, str] = {}
    faults: list[str] = []
    for part in text.split(";")[1:]:
        if not part.strip(" \t"):
            continue
        m = _TAG.fullmatch(part)
        if m is None:
            faults.append(f"{part.strip()[:60]!r} is no tag with a value")
            continue
        name = m[1].lower()
        if name in tags:
            faults.append(f"{name}= stands there twice; the first one counts")
        else:
            tags[name] = m[2].strip(" \t")

    def read(name: str, values: dict[str, str], default: str) -> str:
        given = tags.get(name)
        if given is None:
            return default
        if given.lower() not in values:
            faults.append(f"{name}={given[:40]} is not a value of this tag")
            return default
        return values[given.lower()]

    rua, ruf = _uris(tags.get("rua", ""), faults), _uris(tags.get("ruf", ""), faults)
    policies = {name: _policy(name, tags, faults) for name in ("p", "sp", "np")}
    sound = policies["p"] is not None and all(
        policies[name] is not None for name in ("sp", "np") if name in tags
    )
    if not sound:  # section 4.10.1
        policies = dict.fromkeys(policies)
    pct = tags.get("pct", "")
    return DmarcRecord(
        text=text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text),
        usable=sound or bool(rua),
        p=policies["p"] or Policy.NONE,
        sp=policies["sp"],
        np=policies["np"],
        strict_dkim=read("adkim", _ALIGNMENT, "r") == "s",
        strict_spf=read("aspf", _ALIGNMENT, "r") == "s",
        psd=read("psd", _PSD, "u"),
        testing=read("t", _YES_NO, "n") == "y",
        rua=rua,
        ruf=ruf,
        fo=_failure_options(tags.get("fo"), faults),
        pct=int(pct) if _PERCENT.fullmatch(pct) else None,
        faults=tuple(faults[:20]),
    )


_ALIGNMENT = {"r": "r", "s": "s"}
_PSD = {"y": "y", "n": "n", "u": "u"}
_YES_NO = {"y": "y", "n": "n"}
_PERCENT = re.compile(r"100|[0-9]{1,2}")


def _policy(name: str, tags: dict[str, str], faults: list[str]) -> Policy | None:
    given = tags.get(name)
    if given is None:
        if name == "p":
            faults.append("p= is missing")
        return None
    try:
        return Policy(given.lower())
    except ValueError:
        faults.append(f"{name}={given[:40]} is not none, quarantine or reject")
        return None


def _failure_options(given: str | None, faults: list[str]) -> frozenset[str]:
    options = frozenset(option.strip().lower() for option in (given or "0").split(":"))
    if options <= _FAILURE_OPTIONS:
        return options
    faults.append(f"fo={(given or '')[:40]} is not a value of this tag")
    return options & _FAILURE_OPTIONS or frozenset("0")


def _uris(text: str, faults: list[str]) -> tuple[ReportUri, ...]:
    found: list[ReportUri] = []
    for part in text.split(","):
        uri = part.strip(" \t")
        if not uri:
            continue
        if len(found) >= MAX_URIS:
            faults.append(f"more than {MAX_URIS} addresses for reports")
            break
        report_uri = _report_uri(uri)
        if report_uri is None:
            faults.append(f"{uri[:60]!r} is no address for reports")
        else:
            found.append(report_uri)
    return tuple(found)


def _report_uri(uri: str) -> ReportUri | None:
    if not _URI.fullmatch(uri):
        return None
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "mailto":
        return ReportUri(uri)
    # "!10m" was a size limit in RFC 7489; it is obsolete and cut off (an exclamation mark must be encoded).
    text = unquote(rest.partition("?")[0].partition("!")[0], errors="replace")
    try:
        return ReportUri(uri, parse_address(text))
    except AddressError:
        return None
