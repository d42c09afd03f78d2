"""Mail that waits for a limit, and a day of an account, in the words that people read."""

from datetime import UTC

from msgspec import structs

from kurir.model import Cause, Fate, LimitFacts, OutcomeKind, Reply, Stage, Urgency, UrgencyBy
from kurir.trace import (
    Catalogue,
    RecipientFacts,
    day_json,
    day_text,
    limit_words,
    render_text,
    summarise,
    timeline,
)

from .stories import ACCEPTED, ANI, BUDI, CITRA, T0, attempt, attempted, message

TOMORROW = T0 + 79_608.0  # 2026-11-24 08:10 UTC
LIMIT = LimitFacts(
    road="out", label="Gmail",
    limit={"unit": "messages", "value": 2000, "per": "day", "source": "https://support.example/1", "seen": "2026-11-01"},
    used=1800, stop=1800, free_at=TOMORROW,
)  # fmt: skip


def waiting(index: int = 0, **more: object) -> RecipientFacts:
    given = {"next_at": LIMIT.free_at, "limit": LIMIT, **more}
    return RecipientFacts(index=index, address=BUDI, **given)  # type: ignore[arg-type]


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_trace_names_limit_source_use_and_time_in_both_languages() -> None:
    story = timeline(message(waiting()), [ACCEPTED])
    english, indonesian = (flat(render_text(story, lang, zone=UTC)) for lang in ("en", "id"))
    assert (
        "budi@example.org: waits its turn because of a limit of Gmail; it leaves on 24 November 2026 at 08:10 UTC."
        in english
    )
    assert (
        "Nothing is wrong: Gmail allows 2,000 messages a day (according to https://support.example/1, 2026-11-01)"
        in english
    )
    assert "used so far: 1,800, and we stop at 1,800" in english
    assert "by itself; you need to do nothing." in english
    assert "waiting for its first attempt" not in english
    assert "Tidak ada yang salah: Gmail mengizinkan 2.000 pesan per hari" in indonesian
    assert "berangkat sendiri pada 24 November 2026 pukul 08.10 UTC" in indonesian


def test_a_figure_of_the_operator_names_no_file_of_this_server() -> None:
    own = structs.replace(
        LIMIT, limit=LIMIT.limit | {"confidence": "operator", "source": "/etc/kurir/own.toml"}
    )
    text = flat(render_text(timeline(message(waiting(limit=own)), [ACCEPTED]), "en", zone=UTC))
    assert "2,000 messages a day (so says the operator of this server)" in text
    assert "own.toml" not in text


def test_a_time_that_only_a_landing_tells() -> None:
    facts = waiting(limit=structs.replace(LIMIT, free_at=None), next_at=None)
    text = flat(render_text(timeline(message(facts), [ACCEPTED]), "en", zone=UTC))
    assert "it leaves as soon as another delivery ends" in text
    assert "unknown" not in text


def test_how_urgent_and_by_what() -> None:
    urgent = structs.replace(message(waiting()), urgency=Urgency.URGENT, urgency_by=UrgencyBy.MT_PRIORITY)
    assert "urgent: before all other mail (MT-PRIORITY of the sender)" in flat(
        render_text(timeline(urgent, [ACCEPTED]), "en", 200)
    )
    plain = render_text(timeline(message(waiting()), [ACCEPTED]), "en")
    assert "Urgency" not in plain


def day() -> object:
    refused = attempt(
        T0 + 5, OutcomeKind.FAILED, Cause.UNKNOWN_USER, Stage.RCPT, Reply.of(550, "5.1.1", "no such user")
    )
    arrived = attempt(T0 + 6, OutcomeKind.HANDED_OVER, Cause.OK, Stage.BODY, Reply.of(250, None, "ok"))
    first = timeline(
        message(
            RecipientFacts(index=0, address=CITRA, fate=Fate.BOUNCED),
            RecipientFacts(index=1, address=ANI, fate=Fate.HANDED_OVER),
        ),
        [ACCEPTED, attempted(refused, 0, Fate.BOUNCED), attempted(arrived, 1, Fate.HANDED_OVER)],
    )
    second = timeline(message(waiting()), [ACCEPTED])
    held = timeline(message(RecipientFacts(index=0, address=BUDI, held="let me look")), [ACCEPTED])
    return summarise("ani@example.com", "2026-11-23", T0, [first, second, held])


def test_a_day_in_words() -> None:
    text = flat(day_text(day(), "en"))  # type: ignore[arg-type]
    assert "Mail of ani@example.com on Monday, 23 November 2026" in text
    assert "Sent: 3 messages to 4 recipients." in text
    for line in (
        "delivered or passed on: 1",
        "waiting: 1",
        "held for a person to decide: 1",
        "not delivered: 1",
    ):
        assert line in text
    assert "citra@example.net: refused by mx1.example.org" in text
    assert "Gmail allows 2,000 messages a day" in text
    assert "the last of it on 24 November 2026 at 08:10 UTC" in text
    assert "Nothing was sent." in day_text(summarise("a@b.example", "2026-11-23", T0, []), "en")
    assert "Tidak ada yang dikirim." in day_text(summarise("a@b.example", "2026-11-23", T0, []), "id")


