"""What is learnt from the other side: figures in words, what they replace, and when they are forgotten."""

from dataclasses import dataclass, field

import pytest

from kurir.limits import (
    HELLO,
    Beyond,
    Confidence,
    Known,
    Learnt,
    Lesson,
    Limit,
    Margins,
    Per,
    Scope,
    Smarthost,
    Unit,
    limits_said,
    overlay,
    warm_up,
    warmed,
)

DAY = 86400.0
NOW = 1_800_000_000.0


@dataclass
class Clock:
    wall: float = NOW

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.wall


@dataclass
class Store:
    """A `LessonStore` in memory."""

    last: int = 0
    kept: dict[object, Lesson] = field(default_factory=dict)
    roads: dict[str, float] = field(default_factory=dict)
    writes: int = 0

    def changed(self, mark: int) -> int:
        return self.last

    def lessons(self) -> list[Lesson]:
        return list(self.kept.values())

    def begun(self) -> dict[str, float]:
        return dict(self.roads)

    def learn(self, lessons, before: float) -> None:  # type: ignore[no-untyped-def]
        self.kept |= {x.kind: x for x in lessons}
        self.last, self.writes = self.last + 1, self.writes + 1

    def begin(self, road: str, at: float) -> None:
        self.roads.setdefault(road, at)
        self.last += 1

    def forget(self, subject: str) -> int:
        gone = [k for k, x in self.kept.items() if x.subject == subject]
        for k in gone:
            del self.kept[k]
        self.last += 1
        return len(gone)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Domain x has exceeded the max emails per hour (100/100 (100%)) allowed.", [(Unit.MESSAGES, Per.HOUR, 100)]),
        ("Too many recipients (max 50)", [(Unit.RECIPIENTS, Per.MESSAGE, 50)]),
        ("limit of 30 messages/minute reached", [(Unit.MESSAGES, Per.MINUTE, 30)]),
        ("Too many connections from 192.0.2.1, max 5", [(Unit.CONNECTIONS, Per.ONCE, 5)]),
        ("too many concurrent connections (limit: 4)", [(Unit.CONNECTIONS, Per.ONCE, 4)]),
        ("Daily sending quota (500) exceeded", [(Unit.MESSAGES, Per.DAY, 500)]),
        ("You have exceeded 1,000 messages per day", [(Unit.MESSAGES, Per.DAY, 1000)]),
        ("maximum number of recipients per message is 25", [(Unit.RECIPIENTS, Per.MESSAGE, 25)]),
        ("max 10 messages per connection", [(Unit.MESSAGES, Per.CONNECTION, 10)]),
        ("only 20 messages in one hour", [(Unit.MESSAGES, Per.HOUR, 20)]),
        ("20 messages per hour and 50 recipients per message",
         [(Unit.MESSAGES, Per.HOUR, 20), (Unit.RECIPIENTS, Per.MESSAGE, 50)]),
        ("rate limit exceeded, try again in 5 minutes", []),
        ("[192.0.2.1] 4.7.28 unusual rate of mail; see https://help.example/421", []),
        ("0 messages per hour", []),
        ("50 connections per message", []),
        ("", []),
    ],
)  # fmt: skip
def test_figures_in_replies(text: str, said: list[tuple[Unit, Per, int]]) -> None:
    assert list(limits_said(text)) == said


def test_reading_takes_linear_time() -> None:
    assert limits_said("too many connections " * 20_000) == ()
    assert limits_said("9" * 100_000 + " messages") == ()


def lesson(value: int, at: float = NOW, unit: Unit = Unit.MESSAGES, per: Per = Per.HOUR) -> Lesson:
    return Lesson("to-x/me", unit, per, value, at, f"451 {value} messages per hour")


def limit(value: int, confidence: Confidence = Confidence.READ, **changes: object) -> Limit:
    values: dict[str, object] = {
        "id": "messages-hour", "unit": Unit.MESSAGES, "value": value, "per": Per.HOUR, "scope": Scope.ACCOUNT,
        "beyond": Beyond.REFUSE, "source": "a page", "seen": "2026-11-01", "confidence": confidence,
    }  # fmt: skip
    return Limit(**(values | changes))  # type: ignore[arg-type]


