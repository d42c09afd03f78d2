"""What has to be done now and then beside the mail: checkpoints, moving settled mail to day files, forgetting.

A thread of its own, so that nothing of it delays a commit; each step may be killed and is done again.
"""

import threading

from kurir.app.process.logs import Log
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.model import Clock
from kurir.queue import StoreError
from kurir.storage import (
    BodySettings,
    DayMover,
    EraseReport,
    FileBodies,
    Layout,
    SqliteFacts,
    SqliteObservations,
    erase,
)

# A round syncs four files, and a commit that meets it waits: with little mail rounds are rare, with much they are long.
LOOK_EVERY = 0.5
EVENTS_DUE = 1000  # so many new events, and the next round begins
LOOKS = 10  # and at the latest after so many looks
MOVE_AT_ONCE = 500
FORGET_EVERY = 3600.0
SWEEP_EVERY = 600.0


class Housekeeping:
    """Start it, stop it; what fails is logged and tried again in the next round."""

    def __init__(
        self, config: Config, layout: Layout, facts: SqliteFacts,
        observations: SqliteObservations, clock: Clock, log: Log,
    ) -> None:  # fmt: skip
        self._bodies = FileBodies(layout, BodySettings())
        self._mover = DayMover(facts, self._bodies.remove, settings.days(config))
        self._facts = facts
        self._observations = observations
        self._clock = clock
        self._log = log
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kurir-housekeeping", daemon=True)
        self._forgot_at = 0.0
        self._swept_at = 0.0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the step at hand and end."""
        self._end.set()
        self._thread.join()
        self._mover.close()

    def erase(self, address: str, by: str) -> EraseReport:
        """Remove a person from settled mail and observations (blocks)."""
        return erase(self._mover, self._observations, address, by, self._clock.now())

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                moved = self._round()
            except (StoreError, OSError) as e:
                self._log.warning("housekeeping_failed", why=str(e))
                moved = 0
                self._end.wait(5.0)
            if moved < MOVE_AT_ONCE:
                self._rest()

    def _rest(self) -> None:
        enough = self._facts.events + EVENTS_DUE
        for _ in range(LOOKS):
            if self._end.wait(LOOK_EVERY) or self._facts.events >= enough:
                return

    def _round(self) -> int:
        moved = self._mover.move_settled(MOVE_AT_ONCE)
        self._facts.checkpoint()
        now = self._clock.monotonic()
        if now - self._swept_at > SWEEP_EVERY:
            self._swept_at = now
            self._bodies.sweep(self._facts.body_files, now)
        if now - self._forgot_at > FORGET_EVERY:
            self._forgot_at = now
            for day in self._mover.close_days():
                self._log.info("day_closed", day=day)
            for day in self._mover.expire():
                self._log.info("day_dropped", day=day)
            self._observations.forget()
        return moved


class Forgetting:
    """`Housekeeping.erase` on a stopped server."""

    def __init__(self, config: Config, facts: SqliteFacts, clock: Clock) -> None:
        self._config = config
        self._facts = facts
        self._clock = clock

    def erase(self, address: str, by: str) -> EraseReport:
        """Remove a person from settled mail and observations (blocks)."""
        layout = settings.layout(self._config)
        observations = SqliteObservations(layout, self._clock, settings.observations(self._config))
        mover = DayMover(self._facts, FileBodies(layout).remove, settings.days(self._config))
        try:
            return erase(mover, observations, address, by, self._clock.now())
        finally:
            mover.close()
            observations.close()
