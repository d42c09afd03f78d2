"""The story of a message: the value, the texts, the JSON."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.model import (
    Address,
    Cause,
    Check,
    Event,
    EventKind,
    Fate,
    Observation,
    ObservationKind,
    Origin,
    Outcome,
    OutcomeKind,
    Reply,
    Stage,
    TlsFacts,
    parse_address,
)
from kurir.trace import (
    Decider,
    MessageFacts,
    Protection,
    RecipientFacts,
    State,
    as_json,
    observation_json,
    observation_text,
    render_text,
    summary,
    timeline,
)
from kurir.trace.explain.catalogue import LANGUAGES

from .stories import (
    ACCEPTED,
    BUDI,
    STORIES,
    T0,
    attempt,
    attempted,
    handed_over,
    message,
    refused_and_waiting,
)

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", sorted(STORIES))
@pytest.mark.parametrize("lang", LANGUAGES)
def test_golden_text(name: str, lang: str) -> None:
    text = render_text(timeline(*STORIES[name]()), lang, 90)
    assert text == (GOLDEN / f"{name}.{lang}.txt").read_text("utf-8")


def test_what_is_waiting_and_what_ended() -> None:
    refused, waiting = timeline(*refused_and_waiting()).recipients
    assert (refused.state, refused.cause) == (State.ENDED, Cause.UNKNOWN_USER)
    assert refused.steps[0].decided_by is Decider.OTHER_SERVER
    assert refused.steps[0].protection is Protection.ENCRYPTED
    assert [step.kind for step in refused.notices] == [EventKind.NOTICE_SENT]
    assert (waiting.state, waiting.cause, waiting.next_at) == (State.WAITING, Cause.LOST_REPLY, T0 + 600)
    assert waiting.possibly_delivered
    assert waiting.steps[0].protection is Protection.FALLBACK
    assert waiting.steps[0].decided_by is Decider.NETWORK


def test_a_success_after_a_lost_reply_is_certain() -> None:
    facts, events = handed_over()
    lost = attempt(T0 + 5, OutcomeKind.DEFERRED, Cause.LOST_REPLY, Stage.BODY, None, possibly_delivered=True)
    story = timeline(facts, [*events, attempted(lost, next_at=T0 + 301)]).recipients[0]
    assert not story.possibly_delivered
    assert [s.possibly_delivered for s in story.steps] == [False, True, False]  # in order of time


def test_events_of_other_messages_are_left_out() -> None:
    facts, events = handed_over()
    stray = msgspec.structs.replace(events[1], number=30)
    assert timeline(facts, [stray, *events]) == timeline(facts, events)


def test_summary_says_where_when_and_how() -> None:
    (sentence,) = summary(timeline(*handed_over()), "en")
    assert sentence == (
        "budi@example.org: handed over to mx1.example.org on 23 November 2026 at 10:08 UTC,"
        " encrypted, certificate verified."
    )


def test_local_delivery_says_nothing_of_encryption() -> None:
    stored = attempt(
        T0 + 1, OutcomeKind.DELIVERED, Cause.OK, Stage.STORE, None, road="local", host="", tls=None
    )
    facts = message(RecipientFacts(index=0, address=BUDI, fate=Fate.DELIVERED, attempts=1))
    story = timeline(facts, [ACCEPTED, attempted(stored, fate=Fate.DELIVERED)])
    assert story.recipients[0].steps[0].protection is None
    assert summary(story, "id") == (
        "budi@example.org: sampai di kotak surat di sini pada 23 November 2026 pukul 10.03 UTC.",
    )


KEYS = {
    "checks",
    "id", "number", "lang", "accepted_at", "from", "to", "subject", "message_id", "size", "account", "client",
    "protocol", "protection", "protection_text", "tls", "summary", "history", "recipients",
}  # fmt: skip
RECIPIENT_KEYS = {
    "index", "address", "wanted", "state", "fate", "cause", "what", "side", "side_text", "next", "todo", "summary",
    "next_at", "held", "attempts", "possibly_delivered", "history", "notices",
}  # fmt: skip
STEP_KEYS = {
    "at", "kind", "text", "result", "cause", "fate", "stage", "host", "road", "protection", "tls", "reply", "detail",
    "decided_by", "possibly_delivered", "plaintext_fallback", "seconds", "next_at", "by", "reason", "other",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STORIES))
@pytest.mark.parametrize("lang", LANGUAGES)
def test_json_keys_are_stable(name: str, lang: str) -> None:
    data = json.loads(json.dumps(as_json(timeline(*STORIES[name]()), lang)))
    assert set(data) == KEYS
    for recipient in data["recipients"]:
        assert set(recipient) == RECIPIENT_KEYS
        assert all(set(step) == STEP_KEYS for step in recipient["history"] + recipient["notices"])


def test_json_keeps_the_peers_words_untouched() -> None:
    data = as_json(timeline(*refused_and_waiting()), "en")
    step = data["recipients"][0]["history"][0]  # type: ignore[index]
    assert step["reply"] == {
        "code": 550,
        "enhanced": "5.1.1",
        "lines": ["No such user", "see https://example.org/\x1b[31mhelp"],
    }


def test_what_was_found_out_about_a_stranger_is_told() -> None:
    facts, events = handed_over()
    checks = (
        Check("spf", "pass", "spf.listed", (("domain", "a.example"), ("client", "192.0.2.1"))),
        Check("policy", "hold", "screening.action.hold"),
    )
    held = Event(number=29, kind=EventKind.HELD, at=T0, cause=Cause.SENDER_UNPROVEN, reason="dmarc=fail")
    events = [msgspec.structs.replace(events[0], checks=checks), held, *events[1:]]
    story = timeline(facts, events)
    assert [c["result"] for c in as_json(story, "en")["checks"]] == ["pass", "hold"]  # type: ignore[union-attr, index, call-overload]
    english, indonesian = (" ".join(render_text(story, lang, 200).split()) for lang in LANGUAGES)
    assert "- The domain a.example names 192.0.2.1 as one of its servers" in english
    assert "- So the message is held for a person to look at. " in english
    assert "Held by a rule of this server: sender not proven." in english
    assert "- Domain a.example menyebut 192.0.2.1 sebagai salah satu servernya" in indonesian
    assert "Ditahan oleh aturan server ini: pengirim tidak terbukti." in indonesian


def test_colour_only_where_asked() -> None:
    story = timeline(*handed_over())
    assert "\x1b" not in render_text(story, "en", 80)
    assert "\x1b[32m" in render_text(story, "en", 80, colour=True)


def test_who_has_the_same_story_is_told_together() -> None:
    facts, events = refused_and_waiting()
    one, other = facts.recipients
    crowd = [
        msgspec.structs.replace(other, index=i, address=parse_address(f"z{i}@far.example"))
        for i in range(1, 41)
    ]
    many = msgspec.structs.replace(facts, recipients=(one, *crowd))
    copies = [
        msgspec.structs.replace(event, recipient=i)
        for event in events
        for i in (range(1, 41) if event.recipient == other.index else [event.recipient])
    ]
    story = timeline(many, copies)
    text = render_text(story, "en", 90)
    assert len(text.splitlines()) < 80
    assert " ".join(text.split()).count("z1@far.example and 39 more") == 1
    assert all(f"z{i}@far.example" in text for i in range(1, 41))
    assert "z1@far.example dan 39 lagi" in " ".join(render_text(story, "id", 90).split())
    assert len(summary(story, "en")) == 2


texts = st.text(max_size=60)
replies = st.builds(
    Reply,
    st.integers(200, 599),
    st.none() | st.just("5.7.1"),
    st.lists(texts, min_size=1, max_size=3).map(tuple),
)
tls = st.none() | st.builds(
    TlsFacts,
    texts,
    texts,
    st.sampled_from([None, "name", "dane", "client", "?"]),
    st.none() | texts,
    st.none() | texts,
)
times = st.floats(0, 4e9)
outcomes = st.builds(
    Outcome,
    kind=st.sampled_from(OutcomeKind),
    cause=st.sampled_from(Cause),
    at=times,
    stage=st.sampled_from(Stage),
    road=texts,
    host=texts,
    reply=st.none() | replies,
    detail=texts,
    tls=tls,
    plaintext_fallback=st.booleans(),
    possibly_delivered=st.booleans(),
)
events = st.builds(
    Event,
    number=st.just(29),
    kind=st.sampled_from(EventKind),
    at=times,
    recipient=st.integers(-1, 1),
    outcome=st.none() | outcomes,
    fate=st.none() | st.sampled_from(Fate),
    cause=st.none() | st.sampled_from(Cause),
    next_at=st.none() | times,
    by=texts,
    reason=texts,
    other=st.none() | st.integers(0, 10**12),
)
facts = st.builds(
    RecipientFacts,
    index=st.integers(0, 1),
    address=st.builds(Address, texts, texts),
    fate=st.none() | st.sampled_from(Fate),
    next_at=st.none() | times,
    held=st.none() | texts,
    attempts=st.integers(0, 99),
)
messages = st.builds(
    MessageFacts,
    number=st.just(29),
    accepted_at=times,
    reverse_path=st.none() | st.builds(Address, texts, texts),
    recipients=st.lists(facts, max_size=2).map(tuple),
    origin=st.builds(Origin, texts, texts, texts, st.just(1), texts, st.none() | texts, tls),
    size=st.integers(0, 10**12),
    subject=texts,
    message_id=texts,
)


@settings(max_examples=60, deadline=None)
@given(messages, st.lists(events, max_size=4), st.integers(0, 200), st.sampled_from(LANGUAGES))
def test_any_story_can_be_told(facts: MessageFacts, events: list[Event], width: int, lang: str) -> None:
    story = timeline(facts, events)
    text = render_text(story, lang, width)
    assert all(line.isprintable() for line in text.split("\n"))
    assert "{" not in text or "{" in str(facts) + str(events)
    assert json.dumps(as_json(story, lang))


OBSERVED = Observation(
    kind=ObservationKind.REFUSED_RECIPIENT,
    at=T0,
    client="198.51.100.9",
    listener="mx",
    sender="",
    recipient="nobody@example.com",
    reply=Reply(550, "5.1.1", ("No such user",)),
    cause=Cause.UNKNOWN_USER,
    count=3,
)


def test_observation_in_both_languages() -> None:
    assert observation_text(OBSERVED, "en") == (
        "nobody@example.com was refused as recipient. (counted 3 times) The address of nobody@example.com does not"
        " exist at this server. We said: 550 5.1.1 No such user"
    )
    assert observation_text(OBSERVED, "id").startswith("nobody@example.com ditolak sebagai penerima.")


@pytest.mark.parametrize("kind", list(ObservationKind))
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_observation_is_told(kind: ObservationKind, lang: str) -> None:
    data = observation_json(Observation(kind=kind, at=T0), lang)
    assert set(data) == {
        "at", "kind", "text", "client", "listener", "helo", "account", "sender", "recipient", "cause", "what", "todo",
        "reply", "detail", "count", "protection",
    }  # fmt: skip
    assert str(data["text"])[0].isupper()


def rerouted(at: float, to: str, instead: str, cause: Cause) -> Event:
    return Event(number=29, kind=EventKind.REROUTED, at=at, recipient=0, by=to, reason=instead, cause=cause)


def told_moves(*events: Event) -> list[tuple[str, str]]:
    story = timeline(message(RecipientFacts(index=0, address=BUDI)), [ACCEPTED, *events]).recipients[0]
    return [(s.reason, s.by) for s in story.steps if s.kind is EventKind.REROUTED]


def tried(at: float, road: str) -> Event:
    outcome = attempt(at, OutcomeKind.DEFERRED, Cause.TIMEOUT, Stage.MAIL, None, road=road)
    return attempted(outcome)


def test_moves_between_roads_are_told_once_and_the_way_back_too() -> None:
    away = rerouted(T0 + 2, "spare", "main", Cause.UNREACHABLE)
    again = rerouted(T0 + 4, "spare", "main", Cause.UNREACHABLE)  # after a start
    start = tried(T0 + 1, "main")
    assert told_moves(start, away, tried(T0 + 3, "spare"), again) == [("main", "spare")]
    assert told_moves(start, away, tried(T0 + 3, "spare"), tried(T0 + 5, "main"), tried(T0 + 6, "main")) == [
        ("main", "spare"),
        ("spare", "main"),
    ]
    back = rerouted(T0 + 5, "main", "spare", Cause.OK)
    assert told_moves(start, away, tried(T0 + 3, "spare"), back, tried(T0 + 6, "main")) == [
        ("main", "spare"),
        ("spare", "main"),
    ]
    assert told_moves(start, tried(T0 + 2, "main")) == []
    text = render_text(
        timeline(message(RecipientFacts(index=0, address=BUDI)), [ACCEPTED, away, tried(T0 + 5, "main")]),
        "en",
        200,
    )
    assert "Goes by the road main again, not by spare any more." in text
