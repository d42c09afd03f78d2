"""One connection: bytes in, events through the dialogue, replies out in batches, and nobody waits for ever.

What comes in is answered where it comes in, as long as no answer has to be waited for (`_hear`); the task of the
session wakes only for those that have to.  The replies of a batch are written in one go.  A
deadline belongs to a whole record (a command, a body), not to a read, so that a client that trickles one
octet at a time gains nothing (slowloris); a body earns time by its size.
"""

import asyncio
from typing import Any

from kurir.identity import plain_address
from kurir.model import Cause, ObservationKind, Reply
from kurir.net.ports import NetError
from kurir.smtp.server import Server

from . import replies
from .desk import Desk
from .dialogue import Dialogue, Waiting
from .intake import Intake
from .observations import Notebook
from .ports import ServerStream
from .settings import ListenerSettings

EVENTS_PER_TURN = 1000
"""How many events of one connection are answered at a stretch: about 6 ms."""


class Session:
    """One connection at one door.  `run` returns when it is over; `stop` ends it after what is in flight."""

    __slots__ = (
        "_body",
        "_body_since",
        "_desk",
        "_dialogue",
        "_heard",
        "_idle",
        "_notebook",
        "_record_since",
        "_server",
        "_since",
        "_stopping",
        "_stream",
        "_task",
        "_waiting",
    )

    def __init__(self, desk: Desk, listener: ListenerSettings, stream: ServerStream) -> None:
        self._desk = desk
        self._stream = stream
        address = plain_address(stream.peer.host)
        host = str(address) if address is not None else ""
        shown = listener.client_certificates and stream.client_certificate is not None
        self._server = Server(desk.offer(listener, host, external=shown), tls=stream.tls is not None)
        self._notebook = Notebook(desk.door, desk.clock, listener.name, host, stream.tls)
        self._dialogue = Dialogue(desk, listener, stream, self._server, self._notebook, host)
        self._since = self._record_since = self._body_since = desk.clock.monotonic()
        self._body: Intake | None = None  # the body that `_body_since` belongs to
        self._heard = False  # an event came since the last read: the record is whole, the next one begins
        self._idle = self._stopping = False
        self._task: asyncio.Task[Any] | None = None
        self._waiting: Waiting | None = None  # an answer that `_hear` left to the task

    async def run(self) -> None:
        """Serve the connection until its end.  Raises only what is a bug (after a 421)."""
        self._task = asyncio.current_task()
        counts, dialogue = self._desk.counts, self._dialogue
        counts.sessions[dialogue.listener.name] += 1
        counts.open += 1
        try:
            await self._greet(await dialogue.admit())
            await self._converse()
        except NetError as error:
            if error.kind != "tls":  # noted by the dialogue
                cause = Cause.TIMEOUT if error.kind == "timeout" else Cause.CONNECTION_LOST
                self._notebook.note(ObservationKind.DROPPED_CONNECTION, cause=cause, detail=str(error))
        except Exception:
            self._server.close(replies.INTERNAL_ERROR)
            self._stream.write(self._server.take_output())
            raise
        finally:
            if self._waiting is not None:
                self._waiting.close()
            counts.open -= 1
            dialogue.end()
            self._notebook.close()

    def stop(self) -> None:
        """End the session with 421 as soon as no body is in flight (RFC 5321 section 3.8)."""
        self._stopping = True
        if self._idle and self._dialogue.intake is None and self._task is not None:
            self._idle = False
            self._task.cancel()

    async def _greet(self, refusal: Reply | None) -> None:
        if self._stream.buffered:  # talks before the banner: `greet` refuses it
            self._server.receive(await self._stream.read(0))
        self._server.greet(refusal)

    async def _converse(self) -> None:
        stream, dialogue = self._stream, self._dialogue
        write_seconds = self._desk.settings.deadlines.write
        while True:
            waiting, self._waiting = self._waiting or self._answer(), None
            if waiting is not None:
                await waiting
                continue
            await stream.drain(write_seconds)
            if dialogue.over:
                await stream.close()
                return
            self._notebook.tell()
            if self._stopping and dialogue.intake is None:
                self._server.close(replies.SHUTTING_DOWN)
            else:
                await self._listen()

    def _answer(self) -> Waiting | None:
        """Answer what has come and write the replies; an answer that must be waited for is returned instead."""
        server, answer = self._server, self._dialogue.answer
        turn = EVENTS_PER_TURN
        while (event := server.next_event()) is not None:
            self._heard = True
            waiting = answer(event)
            if waiting is not None:
                return waiting
            turn -= 1
            if not turn:  # thousands of tiny chunks in one read: the others have their turn in between
                return asyncio.sleep(0)
        output = server.take_output()
        if output:
            self._stream.write(output)
        return None

    def _hear(self, data: bytes) -> float | None:
        """Answer at once what can be; None wakes the task, which does the rest."""
        self._server.receive(data)
        self._waiting = self._answer()
        if self._waiting is not None or self._dialogue.over or self._stopping:
            self._idle = False  # the task has something to do: `stop` must not interrupt that
            return None
        self._notebook.tell()
        left = self._seconds_left()
        return left if left > 0 else None

    async def _listen(self) -> None:
        left = self._seconds_left()
        try:
            if left <= 0:
                raise NetError("timeout", "too slow")
            self._idle = True
            await self._stream.listen(self._hear, left)
        except NetError as error:
            if error.kind != "timeout":
                raise
            age = self._desk.clock.monotonic() - self._since
            over = self._dialogue.intake is None and age >= self._desk.settings.deadlines.session
            self._server.close(replies.SESSION_OVER if over else replies.TOO_SLOW)
        except asyncio.CancelledError:
            if not self._stopping or self._idle:
                raise  # not by `stop`: the loop itself is ending
            assert self._task is not None
            self._task.uncancel()
            self._server.close(replies.SHUTTING_DOWN)
        finally:
            self._idle = False

    def _seconds_left(self) -> float:
        """How long the client may stay silent now."""
        now = self._desk.clock.monotonic()
        limits = self._desk.settings.deadlines
        if self._heard:
            self._heard = False
            self._record_since = now
        intake = self._dialogue.intake
        if intake is None:
            return min(self._record_since + limits.command, self._since + limits.session) - now
        if intake is not self._body:
            self._body = intake
            self._body_since = now
        earned = intake.octets / limits.min_rate
        return min(self._body_since + earned, self._record_since) + limits.data - now
