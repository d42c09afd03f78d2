"""Fulfilling obligations: read what the report returns of the original, render it, hand it in.

The obligation stays open until the brain has accepted the report, so a failure here is only a delay:
the brain asks again.
"""

from kurir.queue.asks import Accepted, NoticeWork, Refused

from .ports import Bodies, BodyDamaged, BrainSide, NoticeWriter


class NoticeDesk:
    """Makes reports with the writer that it was given."""

    def __init__(self, bodies: Bodies, brain: BrainSide, writer: NoticeWriter, head_limit: int) -> None:
        self._bodies = bodies
        self._brain = brain
        self._writer = writer
        self._head_limit = head_limit

    async def fulfil(self, work: NoticeWork) -> Accepted | Refused | None:
        """Render one report and hand it in; None where the brain went away meanwhile.

        A second one with the same id is answered by the brain.
        """
        original = await self._original(work)
        try:
            return await self._brain.accept(self._writer.write(work, original))
        except (ConnectionError, TimeoutError):
            return None

    async def _original(self, work: NoticeWork) -> bytes:
        """Return the octets that the report may return: all of them, or the header.

        A damaged or vanished body does not stop the report: it is then made without it.
        """
        try:
            if not self._writer.wants_full(work):
                limit = min(work.header_end or self._head_limit, self._head_limit)
                return work.body[:limit] if work.body is not None else await self._bodies.head(work, limit)
            if work.body is not None:
                return work.body
            if work.body_file is None:
                return await self._bodies.whole(work)
            return b"".join([chunk async for chunk in self._bodies.chunks(work)])
        except (BodyDamaged, OSError):
            return b""
