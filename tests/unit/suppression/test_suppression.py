"""What is proof that an address is dead, the list in memory, and the store that both stand on."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.model import Address, Cause, Fate, Outcome, OutcomeKind, Reply, Stage, encode_id
from kurir.storage import Layout, SqliteSuppressions
from kurir.suppression import Barred, Desk, Entry, Report, SentMail, SentTo, SuppressionSettings
from kurir.suppression.rules import DEAD, Weight, of_bounce, of_outcome
from kurir.trace import explain

DAY = 86_400.0
START = 1_800_000_000.0
BUDI = Address("Budi", "far.test")
UNKNOWN = (550, "5.1.1", "no such user")


class Clock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class Sent:
    """Implements `History`: the mails that were sent, by Message-ID."""

    def __init__(self, *twins: SentMail, **mails: SentMail) -> None:
        self.twins = twins
        self.mails = {f"<{name}@here.test>": mail for name, mail in mails.items()}

    def sent(self, message_id: str, since: float) -> Sequence[SentMail]:
        mail = self.mails.get(message_id)
        return [mail, *self.twins] if mail is not None and mail.accepted_at >= since else []

    def numbered(self, number: int) -> SentMail | None:
        return next((mail for mail in (*self.mails.values(), *self.twins) if mail.number == number), None)

    def addressed(self, address: str, since: float) -> Sequence[SentMail]:
        mails = (*self.mails.values(), *self.twins)
        return [
            m
            for m in mails
            if m.accepted_at >= since and address in {str(to.address).lower() for to in m.recipients}
        ]


def to(*addresses: Address, fate: Fate = Fate.HANDED_OVER, at: float = START) -> SentMail:
    return SentMail(7, at, tuple(SentTo(i, a, None, fate) for i, a in enumerate(addresses)))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteSuppressions]:
    made = SqliteSuppressions(Layout(tmp_path), clock)
    yield made
    made.close()


def bounce(message: str, recipient: str = "budi@far.test", said: str = "550 5.1.1 no such user") -> str:
    return (
        "From: MAILER-DAEMON@far.test\nTo: a@here.test\nSubject: failure notice\n\n"
        f"<{recipient}>:\nRemote host said: {said}\n\n--- Below this line is a copy of the message.\n\n"
        f"Return-Path: <a@here.test>\nMessage-ID: <{message}@here.test>\n"
    )


def failed(
    code: int, enhanced: str | None, text: str, stage: Stage = Stage.RCPT, cause: Cause = Cause.UNKNOWN_USER
) -> Outcome:
    return Outcome(
        kind=OutcomeKind.FAILED, cause=cause, at=START, stage=stage, reply=Reply.of(code, enhanced, text)
    )


@pytest.mark.parametrize(
    ("reply", "fate", "recipients", "weight"),
    [
        ("550 5.1.1 no such user", Fate.HANDED_OVER, 1, Weight.PROOF),
        ("550 5.1.1 no such user", Fate.HANDED_OVER, 2, Weight.STRIKE),
        ("550 5.1.1 no such user", Fate.BOUNCED, 1, Weight.NOTHING),
        ("550 5.1.1 no such user", None, 1, Weight.NOTHING),
        ("450 4.1.1 no such user", Fate.HANDED_OVER, 1, Weight.NOTHING),
        ("550 5.2.1 this account has been disabled", Fate.HANDED_OVER, 1, Weight.PROOF),
        ("552 5.2.2 over quota", Fate.HANDED_OVER, 1, Weight.NOTHING),
        ("550 5.7.1 blocked using zen.spamhaus.org", Fate.HANDED_OVER, 1, Weight.NOTHING),
        ("550 5.7.1 no such user", Fate.HANDED_OVER, 1, Weight.NOTHING),
    ],
)
def test_what_a_bounce_is_worth(reply: str, fate: Fate | None, recipients: int, weight: Weight) -> None:
    assert of_bounce(explain(reply), fate, recipients) is weight


@pytest.mark.parametrize(
    ("outcome", "weight"),
    [
        (failed(*UNKNOWN), Weight.STRIKE),
        (failed(550, None, "no such user"), Weight.STRIKE),
        (failed(550, None, "no such user", Stage.BODY), Weight.NOTHING),
        (failed(550, "5.1.1", "no such user", Stage.BODY), Weight.STRIKE),
        (failed(525, "5.7.13", "disabled", cause=Cause.DISABLED_USER), Weight.STRIKE),
        (failed(550, "5.7.1", "spam", cause=Cause.CONTENT_SPAM), Weight.NOTHING),
        (
            Outcome(kind=OutcomeKind.FAILED, cause=Cause.UNKNOWN_USER, at=START, stage=Stage.PLAN),
            Weight.NOTHING,
        ),
    ],
)
def test_what_a_refusal_is_worth(outcome: Outcome, weight: Weight) -> None:
    assert of_outcome(outcome) is weight


@given(st.sampled_from(list(OutcomeKind)), st.sampled_from(list(Cause)), st.sampled_from(list(Stage)))
def test_nothing_but_a_final_word_about_the_address_counts(
    kind: OutcomeKind, cause: Cause, stage: Stage
) -> None:
    outcome = Outcome(kind=kind, cause=cause, at=START, stage=stage, reply=Reply.of(550, "5.1.1", "no"))
    assert (of_outcome(outcome) is Weight.NOTHING) is not (kind is OutcomeKind.FAILED and cause in DEAD)


def test_refusals_of_two_days_are_proof_and_two_of_one_day_are_not(
    store: SqliteSuppressions, clock: Clock
) -> None:
    desk = Desk(SuppressionSettings(), store, Sent(), clock.now)
    desk.refused(1, BUDI, failed(*UNKNOWN))
    clock.at += 600
    desk.refused(2, BUDI, failed(*UNKNOWN))
    assert not store.entries()
    clock.at += DAY
    desk.refused(3, BUDI, failed(*UNKNOWN))
    (entry,) = store.entries()
    assert (entry.address, entry.by, entry.source) == ("budi@far.test", "refusals", 3)
    assert (entry.since, entry.until) == (clock.at, clock.at + 30 * DAY)
    assert entry.words == "550 5.1.1 no such user"


def test_an_old_strike_is_forgotten_and_a_removed_address_starts_anew(
    store: SqliteSuppressions, clock: Clock
) -> None:
    desk = Desk(SuppressionSettings(), store, Sent(), clock.now)
    desk.refused(1, BUDI, failed(*UNKNOWN))
    clock.at += 20 * DAY
    desk.refused(2, BUDI, failed(*UNKNOWN))
    assert not store.entries()
    clock.at += DAY
    desk.refused(3, BUDI, failed(*UNKNOWN))
    assert store.remove("budi@far.test")
    clock.at += DAY
    desk.refused(4, BUDI, failed(*UNKNOWN))
    assert not store.entries()


def test_a_bounce_of_mail_that_went_there_is_proof(store: SqliteSuppressions, clock: Clock) -> None:
    desk = Desk(SuppressionSettings(), store, Sent(x=to(BUDI)), clock.now)
    (report,) = desk.returned(9, bounce("x"))
    assert report == Report(7, 0, 9, START, Cause.UNKNOWN_USER, True, "", "550 5.1.1 no such user")
    assert desk.returned(9, bounce("x")) == ()  # read again after a crash
    assert store.reports(7) == [report]
    assert [e.by for e in store.entries()] == ["bounce"]


RETURNED = """From: MAILER-DAEMON@far.test
To: a@here.test
Subject: failure notice
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Original-Envelope-Id: {envid}
Reporting-MTA: dns; far.test

