"""The Sender Rewriting Scheme: a reverse-path of ours that still knows whose it was (Wong, 2004; libsrs2's spelling).

Mail that an alias sends on keeps a reverse-path whose SPF record does not name us.  So it travels as
``SRS0=hash=day=domain=local@alias.domain``; a bounce that comes back there goes to ``local@domain``.  Where the sender is
an SRS address of somebody else, ``SRS1=hash=their.domain==...`` points past the hops between, so that it grows only once.
The hash is keyed and the day ends it: nobody can make us send to an address of his choice.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import Enum

from kurir.model import Address, AddressError, normalise_domain
from kurir.model.address import MAX_REWRITTEN

_HASH = 8  # characters of base32: 40 bits, each guess a recipient that is refused
_DAY = 86_400
_CYCLE = 1_024  # days that two base32 digits count
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_SRS0 = re.compile(r"srs0[=+-]([a-z2-7]{8})=([a-z2-7]{2})=([^=]+)=(.+)", re.IGNORECASE | re.DOTALL)
_SRS1 = re.compile(r"srs1[=+-]([a-z2-7]{8})=([^=]+)=([=+-].+)", re.IGNORECASE | re.DOTALL)
_ANY0 = re.compile(r"srs0([=+-].+)", re.IGNORECASE | re.DOTALL)
_ANY1 = re.compile(r"srs1[=+-][^=]+=([^=]+)=([=+-].+)", re.IGNORECASE | re.DOTALL)
_LOOKS = re.compile(r"srs[01][=+-]", re.IGNORECASE)


class SrsProblem(str, Enum):
    """Why an address is none of ours."""

    SYNTAX = "syntax"
    FORGED = "forged"
    EXPIRED = "expired"


class SrsError(ValueError):
    """The address does not lead back to anybody; `problem` says why."""

    def __init__(self, problem: SrsProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


def looks_rewritten(local: str) -> bool:
    """Whether a local part has the form of a rewritten address."""
    return _LOOKS.match(local) is not None


class Srs:
    """Rewrites and turns back.

    The first of `secrets` makes hashes, all are believed, so that a secret can be changed.  `days` is how long an
    address leads back: longer than a message waits in anybody's queue.
    """

    __slots__ = ("_days", "_secrets")

    def __init__(self, secrets: Sequence[bytes], days: int = 21) -> None:
        if not secrets or not all(secrets):
            raise ValueError("SRS needs a secret")
        self._secrets = tuple(secrets)
        self._days = days

    def rewritten(self, sender: Address, domain: str, now: float) -> Address:
        """Return the reverse-path in `domain` of ours that stands for `sender`; `now` in seconds since the epoch.

        One that would be too long for others to take stays as it is.
        """
        made = self._rewritten(sender, domain, now)
        return made if len(made.local.encode("utf-8", "replace")) <= MAX_REWRITTEN else sender

    def _rewritten(self, sender: Address, domain: str, now: float) -> Address:
        if first := _ANY1.fullmatch(sender.local):
            return self._past(first[1], first[2], domain)
        if first := _ANY0.fullmatch(sender.local):
            return self._past(sender.domain, first[1], domain)
        day = _stamp(int(now // _DAY))
        rest = f"{day}={sender.domain}={sender.local}"
        return Address(f"SRS0={self._hash(self._secrets[0], rest)}={rest}", domain)

    def _past(self, first: str, rest: str, domain: str) -> Address:
        return Address(f"SRS1={self._hash(self._secrets[0], first, rest)}={first}={rest}", domain)

    def original(self, local: str, now: float) -> Address:
        """Return the address that a local part stands for.  Raises `SrsError`."""
        if m := _SRS0.fullmatch(local):
            stamp, domain, name = m[2], m[3], m[4]
            self._check(m[1], f"{stamp}={domain}={name}")
            age = (int(now // _DAY) - _day(stamp)) % _CYCLE
            if age > self._days and age != _CYCLE - 1:  # a clock that is a day ahead
                raise SrsError(SrsProblem.EXPIRED)
        elif m := _SRS1.fullmatch(local):
            domain, name = m[2], f"SRS0{m[3]}"
            self._check(m[1], domain, m[3])
        else:
            raise SrsError(SrsProblem.SYNTAX)
        try:
            return Address(name, normalise_domain(domain))
        except AddressError:
            raise SrsError(SrsProblem.SYNTAX) from None

    def _check(self, said: str, *parts: str) -> None:
        said = said.lower()
        right = [hmac.compare_digest(self._hash(secret, *parts), said) for secret in self._secrets]
        if not any(right):
            raise SrsError(SrsProblem.FORGED)

    @staticmethod
    def _hash(secret: bytes, *parts: str) -> str:
        # In lower case, since servers on the way may change the case of an address.
        text = "\0".join(parts).lower().encode("utf-8", "surrogatepass")
        digest = hmac.new(secret, b"kurir srs\0%d\0" % len(parts) + text, hashlib.sha256).digest()
        return base64.b32encode(digest)[:_HASH].decode().lower()


def _stamp(day: int) -> str:
    day %= _CYCLE
    return _DIGITS[day >> 5] + _DIGITS[day & 31]


def _day(stamp: str) -> int:
    stamp = stamp.lower()
    return _DIGITS.index(stamp[0]) << 5 | _DIGITS.index(stamp[1])
