"""A timeline in words: as text for a terminal or a pipe, and as JSON with stable keys.

JSON of a timeline::

    {"id", "number", "lang", "accepted_at", "from", "to": [..], "subject", "message_id", "size",
     "account", "client", "protocol", "protection", "protection_text", "tls", "summary": [..],
     "history": [step, ..],                                     # what concerns the whole message
     "recipients": [{"index", "address", "wanted", "state", "fate", "cause", "what", "side", "side_text",
                     "next", "todo", "summary", "next_at", "held", "attempts", "possibly_delivered",
                     "history": [step, ..], "notices": [step, ..]}]}

A step::

    {"at", "kind", "text", "result", "cause", "fate", "stage", "host", "road", "protection", "tls",
     "reply": {"code", "enhanced", "lines"} | null, "detail", "decided_by", "possibly_delivered",
     "plaintext_fallback", "seconds", "next_at", "by", "reason", "other"}

Keys are always there; what is not known is null or "".  Times are RFC 3339 in UTC.
"""

import textwrap
from collections.abc import Iterator
from datetime import UTC, tzinfo

import msgspec

from kurir.model import Address, Cause, EventKind, Fate, OutcomeKind, Reply, TlsFacts, encode_id

from .explain import Catalogue, Lang, Sentence, side_of, units
from .explain.catalogue import printable
from .timeline import Protection, RecipientStory, State, Step, Timeline

_BOLD, _DIM, _GREEN, _YELLOW, _RED, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
_GOOD = frozenset({Fate.DELIVERED, Fate.HANDED_OVER, Fate.CAPTURED})
# Kinds of attempt whose text does not depend on anything but the result.
_RESULTS = {
    OutcomeKind.DELIVERED: "step.delivered",
    OutcomeKind.HANDED_OVER: "step.handed_over",
    OutcomeKind.CAPTURED: "step.captured",
    OutcomeKind.DEFERRED: "step.deferred",
    OutcomeKind.FAILED: "step.failed",
}


