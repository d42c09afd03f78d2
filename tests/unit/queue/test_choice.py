"""Which road a mail takes: the table of obstacles, and what an outcome says of a road."""

from types import SimpleNamespace

import pytest

from kurir.limits import Budget, Quota, Unit
from kurir.model import Cause, Outcome, OutcomeKind, Stage
from kurir.queue import Obstacle, ObstacleKind, Road
from kurir.queue.operating.roadview import RoadView
from kurir.queue.roads.breaker import Breaker, Health
from kurir.queue.roads.choice import WORTH_WAITING, State, Way, choose, kept_for_good, may_take
from kurir.queue.roads.roadbook import Roadbook
from kurir.queue.roads.trouble import Word, patience, word
from kurir.queue.settings import QueueSettings

NOW = 1000.0
SOUND, BROKEN = Breaker(), Breaker(health=Health.BROKEN, next_at=NOW + 60)
FORGED = Obstacle(ObstacleKind.AUTHENTICITY, {})
MAIN, SPARE, THIRD = Road("main", "a", hop=True), Road("spare", "b", hop=True), Road("third", "c")


@pytest.mark.parametrize(
    ("road", "size", "state", "kinds"),
    [
        (MAIN, 100, State(SOUND, SOUND), []),
        (MAIN, 100, State(BROKEN, SOUND), [ObstacleKind.BROKEN]),
        (MAIN, 100, State(SOUND, BROKEN), [ObstacleKind.BROKEN]),
        (MAIN, 100, State(Breaker(Health.BROKEN, next_at=NOW), SOUND), []),
        (MAIN, 100, State(SOUND, SOUND, NOW + WORTH_WAITING + 1, "x"), [ObstacleKind.BUDGET]),
        (MAIN, 100, State(SOUND, SOUND, NOW + WORTH_WAITING, "x"), []),
        (Road("m", "a", size=100), 100, State(SOUND, SOUND), []),
        (Road("m", "a", size=100), 101, State(SOUND, SOUND), [ObstacleKind.SIZE]),
        (Road("m", "a", obstacles=(FORGED,)), 1, State(BROKEN, SOUND), [ObstacleKind.AUTHENTICITY, ObstacleKind.BROKEN]),
    ],
)  # fmt: skip
def test_obstacles(road: Road, size: int, state: State, kinds: list[ObstacleKind]) -> None:
    assert [o.kind for o in may_take(road, size, state, NOW)] == kinds


def broken(*names: str) -> object:
    return lambda road: State(BROKEN if road.name in names else SOUND, SOUND)


@pytest.mark.parametrize(
    ("roads", "closed", "way", "taken"),
    [
        ((MAIN, SPARE), (), None, "main"),
        ((MAIN, SPARE), ("main",), None, "spare"),
        ((MAIN, SPARE), ("main", "spare"), None, "main"),
        ((MAIN, Road("spare", "b", obstacles=(FORGED,)), THIRD), ("main",), None, "third"),
        ((MAIN, Road("spare", "b", obstacles=(FORGED,))), ("main",), None, "main"),
        ((Road("main", "a", size=1), SPARE), ("spare",), None, "spare"),  # it waits for the only road that can carry it
        ((MAIN, SPARE), (), Way(unfit={"main": Cause.TOO_LARGE}), "spare"),
        ((MAIN, SPARE), (), Way(unfit={"main": Cause.TOO_LARGE, "spare": Cause.TOO_LARGE}), "main"),
        ((MAIN, SPARE), ("main",), Way(kept="main"), "spare"),  # greylisted, but the road has closed
        ((MAIN, SPARE), (), Way(kept="spare"), "spare"),
        ((MAIN, SPARE), ("main",), Way(kept="main", for_good=True), "main"),
        ((MAIN, SPARE), (), Way(kept="spare", for_good=True), "spare"),
        ((MAIN, SPARE), (), Way(kept="gone", for_good=True), "main"),  # the road was taken out of the configuration
    ],
)  # fmt: skip
def test_choices(roads: tuple[Road, ...], closed: tuple[str, ...], way: Way | None, taken: str) -> None:
    choice = choose(roads, 100, broken(*closed), NOW, way)  # type: ignore[arg-type]
    assert choice.road.name == taken
    assert not choice.why or choice.road is not roads[0]


