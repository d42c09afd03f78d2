"""What every part of a client session shares: what is said, what the next reply answers, and how it ends.

Each command is queued together with what its reply will answer; a peer that cannot pipeline (RFC 2920)
is told the next one once it has answered what is before it.  Any reply code is legal and acts by its first digit
(`states.CLIENT`); the text is kept word for word.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from kurir.model import Reply

from .answers import ClientEvent, PeerBroke, PeerExtensions
from .reply_reader import Garbage, ReplyReader
from .states import CLIENT, Awaits, Sense
from .transfer import STAGE, Result, Transfer

Handler = Callable[[Any, int, Reply, Sense], None]
"""Takes a reply: the session, the index of the recipient it is for, the reply, what its first digit means."""


class ClientSession:
    """The state of one session of the sending side, and the few ways in which it changes."""

    __slots__ = (
        "_broken",
        "_events",
        "_expected",
        "_lmtp",
        "_lost",
        "_name",
        "_out",
        "_pipelining",
        "_planned",
        "_quitting",
        "_replies",
        "_suspect",
        "_transaction",
        "extensions",
    )

    extensions: PeerExtensions | None
    _HANDLERS: ClassVar[tuple[Handler, ...]]  # by Awaits

    def __init__(self, hello_name: str, *, lmtp: bool = False) -> None:
        self.extensions = None
        self._name = hello_name
        self._lmtp = lmtp
        self._replies = ReplyReader()
        self._out: list[bytes] = []
        self._events: deque[ClientEvent] = deque()
        self._expected: deque[tuple[Awaits, int]] = deque(((Awaits.BANNER, 0),))
        self._planned: deque[tuple[Awaits, int, bytes]] = deque()  # unsent: the peer cannot pipeline
        self._transaction: Transfer | None = None
        self._suspect: int | None = None
        self._pipelining = self._quitting = self._lost = self._broken = False

    # -- bytes ---------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Store bytes from the peer; ``b""`` is end of file."""
        if data:
            self._replies.add(data)
        else:
            self._lost = True

    def next_event(self) -> ClientEvent | None:
        """Return the next event, or None when more bytes are needed."""
        while not self._events:
            if self._broken:
                return None
            try:
                reply = self._replies.next()
            except Garbage as problem:
                self._break(None, str(problem))
                continue
            if reply is not None:
                self._got(reply)
            elif not self._lost:
                return None
            elif self._quitting:
                self._broken = True
            else:
                self._break(None, self._how_lost())
        return self._events.popleft()

    def take_output(self) -> Sequence[bytes]:
        """Return and forget what is to be written now, as pieces to be joined or written with writev."""
        out, self._out = self._out, []
        return out

    # -- what the driver may ask ---------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether the session can take another transaction."""
        return self._transaction is None and not (self._broken or self._lost or self._quitting)

    @property
    def dot_sent(self) -> bool:
        """Whether the end of the body of the running or broken transaction was queued.

        After `PeerBroke` this decides between "try again" and "possibly delivered" (RFC 1047).
        """
        return self._transaction is not None and self._transaction.dot_sent

    @property
    def results(self) -> tuple[Result | None, ...]:
        """What is decided so far for each recipient of the running or broken transaction; None where nothing is."""
        return tuple(self._transaction.results) if self._transaction else ()

    @property
    def stage(self) -> str:
        """Which command of the transaction the peer has not answered: ``mail``, ``rcpt``, ``data``, ``body``; else ""."""
        return STAGE.get(self._expected[0][0], "") if self._expected else ""

    @property
    def suspect(self) -> int | None:
        """The recipient at whose RCPT the session stands still or ended: the first one without an answer, or with 421."""
        if self._expected and self._expected[0][0] is Awaits.RCPT:
            return self._expected[0][1]
        return self._suspect

    # -- what is said --------------------------------------------------------------------------------------

    def _say(self, awaits: Awaits, line: bytes, index: int = 0) -> None:
        """Send `line` now, or once the peer that cannot pipeline has answered what is before it."""
        if self._broken:
            return
        if not self._expected and self._replies.pending:
            self._heard_unasked()
        elif self._pipelining or (not self._planned and not (self._expected and line)):
            self._out.append(line)
            self._expected.append((awaits, index))
        else:
            self._planned.append((awaits, index, line))

    def _say_planned(self) -> None:
        planned = self._planned
        while planned and not (self._expected and planned[0][2]):
            awaits, index, line = planned.popleft()
            self._out.append(line)
            self._expected.append((awaits, index))

    # -- what the peer says --------------------------------------------------------------------------------

    def _got(self, reply: Reply) -> None:
        if not self._expected:
            self._got_unasked(reply)
            return
        awaits, index = self._expected.popleft()
        sense = CLIENT[awaits][reply.code // 100 - 2]
        if sense is Sense.BROKEN:
            self._expected.appendleft((awaits, index))  # unanswered, as far as anybody can tell
            self._break(reply, f"answered {awaits.name} with {reply.code}")
            return
        self._HANDLERS[awaits](self, index, reply, sense)
        if reply.code == 421:
            self._suspect = index if awaits is Awaits.RCPT else None
            self._expected.clear()
            if self._transaction is not None:
                self._transaction.decide(STAGE.get(awaits, "mail"), reply)
                self._finish()
            self._break(reply, "closed the session")
        elif self._planned:
            self._say_planned()

    def _got_unasked(self, reply: Reply) -> None:
        """An answer before its question: only a refusal in the midst of the body means something."""
        t = self._transaction
        if t is not None and t.sending and reply.code >= 400:
            t.decide("body", reply)
            self._finish()
            self._break(reply, "refused the message before its end")
        else:
            self._break(reply, "closed the session" if reply.code == 421 else "talked out of turn")

    def _heard_unasked(self) -> None:
        """Something came before we said what we are about to say: it must not count as the answer to that."""
        try:
            reply = self._replies.next()
        except Garbage:
            reply = None
        if reply is None:
            self._break(None, "talked out of turn")
        else:
            self._got_unasked(reply)

    # -- ends ----------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        t, self._transaction = self._transaction, None
        assert t is not None
        self._events.append(t.done())

    def _break(self, reply: Reply | None, problem: str) -> None:
        self._broken = True
        self._planned.clear()
        self._events.append(PeerBroke(reply, problem))

    def _how_lost(self) -> str:
        begun = self._replies.begun.decode("utf-8", "backslashreplace")
        waiting = self._expected[0][0].name if self._expected else "nothing"
        return f"closed the connection while we waited for {waiting}" + (
            f", after {begun!r}" if begun else ""
        )