class Teller:
    """Tells timelines in one language and one time zone."""

    __slots__ = ("_catalogue", "_lang", "_zone")

    def __init__(self, catalogue: Catalogue, lang: Lang, zone: tzinfo = UTC) -> None:
        self._catalogue = catalogue
        self._lang: Lang = lang
        self._zone = zone

    def say(self, key: str, **values: object) -> str:
        """Return a text of the catalogue, filled in."""
        return self._catalogue.text(self._lang, key, **values)

    def moment(self, at: float) -> str:
        """Return a time in words."""
        return units.moment(self._catalogue, self._lang, at, self._zone)

    def clock(self, at: float) -> str:
        """Return the time of day, for a column."""
        return units.clock(at, self._zone)

    def date(self, at: float) -> str:
        """Return the day in words."""
        return units.date(self._catalogue, self._lang, at, self._zone)

    def size(self, octets: int) -> str:
        """Return a size in words."""
        return units.size(self._catalogue, self._lang, octets)

    def label(self, cause: Cause | None) -> str:
        """Return a cause in few words."""
        return self._catalogue.label(cause or Cause.UNKNOWN, self._lang)

    def protection(self, protection: Protection, tls: TlsFacts | None = None) -> str:
        """Return how a hop was protected, in words."""
        if protection is Protection.ENCRYPTED and tls and tls.why_not:
            return self.say("protection.encrypted_why", why=tls.why_not)
        return self.say(f"protection.{protection.value}")

    def arrival(self, timeline: Timeline) -> str:
        """Return how the hop to us was protected, in words; a client that shows no certificate is the rule."""
        tls = timeline.message.origin.tls
        if timeline.protection is Protection.ENCRYPTED and tls:
            return self.say("protection.encrypted_arrival", version=tls.version)
        return self.protection(timeline.protection, tls)

    def step(self, step: Step, timeline: Timeline) -> str:
        """Return what happened in one step, in one sentence."""
        if step.kind is EventKind.ACCEPTED:
            return self._accepted(timeline)
        if step.result is None:
            return self.say(
                f"event.{step.kind.value}", by=step.by, reason=_bare(step.reason), to=_told(step, timeline)
            )
        if step.possibly_delivered:
            return self.say("step.possibly_delivered")
        return self.say(
            _RESULTS[step.result],
            host=named(step.host),
            protection=self.protection(step.protection or Protection.NONE, step.tls),
            cause=self.label(step.cause),
            stage=self.say(f"stage.{step.stage.value}") if step.stage else "",
        )

    def _accepted(self, timeline: Timeline) -> str:
        origin = timeline.message.origin
        if not origin.client:
            return self.say(
                "step.accepted_internal" if origin.listener == "internal" else "step.accepted_local"
            )
        named_itself = origin.helo and origin.helo.removeprefix("[IPv6:").strip("[]") != origin.client
        client = f"{origin.helo} [{origin.client}]" if named_itself else origin.client
        return self.say(
            "step.accepted_account" if origin.account else "step.accepted_client",
            client=client,
            account=origin.account,
            protection=self.arrival(timeline),
        )

    def decided(self, step: Step) -> str:
        """Return who decided, in words; "" where nothing was to decide."""
        if step.decided_by is None or step.result in (OutcomeKind.DELIVERED, OutcomeKind.CAPTURED):
            return ""
        return self.say(f"decided.{step.decided_by.value}", host=named(step.host), by=step.by)

    def sentence(self, story: RecipientStory) -> Sentence | None:
        """Return the explained cause of where a recipient stands; None where there is nothing to explain."""
        if story.cause is None:
            return None
        step = story.decisive
        attempt = next((s for s in reversed(story.steps) if s.host), None)
        final = None if story.cause is Cause.OK or story.state is State.HELD else story.state is State.ENDED
        sentence = self._catalogue.explain_cause(
            story.cause,
            self._lang,
            final=final,
            time=self.moment(story.next_at) if story.next_at is not None else "",
            recipient=str(story.facts.address),
            domain=story.facts.address.domain,
            host=named(attempt.host) if attempt else "",
            detail=_bare(step.detail) if step else "",
            by=step.by if step else "",
            reason=_bare(story.facts.held or (step.reason if step else "")),
        )
        if story.facts.fate is Fate.EXPIRED and story.cause is not Cause.EXPIRED:
            # Time ran out, but the reason is what every attempt met: say both, and what helps now.
            gave_up = self._catalogue.explain_cause(Cause.EXPIRED, self._lang)
            sentence = msgspec.structs.replace(
                sentence, what=f"{gave_up.what} {sentence.what}", todo=gave_up.todo
            )
        return sentence

    def summary(self, story: RecipientStory) -> str:
        """Return where a recipient stands, in one sentence."""
        facts, step = story.facts, story.decisive
        attempts = max(facts.attempts, sum(s.result is not None for s in story.steps))
        values: dict[str, object] = {
            "recipient": str(facts.address),
            "cause": self.label(story.cause),
            "attempts": units.count(self._catalogue, self._lang, "attempt", attempts),
            "host": named(step.host) if step else "",
            "by": step.by if step else "",
            "reason": _bare(facts.held or ""),
            "time": self.moment(step.at) if step else "",
            "protection": self.protection(
                (step.protection if step else None) or Protection.NONE, step.tls if step else None
            ),
        }
        if facts.fate is not None:
            key = facts.fate.value
            if facts.fate is Fate.BOUNCED and not (step and step.reply and step.host):
                key = "bounced_here"
        else:
            key = story.state.value
            values["time"] = self.moment(story.next_at) if story.next_at is not None else ""
            if story.state is State.WAITING and story.possibly_delivered:
                key = "waiting_possibly"
        text = self.say(f"summary.{key}", **values)
        if story.possibly_delivered and key != "waiting_possibly":
            text = f"{text} {self.say('summary.possibly')}"
        return text


def summary(timeline: Timeline, lang: Lang, zone: tzinfo = UTC) -> tuple[str, ...]:
    """Return one sentence for each recipient: where it stands and why."""
    teller = Teller(Catalogue.load(), lang, zone)
    return tuple(teller.summary(story) for story in timeline.recipients)


def as_json(timeline: Timeline, lang: Lang) -> dict[str, object]:
    """Return the timeline as plain values with the keys of this module's docstring."""
    teller = Teller(Catalogue.load(), lang)
    message, origin = timeline.message, timeline.message.origin
    return {
        "id": encode_id(message.number),
        "number": message.number,
        "lang": lang,
        "accepted_at": units.iso(message.accepted_at),
        "from": str(message.reverse_path) if message.reverse_path else "",
        "to": [str(r.address) for r in message.recipients],
        "subject": message.subject,
        "message_id": message.message_id,
        "size": message.size,
        "account": origin.account,
        "client": origin.client,
        "protocol": origin.protocol,
        "protection": timeline.protection.value,
        "protection_text": teller.arrival(timeline),
        "tls": _tls_json(origin.tls),
        "summary": [teller.summary(story) for story in timeline.recipients],
        "history": [_step_json(teller, step, timeline) for step in timeline.common],
        "recipients": [_story_json(teller, story, timeline) for story in timeline.recipients],
    }


