"""Lays a timeline out as text, for a terminal or a pipe.  What a peer said is never cut; who has the same story is told together."""

import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, tzinfo

from kurir.model import Address, Cause, Fate, OutcomeKind, Reply, Urgency, UrgencyBy, encode_id

from .alike import alike
from .explain import Catalogue, Lang
from .explain.catalogue import printable
from .telling import Teller
from .timeline import RecipientStory, Step, Timeline

_BOLD, _DIM, _GREEN, _YELLOW, _RED, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
# Reasons for the protection of a connection that are worth a line; the others are the ordinary case.
_SAID = frozenset({"rule", "dane", "dane_unusable", "sts", "requiretls", "sealed", "tls_optional"})
_NAMED = 20  # recipients in the head
_GOOD = frozenset({Fate.DELIVERED, Fate.HANDED_OVER, Fate.CAPTURED})


def render_text(
    timeline: Timeline, lang: Lang, width: int = 80, *, colour: bool = False, zone: tzinfo = UTC
) -> str:
    """Return the timeline as text of at most `width` columns (40 at least; a peer's own words are never cut)."""
    page = _Page(Teller(Catalogue.load(), lang, zone), timeline, max(width, 40), colour)
    return "\n".join(page.lines()) + "\n"


class _Page:
    """Lays one timeline out."""

    def __init__(self, teller: Teller, timeline: Timeline, width: int, colour: bool) -> None:
        self._teller = teller
        self._timeline = timeline
        self._width = width
        self._colour = colour

    def lines(self) -> Iterator[str]:
        yield from self._head()
        for group in self._groups():
            yield ""
            yield from self._story(group[0], len(group) - 1)
            if group[1:]:
                others = ", ".join(str(story.facts.address) for story in group[1:])
                yield from self._wrap(
                    self._teller.say("ui.trace.same", addresses=printable(others)), first="  ", rest="    "
                )

    def _groups(self) -> list[list[RecipientStory]]:
        """Return recipients with the same story together; where lines break depends on the address, so they must not."""
        if len(self._timeline.recipients) < 2:
            return [[story] for story in self._timeline.recipients]
        unbroken = _Page(self._teller, self._timeline, sys.maxsize, colour=False)
        return alike(
            self._timeline.recipients, lambda story: story, lambda story: "\n".join(unbroken._story(story))
        )

    def _head(self) -> Iterator[str]:
        say, message = self._teller.say, self._timeline.message
        sender = str(message.reverse_path) if message.reverse_path else say("ui.trace.null_sender")
        rows = [
            ("message", f"{encode_id(message.number)}  {message.message_id}".rstrip()),
            ("from", sender),
            ("to", self._recipients()),
            ("subject", message.subject or say("ui.trace.none")),
            ("size", self._teller.size(message.size)),
            ("accepted", self._teller.moment(message.accepted_at)),
        ]
        if message.require_tls:
            rows.append(("demands", say("ui.trace.require_tls")))
        elif message.sealed:
            rows.append(("demands", say("ui.trace.sealed")))
        if message.urgency is not Urgency.ORDINARY or message.urgency_by is not UrgencyBy.NOTHING:
            by = say(f"urgency.by.{message.urgency_by.value}")
            rows.append(("urgency", say(f"urgency.{message.urgency.value}", by=by)))
        column = max(len(say(f"ui.trace.{key}")) for key, _ in rows) + 2
        for key, value in rows:
            label = say(f"ui.trace.{key}").ljust(column)
            yield from self._wrap(
                printable(value), first=label, rest=" " * column, style=_BOLD if key == "message" else ""
            )
        yield ""
        for step in self._timeline.common:
            yield from self._step(step)

    def _recipients(self) -> str:
        """Return the first recipients; all of them are named below."""
        recipients = self._timeline.message.recipients
        shown = ", ".join(_shown(r.address, r.wanted, self._teller) for r in recipients[:_NAMED])
        more = len(recipients) - _NAMED
        return self._teller.say("ui.trace.others", recipient=shown, count=more) if more > 0 else shown

    def _story(self, story: RecipientStory, others: int = 0) -> Iterator[str]:
        teller, say = self._teller, self._teller.say
        yield from self._wrap(teller.summary(story, others), style=self._state_colour(story))
        for step in story.steps:
            yield from self._step(step)
        if story.facts.limit is not None:
            yield from self._wrap(teller.waits(story.facts.limit), first="  ", rest="    ")
            return
        sentence = teller.sentence(story)
        if sentence and story.cause is Cause.SANDBOX:
            yield from self._wrap(sentence.todo, first="  ", rest="  ")
        elif sentence and story.cause is not Cause.OK:
            for key, text in (
                ("why", sentence.what), ("whose_side", sentence.side), ("next", sentence.next), ("todo", sentence.todo)
            ):  # fmt: skip
                if text:
                    yield from self._wrap(text, first=f"  {say(f'ui.trace.{key}')}: ", rest="    ")
        for step in story.notices:
            yield from self._wrap(
                teller.step(step, self._timeline), first=f"  {say('ui.trace.notices')}: ", rest="    "
            )
            if step.other is not None:
                yield from self._wrap(
                    say("step.notice_other", id=encode_id(step.other)), first="    ", rest="    "
                )

    def _step(self, step: Step) -> Iterator[str]:
        teller, say = self._teller, self._teller.say
        indent = " " * 12
        day = "" if self._same_day(step.at) else f"({teller.date(step.at)}) "
        yield from self._wrap(
            day + teller.step(step, self._timeline), first=f"  {teller.clock(step.at)}  ", rest=indent
        )
        for check in step.checks:
            yield from self._wrap(f"- {teller.check(check)}", first=indent, rest=indent + "  ")
        if step.result is None:
            return
        notes: list[str] = []
        if step.plaintext_fallback:
            notes.append(say("step.plaintext_fallback", host=teller.host(step.host)))
        if step.reply is None and step.decided_by is not None and step.host and step.cause is not Cause.OK:
            notes.append(say("step.no_reply"))
        if step.tls and step.tls.policy in _SAID:
            notes.append(say(f"policy.{step.tls.policy}"))
        if step.detail:
            notes.append(say("step.detail", detail=teller.noted(step.detail)))
        if step.next_at is not None:
            notes.append(say("step.next", time=teller.moment(step.next_at)))
        if step.reply is not None:
            who = (
                teller.host(step.host) if step.host.startswith("unix:") else step.host or say("fallback.host")
            )
            yield f"{indent}{printable(who)}:"
            for line in _wire(step.reply):
                yield f"{indent}  {self._styled(line, _DIM)}"
        if step.result in (OutcomeKind.DEFERRED, OutcomeKind.FAILED):
            notes.append(self._capital(teller.decided(step)) + ".")
        for note in notes:
            yield from self._wrap(note, first=indent, rest=indent)

    def _same_day(self, at: float) -> bool:
        return self._teller.date(at) == self._teller.date(self._timeline.message.accepted_at)

    def _state_colour(self, story: RecipientStory) -> str:
        if story.facts.fate is None:
            return _YELLOW
        return _GREEN if story.facts.fate in _GOOD else _RED

    def _wrap(self, text: str, first: str = "", rest: str = "", style: str = "") -> Iterator[str]:
        lines = textwrap.wrap(
            text, self._width, initial_indent=first, subsequent_indent=rest,
            break_long_words=False, break_on_hyphens=False,
        ) or [first.rstrip()]  # fmt: skip
        for line in lines:
            yield self._styled(line, style)

    def _styled(self, line: str, style: str) -> str:
        return f"{style}{line}{_OFF}" if self._colour and style else line

    @staticmethod
    def _capital(text: str) -> str:
        return text[:1].upper() + text[1:]


def _wire(reply: Reply) -> Iterator[str]:
    """Yield a reply's lines as they came over the wire, made printable."""
    middle = f"{reply.enhanced} " if reply.enhanced else ""
    for i, line in enumerate(reply.lines):
        dash = " " if i == len(reply.lines) - 1 else "-"
        yield f"{reply.code}{dash}{middle}{printable(line)}".rstrip()


def _shown(address: Address, wanted: Address | None, teller: Teller) -> str:
    if wanted is None or wanted == address:
        return str(address)
    return f"{address} {teller.say('ui.trace.wanted', wanted=str(wanted))}"
