"""Questions of the trace: found wherever the message lies, by whatever part of it is known."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kurir.model import Address, EventKind, Fate, Observation, ObservationKind, Reply, encode_id
from kurir.storage import Layout, SqliteObservations, TraceQuery, TraceReader
from kurir.storage.settings import ObservationSettings

from .mail import ALICE, DAY, NOON, StandingClock, State, accept, end


def numbers(state: State, limit: int = 50, **query: object) -> list[int]:
    return [s.number for s in TraceReader(state.layout).search(TraceQuery(**query), limit)]  # type: ignore[arg-type]


def test_everything_about_one_message(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    state.facts.commit([accept(1, "a@example.org", "B@example.org"), accept(2)])
    state.facts.commit([end(1, 0, finished=False), end(1, 1, Fate.BOUNCED, notice="1-failed-1")])
    reader = TraceReader(state.layout)
    before = reader.trace(1)
    assert before is not None
    assert (before.place, before.id, before.number, before.finished_at) == ("queue", "k0000011", 1, NOON)
    assert [n.id for n in before.open_notices] == ["1-failed-1"]
    tried, due = EventKind.ATTEMPTED, EventKind.NOTICE_DUE
    assert [e.kind for e in before.events] == [EventKind.ACCEPTED, tried, tried, due]
    assert [s.fate for _, s in before.recipients] == [Fate.HANDED_OVER, Fate.BOUNCED]
    assert before.letter.reverse_path == ALICE
    state.facts.commit([accept(3, sender=None, notice_of="1-failed-1")])
    state.mover.move_settled()
    after = reader.trace(1)
    assert after is not None
    assert (after.place, after.open_notices) == (DAY, ())
    assert (after.letter, after.recipients, after.events) == (before.letter, before.recipients, before.events)
    assert reader.trace(99) is None
    state.close()
    assert reader.trace(1) == after


def test_an_empty_folder_knows_nothing(tmp_path: Path) -> None:
    reader = TraceReader(Layout(tmp_path))
    assert reader.trace(1) is None
    assert reader.search(TraceQuery(address="a@b")) == []
    assert reader.observations() == []


@pytest.mark.parametrize("moved", [False, True], ids=["in the queue", "in a day file"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [3, 2, 1]),
        ({"number": 2}, [2]),
        ({"message_id": "<one@example.com>"}, [1]),
        ({"message_id": "one@example.com"}, [1]),
        ({"message_id": "two@example.com"}, [2]),
        ({"message_id": "One@example.com"}, []),
        ({"address": "BOB@example.org"}, [1]),
        ({"address": "alice@EXAMPLE.com"}, [3, 1]),
        ({"address": "carol@example.net"}, [2]),
        ({"address": "@example.NET"}, [2]),
        ({"address": "@%"}, []),
        ({"address": "ÖRT@example.org"}, [3]),
        ({"address": "ob@example.org"}, []),
        ({"subject": "INVOICE"}, [2, 1]),
        ({"subject": "50% _off_"}, [3]),
        ({"subject": "5%off"}, []),
        ({"account": "ALICE@example.com"}, [3, 2, 1]),
        ({"account": "x"}, []),
        ({"since": NOON + 1}, [3, 2]),
        ({"until": NOON + 1}, [1]),
        ({"since": NOON + 1, "until": NOON + 2}, [2]),
        ({"subject": "invoice", "address": "bob@example.org"}, [1]),
    ],
)
def test_searching(tmp_path: Path, moved: bool, query: dict[str, object], expected: list[int]) -> None:
    state = State.at(tmp_path)
    carol = Address("carol", "example.net")
    state.facts.commit(
        [
            accept(1, "Bob@example.org", subject="Your Invoice", message_id="<one@example.com>"),
            accept(
                2,
                "d@example.org",
                sender=carol,
                subject="invoice 2",
                message_id="two@example.com",
                at=NOON + 1,
            ),
            accept(3, "ört@example.org", subject="50% _off_", at=NOON + 2),
        ]
    )
    state.facts._writer.execute("UPDATE message SET header_from = '' WHERE number = 2")
    if moved:
        state.facts.commit([end(1), end(2), end(3)])
        state.mover.move_settled()
    assert numbers(state, **query) == expected
    state.close()


def test_the_newest_first_over_all_places_up_to_the_limit(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    state.facts.commit([accept(n, "bob@example.org") for n in range(1, 13)])
    for n in (1, 5, 9, 2):
        state.facts.commit([end(n, at=NOON)])
    for n in (3, 7, 11):
        state.facts.commit([end(n, at=NOON + 86400)])
    state.mover.move_settled()
    assert numbers(state, address="bob@example.org") == list(range(12, 0, -1))
    for limit in range(1, 13):
        assert numbers(state, limit, address="bob@example.org") == list(range(12, 12 - limit, -1))
    (first,) = TraceReader(state.layout).search(TraceQuery(subject="mail 11"))
    assert [str(r.address) for r, _ in first.recipients] == ["bob@example.org"]
    assert (first.finished_at, first.sender, first.id) == (NOON + 86400, "alice@example.com", encode_id(11))
    state.close()


locals_ = st.text(st.sampled_from("aAbB%_.öÖ'\\\"+"), min_size=1, max_size=3)
mails = st.lists(st.tuples(locals_, locals_, st.text("aA%_ öÖ", max_size=4), st.booleans()), max_size=6)


@settings(max_examples=25, deadline=None)
@given(mails=mails, local=locals_, subject=st.text("aA%_ öÖ", min_size=1, max_size=2))
def test_searching_finds_what_a_plain_loop_finds(
    tmp_path_factory: pytest.TempPathFactory,
    mails: list[tuple[str, str, str, bool]],
    local: str,
    subject: str,
) -> None:
    state = State.at(tmp_path_factory.mktemp("search"))
    for n, (sender, to, about, settled) in enumerate(mails, 1):
        change = accept(n, f"{to}@example.org", sender=Address(sender, "example.org"), subject=about or " ")
        state.facts.commit([change])
        if settled:
            state.facts.commit([end(n)])
    state.mover.move_settled()
    backwards = list(enumerate(mails, 1))[::-1]
    by_address = [n for n, (s, t, _, _) in backwards if local.lower() in (s.lower(), t.lower())]
    assert numbers(state, address=f"{local}@Example.org") == by_address
    by_subject = [n for n, (_, _, about, _) in backwards if subject.lower() in (about or " ").lower()]
    assert numbers(state, subject=subject) == by_subject
    state.close()


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("k0000011", TraceQuery(number=1)),
        (" K0000011 ", TraceQuery(number=1)),
        ("<x@y>", TraceQuery(message_id="<x@y>")),
        ("bob@example.org", TraceQuery(address="bob@example.org")),
        ("invoice", TraceQuery(subject="invoice")),
    ],
)
def test_what_a_person_typed(text: str, query: TraceQuery) -> None:
    assert TraceQuery.of(text) == query


def refused(n: int = 0, at: float = NOON, **more: object) -> Observation:
    return Observation(
        kind=ObservationKind.REFUSED_RECIPIENT,
        at=at,
        client=str(more.pop("client", "192.0.2.7")),
        recipient=f"guess{n}@example.org",
        reply=Reply(550, "5.1.1", ("no such user",)),
        **more,  # type: ignore[arg-type]
    )


def test_equal_observations_are_counted_together(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    store = SqliteObservations(layout, StandingClock(), ObservationSettings(window=60))
    store.add([refused(), refused(at=NOON + 1)])
    store.add([refused(at=NOON + 2), refused(at=NOON + 61)])
    seen = TraceReader(layout).observations()
    assert [(o.count, o.at, last) for o, last in seen] == [(1, NOON + 61, NOON + 61), (3, NOON, NOON + 2)]
    assert seen[1][0].reply == Reply(550, "5.1.1", ("no such user",))
    store.close()


def test_a_flood_takes_few_rows_and_loses_no_count(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    store = SqliteObservations(layout, StandingClock(), ObservationSettings(distinct=10))
    store.add([refused(n) for n in range(5000)])
    store.add([refused(n, client="198.51.100.1") for n in range(3)])
    seen = [o for o, _ in TraceReader(layout).observations(limit=1000)]
    assert len(seen) == 14
    assert sum(o.count for o in seen) == 5003
    assert max(seen, key=lambda o: o.count).detail == "and others"
    store.close()


def test_the_oldest_observations_are_dropped(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    clock = StandingClock()
    store = SqliteObservations(layout, clock, ObservationSettings(rows=50, distinct=1000, keep_days=2))
    for n in range(0, 120, 10):
        store.add([refused(i) for i in range(n, n + 10)])
    seen = TraceReader(layout).observations(limit=1000)
    assert [o.recipient for o, _ in seen] == [f"guess{n}@example.org" for n in range(119, 69, -1)]
    clock.at += 3 * 86400
    store.add([refused(at=clock.at)])
    assert len(TraceReader(layout).observations(limit=1000)) == 1
    store.close()


def test_questions_about_observations(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    store = SqliteObservations(layout, StandingClock())
    login = Observation(
        kind=ObservationKind.FAILED_LOGIN, at=NOON + 5, client="192.0.2.8", account="Bob@example.com"
    )
    store.add(
        [refused(1), refused(2, sender="Eve@example.net"), login, refused(3, detail="\udcff" + "x" * 5000)]
    )
    ask = TraceReader(layout).observations
    assert [o.kind.value for o, _ in ask(kinds=[ObservationKind.FAILED_LOGIN])] == ["failed_login"]
    assert [o.recipient for o, _ in ask(address="GUESS1@example.org")] == ["guess1@example.org"]
    assert [o.recipient for o, _ in ask(address="eve@example.NET")] == ["guess2@example.org"]
    assert [o.account for o, _ in ask(address="bob@example.com")] == ["Bob@example.com"]
    assert "Bob@example.com" in [o.account for o, _ in ask(address="@EXAMPLE.com")]
    assert [o.client for o, _ in ask(client="192.0.2.8")] == ["192.0.2.8"]
    assert len(ask(since=NOON + 1)) == 1
    assert len(ask(until=NOON + 1)) == 3
    assert len(ask(limit=2)) == 2
    assert len(ask(address="guess3@example.org")[0][0].detail) == 1000
    store.close()
