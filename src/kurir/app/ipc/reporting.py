"""A role's figures, sent to the brain every few seconds, so that one place can show them all."""

import asyncio
from collections.abc import Callable

from kurir.web import Figures

from .link import BrainLink

EVERY = 2.0


class Reporting:
    """A part that only reports."""

    name = "reporting"

    def __init__(self, link: BrainLink, figures: Callable[[], Figures]) -> None:
        self._link = link
        self._figures = figures

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            self._link.report(self._figures())
            await asyncio.sleep(EVERY)