def test_the_first_road_that_may_have_delivered_holds_the_mail() -> None:
    way = kept_for_good(kept_for_good(None, "main"), "spare")
    assert (way.kept, way.for_good) == ("main", True)


HOP, MX = Road("h", "a", hop=True), Road("m", "a")


@pytest.mark.parametrize(
    ("cause", "stage", "kind", "hop", "mx"),
    [
        (Cause.AUTH_FAILED, Stage.AUTH, "deferred", (Word.TROUBLE, 1), (Word.TROUBLE, 1)),
        (Cause.QUOTA_SPENT, Stage.RCPT, "deferred", (Word.TROUBLE, 1), (Word.TROUBLE, 1)),
        (Cause.BLOCKLISTED, Stage.MAIL, "failed", (Word.TROUBLE, 1), (Word.TROUBLE, 1)),
        (Cause.RATE_LIMITED, Stage.MAIL, "deferred", (Word.TROUBLE, 3), (Word.TROUBLE, 3)),
        (Cause.UNREACHABLE, Stage.CONNECT, "deferred", (Word.TROUBLE, 1), (Word.TROUBLE, 3)),
        (Cause.TLS_FAILED, Stage.TLS, "deferred", (Word.TROUBLE, 1), (Word.NOTHING, None)),
        (Cause.GREYLISTED, Stage.RCPT, "deferred", (Word.STAY, None), (Word.STAY, None)),
        (Cause.TOO_LARGE, Stage.MAIL, "failed", (Word.UNFIT, None), (Word.UNFIT, None)),
        (Cause.RELAY_DENIED, Stage.RCPT, "failed", (Word.UNFIT, None), (Word.NOTHING, None)),
        (Cause.UNKNOWN_USER, Stage.RCPT, "failed", (Word.NOTHING, None), (Word.NOTHING, None)),
        (Cause.MAILBOX_FULL, Stage.RCPT, "deferred", (Word.NOTHING, None), (Word.NOTHING, None)),
        (Cause.CONTENT_SPAM, Stage.BODY, "failed", (Word.NOTHING, None), (Word.NOTHING, None)),
        (Cause.DNS_FAILURE, Stage.PLAN, "deferred", (Word.NOTHING, None), (Word.NOTHING, None)),
        (Cause.OK, Stage.BODY, "handed_over", (Word.SUCCESS, None), (Word.SUCCESS, None)),
    ],
)  # fmt: skip
def test_what_an_outcome_says(
    cause: Cause, stage: Stage, kind: str, hop: tuple[Word, int | None], mx: tuple[Word, int | None]
) -> None:
    outcome = Outcome(kind=OutcomeKind(kind), cause=cause, at=0.0, stage=stage)
    for road, (said, most) in ((HOP, hop), (MX, mx)):
        assert word(outcome, road) is said
        if most is not None:
            assert patience(outcome, road) == most


def test_a_lost_reply_stays_for_good_whatever_its_cause() -> None:
    for cause in (Cause.LOST_REPLY, Cause.AUTH_FAILED):
        lost = Outcome(
            kind=OutcomeKind.DEFERRED, cause=cause, at=0.0, stage=Stage.BODY, possibly_delivered=True
        )
        assert word(lost, HOP) is Word.STAY_FOR_GOOD


def test_urgent_mail_is_told_the_road_that_has_only_the_reserve_left() -> None:
    spent = Budget(Quota("day", Unit.MESSAGES, 10, 86_400.0, 10, reserve=2))
    spent.take(8)
    book = Roadbook(QueueSettings(), lambda road, errand, now: [(spent, 50)] if road is MAIN else [])
    steady = SimpleNamespace(now=lambda: NOW, wall=lambda: NOW)
    view = RoadView(SimpleNamespace(steady=steady), book)  # type: ignore[arg-type]
    for urgent, taken in ((False, "spare"), (True, "main")):
        choices = view.explain((MAIN, SPARE), 100, urgent=urgent)
        assert [c.road for c in choices if c.taken] == [taken]
        assert (choices[0].free_at is None) is urgent
