"""What an authority refuses, in its own words and ours."""

from collections.abc import Mapping
from typing import Any

from kurir.model.told import told

_PREFIX = "urn:ietf:params:acme:error:"
_SHOWN = 400  # characters of what an authority says


class AcmeError(Exception):
    """No certificate was had; the text says why.

    `kind` is the authority's error type without its prefix ("rateLimited", "caa", ...; RFC 8555 section 6.7), or "" where
    it did not say; `retry_after` are seconds that it wants to be left alone for.
    """

    def __init__(self, text: str, kind: str = "", retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.kind = kind
        self.retry_after = retry_after


def kind_of(problem: Mapping[str, Any]) -> str:
    """Return the type of a problem document (RFC 7807) without ACME's prefix."""
    kind = problem.get("type")
    return kind.removeprefix(_PREFIX) if isinstance(kind, str) else ""


def words_of(problem: Mapping[str, Any]) -> str:
    """Return what a problem document says, the subproblems with their names (RFC 8555 section 6.7.1)."""
    parts = [_text(problem)]
    subproblems = problem.get("subproblems")
    for sub in subproblems if isinstance(subproblems, list) else ():
        if isinstance(sub, dict):
            identifier = sub.get("identifier")
            name = identifier.get("value") if isinstance(identifier, dict) else None
            parts.append(f"{name}: {_text(sub)}" if name else _text(sub))
    return _clean("; ".join(p for p in parts if p))


def _text(problem: Mapping[str, Any]) -> str:
    return str(problem.get("detail") or problem.get("title") or kind_of(problem))


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:_SHOWN]


def refused(what: str, status: int, problem: Mapping[str, Any], retry_after: float = 0.0) -> AcmeError:
    """Return the error for an answer that is none of the expected ones; `what` is where it was said."""
    words = words_of(problem)
    return AcmeError(
        told("the authority refuses ({what}, {status}): {why}", what=what, status=status, why=words or "?"),
        kind_of(problem),
        retry_after,
    )
