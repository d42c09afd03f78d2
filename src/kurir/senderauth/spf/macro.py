"""SPF macros: parsed once, strictly, then expanded (RFC 7208 section 7).

A macro string is read into literals and `Macro`s.  What is wrong with it is a `MacroError` at parsing, so that
expanding cannot fail.  Time is linear in the length of the text.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

MAX_NAME = 253  # section 7.3: a longer name loses labels on its left

_TOKEN = re.compile(
    r"%\{([A-Za-z])([0-9]*+)([rR]?)([.\-+,/_=]*+)\}"  # 1-4 a macro
    r"|%([%_-])"  # 5 an escape
    r"|([!-$&-~]++)"  # 6 literal text
    r"|([ ]++)"  # 7 blanks, in explanations only
)
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_IN_NAMES = frozenset("slodiphv")
_IN_EXPLANATIONS = _IN_NAMES | frozenset("crt")
_NOT_UNRESERVED = re.compile(rb"[^A-Za-z0-9._~-]")  # RFC 3986 section 2.3


class MacroError(ValueError):
    """The text breaks the grammar of RFC 7208 section 7.1; the message quotes the place."""


class Macro(NamedTuple):
    """One ``%{...}``: its letter, how many right-hand parts stay (0 all), and how the value is split."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str
    escape: bool


MacroString = tuple[str | Macro, ...]


def parse_macros(text: str, *, explanation: bool = False) -> MacroString:
    """Parse `text` as a macro-string, or as an explain-string, where blanks and the letters c, r, t are allowed.

    Raises `MacroError`.
    """
    return tuple(part for part, _ in _parts(text, explanation=explanation))


def parse_domain_spec(text: str) -> MacroString:
    """Parse `text` as a domain-spec: a macro-string that ends with a macro or with a top label.

    Raises `MacroError`.
    """
    parts = _parts(text, explanation=False)
    if not parts:
        raise MacroError("a domain name is missing")
    last, expanded = parts[-1]
    if not expanded and isinstance(last, str) and not _ends_with_top_label(last):
        raise MacroError(f"{_quote(text)} does not end like a domain name")
    return tuple(part for part, _ in parts)


def _parts(text: str, *, explanation: bool) -> list[tuple[str | Macro, bool]]:
    """The parts of `text`, each with whether it came from a macro-expand."""
    parts: list[tuple[str | Macro, bool]] = []
    at = 0
    while at < len(text):
        m = _TOKEN.match(text, at)
        if m is None or (m.lastindex == 7 and not explanation):
            raise MacroError(f"{_quote(text[at:])} is not allowed here")
        at = m.end()
        if m.lastindex == 5:
            parts.append((_ESCAPES[m[5]], True))
        elif m[1]:
            parts.append((_macro(m, _IN_EXPLANATIONS if explanation else _IN_NAMES), True))
        else:
            parts.append((m[0], False))
    return parts


def _macro(m: re.Match[str], allowed: frozenset[str]) -> Macro:
    letter, digits = m[1].lower(), m[2].lstrip("0")
    if letter not in allowed:
        raise MacroError(f"{_quote(m[0])} is no macro of SPF, or not allowed here")
    if m[2] and not digits:
        raise MacroError(f"{_quote(m[0])} keeps no part at all")
    # No value has a thousand parts: a longer number means "all".
    keep = int(digits) if digits and len(digits) < 4 else 0
    return Macro(letter, keep, bool(m[3]), m[4] or ".", m[1].isupper())


def _ends_with_top_label(text: str) -> bool:
    _, dot, label = text.removesuffix(".").rpartition(".")
    if not dot or not label:
        return False
    plain = label.replace("-", "")
    return plain.isalnum() and label[0] != "-" and label[-1] != "-" and ("-" in label or not label.isdigit())


def expand(parts: MacroString, values: Mapping[str, str]) -> str:
    """Expand `parts` with the value of each letter (lower case)."""
    return "".join(part if isinstance(part, str) else _expand_one(part, values) for part in parts)


def expand_name(parts: MacroString, values: Mapping[str, str]) -> str:
    """Expand `parts` to a domain name without its last dot, cut from the left to 253 octets."""
    name = expand(parts, values).removesuffix(".")
    excess = len(name) - MAX_NAME
    # Where no dot follows, it is one monstrous label: no such name can exist, and it stays as it is.
    return name[name.find(".", excess - 1) + 1 :] if excess > 0 else name


def letters(parts: MacroString) -> frozenset[str]:
    """The macro letters that expanding `parts` needs."""
    return frozenset(part.letter for part in parts if isinstance(part, Macro))


def _expand_one(macro: Macro, values: Mapping[str, str]) -> str:
    value = values[macro.letter]
    if macro.keep or macro.reverse or macro.delimiters != ".":
        pieces = re.split(f"[{re.escape(macro.delimiters)}]", value)
        if macro.reverse:
            pieces.reverse()
        value = ".".join(pieces[-macro.keep :] if macro.keep else pieces)
    if macro.escape:
        escaped = _NOT_UNRESERVED.sub(lambda m: b"%%%02X" % m[0][0], value.encode("utf-8", "replace"))
        value = escaped.decode("ascii")
    return value


def _quote(text: str) -> str:
    return repr(text[:40])