def _story_json(teller: Teller, story: RecipientStory, timeline: Timeline) -> dict[str, object]:
    sentence = teller.sentence(story)
    facts = story.facts
    return {
        "index": facts.index,
        "address": str(facts.address),
        "wanted": str(facts.wanted) if facts.wanted else None,
        "state": story.state.value,
        "fate": facts.fate.value if facts.fate else None,
        "cause": story.cause.value if story.cause else None,
        "what": sentence.what if sentence else "",
        "side": side_of(story.cause).value if story.cause else None,
        "side_text": sentence.side if sentence else "",
        "next": sentence.next if sentence else "",
        "todo": sentence.todo if sentence else "",
        "summary": teller.summary(story),
        "next_at": units.iso(story.next_at) if story.next_at is not None else None,
        "held": facts.held,
        "attempts": facts.attempts,
        "possibly_delivered": story.possibly_delivered,
        "history": [_step_json(teller, step, timeline) for step in story.steps],
        "notices": [_step_json(teller, step, timeline) for step in story.notices],
    }


def _tls_json(tls: TlsFacts | None) -> dict[str, str | None] | None:
    if tls is None:
        return None
    return {"version": tls.version, "cipher": tls.cipher, "verified": tls.verified, "why_not": tls.why_not}


def _step_json(teller: Teller, step: Step, timeline: Timeline) -> dict[str, object]:
    return {
        "at": units.iso(step.at),
        "kind": step.kind.value,
        "text": teller.step(step, timeline),
        "result": step.result.value if step.result else None,
        "cause": step.cause.value if step.cause else None,
        "fate": step.fate.value if step.fate else None,
        "stage": step.stage.value if step.stage else None,
        "host": step.host,
        "road": step.road,
        "protection": step.protection.value if step.protection else None,
        "tls": _tls_json(step.tls),
        "reply": reply_json(step.reply),
        "detail": step.detail,
        "decided_by": step.decided_by.value if step.decided_by else None,
        "possibly_delivered": step.possibly_delivered,
        "plaintext_fallback": step.plaintext_fallback,
        "seconds": round(step.seconds, 3),
        "next_at": units.iso(step.next_at) if step.next_at is not None else None,
        "by": step.by,
        "reason": step.reason,
        "other": encode_id(step.other) if step.other is not None else None,
    }


def reply_json(reply: Reply | None) -> dict[str, object] | None:
    """Return a reply as plain values, its words untouched."""
    if reply is None:
        return None
    return {"code": reply.code, "enhanced": reply.enhanced, "lines": list(reply.lines)}


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
        for story in self._timeline.recipients:
            yield ""
            yield from self._story(story)

    def _head(self) -> Iterator[str]:
        say, message = self._teller.say, self._timeline.message
        sender = str(message.reverse_path) if message.reverse_path else say("ui.trace.null_sender")
        rows = [
            ("message", f"{encode_id(message.number)}  {message.message_id}".rstrip()),
            ("from", sender),
            ("to", ", ".join(_shown(r.address, r.wanted, self._teller) for r in message.recipients)),
            ("subject", message.subject or say("ui.trace.none")),
            ("size", self._teller.size(message.size)),
            ("accepted", self._teller.moment(message.accepted_at)),
        ]
        column = max(len(say(f"ui.trace.{key}")) for key, _ in rows) + 2
        for key, value in rows:
            label = say(f"ui.trace.{key}").ljust(column)
            yield from self._wrap(
                printable(value), first=label, rest=" " * column, style=_BOLD if key == "message" else ""
            )
        yield ""
        for step in self._timeline.common:
            yield from self._step(step)

    def _story(self, story: RecipientStory) -> Iterator[str]:
        teller, say = self._teller, self._teller.say
        yield from self._wrap(teller.summary(story), style=self._state_colour(story))
        for step in story.steps:
            yield from self._step(step)
        sentence = teller.sentence(story)
        if sentence and story.cause is not Cause.OK:
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
        if step.result is None:
            return
        notes: list[str] = []
        if step.plaintext_fallback:
            notes.append(say("step.plaintext_fallback", host=named(step.host)))
        if step.reply is None and step.decided_by is not None and step.host and step.cause is not Cause.OK:
            notes.append(say("step.no_reply"))
        if step.detail:
            notes.append(say("step.detail", detail=step.detail))
        if step.dsn_relayed:
            notes.append(say("step.dsn_relayed"))
        if step.next_at is not None:
            notes.append(say("step.next", time=teller.moment(step.next_at)))
        if step.reply is not None:
            who = step.host or say("fallback.host")
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


def _told(step: Step, timeline: Timeline) -> str:
    """Who a notice goes to: the event names it, else it is the sender."""
    return step.by or (str(timeline.message.reverse_path) if timeline.message.reverse_path else "")


def named(host: str) -> str:
    """``mx1.example.org[192.0.2.1]:25`` as a person says it: the name, or the address where there is none."""
    name, bracket, rest = host.partition("[")
    return name or (rest.partition("]")[0] if bracket else host)


def _bare(text: str) -> str:
    """A sentence without its full stop, to stand inside another."""
    return text.strip().rstrip(".")
