"""Erasing a person: nothing of them is left in settled mail, and the books balance as before."""

from pathlib import Path

from kurir.model import Address, Check, EventKind, Fate, Observation, ObservationKind, Reply
from kurir.reports import Complaint, Feedback
from kurir.storage import SqliteObservations, SqliteReports, TraceQuery, TraceReader, erase
from kurir.storage.layout import Layout

from .mail import NOON, StandingClock, State, accept, end, wait

PERSON = "Bob.Secret@example.org"
CHECKS = (Check("spf", "pass", "spf.listed", (("client", "192.0.2.1"),)),)
MIDNIGHT = NOON + 43200


def history(tmp_path: Path) -> tuple[State, SqliteObservations]:
    """1 to the person and another; 2 from the person; 3 a stranger's; 4 waits; 5 is reported on; day 1 is closed."""
    state = State.at(tmp_path)
    bob = Address("Bob.Secret", "example.org")
    state.facts.commit(
        [
            accept(1, PERSON, "carol@example.org", subject="for Bob.Secret@example.org only"),
            accept(2, "carol@example.org", sender=bob, subject="secret plans", checks=CHECKS),
            accept(3, "carol@example.org", subject="nothing to hide", checks=CHECKS),
            accept(4, PERSON),
            accept(5, PERSON),
        ]
    )
    reply = f"5.1.1 <{PERSON.lower()}>: user unknown"
    state.facts.commit(
        [
            end(1, 0, Fate.BOUNCED, text=reply, finished=False),
            end(1, 1),
            end(3),
            wait(4),
            end(5, 0, Fate.BOUNCED, text=reply, notice="5-failed-1"),
        ]
    )
    state.clock.at = MIDNIGHT + 10
    state.mover.close_days()
    state.facts.commit([end(2, at=MIDNIGHT + 5)])
    observations = SqliteObservations(Layout(tmp_path), StandingClock())
    kind = ObservationKind.REFUSED_RECIPIENT
    observations.add(
        [
            Observation(kind=kind, at=NOON, recipient=PERSON, reply=Reply(550, None, (f"no {PERSON}",))),
            Observation(kind=kind, at=NOON, recipient="carol@example.org", client="192.0.2.9"),
        ]
    )
    return state, observations


def test_a_person_is_erased_and_the_books_balance(tmp_path: Path) -> None:
    state, observations = history(tmp_path)
    before = state.audit()
    report = erase(state.mover, observations, PERSON.upper(), "the data protection officer", NOON + 99999)
    assert (report.messages, report.observations, report.waiting) == (2, 1, (4, 5))
    after = state.audit()
    assert [str(p) for p in after.problems] == []
    assert after.fates == before.fates
    assert (after.messages, after.recipients) == (before.messages, before.recipients)
    reader = TraceReader(state.layout)
    assert [s.number for s in reader.search(TraceQuery(address=PERSON))] == [5, 4]
    assert reader.observations(address=PERSON) == []
    assert len(reader.observations(address="carol@example.org")) == 1
    one = reader.trace(1)
    assert one is not None
    assert [str(r.address) for r, _ in one.recipients] == ["erased@erased.invalid", "carol@example.org"]
    assert one.letter.subject == ""
    assert one.events[-1].kind is EventKind.ERASED
    assert one.events[-1].by == "the data protection officer"
    two = reader.trace(2)
    assert two is not None
    assert str(two.letter.reverse_path) == "erased@erased.invalid"
    assert two.events[0].checks == ()
    assert (two.origin.client, two.origin.account, two.letter.trace_block) == ("", None, b"")
    three = reader.trace(3)
    assert three is not None
    assert three.letter.subject == "nothing to hide"
    assert three.events[0].checks == CHECKS
    observations.close()
    state.close()


def test_not_one_octet_is_left_in_day_files_and_observations(tmp_path: Path) -> None:
    state, observations = history(tmp_path)
    erase(state.mover, observations, PERSON, "by", NOON)
    observations.close()
    state.close()
    files = [*state.layout.days.iterdir(), state.layout.observations]
    assert len(files) >= 3
    for path in files:
        data = path.read_bytes().lower()
        assert b"bob.secret" not in data, path.name
        assert b"secret plans" not in data, path.name


def test_erasing_again_does_nothing_more(tmp_path: Path) -> None:
    state, observations = history(tmp_path)
    erase(state.mover, observations, PERSON, "by", NOON)
    again = erase(state.mover, observations, PERSON, "by", NOON)
    assert (again.messages, again.observations, again.waiting) == (0, 0, (4, 5))
    assert state.audit().balanced
    observations.close()
    state.close()


def test_complaints_that_name_the_person_go_too(tmp_path: Path) -> None:
    state, observations = history(tmp_path)
    reports = SqliteReports(state.layout, StandingClock(NOON))
    for recipient, account in (
        (PERSON, ""),
        ("carol@example.org", PERSON.lower()),
        ("carol@example.org", ""),
    ):
        feedback = Feedback("abuse", recipient=recipient, subject=account and "sent")
        reports.keep_complaint(Complaint(feedback, NOON, account=account))
    erase(state.mover, observations, PERSON.upper(), "somebody", NOON + 99999)
    assert [c.feedback.recipient for c in reports.complaints()] == ["carol@example.org"]
    reports.close()
