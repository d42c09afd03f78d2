"""What incoming mail proved, from the memory of a reception process into the file of reports, twice a minute."""

import asyncio

from kurir.app.process.logs import Log
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.model import Clock
from kurir.queue import StoreError
from kurir.reports import Tally
from kurir.storage import SqliteReports

EVERY = 30.0


class SeenCounts:
    """Starts and ends with its process; what cannot be written is said and given up: it is a statistic."""

    def __init__(self, config: Config, clock: Clock, log: Log) -> None:
        self.tally = Tally()
        self._layout = settings.layout(config)
        self._clock = clock
        self._log = log

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Keep the last counts."""
        self._task.cancel()
        await asyncio.to_thread(self._give)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await asyncio.to_thread(self._give)

    def _give(self) -> None:
        counts = self.tally.take()
        if not counts:
            return
        try:
            store = SqliteReports(self._layout, self._clock)
            try:
                store.count(counts)
            finally:
                store.close()
        except StoreError as e:
            self._log.warning("counts_lost", count=len(counts), why=str(e))
