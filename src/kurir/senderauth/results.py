"""The Authentication-Results field: written, read, and removed where it poses as ours (RFC 8601).

One field of ours stands on top of a message; whoever reads the message trusts exactly that.  So a field that came
in with our id is cut out before (section 5), and one whose id cannot be read too.  Writing washes every value that a
peer chose; reading is bounded and linear, and keeps what it understood up to the first mistake.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .dmarc import DmarcVerdict
from .iprev import ReverseVerdict
from .spf import SpfIdentity, SpfVerdict

NAME = "Authentication-Results"
MAX_OCTETS = 32 * 1024  # of one field that is read
MAX_RESULTS = 100  # of one field that are kept
MAX_DEPTH = 8  # of comments in comments
MAX_VALUE = 255  # characters of a value that is written

_TOKEN = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]++")  # RFC 2045 section 5.1
# A token, or "[local-part]@domain-name"; anything else, an IPv6 address too, stands in quotes (RFC 8601 section 2.2).
_PLAIN_VALUE = re.compile(rf"{_TOKEN.pattern}|(?:{_TOKEN.pattern})?@[0-9A-Za-z._-]++")
_KEYWORD = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One ``method=result``: `properties` as ``(("smtp.mailfrom", "a@b"), ...)``, `comment` for people only."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    comment: str = ""

    def get(self, name: str) -> str | None:
        """Return the first property of that name (without case), or None."""
        return next((value for key, value in self.properties if key == name.lower()), None)


@dataclass(frozen=True, slots=True)
class AuthResults:
    """One field as read.  `problem` says in words where reading stopped, ``""`` where it is sound."""

    authserv_id: str
    results: tuple[MethodResult, ...] = ()
    problem: str = ""


def render_results(authserv_id: str, results: Iterable[MethodResult], *, utf8: bool = False) -> str:
    """Return the value of the field, folded by CRLF and tab between results, without a line end.

    `utf8` allows characters beyond ASCII (RFC 8616, for SMTPUTF8 mail).  No value can end the line, open a
    comment or start another result.
    """
    parts = [_wash(authserv_id, utf8=utf8) if _is_token(authserv_id) else _quoted(authserv_id, utf8=utf8)]
    parts.extend(_render_one(result, utf8=utf8) for result in results)
    return ";\r\n\t".join(parts if len(parts) > 1 else [*parts, "none"])


def results_field(authserv_id: str, results: Iterable[MethodResult], *, utf8: bool = False) -> bytes:
    """Return the whole field with its CRLF."""
    return f"{NAME}: {render_results(authserv_id, results, utf8=utf8)}\r\n".encode()


def _render_one(result: MethodResult, *, utf8: bool) -> str:
    text = f"{_keyword(result.method)}={_keyword(result.result)}"
    if result.comment:
        text += f" ({_comment(result.comment, utf8=utf8)})"
    if result.reason:
        text += f" reason={_quoted(result.reason, utf8=utf8)}"
    for name, value in result.properties:
        ptype, _, prop = name.partition(".")
        text += f"\r\n\t {_keyword(ptype)}.{_keyword(prop)}={_value(value, utf8=utf8)}"
    return text


def _is_token(text: str) -> bool:
    return len(text) <= MAX_VALUE and _TOKEN.fullmatch(text) is not None


def _keyword(text: str) -> str:
    return text if _KEYWORD.fullmatch(text) else "unknown"


def _wash(text: str, *, utf8: bool) -> str:
    text = text[:MAX_VALUE]
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() and (utf8 or c.isascii()) else "?" for c in text)


def _quoted(text: str, *, utf8: bool) -> str:
    escaped = _wash(text, utf8=utf8).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _comment(text: str, *, utf8: bool) -> str:
    return _wash(text, utf8=utf8).replace("\\", "?").replace("(", "[").replace(")", "]")


def _value(text: str, *, utf8: bool) -> str:
    plain = len(text) <= MAX_VALUE and _PLAIN_VALUE.fullmatch(text)
    return text if plain else _quoted(text, utf8=utf8)


# What the checks of this room say in the field.


def of_spf(verdict: SpfVerdict) -> MethodResult:
    """Return the ``spf`` result (RFC 8601 section 2.7.2)."""
    name = "smtp.helo" if verdict.identity is SpfIdentity.HELO else "smtp.mailfrom"
    value = verdict.domain if verdict.identity is SpfIdentity.HELO else verdict.sender
    comment = verdict.mechanism or verdict.reason.value.replace("_", " ")
    return MethodResult("spf", verdict.result.value, ((name, value),), comment=comment)


def of_dmarc(verdict: DmarcVerdict) -> MethodResult:
    """Return the ``dmarc`` result (RFC 9989 section 9), with the policy, what is done, and why that differs, as a comment."""
    done = [
        f"p={verdict.policy.value} dis={verdict.disposition.value}",
        *(o.type.value for o in verdict.overrides),
    ]
    comment = " ".join(done) if verdict.record else ""
    properties = (("header.from", verdict.author),) if verdict.author else ()
    return MethodResult("dmarc", verdict.result.value, properties, comment=comment)


def of_reverse(verdict: ReverseVerdict) -> MethodResult:
    """Return the ``iprev`` result (RFC 8601 section 2.7.3)."""
    return MethodResult(
        "iprev", verdict.result, (("policy.iprev", verdict.client),), comment=verdict.name or "no proven name"
    )


# Reading.

_CFWS = re.compile(r"[ \t\r\n]*+")
_IN_COMMENT = re.compile(r"[^()\\]*+(?:(\()|(\))|\\.)", re.DOTALL)
_QUOTED_STRING = re.compile(r'"((?:[^"\\\r\n]|\\[^\r\n]|\r?\n[ \t])*+)"')
_ATOM = re.compile(r"[^\s;=/()\"\\]++")
_PVALUE = re.compile(r"[^\s;()\"]++")  # wider than the grammar: b= and paths with "/" and "=" are common


def parse_results(value: bytes) -> AuthResults:
    """Read the value of one field, folded or not.  Never raises."""
    if len(value) > MAX_OCTETS:
        return AuthResults("", problem=f"longer than {MAX_OCTETS} octets")
    reader = _Reader(value.decode("utf-8", "replace"))
    try:
        reader.read()
    except _Unreadable as e:
        return AuthResults(reader.authserv_id, tuple(reader.results), str(e))
    return AuthResults(reader.authserv_id, tuple(reader.results))


class _Unreadable(Exception):
    pass


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._comment = ""
        self.authserv_id = ""
        self.results: list[MethodResult] = []

    def read(self) -> None:
        self._blank()
        authserv_id = self._word(_ATOM)
        self._blank()
        if self._peek() in ("=", "/"):
            raise _Unreadable("the id of the server is missing")
        self.authserv_id = authserv_id
        if self._peek() not in (";", ""):
            self._word(_ATOM)  # the version
            self._blank()
        while self._peek():
            self._sign(";")
            self._blank()
            if not self._peek():
                break  # an empty last part is common
            if len(self.results) >= MAX_RESULTS:
                raise _Unreadable(f"more than {MAX_RESULTS} results")
            result = self._result()
            if result is not None:
                self.results.append(result)

    def _result(self) -> MethodResult | None:
        method = self._word(_ATOM).lower()
        self._blank()
        if method == "none" and self._peek() in (";", ""):
            return None
        if self._peek() == "/":
            self._sign("/")
            self._blank()
            self._word(_ATOM)
            self._blank()
        self._sign("=")
        self._blank()
        outcome = self._word(_ATOM).lower()
        self._comment = ""
        self._blank()
        comment = self._comment
        properties: list[tuple[str, str]] = []
        reason = ""
        while self._peek() not in (";", ""):
            name = self._property()
            self._sign("=")
            self._blank()
            value = self._word(_PVALUE)
            if name != "reason":
                if self._peek() == "@":  # a quoted local part
                    value += self._word(_PVALUE)
                properties.append((name, value))
            else:
                reason = value
            self._blank()
        return MethodResult(method, outcome, tuple(properties), reason, comment)

    def _property(self) -> str:
        """Read ``ptype.property``; blanks and comments may stand around the dot (RFC 8601 section 2.2)."""
        name = self._word(_ATOM).lower()
        self._blank()
        while name.endswith(".") or self._peek() == ".":
            name += self._word(_ATOM).lower()
            self._blank()
        return name

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _sign(self, sign: str) -> None:
        if self._peek() != sign:
            raise _Unreadable(f"{sign!r} expected at {self._text[self._at : self._at + 40]!r}")
        self._at += 1

    def _word(self, plain: re.Pattern[str]) -> str:
        m = _QUOTED_STRING.match(self._text, self._at)
        if m:
            self._at = m.end()
            return re.sub(r"\\(.)", r"\1", re.sub(r"\r?\n", "", m[1]))
        m = plain.match(self._text, self._at)
        if not m:
            raise _Unreadable(f"a word expected at {self._text[self._at : self._at + 40]!r}")
        self._at = m.end()
        return m[0]

    def _blank(self) -> None:
        """Skip blanks and comments; the last comment is remembered."""
        while True:
            m = _CFWS.match(self._text, self._at)
            assert m is not None  # it may be empty
            self._at = m.end()
            if self._peek() != "(":
                return
            start = self._at + 1
            self._at, depth = start, 1
            while depth:
                m = _IN_COMMENT.match(self._text, self._at)
                if m is None:
                    raise _Unreadable("a comment without its end")
                self._at = m.end()
                depth += 1 if m[1] else -1 if m[2] else 0
                if depth > MAX_DEPTH:
                    raise _Unreadable("comments nested too deep")
            self._comment = self._text[start : self._at - 1]


# Removing what poses as ours.

# RFC 5322 section 4.5 lets old software put blanks before the colon, and some readers overlook folds and octets that
# are not printed there: they find such a field, so do we.
_NAME = NAME.lower().encode()
_FIELD = re.compile(
    rb"Authentication-Results(?:[\x00-\x09\x0b-\x20\x7f-\xff]|\n[ \t])*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)",
    re.IGNORECASE,
)


def posing_spans(
    head: bytes, ours: Collection[str], header_end: int | None = None
) -> tuple[tuple[int, int], ...]:
    """Return the spans of the fields in `head` that must go, in order: those with one of our ids.

    `ours` are our authserv-ids, in any case; `header_end` where the body proper begins (as `scan` says).  A field
    whose id cannot be read goes too: somebody else might read ours in it.  The spans are complete fields with
    their line ends, as `kurir.message.Edits.cuts` wants them.
    """
    own = {name.lower().rstrip(".") for name in ours}
    end = len(head) if header_end is None else header_end
    lowered = head[:end].lower()
    spans: list[tuple[int, int]] = []
    at = lowered.find(_NAME)
    while at >= 0:
        m = _FIELD.match(head, at, end) if at == 0 or lowered[at - 1] == 0x0A else None
        if m:
            name = parse_results(m[1]).authserv_id.lower().rstrip(".")
            if not name or name in own:
                spans.append(m.span())
        at = lowered.find(_NAME, m.end() if m else at + len(_NAME))
    return tuple(spans)
