"""What a reply says of a limit: "20 messages per hour", "too many recipients (max 50)".  Words to figures, nothing else.

Only replies that refuse because of a limit are to be asked (the classifier knows which); time is linear in the first
`MAX_TEXT` characters.  What is not clearly a figure of a limit is no figure.
"""

import re
from collections.abc import Iterator

from .limit import Per, Unit

MAX_TEXT = 1000
Said = tuple[Unit, Per, int]

_UNITS = r"(?P<unit>recipients?|rcpts?|messages?|e-?mails?|mails?|connections?|sessions?)"
_PERIODS = r"(?P<per>second|minute|hour|day|24 hours|month|message|mail|transaction|connection|session)s?\b"
_PER = r" ?(?:/|per|every|each|an?|(?:with)?in (?:an?|one|any|every)) ?"
_NUMBER = r"(?P<n>\d{1,3}(?:,\d{3})+|\d{1,9})(?![\d.]\d)"
_IS = r"(?: limit)?(?: is| of|:|=)? ?[(\[]?(?:\d{1,9}/)?"
# In order of trust; what an earlier one has found is not asked again.
_PATTERNS = tuple(
    re.compile(p)
    for p in (
        rf"(?<![\d.]){_NUMBER} {_UNITS}{_PER}{_PERIODS}",
        rf"{_UNITS}{_PER}{_PERIODS}{_IS}{_NUMBER}",
        rf"(?P<per>daily|hourly|monthly) (?:user )?(?:sending |message |e?mail |recipient )?(?:quota|limit){_IS}{_NUMBER}",
        rf"(?:max(?:imum)?|limit|at most|up to|only)(?: number)?(?: is| of|:|=)? ?{_NUMBER} (?:concurrent |simultaneous )?{_UNITS}",
        rf"too many (?:concurrent |simultaneous |open )?{_UNITS}.{{0,60}}?(?:max(?:imum)?|limit|at most|only)(?: is| of|:|=)? ?{_NUMBER}",
    )
)
_UNIT = {
    "r": Unit.RECIPIENTS,
    "m": Unit.MESSAGES,
    "e": Unit.MESSAGES,
    "c": Unit.CONNECTIONS,
    "s": Unit.CONNECTIONS,
}
_PERIOD = {
    "second": Per.SECOND, "minute": Per.MINUTE, "hour": Per.HOUR, "hourly": Per.HOUR, "day": Per.DAY, "daily": Per.DAY,
    "24 hours": Per.DAY, "month": Per.MONTH, "monthly": Per.MONTH, "message": Per.MESSAGE, "mail": Per.MESSAGE,
    "transaction": Per.MESSAGE, "connection": Per.CONNECTION, "session": Per.CONNECTION,
}  # fmt: skip
# Where no period is named: within what it is counted.
_BARE = {Unit.RECIPIENTS: Per.MESSAGE, Unit.CONNECTIONS: Per.ONCE}
_SENSE = {
    Per.MESSAGE: frozenset({Unit.RECIPIENTS}),
    Per.CONNECTION: frozenset({Unit.MESSAGES}),
    Per.ONCE: frozenset({Unit.CONNECTIONS}),
}
_IN_TIME = frozenset({Unit.MESSAGES, Unit.RECIPIENTS})


def limits_said(text: str) -> tuple[Said, ...]:
    """Return the limits that a refusing reply names, each kind once."""
    found: dict[tuple[Unit, Per], int] = {}
    for unit, per, value in _all(" ".join(text[:MAX_TEXT].lower().split())):
        if value > 0 and unit in _SENSE.get(per, _IN_TIME):
            found.setdefault((unit, per), value)
    return tuple((unit, per, value) for (unit, per), value in found.items())


def _all(words: str) -> Iterator[Said]:
    for pattern in _PATTERNS:
        for m in pattern.finditer(words):
            parts = m.groupdict()
            unit = _UNIT[(parts.get("unit") or "messages")[0]]
            per = _PERIOD[parts["per"]] if parts.get("per") else _BARE.get(unit)
            if per is not None:
                yield unit, per, int(m["n"].replace(",", ""))
        words = pattern.sub(";", words)  # the same words without their period would be another limit