def known(*limits: Limit) -> Known:
    entry = Smarthost(name="x", label="X", hosts=("x.example",))
    return overlay(Known(entry, limits, ()), (), Margins(), "me")


def test_a_lesson_replaces_the_shipped_figure_and_keeps_its_budget() -> None:
    before = known(limit(500), limit(20, id="once", unit=Unit.CONNECTIONS, per=Per.ONCE))
    after = overlay(before, [lesson(100)], Margins(), "me")
    (hour,) = [x for x in after.limits if x.per is Per.HOUR]
    assert (hour.value, hour.confidence, hour.id, hour.note) == (
        100,
        Confidence.LEARNT,
        "messages-hour",
        "500",
    )
    assert hour.source == "451 100 messages per hour"
    assert {q.key for q in after.quotas} == {q.key for q in before.quotas}
    (quota,) = [q for q in after.quotas if q.window]
    assert quota.stop == 90


def test_the_operator_wins() -> None:
    after = overlay(known(limit(500, Confidence.OPERATOR)), [lesson(100)], Margins(), "me")
    assert [x.value for x in after.limits] == [500]


def test_what_nobody_knew_is_a_limit_of_its_own() -> None:
    after = overlay(known(), [lesson(100)], Margins(), "me")
    assert [(x.id, x.value) for x in after.limits] == [("learnt-messages", 100)]
    assert after.quotas[0].key == "to-x/learnt-messages/hour/me"


def test_a_lesson_is_written_once_a_day_and_ends() -> None:
    clock, store = Clock(), Store()
    learnt = Learnt(clock, store)
    assert learnt.hear([lesson(100)])
    assert not learnt.hear([lesson(100, NOW + 60)])
    assert store.writes == 1
    assert not learnt.hear([lesson(100, NOW + DAY)])
    assert store.writes == 2
    assert learnt.hear([lesson(80, NOW + DAY + 1)])
    clock.wall = NOW + 30 * DAY
    assert [x.value for x in learnt.of("to-x/me")] == [80]
    clock.wall = NOW + 31 * DAY + 2
    assert learnt.of("to-x/me") == ()


def test_another_process_learns_it_and_forgets_it() -> None:
    store = Store()
    one, two = Learnt(Clock(), store), Learnt(Clock(), store)
    one.hear([lesson(100)])
    assert two.refresh()
    assert [x.value for x in two.of("to-x/me")] == [100]
    assert not two.refresh()
    assert one.forget("to-x/me") == 1
    assert two.refresh()
    assert two.of("to-x/me") == ()


def test_a_size_is_a_lesson_too() -> None:
    size = Lesson("to-x/me", Unit.OCTETS, Per.MESSAGE, 10_000_000, NOW, HELLO)
    shipped = limit(25_000_000, id="size", unit=Unit.OCTETS, per=Per.MESSAGE, encoded=False)
    (after,) = overlay(known(shipped), [size], Margins(), "me").limits
    assert (after.value, after.encoded, after.source) == (10_000_000, True, HELLO)


def test_warm_up_doubles_daily_and_ends() -> None:
    amounts = [warm_up("mx", NOW, NOW + day * DAY) for day in range(13)]
    assert [x.value for x in amounts if x is not None][:4] == [50, 100, 200, 400]
    assert amounts[11] is not None
    assert amounts[11].value == 102_400
    assert amounts[12] is None
    before = warm_up("mx", NOW + 5 * DAY, NOW)
    assert before is not None
    assert before.value == 50


def test_a_warm_up_is_a_quota_with_its_own_name() -> None:
    warm = warm_up("mx", NOW, NOW + DAY)
    assert warm is not None
    both = warmed(known(limit(500)), warm)
    assert [q.key for q in both.quotas] == ["to-x/messages-hour/hour/me", "to-x/warm-up/day/mx"]
    assert both.quotas[-1].stop == 100


def test_a_road_that_finds_out_itself_remembers_when_it_began() -> None:
    store = Store()
    clock = Clock()
    assert Learnt(clock, store).begun("mx") == NOW
    clock.wall += 3 * DAY
    later = Learnt(clock, store)
    later.refresh()
    assert later.begun("mx") == NOW


def test_a_figure_a_day_is_no_figure_a_message() -> None:
    assert limits_said("You may send only 299 recipients per day.") == ((Unit.RECIPIENTS, Per.DAY, 299),)