Final-Recipient: rfc822; budi@far.test
Action: failed
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

Received: from here.test by far.test with ESMTP id 1; Fri, 15 Jan 2027 08:00:01 +0000
Received: by here.test (Kurir) with ESMTPSA (TLSv1.3)
	id {id}; Fri, 15 Jan 2027 08:00:{second} +0000
{message}

--b--
"""


@pytest.mark.parametrize(
    ("id", "second", "envid", "message", "about"),
    [
        (encode_id(7), "00", "", "", 7),  # whose Message-ID was taken away on the way
        (encode_id(6), "02", "", "Message-ID: <x@here.test>", 6),
        (encode_id(7), "40", "", "", None),  # guessed: the time is wrong
        (encode_id(5), "00", "", "", None),
        ("k1234567", "00", "", "", None),
        ("-", "00", "QQ6", "Message-ID: <x@here.test>", 6),
        ("-", "00", "QQ6", "", None),  # so short a name can be guessed
        ("-", "00", "QQ314159-8", "", 8),
        ("-", "00", "QQ314159-9", "", None),
        ("-", "00", "other", "Message-ID: <x@here.test>", 7),
    ],
)
def test_which_of_ours_it_is_follows_from_the_number_or_the_envelope_too(
    store: SqliteSuppressions, clock: Clock, id: str, second: str, envid: str, message: str, about: int | None
) -> None:
    recipients = to(BUDI).recipients
    named = SentMail(8, START + 3.5, recipients, "QQ314159-8")
    stranger = SentMail(5, START - 90.0, to(Address("anna", "far.test")).recipients, "QQ314159-9")
    twin = SentMail(6, START + 2.5, recipients, "QQ6")
    history = Sent(twin, x=SentMail(7, START + 0.5, recipients), y=named, z=stranger)
    text = RETURNED.format(id=id, second=second, envid=envid, message=message)
    found = Desk(SuppressionSettings(), store, history, clock.now).returned(9, text)
    assert [r.number for r in found] == ([about] if about else [])


@pytest.mark.parametrize(
    ("text", "mail"),
    [
        (bounce("guessed"), to(BUDI)),
        (bounce("x", recipient="other@far.test"), to(BUDI)),
        (bounce("x"), to(BUDI, Address("anna", "far.test"))),
        (bounce("x"), to(BUDI, fate=Fate.BOUNCED)),
        (bounce("x"), to(BUDI, at=START - 30 * DAY)),
        (bounce("x", said="552 5.2.2 over quota"), to(BUDI)),
        ("From: budi@far.test\nTo: a@here.test\nSubject: Re: hello\nReferences: <x@here.test>\n\n550 things to do\n", to(BUDI)),
        ("", to(BUDI)),
    ],
    ids=["forged", "another address", "others got it too", "not handed over", "long ago", "full", "a letter", "nothing"],
)  # fmt: skip
def test_what_proves_nothing_suppresses_nobody(
    store: SqliteSuppressions, clock: Clock, text: str, mail: SentMail
) -> None:
    Desk(SuppressionSettings(), store, Sent(x=mail), clock.now).returned(9, text)
    assert not store.entries()


def test_switched_off_it_only_shows(store: SqliteSuppressions, clock: Clock) -> None:
    desk = Desk(SuppressionSettings(automatic=False), store, Sent(x=to(BUDI)), clock.now)
    assert desk.returned(9, bounce("x"))
    desk.refused(1, BUDI, failed(*UNKNOWN))
    assert not store.entries()


def test_a_person_is_erased_also_from_what_was_said(store: SqliteSuppressions, clock: Clock) -> None:
    desk = Desk(SuppressionSettings(), store, Sent(x=to(BUDI)), clock.now)
    assert desk.returned(9, bounce("x", said="550 5.1.1 <Budi@far.test>: no such user"))
    store.erase("budi@far.test")
    assert not store.entries()
    assert not store.reports(7)


def test_the_list_in_memory_sees_what_another_process_wrote(
    store: SqliteSuppressions, clock: Clock, tmp_path: Path
) -> None:
    other = SqliteSuppressions(Layout(tmp_path), clock)
    barred = Barred(store, clock.now)
    barred.look()
    assert not barred and barred.find(BUDI) is None
    entry = Entry(
        address="budi@far.test", cause=Cause.SUPPRESSED, words="left", source=None, by="siti", since=START,
        until=START + DAY,
    )  # fmt: skip
    other.put(entry)
    barred.look()
    assert barred.find(BUDI) == entry
    assert barred.find(Address("anna", "far.test")) is None
    clock.at += DAY
    assert barred.find(BUDI) is None
    other.forget(clock.at + 1)
    barred.look()
    assert not barred
    other.close()
