"""The public suffix list as a second opinion on organizational domains (publicsuffix.org/list, its format and algorithm).

RFC 9989 finds organizational domains in the DNS.  Where the DNS does not answer, the list still does.  Its text is
a parameter (Debian keeps it at /usr/share/publicsuffix/public_suffix_list.dat); an instance of the library
`publicsuffixlist` fits `SuffixList` too.
"""

from collections.abc import Iterable
from typing import Protocol

import idna

MAX_RULES = 100_000  # the list has about 10,000


class SuffixList(Protocol):
    """Something that knows under which names anybody can register."""

    def privatesuffix(self, domain: str) -> str | None:
        """Return the part of `domain` that somebody registered, None where it is a public suffix itself."""
        ...


class PublicSuffixes:
    """The rules of one list, in A-labels."""

    __slots__ = ("_exceptions", "_rules", "_wildcards")

    def __init__(self, lines: Iterable[str]) -> None:
        """Read the lines of the list; those that are no rule are passed over."""
        self._rules: set[str] = set()
        self._wildcards: set[str] = set()
        self._exceptions: set[str] = set()
        for count, line in enumerate(lines):
            if count >= MAX_RULES:
                break
            text = line.split(maxsplit=1)[0] if line.strip() else ""
            if not text or text.startswith("//"):
                continue
            kind, name = self._rules, text
            if text.startswith("!"):
                kind, name = self._exceptions, text[1:]
            elif text.startswith("*."):
                kind, name = self._wildcards, text[2:]
            label = _ascii(name.strip("."))
            if label:
                kind.add(label)

    def __len__(self) -> int:
        return len(self._rules) + len(self._wildcards) + len(self._exceptions)

    def publicsuffix(self, domain: str) -> str:
        """Return the longest public suffix of `domain` (lower-case A-labels); an unknown top level is one."""
        labels = domain.split(".")
        for at in range(len(labels)):
            name = ".".join(labels[at:])
            if name in self._exceptions:
                return ".".join(labels[at + 1 :])
            if name in self._rules or (
                at + 1 < len(labels) and ".".join(labels[at + 1 :]) in self._wildcards
            ):
                return name
        return labels[-1]

    def privatesuffix(self, domain: str) -> str | None:
        """Return the public suffix of `domain` and one label more; None where there is no such label."""
        domain = domain.strip(".").lower()
        if not domain or domain.startswith("[") or len(domain) > 255:
            return None
        labels = domain.split(".")
        suffix = self.publicsuffix(domain).count(".") + 1
        return ".".join(labels[-suffix - 1 :]) if len(labels) > suffix else None


def _ascii(name: str) -> str:
    if name.isascii():
        return name.lower()
    try:
        return idna.encode(name.lower(), uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""
