"""The story of one message as a value: what happened to each recipient, who decided, what comes next.

`timeline` is pure: facts and events in, a `Timeline` out.  It holds no words of any language; `telling`
puts it into English or Indonesian, as text or as JSON.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

import msgspec

from kurir.model import Cause, Check, Event, EventKind, Fate, OutcomeKind, Reply, Stage, TlsFacts

from .facts import MessageFacts, RecipientFacts


class Protection(str, Enum):
    """How a hop was protected; each has words under ``protection.<value>``."""

    NONE = "none"
    LOCAL = "local"
    ENCRYPTED = "encrypted"
    NAME = "name"
    DANE = "dane"
    CLIENT = "client"
    FALLBACK = "fallback"


class Decider(str, Enum):
    """Who made a decision; each has words under ``decided.<value>``."""

    THIS_SERVER = "this_server"
    OTHER_SERVER = "other_server"
    NETWORK = "network"
    PERSON = "person"


class State(str, Enum):
    """Where a recipient stands now."""

    ENDED = "ended"
    WAITING = "waiting"
    HELD = "held"
    DUE = "due"  # waiting for its first attempt
    TRYING = "trying"  # being tried at this moment


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened.  `result` is set on attempts; `reply` is the peer's, word for word."""

    at: float
    kind: EventKind
    result: OutcomeKind | None = None
    cause: Cause | None = None
    fate: Fate | None = None
    stage: Stage | None = None
    host: str = ""
    road: str = ""
    protection: Protection | None = None
    tls: TlsFacts | None = None
    reply: Reply | None = None
    detail: str = ""
    decided_by: Decider | None = None
    possibly_delivered: bool = False
    plaintext_fallback: bool = False
    dsn_relayed: bool = False
    seconds: float = 0.0
    next_at: float | None = None
    by: str = ""
    reason: str = ""
    other: int | None = None
    checks: tuple[Check, ...] = ()