def test_a_day_for_programs() -> None:
    data = day_json(day(), "en")  # type: ignore[arg-type]
    assert (data["messages"], data["recipients"], data["arrived"], data["removed"]) == (3, 4, 1, 0)
    assert data["last_at"] == "2026-11-24T08:10:00.000Z"
    [limit] = data["limits"]  # type: ignore[misc]
    assert (limit["label"], limit["used"]) == ("Gmail", 1800)
    [failed] = data["failed"]  # type: ignore[misc]
    assert (failed["address"], failed["cause"]) == ("citra@example.net", "unknown_user")


def test_what_was_learnt_says_from_which_words_and_when() -> None:
    learnt = structs.replace(
        LIMIT,
        limit=LIMIT.limit | {"confidence": "learnt", "source": "451 4.7.1 slow down", "seen": "2026-11-23"},
    )
    story = timeline(message(waiting(limit=learnt)), [ACCEPTED])
    assert "a day (learnt on 2026-11-23 from the reply “451 4.7.1 slow down”)" in flat(
        render_text(story, "en", zone=UTC)
    )
    assert "(dipelajari 2026-11-23 dari jawaban “451 4.7.1 slow down”)" in flat(
        render_text(story, "id", zone=UTC)
    )


def test_a_warm_up_is_told_with_its_day() -> None:
    warm = structs.replace(
        LIMIT,
        limit={"id": "warm-up", "unit": "messages", "value": 50, "per": "day", "note": "1/12", "source": "mx",
               "confidence": "operator"},
    )  # fmt: skip
    text = flat(render_text(timeline(message(waiting(limit=warm)), [ACCEPTED]), "en", zone=UTC))
    assert "Gmail allows 50 messages a day: warm-up, day 1/12 (a new road begins with little" in text


def test_who_is_spared_is_named_and_the_earliest_time() -> None:
    spared = structs.replace(LIMIT, limit=None, used=0, stop=0, not_before=True)
    story = timeline(message(waiting(limit=spared)), [ACCEPTED])
    text = flat(render_text(story, "en", zone=UTC))
    assert (
        "waits its turn because mail to Gmail goes more slowly at present; it leaves on 24 November 2026"
        in text
    )
    assert (
        "Nothing is wrong with this mail: mail to Gmail goes more slowly at present, because of how it answered"
        in text
    )
    assert "surel ke Gmail sedang dikirim lebih pelan" in flat(render_text(story, "id", zone=UTC))
    unknown = waiting(limit=structs.replace(spared, free_at=None), next_at=None)
    assert "as soon as another delivery ends" in flat(
        render_text(timeline(message(unknown), [ACCEPTED]), "en", zone=UTC)
    )


def test_an_attempt_under_way_is_told_as_such() -> None:
    first = timeline(message(waiting(limit=None, next_at=None, trying=True)), [ACCEPTED])
    assert f"{BUDI}: is being tried right now." in flat(render_text(first, "en", zone=UTC))
    assert f"{BUDI}: sedang dicoba saat ini." in flat(render_text(first, "id", zone=UTC))
    reply = Reply.of(451, "4.7.1", "Greylisted")
    refused = attempted(
        attempt(T0, OutcomeKind.DEFERRED, Cause.GREYLISTED, Stage.RCPT, reply), next_at=T0 + 60
    )
    facts = waiting(limit=None, next_at=None, trying=True, attempts=1)
    text = flat(render_text(timeline(message(facts), [ACCEPTED, refused]), "en", zone=UTC))
    assert "is being tried right now, after 1 attempt" in text
    assert "We are trying again right now." in text


def test_a_limit_of_one_is_told_in_the_singular() -> None:
    limit = {"unit": "recipients", "value": 1, "per": "second"}
    assert limit_words(Catalogue.load(), "en", limit) == "1 recipient a second"
    assert limit_words(Catalogue.load(), "en", limit | {"value": 2}) == "2 recipients a second"


def test_a_first_attempt_that_has_a_time_names_it() -> None:
    facts = waiting(limit=None, next_at=T0 + 60)
    text = flat(render_text(timeline(message(facts), [ACCEPTED]), "en", zone=UTC))
    assert f"{BUDI}: waiting for its first attempt on 23 November 2026" in text
    nobody_knows = waiting(limit=None, next_at=None)
    text = flat(render_text(timeline(message(nobody_knows), [ACCEPTED]), "en", zone=UTC))
    assert f"{BUDI}: waiting for its first attempt." in text
