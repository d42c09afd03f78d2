"""After a road broke or came back: what waits chooses anew, traces say by which road mail goes on, the watcher is told, and it is kept; so are paces."""

from collections.abc import Callable

from kurir.model import Cause, EventKind

from .asks import Obstacle, ObstacleKind
from .outcomes.settle import Settler, Sheet
from .pacing import pacememory
from .ports import Change
from .roads import roadmemory
from .roads.roadbook import Turn
from .turns.schedule import Schedule
from .waiting.state import State
from .waiting.steady import Steady

# What an obstacle is called in a trace.
_CAUSES = {
    ObstacleKind.SIZE: Cause.TOO_LARGE,
    ObstacleKind.BUDGET: Cause.QUOTA_SPENT,
    ObstacleKind.TLS_FLOOR: Cause.TLS_REQUIRED,
    ObstacleKind.AUTHENTICITY: Cause.SPF_FAIL,
}


class Turning:
    """Takes turns and moves from the roadbook after each round of news."""

    def __init__(
        self,
        schedule: Schedule,
        settler: Settler,
        commit: Callable[[Change], None],
        watcher: Callable[[Turn], None],
        steady: Steady,
    ) -> None:
        self._schedule = schedule
        self._settler = settler
        self._commit = commit
        self._watcher = watcher
        self._steady = steady

    def follow(self, now: float) -> None:
        """Do what the news ask for."""
        roads = self._schedule.roads
        if roads.turns:
            turns, roads.turns = roads.turns, []
            self._schedule.alternatives.turn(now)
            for turn in turns:
                self._watcher(turn)
        self._schedule.alternatives.probe(now)
        if roads.unkept:
            self._commit(roadmemory.news(roads, self._steady))
        if self._schedule.shaper.unkept:
            self._commit(pacememory.news(self._schedule.shaper, self._steady))
        if roads.moves:
            self._note_moves()

    def _note_moves(self) -> None:
        roads = self._schedule.roads
        moves, roads.moves = roads.moves, []
        sheets: dict[int, Sheet] = {}
        for move in moves:
            mail = move.errand.mail
            if move.errand.state is State.ENDED:
                continue
            sheet = sheets.get(mail.number)
            if sheet is None:
                sheet = sheets[mail.number] = self._settler.sheet(mail, None)
            sheet.event(
                move.errand, EventKind.REROUTED, by=move.to, reason=move.instead, cause=_cause(move.why)
            )
        for sheet in sheets.values():
            self._commit(self._settler.close(sheet))


def _cause(why: tuple[Obstacle, ...]) -> Cause:
    """Return the cause that stands for what is in the way of the road before; OK where nothing is any more."""
    if not why:
        return Cause.OK
    named = why[0].values.get("cause")
    return Cause(named) if named else _CAUSES.get(why[0].kind, Cause.UNKNOWN)
