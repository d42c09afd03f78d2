"""What a message is made of, and what the roads it may take need to know: 8-bit octets, long lines, bare line breaks.

One pass over chunks, each question answered by a search at C speed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Flag

from .headers import has_long_line
from .limits import MAX_LINE, MimeLimits
from .mime import UNSCANNABLE, Entity, MimeParser, MimeProblem, Role


class Trait(Flag):
    """What occurs in some octets."""

    EIGHT_BIT = 1
    LONG_LINE = 2  # above 998 octets
    NUL = 4
    BARE_BREAK = 8  # a CR or LF that is not part of CR LF

    @property
    def binary(self) -> bool:
        """Whether it may only travel as BINARYMIME (RFC 3030)."""
        return bool(self & (Trait.NUL | Trait.BARE_BREAK))


NOTHING = Trait(0)


@dataclass(slots=True)
class TraitCounter:
    """Finds traits in a text given in pieces."""

    traits: Trait = NOTHING
    _line: int = 0  # octets of the unfinished line
    _cr: bool = False  # the piece before ended with CR

    def feed(self, data: bytes) -> None:
        """Look at the next piece."""
        if not data.isascii():
            self.traits |= Trait.EIGHT_BIT
        if b"\0" in data:
            self.traits |= Trait.NUL
        pairs = data.count(b"\r\n") + (self._cr and data.startswith(b"\n"))
        returns = data.count(b"\r") + self._cr
        self._cr = data.endswith(b"\r")
        if data.count(b"\n") != pairs or returns - self._cr != pairs:
            self.traits |= Trait.BARE_BREAK
        first = data.find(b"\n")
        if first < 0:
            self._line += len(data)
        else:
            if self._line + first > MAX_LINE + 1 or has_long_line(data):
                self.traits |= Trait.LONG_LINE
            self._line = len(data) - data.rfind(b"\n") - 1
        if self._line > MAX_LINE + 1:
            self.traits |= Trait.LONG_LINE

    def close(self) -> Trait:
        """Return all traits; the text has ended."""
        if self._cr:
            self.traits |= Trait.BARE_BREAK
        if self._line > MAX_LINE:
            self.traits |= Trait.LONG_LINE
        return self.traits


@dataclass(frozen=True, slots=True)
class Structure:
    """The entities of a message with the traits of their headers, of their own content, and of the frame."""

    parts: tuple[Entity, ...]
    headers: tuple[Trait, ...]
    contents: tuple[Trait, ...]
    frame: Trait
    problems: MimeProblem

    @property
    def traits(self) -> Trait:
        """All traits that occur anywhere."""
        found = self.frame
        for trait in self.headers + self.contents:
            found |= trait
        return found

    @property
    def unscannable(self) -> bool:
        """Whether a part of it could not be looked into."""
        return bool(self.problems & UNSCANNABLE)

    @property
    def eight_bit_headers(self) -> bool:
        """Whether a header needs SMTPUTF8: no conversion helps there."""
        return any(trait & Trait.EIGHT_BIT for trait in self.headers)

    def needs_conversion(self, *, long_lines: bool = False) -> bool:
        """Whether a next hop without 8BITMIME (and, if asked, a strict one about lines) needs a derived body."""
        bad = Trait.EIGHT_BIT | Trait.NUL | Trait.BARE_BREAK
        bad |= Trait.LONG_LINE if long_lines else NOTHING
        found = self.frame
        for trait in self.contents:
            found |= trait
        return bool(found & bad)

    def inside(self, index: int, content_type: bytes) -> bool:
        """Whether the entity stands, at any depth, in one of that type."""
        parent = self.parts[index].parent
        while parent >= 0:
            if self.parts[parent].content_type == content_type:
                return True
            parent = self.parts[parent].parent
        return False


@dataclass(slots=True)
class Surveyor:
    """Feed it a message in chunks; `close` tells what it is made of."""

    limits: MimeLimits = field(default_factory=MimeLimits)
    _parser: MimeParser = field(init=False)
    _headers: dict[int, TraitCounter] = field(default_factory=dict, init=False)
    _contents: dict[int, TraitCounter] = field(default_factory=dict, init=False)
    _frame: TraitCounter = field(default_factory=TraitCounter, init=False)

    def __post_init__(self) -> None:
        self._parser = MimeParser(self.limits)

    def feed(self, data: bytes) -> None:
        """Look at the next chunk."""
        for role, octets, part in self._parser.feed(data):
            self._note(role, octets, part)

    def close(self) -> Structure:
        """Return what the message is made of."""
        for role, octets, part in self._parser.close():
            self._note(role, octets, part)
        parts = tuple(self._parser.parts)
        return Structure(
            parts,
            tuple(self._closed(self._headers, part.index) for part in parts),
            tuple(self._closed(self._contents, part.index) for part in parts),
            self._frame.close(),
            self._parser.problems,
        )

    def _note(self, role: Role, octets: bytes, part: int) -> None:
        if role is Role.FRAME:
            self._frame.feed(octets)
        else:
            counters = self._headers if role is Role.HEADER else self._contents
            counters.setdefault(part, TraitCounter()).feed(octets)

    @staticmethod
    def _closed(counters: dict[int, TraitCounter], part: int) -> Trait:
        counter = counters.get(part)
        return counter.close() if counter else NOTHING


def survey(chunks: bytes | Iterable[bytes], limits: MimeLimits | None = None) -> Structure:
    """Return what a message, given whole or in chunks, is made of.  Never raises."""
    surveyor = Surveyor(limits or MimeLimits())
    for chunk in (chunks,) if isinstance(chunks, bytes) else chunks:
        surveyor.feed(chunk)
    return surveyor.close()
