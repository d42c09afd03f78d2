"""A bounded parser of the address lists in From, Sender, To and Cc (RFC 5322 section 3.4).

One parser for policy and display, so that what a rule compared is what a person is shown.  It reads tokens from
left to right without recursion or backtracking; whatever could be read in two ways is a problem and yields no
address that a rule may trust ("Composition Kills", CVE-2019-16056, CVE-2023-27043): ``a@good)b@evil``,
``a@b@c``, ``a@good <b@evil>``, an address inside an encoded word.  The address itself is read by
`kurir.model.parse_address`, like the ones of the envelope.
"""

import re
from dataclasses import dataclass
from enum import Enum

from kurir.model import Address, AddressError, parse_address

from .headers import unfold
from .limits import AddressLimits
from .words import decode_text

_TOKEN = re.compile(
    r"([ \t\r\n]++)"  # 1 blank
    r'|("(?:[^"\\\0\n\r]|\\.)*+")'  # 2 quoted string
    r"|(\[[^\[\]\\\0\n\r]*+\])"  # 3 domain literal
    r"|([^\x00-\x20()<>\[\]:;@\\,\"\x7f]++)"  # 4 atom; dots are allowed, as in phrases of the obsolete syntax
    r"|([<>@,:;])"  # 5 special
    r"|(\()"  # 6 start of a comment
)
_IN_COMMENT = re.compile(r"[^()\\]*+(?:(\()|(\))|\\.|\Z)", re.DOTALL)

_DEFAULT = AddressLimits()


