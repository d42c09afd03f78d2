"""Both languages say everything, say the same, and say it plainly."""

import re
import string
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.model import Cause, EventKind, Fate, ObservationKind, Stage
from kurir.trace.explain import Catalogue, Side, language, side_of
from kurir.trace.explain.catalogue import LANGUAGES, placeholders
from kurir.trace.explain.units import count, date, moment, size

CATALOGUE = Catalogue.load()

MEMBERS: list[tuple[type[Enum], tuple[str, ...]]] = [
    (Cause, ("cause.{}.label", "cause.{}.what", "cause.{}.todo")),
    (Fate, ("fate.{}", "label.fate.{}", "summary.{}")),
    (EventKind, ("event.{}",)),
    (ObservationKind, ("observation.{}",)),
    (Stage, ("stage.{}",)),
    (Side, ("side.{}",)),
]


@pytest.mark.parametrize(
    "key", [k.format(m.value) for enum, keys in MEMBERS for m in enum for k in keys], ids=lambda k: k
)
def test_every_member_has_its_texts(key: str) -> None:
    for lang in LANGUAGES:
        assert CATALOGUE.text(lang, key).strip()


def test_both_languages_have_the_same_keys() -> None:
    assert set(CATALOGUE.keys("en")) == set(CATALOGUE.keys("id"))


def test_no_key_is_for_a_member_that_does_not_exist() -> None:
    causes = {k.split(".")[1] for k in CATALOGUE.keys("en") if k.startswith("cause.")}
    assert causes == {c.value for c in Cause}


@pytest.mark.parametrize("key", sorted(set(CATALOGUE.keys("en"))))
def test_placeholders_agree_and_texts_differ(key: str) -> None:
    if not CATALOGUE.has(key):
        assert len(CATALOGUE.words("en", key)) == len(CATALOGUE.words("id", key))
        return
    en, indonesian = (CATALOGUE._texts[lang][key] for lang in LANGUAGES)
    assert placeholders(en) == placeholders(indonesian)
    assert re.sub(r"\{[a-z_]+\}", "", en + indonesian).count("{") == 0
    assert en.strip() == en and indonesian.strip() == indonesian


# Words that a layperson does not know: they may stand only beside their meaning in brackets.
JARGON = re.compile(
    r"\b(MX|PTR|SPF|DKIM|DMARC|SMTP|LMTP|RCPT|DSN|MTA|EHLO|TLS|STARTTLS|smarthost|backscatter|envelope|enhanced|"
    r"greylist\w*|relay\w*|postmaster|sandbox|blocklist|header|[45]xx|NDR|FQDN|rDNS|port 25|DANE|daftar hitam)\b",
    re.IGNORECASE,
)
# Where the words stand in the reader's own domain: messages to the person who runs the server, names of things.
FOR_OPERATORS = ("finding.", "audit.", "ui.", "fallback.", "action.", "label.")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_jargon_is_explained(lang: str) -> None:
    unexplained = []
    for key, text in CATALOGUE._texts[lang].items():
        if key.startswith(FOR_OPERATORS) or key.endswith(".label"):
            continue
        for match in JARGON.finditer(text):
            word = match[0]
            explained = re.search(rf"{re.escape(word)}[^.]*\([^)]+\)|\([^)]*{re.escape(word)}[^)]*\)", text)
            command = re.search(rf"“kurir [^”]*{re.escape(word)}", text)
            if not explained and not command and key not in GIVEN_CONTEXT:
                unexplained.append((key, word, text))
    assert not unexplained


# Texts that only ever stand beside one that explains the word, with the reason.
GIVEN_CONTEXT = {
    "cause.port_blocked.todo": "cause.port_blocked.what explains port 25",
    "cause.blocklisted.todo": "says only “the list”",
    "fate.captured": "a sandbox is what the test server was made for",
    "label.fate.captured": "short word",
    "step.captured": "summary stands beside it",
    "step.captured_sealed": "summary stands beside it",
    "summary.captured": "fate.captured stands beside it",
    "cause.sandbox.what": "explained by the sentence itself: kept, did not leave the machine",
    "notice.word.close": "the placeholder is an address",
}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_sentences_are_short(lang: str) -> None:
    long = [
        (key, sentence)
        for key, text in CATALOGUE._texts[lang].items()
        for sentence in re.split(r"(?<=[.!?]) ", text)
        if len(sentence.split()) > 30
    ]
    assert not long


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_cause_is_whole_sentences_even_without_values(cause: Cause, lang: str) -> None:
    sentence = CATALOGUE.explain_cause(cause, lang, final=True)
    for part in (sentence.what, sentence.todo, sentence.next):
        assert part[0] in string.ascii_uppercase + "“" and part.endswith((".", "”.")), part
        assert "{" not in part
    assert sentence.side


