"""Which part an address plays, read from its local part; `rolebook` lists the same grammar for people.

    code-<CCC>[-<E.N.N>][-<step>]   answers that reply            step: connect mail rcpt data body; rcpt if not said
    defer-<N>                       451 to the first N attempts of a message, then accepts
    hang|drop|garbage|half[-<step>] no answer | cuts off | nonsense | half a reply, then cuts off
    slow-<N>s[-<step>]              answers as usual after N seconds
    bounce-later[-<N>s]             accepts, and sends a bounce N seconds later
    notls, brokentls                STARTTLS is not offered | its handshake breaks

The recipient is known only at RCPT.  Parts that begin before are chosen by the domain, ``<part>.test``, where a
door of their own stands for each (`EARLY_PARTS`).  Whatever is no part captures.  Pure.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

from kurir.model import Address, Reply

MAX_SECONDS = 600.0  # of slowness, and until a bounce
MAX_DEFERRALS = 100
BOUNCE_SECONDS = 5.0
EARLY_SUFFIX = ".test"  # reserved for this purpose (RFC 6761 section 6.2)


class Step(str, Enum):
    """Where in the session a part is played: at the banner, a command, the 354, or after the final dot."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"


class Act(str, Enum):
    """What is done there."""

    ANSWER = "answer"
    DEFER = "defer"
    HANG = "hang"
    DROP = "drop"
    GARBAGE = "garbage"
    HALF = "half"
    SLOW = "slow"
    BOUNCE = "bounce"
    NO_TLS = "notls"
    BROKEN_TLS = "brokentls"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `act` at `step`; with its `reply`, its number of deferrals `count`, or its `seconds`."""

    name: str
    act: Act
    step: Step
    reply: Reply | None = None
    count: int = 0
    seconds: float = 0.0

    @property
    def late(self) -> bool:
        """Whether it concerns the whole transaction (after RCPT), so that others must not share it."""
        return self.step in (Step.DATA, Step.BODY)

    @property
    def early(self) -> bool:
        """Whether it begins before the recipient is known."""
        return self.step in (Step.CONNECT, Step.MAIL) or self.act in (Act.NO_TLS, Act.BROKEN_TLS)


# Parts that have a door of their own: mail to any address at <part>.test is to be sent through it.
EARLY_PARTS = (
    "connect-421",
    "connect-554",
    "hang-connect",
    "drop-connect",
    "garbage-connect",
    "half-connect",
    "mail-451",
    "mail-550",
    "hang-mail",
    "drop-mail",
    "notls",
    "brokentls",
)

_STEP = "(?:-(connect|mail|rcpt|data|body))?"
# What real servers mostly mean by a bare code: (enhanced code, words) where the address names none.
_USUAL = {
    421: ("4.3.2", "service not available, try again later"),
    450: ("4.2.1", "mailbox busy, try again later"),
    451: ("4.3.0", "temporary local problem, try again later"),
    452: ("4.2.2", "mailbox full"),
    550: ("5.1.1", "no such mailbox"),
    551: ("5.1.6", "the mailbox has moved"),
    552: ("5.3.4", "message too large"),
    553: ("5.1.3", "mailbox name not allowed"),
    554: ("5.7.1", "refused by policy"),
}
_SENTENCES = {4: "try again later", 5: "refused for good"}


def _code(m: re.Match[str]) -> Part | None:
    return _answer(m[0], m[1], m[2], Step(m[3] or "rcpt"))


def _early_code(m: re.Match[str]) -> Part | None:
    return _answer(m[0], m[2], None, Step(m[1]))


def _answer(name: str, digits: str, enhanced: str | None, step: Step) -> Part | None:
    if enhanced is not None and enhanced[0] != digits[0]:
        return None
    code = int(digits)
    usual, words = _USUAL.get(code, (None, _SENTENCES[code // 100]))
    if enhanced is not None:
        usual, words = enhanced, _SENTENCES[code // 100]
    return Part(name, Act.ANSWER, step, Reply.of(code, usual, f"The sandbox plays {name}: {words}"))


def _defer(m: re.Match[str]) -> Part | None:
    count = int(m[1])
    if not 1 <= count <= MAX_DEFERRALS:
        return None
    reply = Reply.of(451, "4.7.1", f"The sandbox plays {m[0]}: try again later")
    return Part(m[0], Act.DEFER, Step.BODY, reply, count)


def _mishap(m: re.Match[str]) -> Part | None:
    return Part(m[0], Act(m[1]), Step(m[2] or "rcpt"))


def _slow(m: re.Match[str]) -> Part | None:
    seconds = float(m[1])
    return Part(m[0], Act.SLOW, Step(m[2] or "rcpt"), seconds=seconds) if seconds <= MAX_SECONDS else None


def _bounce(m: re.Match[str]) -> Part | None:
    seconds = float(m[1]) if m[1] else BOUNCE_SECONDS
    return Part(m[0], Act.BOUNCE, Step.BODY, seconds=seconds) if seconds <= MAX_SECONDS else None


def _tls(m: re.Match[str]) -> Part | None:
    return Part(m[0], Act(m[1]), Step.CONNECT)


_GRAMMAR: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Part | None]], ...] = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        (r"code-([45][0-9]{2})(?:-([45]\.[0-9]{1,3}\.[0-9]{1,3}))?" + _STEP, _code),
        (r"(connect|mail)-([45][0-9]{2})", _early_code),
        (r"defer-([0-9]{1,3})", _defer),
        (r"(hang|drop|garbage|half)" + _STEP, _mishap),
        (r"slow-([0-9]{1,3})s" + _STEP, _slow),
        (r"bounce-later(?:-([0-9]{1,3})s)?", _bounce),
        (r"(notls|brokentls)", _tls),
    )
)


def parse_part(text: str) -> Part | None:
    """Return the part that a local part (or the label in front of ``.test``) names, None where it names none.

    Case does not matter; what follows a ``+`` is left out, so that one part can have many addresses.
    """
    text = text.lower().partition("+")[0]
    for pattern, make in _GRAMMAR:
        m = pattern.fullmatch(text)
        if m:
            return make(m)
    return None


def part_of(address: Address) -> Part | None:
    """Return the part of a recipient: its local part decides, else its domain where that is ``<part>.test``."""
    part = parse_part(address.local)
    if part is None and address.domain.endswith(EARLY_SUFFIX):
        part = parse_part(address.domain.removesuffix(EARLY_SUFFIX))
    return part


_WORDS = ("code", "defer", "hang", "drop", "garbage", "half", "slow", "bounce", "later", "notls", "brokentls",
          *(step.value for step in Step))  # fmt: skip
_EXAMPLES = {
    "code": "code-550-rcpt",
    "defer": "defer-3",
    "slow": "slow-5s",
}  # parts that need more than their name
_LIKENESS = 0.7  # of two words, as difflib counts it
_LONG_LIKENESS = 0.85  # of an address that is one word: "hank" is a name


def near_part(address: Address) -> Address | None:
    """Return the part that a recipient was probably meant to play where it plays none: ``defr-2`` is ``defer-2``.

    None where it plays one, or looks like an ordinary address.
    """
    if part_of(address) is not None:
        return None
    local = _corrected(address.local)
    if local is not None:
        return Address(local, address.domain)
    if address.domain.endswith(EARLY_SUFFIX):
        label = address.domain.removesuffix(EARLY_SUFFIX)
        close = get_close_matches(label, EARLY_PARTS, 1, _LIKENESS)
        return Address(address.local, close[0] + EARLY_SUFFIX) if close else None
    return None


def _corrected(local: str) -> str | None:
    text = re.sub(r"^([a-z]+)[ _.]?(?=[0-9])", r"\1-", local.lower().partition("+")[0].replace("_", "-"))
    words = text.split("-")
    likeness = _LIKENESS if len(words) > 1 else _LONG_LIKENESS
    right = [(get_close_matches(w, _WORDS, 1, likeness) or [w])[0] if w.isalpha() else w for w in words]
    corrected = "-".join(right)
    if parse_part(corrected) is not None:
        return corrected
    return _EXAMPLES.get(right[0]) if len(words) > 1 or words[0] in _EXAMPLES else None
