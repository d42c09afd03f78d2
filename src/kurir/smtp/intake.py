"""Taking in a message: DATA and BDAT from the command to the last reply (RFC 5321 section 4.1.1.4, RFC 3030)."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from kurir.model import Body, Reply

from . import events as e
from . import grammar, limits, replies
from .bdat import ChunkReader, parse_chunk
from .data import DataReader, TextRules
from .server_session import ServerSession
from .states import Mode, State


class Intake(ServerSession):
    """The part of a session that deals with bodies."""

    __slots__ = ()

    def go_on(self) -> None:
        """Answer `BodyStarted(chunking=True)`: take the chunk (its 250 is sent by the server itself)."""
        if not self._answered(e.BodyStarted):
            return
        if self._body is None:
            raise RuntimeError("go_on: DATA is answered with 354 or a refusal")
        self._mode = Mode.CHUNK

    def reply_each(self, replies: Sequence[Reply]) -> None:
        """LMTP: answer `BodyEnded` with one reply for each accepted recipient, in order."""
        if not self._answered(e.BodyEnded):
            return
        if len(replies) != self._recipients:
            raise ValueError(f"reply_each: {len(replies)} replies for {self._recipients} recipients")
        for reply in replies:
            self._say(reply)
        self._body_answered(replies[-1])

    def _data(self, argument: bytes, _: bytes) -> None:
        if argument.strip():
            raise grammar.Malformed(replies.NO_ARGUMENT)
        if self._body_kind is Body.BINARY:
            raise grammar.Malformed(replies.BINARY_NEEDS_BDAT)
        self._await(e.BodyStarted(chunking=False))

    def _bdat(self, argument: bytes, refusal: Reply | None) -> None:
        chunk = parse_chunk(argument)
        if chunk is None:
            self._reject("BDAT", replies.BAD_CHUNK, closing=True)
            return
        if self._far_too_large(chunk.size + (self._body.rules.size if self._body else 0)):
            self._reject("BDAT", replies.TOO_LARGE, closing=True)
            return
        if not chunk.size and not chunk.last and self._too_idle():
            return  # a chunk of nothing costs work and brings no message nearer
        self._left, self._last_chunk = chunk
        if refusal is not None:
            self._mode, self._refusal = Mode.SWALLOW, refusal
        elif self._body is None:
            self._body = ChunkReader(self._new_rules())
            self._await(e.BodyStarted(chunking=True))
        else:
            self._mode = Mode.CHUNK

    def _answer_body_started(self, reply: Reply) -> None:
        if self._body is not None:  # a chunk is refused: its octets come all the same
            self._fail_chunks()
            if reply.code == 421:
                self._say(reply)
            else:
                self._mode, self._refusal = Mode.SWALLOW, reply
        elif not self._talks_early("DATA"):
            self._say(reply)
            if reply.code < 400:
                self._body = DataReader(self._new_rules())
                self._mode = Mode.DATA
            else:
                self._count_error(reply)

    def _answer_body_ended(self, reply: Reply) -> None:
        for _ in range(self._recipients if self._settings.lmtp else 1):
            self._say(reply)
        self._body_answered(reply)

    def _body_answered(self, reply: Reply) -> None:
        body, self._body = self._body, None
        self._state, self._mode = State.IDLE, Mode.COMMAND
        self._messages += 1
        self._idle = 0
        if isinstance(body, DataReader) and body.rules.framing:
            self._end(reply, say=False)

    def _read_data(self) -> bool:
        data = self._inbox.take(limits.BODY_PIECE)
        if not data:
            return False
        assert isinstance(self._body, DataReader)
        rules = self._body.rules
        body, rest = self._body.feed(data)
        if body:
            self._events.append(e.BodyChunk(body))
        if rest is not None:
            self._inbox.put_back(rest)
            self._await(e.BodyEnded(rules.problem, rules.size))
        elif self._far_too_large(rules.size):
            self._end(replies.TOO_LARGE)
        return True

    def _read_chunk(self) -> bool:
        assert isinstance(self._body, ChunkReader)
        if self._left:
            data = self._inbox.take(min(self._left, limits.BODY_PIECE))
            if not data:
                return False
            self._left -= len(data)
            body = self._body.feed(data)
            if body:
                self._events.append(e.BodyChunk(body))
        if not self._left:
            self._chunk_done(self._body)
        return True

    def _chunk_done(self, body: ChunkReader) -> None:
        rules = body.rules
        if self._last_chunk:
            tail = body.end()
            if tail:
                self._events.append(e.BodyChunk(tail))
            self._await(e.BodyEnded(rules.problem, rules.size))
            return
        self._mode = Mode.COMMAND
        if rules.problem is None:
            self._state = State.CHUNKS
            self._say(replies.OK)
        else:
            self._fail_chunks()
            self._reject("BDAT", rules.problem)

    def _swallow(self) -> bool:
        self._left -= len(self._inbox.take(self._left)) if self._left else 0
        if self._left:
            return False
        refusal, self._refusal = self._refusal, None
        assert refusal is not None
        self._mode = Mode.COMMAND
        self._reject("BDAT", refusal, counted=refusal is not replies.NO_VALID_RECIPIENT)
        return True

    def _fail_chunks(self) -> None:
        """The message under way in chunks has failed: the driver drops it now, the client has to say RSET."""
        self._reset_transaction()
        self._state = State.FAILED

    def _new_rules(self) -> TextRules:
        settings = self._settings
        return TextRules(
            settings.max_size,
            settings.max_text_line,
            refuse_nul=settings.nul_in_body == "refuse",
            any_octet=self._body_kind is Body.BINARY,
        )

    def _far_too_large(self, size: int) -> bool:
        return 0 < self._settings.max_size * limits.OVERSIZE_FACTOR < size

    BODY_READERS: ClassVar[Mapping[Mode, Callable[["Intake"], bool]]] = {
        Mode.DATA: _read_data,
        Mode.CHUNK: _read_chunk,
        Mode.SWALLOW: _swallow,
    }
    BODY_ANSWERS: ClassVar[Mapping[type[e.ServerEvent], Callable[["Intake", Reply], None]]] = {
        e.BodyStarted: _answer_body_started,
        e.BodyEnded: _answer_body_ended,
    }
    BODY_COMMANDS: ClassVar[Mapping[bytes, Callable[["Intake", bytes, bytes], None]]] = {b"DATA": _data}