class RecipientStory(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one recipient.

    `decisive` is the step that explains the present state: the one that ended it, else the last attempt.
    `possibly_delivered` says that the final answer of some attempt was lost and none succeeded later.
    `returned` is the last bounce that came in after it was handed over.
    """

    facts: RecipientFacts
    state: State
    steps: tuple[Step, ...]
    decisive: Step | None = None
    cause: Cause | None = None
    next_at: float | None = None
    possibly_delivered: bool = False
    returned: Step | None = None
    notices: tuple[Step, ...] = ()


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """The story of a message: what is common, then one story for each recipient."""

    message: MessageFacts
    protection: Protection
    common: tuple[Step, ...]
    recipients: tuple[RecipientStory, ...]


_NOTICES = frozenset({EventKind.NOTICE_DUE, EventKind.NOTICE_SENT, EventKind.NOTICE_WAIVED})
_BY_PERSON = frozenset({EventKind.RELEASED, EventKind.RETRY_ASKED, EventKind.DROPPED, EventKind.ERASED})
# Where nobody answered, nobody decided.
_NETWORK_CAUSES = frozenset(
    {
        Cause.DNS_FAILURE,
        Cause.UNREACHABLE,
        Cause.CONNECTION_LOST,
        Cause.TIMEOUT,
        Cause.LOST_REPLY,
        Cause.PORT_BLOCKED,
    }
)
_SUCCESS = frozenset({OutcomeKind.DELIVERED, OutcomeKind.HANDED_OVER, OutcomeKind.CAPTURED})
_SAFE_ROADS = frozenset({"local", "sandbox"})


def timeline(message: MessageFacts, events: Sequence[Event]) -> Timeline:
    """Tell the story of `message`.  Events may come in any order; those of other messages are left out."""
    own = sorted((e for e in events if e.number == message.number), key=lambda e: e.at)
    steps = [(event.recipient, _step(event)) for event in own]
    return Timeline(
        message=message,
        protection=protection_of(message.origin.tls, local=not message.origin.client),
        common=tuple(step for index, step in steps if index < 0),
        recipients=tuple(
            _story(facts, [step for index, step in steps if index == facts.index], steps)
            for facts in message.recipients
        ),
    )


def protection_of(tls: TlsFacts | None, *, local: bool = False, fallback: bool = False) -> Protection:
    """Put TLS facts into one word: what, if anything, kept others from reading along."""
    if tls is None:
        return Protection.FALLBACK if fallback else Protection.LOCAL if local else Protection.NONE
    proofs = {"name": Protection.NAME, "dane": Protection.DANE, "client": Protection.CLIENT}
    return proofs.get(tls.verified or "", Protection.ENCRYPTED)


def _step(event: Event) -> Step:
    outcome = event.outcome
    if outcome is None:
        return Step(
            at=event.at,
            kind=event.kind,
            cause=event.cause,
            fate=event.fate,
            decided_by=Decider.PERSON if event.kind in _BY_PERSON and event.by else Decider.THIS_SERVER,
            next_at=event.next_at,
            by=event.by,
            reason=event.reason,
            other=event.other,
            checks=event.checks,
        )
    connected = outcome.host != "" and outcome.road not in _SAFE_ROADS and outcome.stage is not Stage.PLAN
    return Step(
        at=event.at,
        kind=event.kind,
        result=outcome.kind,
        cause=event.cause or outcome.cause,
        fate=event.fate,
        stage=outcome.stage,
        host=outcome.host,
        road=outcome.road,
        protection=protection_of(outcome.tls, fallback=outcome.plaintext_fallback) if connected else None,
        tls=outcome.tls,
        reply=outcome.reply,
        detail=outcome.detail,
        decided_by=_decider(outcome.reply, outcome.cause),
        possibly_delivered=outcome.possibly_delivered,
        plaintext_fallback=outcome.plaintext_fallback,
        dsn_relayed=outcome.dsn_relayed,
        seconds=outcome.seconds,
        next_at=event.next_at if event.next_at is not None or event.fate else None,
        by=event.by,
        reason=event.reason,
        other=event.other,
    )


def _decider(reply: Reply | None, cause: Cause) -> Decider:
    if reply is not None:
        return Decider.OTHER_SERVER
    return Decider.NETWORK if cause in _NETWORK_CAUSES else Decider.THIS_SERVER


def _story(facts: RecipientFacts, own: list[Step], every: list[tuple[int, Step]]) -> RecipientStory:
    attempts = [step for step in own if step.result is not None]
    # An event for the whole message may end, hold or expire a recipient too.
    shared = [step for index, step in every if index < 0 and step.kind is not EventKind.ACCEPTED]
    ended = next((step for step in reversed(own + shared) if step.fate is not None), None)
    last = attempts[-1] if attempts else None
    state = _state(facts, attempts)
    decisive = ended if state is State.ENDED and ended else last
    held = next((s for s in sorted(own + shared, key=_at, reverse=True) if s.kind is EventKind.HELD), None)
    if state is State.HELD and held:
        decisive = held
    return RecipientStory(
        facts=facts,
        state=state,
        steps=tuple(_with_moves(step for step in own if step.kind not in _NOTICES)),
        decisive=decisive,
        cause=_cause(state, facts, decisive, last),
        next_at=facts.next_at if state in (State.WAITING, State.DUE) else None,
        possibly_delivered=any(step.possibly_delivered for step in attempts)
        and not any(step.result in _SUCCESS for step in attempts),
        returned=next((step for step in reversed(own) if step.kind is EventKind.RETURNED), None),
        notices=tuple(step for step in own + shared if step.kind in _NOTICES),
    )


def _with_moves(steps: Iterable[Step]) -> Iterator[Step]:
    """Let each move between roads be told once, also the way back that nobody noted.

    A brain that starts anew does not know by which road mail went on: it notes the same move again, and none where the mail
    simply takes its main road.  The attempts know.
    """
    main = on = ""
    for step in steps:
        if step.kind is EventKind.REROUTED:
            if step.by == on:
                continue
            main, on = main or step.reason, step.by
        elif on != main == step.road:
            here = Decider.THIS_SERVER
            back = EventKind.REROUTED
            yield Step(at=step.at, kind=back, cause=Cause.OK, decided_by=here, by=main, reason=on)
            on = main
        yield step


def _at(step: Step) -> float:
    return step.at


def _state(facts: RecipientFacts, attempts: list[Step]) -> State:
    if facts.fate is not None:
        return State.ENDED
    if facts.held is not None:
        return State.HELD
    if facts.trying:
        return State.TRYING
    return State.WAITING if attempts or facts.attempts else State.DUE


def _cause(state: State, facts: RecipientFacts, decisive: Step | None, last: Step | None) -> Cause | None:
    """Why: an expiry is explained by the last refusal, not by the clock; a success needs no cause."""
    if state is State.HELD:
        return (decisive.cause if decisive else None) or Cause.HELD
    if facts.fate in (Fate.DELIVERED, Fate.HANDED_OVER):
        return Cause.OK
    if facts.fate is Fate.CAPTURED:
        return Cause.SANDBOX
    if facts.fate is Fate.EXPIRED:
        return (last.cause if last else None) or Cause.EXPIRED
    if facts.fate is Fate.DELETED:
        return Cause.DELETED
    return decisive.cause if decisive else None
