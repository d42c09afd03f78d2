"""Puts the pieces of a timeline into words: times, protections, steps, causes, and one-sentence summaries."""

import re
from datetime import UTC, tzinfo

import msgspec

from kurir.model import Cause, Check, EventKind, Fate, LimitFacts, OutcomeKind, TlsFacts

from .alike import alike
from .explain import Catalogue, Lang, Sentence, say_noted, units
from .limited import cause_words, wait_words
from .timeline import Protection, RecipientStory, State, Step, Timeline

_SANDBOX = re.compile(r"^unix:.*/run/sandbox\.[a-z0-9]+$")  # where a playground keeps its captured mail
_CAPTURED = re.compile(r"^Captured as (\w+)")  # what the sandbox says to it
# Kinds of attempt whose text does not depend on anything but the result.
_RESULTS = {
    OutcomeKind.DELIVERED: "step.delivered",
    OutcomeKind.HANDED_OVER: "step.handed_over",
    OutcomeKind.CAPTURED: "step.captured",
    OutcomeKind.DEFERRED: "step.deferred",
    OutcomeKind.FAILED: "step.failed",
}

# Holds that this server decided by itself when the mail came in: their words are the cause's.
_OWN_HOLDS = frozenset({Cause.SENDER_UNPROVEN, Cause.SENDER_NOT_LISTED, Cause.AUTHOR_UNCLEAR})


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

    def noted(self, text: str) -> str:
        """Return a detail or reason that this server has noted; the words of others stay as they are."""
        return say_noted(text, self._lang)

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

    def host(self, host: str) -> str:
        """Return a server as a person says it: its name; our own sandbox by what it is, not by its socket."""
        if _SANDBOX.search(host):
            return self.say("fallback.sandbox")
        return named(host)

    def label(self, cause: Cause | None) -> str:
        """Return a cause in few words."""
        return self._catalogue.label(cause or Cause.UNKNOWN, self._lang)

    def protection(self, protection: Protection, tls: TlsFacts | None = None) -> str:
        """Return how a hop was protected, in words."""
        if protection is Protection.ENCRYPTED and tls and tls.why_not:
            return self.say("protection.encrypted_why", why=self.noted(tls.why_not))
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
        if step.kind is EventKind.HELD and step.cause in _OWN_HOLDS:
            return self.say("event.held_rule", cause=self.label(step.cause))
        if step.kind is EventKind.REROUTED:
            key = "event.back_on_road" if step.cause is Cause.OK else "event.rerouted"
            return self.say(key, road=step.by, before=step.reason, cause=self.label(step.cause))
        if step.result is None:
            return self.say(
                f"event.{step.kind.value}",
                by=step.by,
                reason=_bare(self.noted(step.reason)),
                to=_told(step, timeline),
                cause=self.label(step.cause) if step.cause else "",
            )
        if step.possibly_delivered:
            return self.say("step.possibly_delivered")
        message = timeline.message
        demanded = message.require_tls or message.sealed
        sealed = step.result is OutcomeKind.CAPTURED and step.tls and demanded
        return self.say(
            "step.captured_sealed" if sealed else _RESULTS[step.result],
            host=self.host(step.host),
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

    def check(self, check: Check) -> str:
        """Return what was found out about the sender, in one sentence."""
        return self.say(check.key, **dict(check.values))

    def decided(self, step: Step) -> str:
        """Return who decided, in words; "" where nothing was to decide."""
        if step.decided_by is None or step.result in (OutcomeKind.DELIVERED, OutcomeKind.CAPTURED):
            return ""
        return self.say(f"decided.{step.decided_by.value}", host=self.host(step.host), by=step.by)

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
            host=self.host(attempt.host) if attempt else "",
            detail=_bare(self.noted(step.detail)) if step else "",
            by=step.by if step else "",
            captured=_captured(step),
            reason=_bare(self.noted(story.facts.held or (step.reason if step else ""))),
        )
        if story.facts.fate is Fate.EXPIRED and story.cause is not Cause.EXPIRED:
            # Time ran out, but the reason is what every attempt met: say both, and what helps now.
            gave_up = self._catalogue.explain_cause(Cause.EXPIRED, self._lang)
            sentence = msgspec.structs.replace(
                sentence, what=f"{gave_up.what} {sentence.what}", todo=gave_up.todo
            )
        if story.state is State.TRYING:
            sentence = msgspec.structs.replace(sentence, next=self.say("next.trying"))
        return sentence

    def waits(self, wait: LimitFacts, *, alone: bool = False) -> str:
        """Return which limit a recipient waits for, and when it goes; the limit `alone` where many wait."""
        if alone:
            return cause_words(self._catalogue, self._lang, wait)
        return wait_words(
            self._catalogue, self._lang, wait, self.moment(wait.free_at) if wait.free_at else ""
        )

    def summary(self, story: RecipientStory, others: int = 0) -> str:
        """Return where a recipient, and so many `others` with it, stand, in one sentence."""
        facts, step = story.facts, story.decisive
        recipient = str(facts.address)
        attempts = max(facts.attempts, sum(s.result is not None for s in story.steps))
        values: dict[str, object] = {
            "recipient": self.say("ui.trace.others", recipient=recipient, count=others)
            if others
            else recipient,
            "cause": self.label(story.cause),
            "attempts": units.count(self._catalogue, self._lang, "attempt", attempts),
            "host": self.host(step.host) if step else "",
            "by": step.by if step else "",
            "reason": _bare(self.noted(facts.held or "")),
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
            if story.state is State.TRYING and attempts:
                key = "trying_again"
            elif story.state is State.WAITING and story.possibly_delivered:
                key = "waiting_possibly"
            elif facts.limit is not None:
                key = "spared" if facts.limit.limit is None else "limited"
                key = key if story.next_at is not None else f"{key}_landing"
                values["label"] = facts.limit.label
            elif story.state is State.DUE and story.next_at is not None:
                key = "due_at"
        text = self.say(f"summary.{key}", **values)
        if story.possibly_delivered and key != "waiting_possibly":
            text = f"{text} {self.say('summary.possibly')}"
        return text


def summary(timeline: Timeline, lang: Lang, zone: tzinfo = UTC) -> tuple[str, ...]:
    """Return one sentence for all recipients of whom the same is told: where they stand and why."""
    teller = Teller(Catalogue.load(), lang, zone)
    groups = alike(timeline.recipients, lambda story: story, teller.summary)
    return tuple(teller.summary(group[0], len(group) - 1) for group in groups)


def _told(step: Step, timeline: Timeline) -> str:
    """Who a notice goes to: the event names it, else it is the sender."""
    return step.by or (str(timeline.message.reverse_path) if timeline.message.reverse_path else "")


def _captured(step: Step | None) -> str:
    """The number of the mail in the sandbox, "" where it is not there."""
    found = _CAPTURED.match(step.reply.text) if step is not None and step.reply is not None else None
    return found[1] if found else ""


def named(host: str) -> str:
    """``mx1.example.org[192.0.2.1]:25`` as a person says it: the name, or the address where there is none."""
    name, bracket, rest = host.partition("[")
    return name or (rest.partition("]")[0] if bracket else host)


def _bare(text: str) -> str:
    """A sentence without its full stop, to stand inside another."""
    return text.strip().rstrip(".")
