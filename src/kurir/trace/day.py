"""A day of one account: what was sent, what arrived, what waits and why, what came back, and when the rest goes.

`summarise` is pure arithmetic over timelines; `day_text` tells it, on a terminal and in the morning's mail alike.
"""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, tzinfo

import msgspec

from kurir.model import Fate, LimitFacts, encode_id

from .alike import alike
from .explain import Catalogue, Lang, units
from .telling import Teller
from .timeline import RecipientStory, State, Timeline

_ARRIVED = frozenset({Fate.DELIVERED, Fate.HANDED_OVER, Fate.CAPTURED})
_TOLD = ("waiting", "held", "failed", "returned")
"""Kinds of which each recipient is listed."""
_LISTED = 20
_WIDTH = 88


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient that did not get its mail (yet)."""

    id: str
    subject: str
    story: RecipientStory


class DaySummary(msgspec.Struct, frozen=True, kw_only=True):
    """A day of an account.  Counts are of recipients, but for `messages`; `cut` says that there was more than is counted.

    `returned` was passed on, and a bounce came in for it later; it is not counted in `arrived`.
    """

    account: str
    day: str
    at: float
    messages: int
    recipients: int
    arrived: int
    waiting: tuple[Line, ...]
    held: tuple[Line, ...]
    failed: tuple[Line, ...]
    returned: tuple[Line, ...]
    removed: int
    cut: bool = False

    @property
    def last_at(self) -> float | None:
        """When the last of what waits is to go; None where nothing waits, or not all times are known."""
        times = [line.story.next_at for line in self.waiting]
        return max((t for t in times if t is not None), default=None) if None not in times else None


def summarise(
    account: str, day: str, at: float, timelines: Sequence[Timeline], *, cut: bool = False
) -> DaySummary:
    """Count the day that began at `at`."""
    lines = [
        Line(id=encode_id(t.message.number), subject=t.message.subject, story=story)
        for t in timelines
        for story in t.recipients
    ]
    kinds = Counter(_kind(line.story) for line in lines)
    of_kind = {kind: tuple(x for x in lines if _kind(x.story) == kind) for kind in _TOLD}
    return DaySummary(
        account=account,
        day=day,
        at=at,
        messages=len(timelines),
        recipients=len(lines),
        arrived=kinds["arrived"],
        removed=kinds["removed"],
        cut=cut,
        **of_kind,
    )


def _kind(story: RecipientStory) -> str:
    fate = story.facts.fate
    if fate is None:
        return "held" if story.state is State.HELD else "waiting"
    if fate in _ARRIVED:
        return "arrived" if story.returned is None else "returned"
    return "failed" if fate in (Fate.BOUNCED, Fate.EXPIRED) else "removed"


def day_text(summary: DaySummary, lang: Lang, zone: tzinfo = UTC) -> str:
    """Return the day in words, lines ending with a line feed."""
    return "\n".join(_lines(summary, Teller(Catalogue.load(), lang, zone), lang)) + "\n"


def _lines(day: DaySummary, teller: Teller, lang: Lang) -> Iterator[str]:
    say = teller.say
    yield say("day.title", account=day.account, date=teller.date(day.at))
    yield ""
    if not day.messages:
        yield say("day.nothing")
        return
    catalogue = Catalogue.load()
    yield say(
        "day.sent",
        messages=units.count(catalogue, lang, "message", day.messages),
        recipients=units.count(catalogue, lang, "recipient", day.recipients),
    )
    listed: dict[str, tuple[Line, ...]] = {kind: getattr(day, kind) for kind in _TOLD}
    counts = {"arrived": day.arrived, **{kind: len(found) for kind, found in listed.items()}}
    for kind, count in {**counts, "removed": day.removed}.items():
        if count:
            yield f"  {say(f'day.{kind}')}: {units.number(catalogue, lang, count)}"
    if day.cut:
        yield say("day.cut")
    for kind, lines in listed.items():
        if lines:
            yield ""
            yield f"{say(f'day.{kind}_list')}:"
            yield from _listed(lines, teller)
    limits = {(x.label, x.limit and (x.limit["value"], x.limit["per"])): x for x in _limits(day.waiting)}
    for limit in limits.values():
        yield ""
        yield from _wrapped(teller.waits(limit, alone=True))
    if day.last_at is not None:
        yield ""
        yield from _wrapped(say("day.rest", time=teller.moment(day.last_at)))


def _limits(lines: Iterable[Line]) -> Iterator[LimitFacts]:
    for line in lines:
        if line.story.facts.limit is not None:
            yield line.story.facts.limit


def _listed(lines: Sequence[Line], teller: Teller) -> Iterator[str]:
    groups = alike(lines, lambda line: line.story, lambda line: f"{line.id}  {teller.summary(line.story)}")
    for group in groups[:_LISTED]:
        said = teller.summary(group[0].story, len(group) - 1)
        yield from _wrapped(f"{group[0].id}  {said}", "  ", "    ")
    if len(groups) > _LISTED:
        yield "  " + teller.say("day.more", count=sum(map(len, groups[_LISTED:])))


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip


def day_json(day: DaySummary, lang: Lang) -> dict[str, object]:
    """Return the day as plain values."""
    teller = Teller(Catalogue.load(), lang)
    listed = {kind: [_line_json(line, teller) for line in getattr(day, kind)] for kind in _TOLD}
    limits = [msgspec.to_builtins(limit) for limit in _limits(day.waiting)]
    return {
        "account": day.account, "day": day.day, "lang": lang, "messages": day.messages, "recipients": day.recipients,
        "arrived": day.arrived, "removed": day.removed, **listed, "limits": [x for i, x in enumerate(limits) if x not in limits[:i]],
        "last_at": units.iso(day.last_at) if day.last_at is not None else None, "cut": day.cut,
    }  # fmt: skip


def _line_json(line: Line, teller: Teller) -> dict[str, object]:
    story = line.story
    return {
        "id": line.id,
        "subject": line.subject,
        "address": str(story.facts.address),
        "cause": story.cause.value if story.cause else None,
        "summary": teller.summary(story),
        "next_at": units.iso(story.next_at) if story.next_at is not None else None,
    }