class AddressProblem(str, Enum):
    """Why a list of addresses cannot be trusted."""

    EMPTY = "no address"
    TOO_COMPLEX = "too long, too many addresses, or comments nested too deep"
    NOT_UTF8 = "octets that are not UTF-8"
    UNBALANCED = "a quote, a comment or an angle bracket without its other half"
    AMBIGUOUS = "can be read in more than one way"
    BAD_ADDRESS = "not a valid address"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address with the name shown beside it (decoded, harmless, may be empty)."""

    display: str
    address: Address


@dataclass(frozen=True, slots=True)
class MailboxList:
    """What a field says.  With a `problem`, `mailboxes` are those read before it and prove nothing.

    `detail` quotes the place; `groups` counts groups (``friends: a@b, c@d;``), whose members are in `mailboxes`.
    """

    mailboxes: tuple[Mailbox, ...]
    problem: AddressProblem | None = None
    detail: str = ""
    groups: int = 0

    @property
    def single(self) -> Mailbox | None:
        """The mailbox, where the field is sound and holds exactly one outside of any group."""
        ok = self.problem is None and not self.groups and len(self.mailboxes) == 1
        return self.mailboxes[0] if ok else None


def parse_mailboxes(value: bytes, limits: AddressLimits = _DEFAULT) -> MailboxList:
    """Parse the value of an address field, folded or not.  Never raises; time is linear in `limits.octets`."""
    if len(value) > limits.octets:
        return MailboxList((), AddressProblem.TOO_COMPLEX, f"{len(value)} octets")
    try:
        text = unfold(value).decode()
    except UnicodeDecodeError:
        return MailboxList((), AddressProblem.NOT_UTF8)
    reader = _Reader(limits)
    try:
        reader.read(text)
    except _Stop as stop:
        return MailboxList(tuple(reader.mailboxes), stop.problem, stop.detail[:80], reader.groups)
    if not reader.mailboxes and not reader.groups:
        return MailboxList((), AddressProblem.EMPTY)
    return MailboxList(tuple(reader.mailboxes), None, "", reader.groups)


class _Stop(Exception):
    def __init__(self, problem: AddressProblem, detail: str) -> None:
        super().__init__(problem, detail)
        self.problem = problem
        self.detail = detail


class _Reader:
    """Collects the tokens of one mailbox until a comma, a group's end or the end of the text.

    `_words` are the tokens since the last separator: ``(kind, text, blank before it)``.  `_angle` is what stood
    between angle brackets.  A blank or a comment splits tokens; it is allowed around an address, never in it.
    """

    def __init__(self, limits: AddressLimits) -> None:
        self._limits = limits
        self.mailboxes: list[Mailbox] = []
        self.groups = 0
        self._in_group = False
        self._words: list[tuple[str, str, bool]] = []
        self._comment = ""
        self._angle: str | None = None

    def read(self, text: str) -> None:
        at, size, blank = 0, len(text), False
        while at < size:
            m = _TOKEN.match(text, at)
            if m is None:
                bad = AddressProblem.UNBALANCED if text[at] in ')"[]' else AddressProblem.AMBIGUOUS
                raise _Stop(bad, text[at : at + 40])
            at = m.end()
            kind = m.lastindex
            if kind == 1:
                blank = True
            elif kind == 6:
                start = at
                at = self._skip_comment(text, at)
                self._comment = text[start : at - 1]
                blank = True
            elif kind == 5:
                at = self._special(m[0], text, at, blank=blank)
                blank = False
            else:
                if self._angle is not None:
                    raise _Stop(AddressProblem.AMBIGUOUS, f"text behind <...>: {m[0]}")
                self._words.append(
                    ("quoted" if kind == 2 else "literal" if kind == 3 else "atom", m[0], blank)
                )
                blank = False
        if self._in_group:
            raise _Stop(AddressProblem.UNBALANCED, "a group without its end")
        self._finish()

    def _skip_comment(self, text: str, at: int) -> int:
        depth = 1
        while depth:
            m = _IN_COMMENT.match(text, at)
            if m is None or m.end() == at:
                raise _Stop(AddressProblem.UNBALANCED, "a comment without its end")
            at = m.end()
            depth += 1 if m[1] else -1 if m[2] else 0
            if depth > self._limits.depth:
                raise _Stop(AddressProblem.TOO_COMPLEX, "comments nested too deep")
        return at

    def _special(self, char: str, text: str, at: int, *, blank: bool) -> int:
        if char == "@" and self._angle is None:
            self._words.append(("at", "@", blank))
        elif char == "<" and self._angle is None:
            close = text.find(">", at, at + 1_100)
            if text.startswith('"', at):  # a quoted local part may hold a ">"
                quoted = _TOKEN.match(text, at)
                close = text.find(">", quoted.end(), quoted.end() + 1_100) if quoted else -1
            if close < 0:
                raise _Stop(AddressProblem.UNBALANCED, text[at - 1 : at + 40])
            self._angle = text[at:close]
            return close + 1
        elif char == ",":
            self._finish()
        elif char == ":" and not self._in_group and self._angle is None and self._phrase_only():
            self._in_group = True
            self.groups += 1
            self._words = []
            if self.groups > self._limits.mailboxes:
                raise _Stop(AddressProblem.TOO_COMPLEX, "too many groups")
        elif char == ";" and self._in_group:
            self._finish()
            self._in_group = False
        else:
            raise _Stop(AddressProblem.AMBIGUOUS, text[at - 1 : at + 40])
        return at

    def _phrase_only(self) -> bool:
        return bool(self._words) and all(kind in ("atom", "quoted") for kind, _, _ in self._words)

    def _finish(self) -> None:
        words, angle, comment = self._words, self._angle, self._comment
        self._words, self._angle, self._comment = [], None, ""
        if not words and angle is None:
            return  # an empty element, which the obsolete syntax allows
        if len(self.mailboxes) >= self._limits.mailboxes:
            raise _Stop(AddressProblem.TOO_COMPLEX, f"more than {self._limits.mailboxes} addresses")
        joined = "".join(text for _, text, _ in words)
        if angle is None:
            if any(blank for _, _, blank in words[1:]):
                raise _Stop(AddressProblem.AMBIGUOUS, " ".join(text for _, text, _ in words))
            address, display = _address(joined), decode_text(comment.encode())
        else:
            # "a@b <a@b>" is common and harmless; with two different addresses readers disagree which one counts.
            if any(kind in ("at", "literal") for kind, _, _ in words) and joined != angle:
                raise _Stop(AddressProblem.AMBIGUOUS, f"{joined} <{angle}>")
            address, display = _address(angle.strip(" \t\r\n")), _display(words)
        self.mailboxes.append(Mailbox(display, address))


def _display(words: list[tuple[str, str, bool]]) -> str:
    parts: list[str] = []
    for kind, text, blank in words:
        shown = re.sub(r"\\(.)", r"\1", text[1:-1]) if kind == "quoted" else text
        parts.append((" " if blank and parts else "") + shown)
    return decode_text("".join(parts).encode())


def _address(text: str) -> Address:
    if "=?" in text and "?=" in text:
        # RFC 2047 section 5 (3): never inside an address; some readers decode it all the same.
        raise _Stop(AddressProblem.AMBIGUOUS, text)
    if text.startswith("@"):
        # A route (RFC 5322 section 4.4, obsolete): some readers show its first host as the author's.
        raise _Stop(AddressProblem.AMBIGUOUS, text)
    try:
        return parse_address(text)
    except AddressError as e:
        problem = AddressProblem.AMBIGUOUS if text.count("@") > 1 else AddressProblem.BAD_ADDRESS
        raise _Stop(problem, str(e)) from None