@pytest.mark.parametrize("lang", LANGUAGES)
def test_words_for_the_unknown_fit_their_sentences(lang: str) -> None:
    doubled = re.compile(
        r"\b(server|account|akun|sender|pengirim|recipient|penerima|klien|client|domain|surel) "
        r"(?:the|an|a|server tujuan|akun tanpa|domain itu|komputer)\b",
        re.IGNORECASE,
    )
    for key in CATALOGUE._texts[lang]:
        if key.startswith(("cause.", "observation.", "step.", "fate.", "decided.")):
            text = CATALOGUE.text(lang, key)
            assert not (doubled.search(text) and not doubled.search(CATALOGUE._texts[lang][key])), text


def test_next_step_follows_what_is_known() -> None:
    retry = CATALOGUE.explain_cause(Cause.GREYLISTED, "en", final=False, time="1 May", host="mx.example.org")
    assert retry.what.startswith("As a test for unknown senders, mx.example.org asks")
    assert retry.next == "We try again on 1 May."
    assert CATALOGUE.explain_cause(Cause.GREYLISTED, "id", final=False).next == (
        "Kami akan mencoba lagi dengan sendirinya."
    )
    assert CATALOGUE.explain_cause(Cause.GREYLISTED, "en").next == ""


def test_what_a_peer_said_cannot_steer_a_terminal() -> None:
    text = CATALOGUE.text("en", "step.detail", detail="a\x1b[2Jb\u202ec\n{by}")
    assert text == "Detail: a?[2Jb?c {by}"


def test_side_is_known_for_every_cause() -> None:
    assert {side_of(cause) for cause in Cause} == set(Side)


@pytest.mark.parametrize(
    ("env", "wanted", "lang"),
    [
        ({}, None, "en"),
        ({"LANG": "id_ID.UTF-8"}, None, "id"),
        ({"LANG": "in_ID"}, None, "id"),
        ({"LANG": "id_ID.UTF-8", "LC_ALL": "C"}, None, "en"),
        ({"LANG": "id_ID.UTF-8", "LC_ALL": ""}, None, "id"),
        ({"LC_MESSAGES": "id_ID", "LANG": "en_US"}, None, "id"),
        ({"KURIR_LANG": "id", "LC_ALL": "en_US.UTF-8"}, None, "id"),
        ({"KURIR_LANG": "id"}, "en", "en"),
        ({"LANG": "de_DE.UTF-8"}, None, "en"),
        ({"LANG": "idx"}, None, "en"),
    ],
)
def test_language(env: dict[str, str], wanted: str | None, lang: str) -> None:
    assert language(env, wanted) == lang


def test_dates_and_sizes() -> None:
    at = 1795428192.0
    assert moment(CATALOGUE, "en", at) == "23 November 2026 at 10:03 UTC"
    assert moment(CATALOGUE, "id", at) == "23 November 2026 pukul 10.03 UTC"
    assert date(CATALOGUE, "id", at) == "Senin, 23 November 2026"
    assert (size(CATALOGUE, "en", 1234567), size(CATALOGUE, "id", 1234567)) == ("1.2 MB", "1,2 MB")
    assert size(CATALOGUE, "en", 999) == "999 B"
    assert count(CATALOGUE, "id", "message", 12345) == "12.345 surel"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_times_never_raise(at: float) -> None:
    for lang in LANGUAGES:
        assert moment(CATALOGUE, lang, at)


@given(st.text())
def test_any_value_fits(value: str) -> None:
    for lang in LANGUAGES:
        text = CATALOGUE.text(lang, "cause.unknown_user.what", recipient=value, host=value)
        assert text.isprintable()
