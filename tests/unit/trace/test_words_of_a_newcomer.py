"""What somebody met who followed the tutorial for the first time, and could not understand."""

import re

import pytest

from kurir.model import Cause, Fate, Observation, ObservationKind, OutcomeKind, Reply, Stage
from kurir.reception.replies import cause_of
from kurir.smtp import replies
from kurir.trace import Catalogue, RecipientFacts, observation_text, timeline
from kurir.trace.telling import Teller

from .stories import ACCEPTED, BUDI, T0, attempt, attempted, message


@pytest.mark.parametrize(("lang", "word"), [("en", "the sandbox"), ("id", "kotak pasir")])
@pytest.mark.parametrize("socket", ["unix:/srv/kurir/run/sandbox.sock", "unix:/x/run/sandbox.03"])
def test_the_sandbox_is_called_by_what_it_is(lang, word, socket) -> None:
    assert Teller(Catalogue.load(), lang).host(socket) == word


@pytest.mark.parametrize(
    ("words", "hint"),
    [("Captured as 000021", "kurir sandbox show 000021”"), ("taken", "kurir sandbox show ID”")],
)
@pytest.mark.parametrize("lang", ["en", "id"])
def test_the_hint_says_which_mail_in_the_sandbox_it_is(lang, words, hint) -> None:
    taken = attempt(T0, OutcomeKind.CAPTURED, Cause.SANDBOX, Stage.BODY, Reply.of(250, "2.0.0", words))
    facts = message(RecipientFacts(index=0, address=BUDI, fate=Fate.CAPTURED, attempts=1))
    story = timeline(facts, [ACCEPTED, attempted(taken, fate=Fate.CAPTURED)]).recipients[0]
    sentence = Teller(Catalogue.load(), lang).sentence(story)
    assert sentence is not None
    assert hint in sentence.todo


def test_other_sockets_and_hosts_keep_their_names() -> None:
    teller = Teller(Catalogue.load(), "en")
    assert teller.host("unix:/run/dovecot/lmtp") == "unix:/run/dovecot/lmtp"
    assert teller.host("mx.example.org[192.0.2.1]:25") == "mx.example.org"


def test_a_sentence_begins_with_a_capital_whoever_it_begins_with() -> None:
    seen = Observation(
        kind=ObservationKind.REFUSED_RECIPIENT, at=0.0, client="192.0.2.1", listener="mx",
        recipient="b@example.com", cause=Cause.RELAY_DENIED, reply=Reply.of(550, "5.7.1", "Relaying denied"),
    )  # fmt: skip
    for lang in ("en", "id"):
        text = observation_text(seen, lang)
        for sentence in re.split(r"(?<=[.!?]) ", text):
            assert "@" in sentence.split()[0] or not sentence[0].islower(), text


def test_an_address_at_the_start_of_a_sentence_keeps_its_spelling() -> None:
    catalogue = Catalogue.load()
    assert catalogue.fill("en", "{recipient} was refused.", {"recipient": "budi@example.org"}).startswith(
        "budi@"
    )


def test_every_refusal_of_a_body_has_a_reason() -> None:
    named = [
        replies.BARE_IN_BODY,
        replies.BARE_IN_CHUNK,
        replies.NUL_IN_BODY,
        replies.TEXT_LINE_TOO_LONG,
        replies.too_large(None, 1000),
    ]
    assert {cause_of(reply) for reply in named} == {Cause.MALFORMED, Cause.TOO_LARGE}
