"""The mover: what goes where, and that it may be killed between any two steps."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kurir.model import Fate
from kurir.queue.ports import Change
from kurir.storage.totals import day_of, pack_runs, runs, unpack_runs

from .mail import DAY, NOON, StandingClock, State, accept, end, fill
from .test_audit import sql, write_body

MIDNIGHT = 1_795_478_400.0  # 2026-11-24T00:00:00Z


def fork(work: Callable[[], None]) -> int:
    """Run `work` in a child; return its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(9)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def dying_at(step: str, times: int) -> Callable[[str], None]:
    left = [times]

    def fault(now: str) -> None:
        if now == step:
            left[0] -= 1
            if left[0] == 0:
                os._exit(42)

    return fault


def test_settled_mail_moves_and_waiting_mail_stays(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    fill(state.facts, 5, settled=3)
    state.facts.commit([end(4, 0, notice="4-failed-1")])
    assert state.mover.move_settled(2) == 2
    assert state.mover.move_settled(2) == 1
    assert state.mover.move_settled(2) == 0
    report = state.audit()
    assert report.balanced
    assert (report.queued, report.waiting, report.fates) == (2, 1, {"handed_over": 4})
    assert [m.number for m in state.facts.waiting()] == [5]
    state.close()


def test_a_message_moves_when_its_report_is_accepted(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    state.facts.commit([accept(1)])
    state.facts.commit([end(1, 0, Fate.BOUNCED, notice="1-failed-1")])
    assert state.mover.move_settled() == 0
    state.facts.commit([accept(2, sender=None, notice_of="1-failed-1")])
    assert state.mover.move_settled() == 1
    assert state.facts.notice_number("1-failed-1") == 2
    assert state.audit().balanced
    state.close()


def test_the_day_is_the_day_of_the_last_fate(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    fill(state.facts, 3)
    state.facts.commit([end(1, at=MIDNIGHT - 1), end(2, at=MIDNIGHT)])
    state.mover.move_settled()
    assert list(state.layout.day_files()) == [DAY, "2026-11-24"]
    state.close()


def test_what_comes_too_late_for_its_day_goes_to_the_next_open_one(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    fill(state.facts, 2, settled=1)
    state.facts.commit([end(2, 0, notice="2-failed-1")])
    state.clock.at = MIDNIGHT + 1
    assert state.mover.close_days() == [DAY]
    state.facts.commit([accept(3, sender=None, notice_of="2-failed-1", at=state.clock.at)])
    assert state.mover.move_settled() == 1
    assert list(state.layout.day_files()) == [DAY, "2026-11-24"]
    assert state.audit().balanced
    state.close()


def test_a_day_that_does_not_agree_with_its_books_stays_open(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    fill(state.facts, 3, settled=3)
    state.mover.move_settled()
    sql(state.layout.day(DAY), "DELETE FROM recipient WHERE number = 2")
    state.clock.at = MIDNIGHT
    assert state.mover.close_days() == []
    assert not state.audit().balanced
    state.close()


def test_old_days_are_dropped_and_still_accounted_for(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    fill(state.facts, 4, settled=3)
    state.clock.at = MIDNIGHT + 100 * 86400
    assert state.mover.close_days() == [DAY]
    assert state.mover.expire() == [DAY]
    assert list(state.layout.days.iterdir()) == []
    assert state.mover.expire() == []
    report = state.audit()
    assert report.balanced
    assert (report.messages, report.fates, report.dropped_days) == (4, {"handed_over": 3}, 1)
    state.close()


def test_a_closed_day_is_one_plain_file(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    fill(state.facts, 1, settled=1)
    state.clock.at = MIDNIGHT
    state.mover.close_days()
    assert [p.name for p in state.layout.days.iterdir()] == [f"{DAY}.db"]
    state.close()


async def test_bodies_go_with_the_last_fate(tmp_path: Path) -> None:
    state = State.at(tmp_path)
    name = await write_body(state, b"L" * 3000)
    state.facts.commit([accept(1, body=b"L" * 3000, body_file=name), accept(2)])
    state.facts.commit([end(1), end(2)])
    state.mover.move_settled()
    assert list(state.layout.bodies.iterdir()) == []
    assert state.facts.body_files() == set()
    state.close()


STEPS = ["copied", "deleted", "removed", "closed", "marked", "dropped"]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("step", STEPS)
async def test_killed_between_two_steps(tmp_path: Path, step: str, times: int) -> None:
    """Killed anywhere, the books balance at once, and the next run completes the work."""
    state = State.at(tmp_path)
    name = await write_body(state, b"L" * 3000)
    changes: list[Change] = [accept(1, body=b"L" * 3000, body_file=name), *(accept(n) for n in range(2, 11))]
    state.facts.commit(changes)
    state.facts.commit([end(n, at=NOON if n < 5 else MIDNIGHT) for n in range(1, 9)])
    state.close()
    clock = StandingClock(MIDNIGHT + 200 * 86400)

    def upkeep(**hooks: object) -> State:
        state = State.at(tmp_path, clock, **hooks)
        state.mover.move_settled(3)
        state.mover.close_days()
        state.mover.expire()
        return state

    status = fork(lambda: upkeep(fault=dying_at(step, times)).close())
    assert status == (42 if times == 1 or step not in ("marked", "dropped") else 9)
    state = State.at(tmp_path, clock)
    report = state.audit()
    assert [str(p) for p in report.problems] == []
    assert (report.messages, report.waiting, report.fates) == (10, 2, {"handed_over": 8})
    state.close()
    state = upkeep()
    for now in (0.0, 1e6):
        state.bodies.sweep(state.facts.body_files, now)
    assert list(state.layout.bodies.iterdir()) == []
    assert state.layout.day_files() == {}
    assert [m.number for m in state.facts.waiting()] == [9, 10]
    report = state.audit()
    assert report.balanced
    assert (report.queued, report.dropped_days) == (2, 2)
    state.close()


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([], []), ([5], [(5, 5)]), ([1, 2, 3, 7, 9, 10], [(1, 3), (7, 7), (9, 10)])],
)
def test_runs(numbers: list[int], expected: list[tuple[int, int]]) -> None:
    assert list(runs(numbers)) == expected
    assert unpack_runs(pack_runs(expected)) == tuple(expected)


@pytest.mark.parametrize(
    ("at", "offset", "day"),
    [
        (MIDNIGHT - 0.001, 0, DAY),
        (MIDNIGHT, 0, "2026-11-24"),
        (MIDNIGHT - 1, 7 * 3600, "2026-11-24"),
        (-1e9, 0, "1970-01-01"),
        (1e18, 0, "9999-12-31"),
    ],
)
def test_days(at: float, offset: float, day: str) -> None:
    assert day_of(at, offset) == day
