"""What every store of facts does, run on each implementation."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kurir.model import Cause, Event, EventKind, Fate, Outcome, OutcomeKind, Stage
from kurir.queue.ports import (
    Change,
    Debit,
    Mark,
    Notice,
    PaceRecord,
    RecipientState,
    RoadRecord,
    Store,
    StoreError,
)
from kurir.storage.facts import SqliteFacts
from kurir.storage.layout import Layout
from kurir.storage.memory import MemoryFacts
from tests.unit.storage.mail import ALICE, NOON, StandingClock, accept, end, outcome, reason, wait


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryFacts()
    else:
        facts = SqliteFacts(Layout(tmp_path), StandingClock())
        yield facts
        facts.close()


def test_numbers_begin_at_one_and_follow_what_was_committed(store: Store) -> None:
    assert store.next_number() == 1
    store.commit([accept(1), accept(2)])
    assert store.next_number() == 3


def test_epochs_count_up(store: Store) -> None:
    assert [store.begin_epoch(), store.begin_epoch()] == [1, 2]


def test_gaps_are_kept_in_order(store: Store) -> None:
    assert list(store.gaps()) == []
    store.note_gap(7, 86400.0, NOON)
    store.note_gap(9, 3600.5, NOON + 1)
    assert [tuple(gap) for gap in store.gaps()] == [(7, 86400.0, NOON), (9, 3600.5, NOON + 1)]


def test_debits_add_up_by_moment_and_are_forgotten_when_old(store: Store) -> None:
    def write(*debits: Debit) -> None:
        store.commit([Change(events=(), debits=debits)])

    assert list(store.debits(0)) == []
    write(Debit("a", -1, 3), Debit("a", 1000, 2), Debit("b", 1000, 7))
    write(Debit("a", -1, -1), Debit("a", 1000, 1), Debit("b", 2000, 1))
    assert sorted(store.debits(0), key=lambda d: (d.key, d.at)) == [
        Debit("a", -1, 2), Debit("a", 1000, 3), Debit("b", 1000, 7), Debit("b", 2000, 1),
    ]  # fmt: skip
    write(Debit("a", -1, -2))
    assert list(store.debits(1001)) == [Debit("b", 2000, 1)]
    assert list(store.debits(0)) == [Debit("b", 2000, 1)]  # what was forgotten is gone


def test_of_a_road_the_newest_record_counts_and_old_ones_are_forgotten(store: Store) -> None:
    broken = RoadRecord("main", "a:587", NOON, True, 2, NOON - 60.0, NOON + 120.0, "auth_failed")
    whole = RoadRecord("mx", "", NOON - 1, True, 1, NOON, NOON, "port_blocked")
    assert list(store.roads(0.0)) == []
    store.commit([Change(events=(), roads=(broken, whole))])
    assert list(store.roads(NOON - 1)) == [broken, whole]
    back = RoadRecord("main", "a:587", NOON + 1, False, 2, NOON + 1, NOON)
    store.commit([Change(events=(), roads=(back,))])
    assert list(store.roads(NOON)) == [back]
    assert list(store.roads(0.0)) == [back]


def test_of_a_pace_the_newest_record_counts_and_what_is_old_or_over_is_forgotten(store: Store) -> None:
    narrow = Mark(20.0, 4.0, 8.0, 1.0, NOON)
    slow = PaceRecord("pace/mx/at-big", NOON, "rate", narrow, Mark(9.0, 0.5, 1.0, 0.1, NOON - 1))
    old = PaceRecord("pace/mx/b.example", NOON - 9, "connections", narrow, None)
    over = PaceRecord("pace/mx/c.example", NOON, "", Mark(0.0, 0.0, 0.0, 0.0, 0.0), None)
    assert list(store.paces(0.0)) == []
    store.commit([Change(events=(), paces=(slow, old, over))])
    assert list(store.paces(NOON - 10)) == [slow, old]
    free = PaceRecord("pace/mx/at-big", NOON + 1, "rate", narrow, None)
    store.commit([Change(events=(), paces=(free,))])
    assert list(store.paces(NOON)) == [free]
    assert list(store.paces(0.0)) == [free]


def test_a_change_of_mail_without_an_event_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="event"):
        Change(events=())
    with pytest.raises(ValueError, match="event"):
        Change(events=(), recipients=(RecipientState(1, 0, None, 0.0, 0),), debits=(Debit("a", 1, 1),))


@pytest.mark.parametrize("numbers", [(2,), (1, 3), (0,), (1, 1)])
def test_a_hole_in_the_numbers_is_refused_whole(store: Store, numbers: tuple[int, ...]) -> None:
    with pytest.raises(StoreError):
        store.commit([accept(n) for n in numbers])
    assert store.next_number() == 1
    assert list(store.waiting()) == []


def test_waiting_returns_what_was_accepted(store: Store) -> None:
    change = accept(1, "bob@example.org", "Carol+x@example.net", "örtlich@example.org", 'a"b@example.org')
    assert change.message is not None
    store.commit([change, accept(2, sender=None, held="you said so")])
    first, second = store.waiting()
    assert tuple(r for r, _ in first.recipients) == change.message.recipients
    assert tuple(s for _, s in first.recipients) == change.recipients
    assert (first.account, first.reverse_path, first.size) == (
        "alice@example.com",
        ALICE,
        change.message.size,
    )
    assert first.proven_sender is True
    assert second.reverse_path is None
    assert second.recipients[0][1].held == "you said so"


def test_only_recipients_that_wait_are_returned(store: Store) -> None:
    store.commit([accept(1, "a@example.org", "b@example.org", "c@example.org"), accept(2)])
    store.commit([end(1, 1, finished=False), wait(1, 2, NOON + 60), end(2)])
    (message,) = store.waiting()
    assert [(s.index, s.next_at, s.attempts) for _, s in message.recipients] == [
        (0, NOON, 0),
        (2, NOON + 60, 1),
    ]


def test_accepted_and_settled_in_one_batch(store: Store) -> None:
    store.commit([accept(1), wait(1), end(1)])
    assert list(store.waiting()) == []


@pytest.mark.parametrize("after", [end(1, 0, Fate.BOUNCED), wait(1), end(7), end(1, 5)])
def test_what_ended_stays_ended_and_the_unknown_is_refused(store: Store, after: Change) -> None:
    store.commit([accept(1)])
    store.commit([end(1)])
    with pytest.raises(StoreError):
        store.commit([accept(2), after])
    assert store.next_number() == 2


def test_after_a_failure_nothing_is_taken_any_more(store: Store) -> None:
    with pytest.raises(StoreError):
        store.commit([accept(5)])
    with pytest.raises(StoreError):
        store.commit([accept(1)])


def test_letters_hold_what_an_attempt_needs(store: Store) -> None:
    change = accept(1, "a@example.org", "b@example.org")
    m = change.message
    assert m is not None
    store.commit([change])
    letters = store.letters([1, 99])
    assert list(letters) == [1]
    letter = letters[1]
    same = [f for f in letter.__struct_fields__ if getattr(letter, f) == getattr(m, f)]
    assert same == list(letter.__struct_fields__)


def test_a_notice_is_open_until_its_report_is_accepted(store: Store) -> None:
    store.commit([accept(1)])
    store.commit([end(1, 0, Fate.BOUNCED, notice="1-failed-1")])
    notice = Notice(id="1-failed-1", number=1, to=ALICE, reasons=(reason(),))
    assert list(store.open_notices()) == [notice]
    assert store.notice_number("1-failed-1") is None
    store.commit([accept(2, sender=None, notice_of="1-failed-1")])
    assert list(store.open_notices()) == []
    assert store.notice_number("1-failed-1") == 2
    assert store.notice_number("9-failed-1") is None


def test_a_notice_made_twice_is_made_once(store: Store) -> None:
    store.commit([accept(1, "a@example.org", "b@example.org")])
    again = msgspec.structs.replace(end(1, 1, Fate.BOUNCED), notices=end(1, notice="n").notices)
    store.commit([end(1, 0, Fate.BOUNCED, notice="n", finished=False), again])
    assert len(list(store.open_notices())) == 1


def test_a_waived_notice_is_closed_without_a_report(store: Store) -> None:
    store.commit([accept(1), end(1, notice="n")])
    waived = Event(number=1, kind=EventKind.NOTICE_WAIVED, at=NOON, reason="the sender is not proven")
    store.commit([Change(events=(waived,), notices_met=("n",))])
    assert list(store.open_notices()) == []
    assert store.notice_number("n") is None


def test_text_that_no_encoding_carries_is_mended_not_lost(store: Store) -> None:
    change = accept(1, subject="caf\udce9")
    assert change.message is not None
    event = Event(number=1, kind=EventKind.HELD, at=NOON, reason="\udcff said so")
    held = Change(events=(event,), recipients=(RecipientState(1, 0, None, NOON, 0, "\udcff"),))
    store.commit([change, held])
    assert len(list(store.waiting())) == 1
    assert store.letters([1])[1].subject in ("caf?", "caf\udce9")


def test_an_empty_batch_is_nothing(store: Store) -> None:
    store.commit([])
    assert store.next_number() == 1


def test_the_last_outcome_of_each_recipient(store: Store) -> None:
    store.commit([accept(1, "a@example.org", "b@example.org"), accept(2)])
    assert store.last_outcomes(1) == {}
    for index, words in ((0, "first"), (1, "other"), (0, "second")):
        event = Event(
            number=1, kind=EventKind.ATTEMPTED, at=NOON, recipient=index, outcome=outcome(text=words)
        )
        store.commit([Change(events=(event,), recipients=(RecipientState(1, index, None, NOON + 60, 1),))])
    store.commit([Change(events=(Event(number=1, kind=EventKind.RETRY_ASKED, at=NOON, recipient=0),))])
    assert store.last_outcomes(1) == {0: outcome(text="second"), 1: outcome(text="other")}
    assert store.last_outcomes(99) == {}


def test_waiting_recipients_that_may_have_been_delivered(store: Store) -> None:
    store.commit([accept(1, "a@example.org", "b@example.org"), accept(2)])
    lost = Outcome(
        kind=OutcomeKind.DEFERRED, cause=Cause.LOST_REPLY, at=NOON, stage=Stage.BODY, road="main", possibly_delivered=True
    )  # fmt: skip
    for number, index, came in (
        (1, 0, lost),
        (1, 1, outcome(text="possibly_delivered")),  # words of a peer that only look like it
        (2, 0, lost),
    ):
        event = Event(number=number, kind=EventKind.ATTEMPTED, at=NOON, recipient=index, outcome=came)
        state = RecipientState(number, index, None, NOON + 60, 1)
        store.commit([Change(events=(event,), recipients=(state,))])
    assert list(store.lost_replies()) == [(1, 0, "main"), (2, 0, "main")]
    ended = Event(number=2, kind=EventKind.DROPPED, at=NOON, recipient=0, fate=Fate.DELETED)
    store.commit(
        [Change(events=(ended,), recipients=(RecipientState(2, 0, Fate.DELETED, NOON, 1),), finished=True)]
    )
    assert list(store.lost_replies()) == [(1, 0, "main")]
