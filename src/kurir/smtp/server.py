"""The server role: command lines and bodies in, events out, replies to the wire.

`states` says which command is welcome where, `grammar` reads arguments, `data` and `bdat` take bodies off the
wire.  What is left here is the order of things: who has to answer what, and when a session ends.
"""

from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from kurir.model import Body, Reply

from . import events as e
from . import grammar, limits, replies
from .bdat import ChunkReader, parse_chunk
from .data import DataReader, TextRules
from .extensions import auth_offered, hello_lines
from .reader import Inbox, Trouble
from .settings import ServerSettings
from .states import (
    IDLE_COMMANDS,
    LAST_IN_GROUP,
    LMTP_COMMANDS,
    OTHER_PROTOCOLS,
    PARAMETER_COMMANDS,
    SMTP_COMMANDS,
    TLS_HANDSHAKE,
    Mode,
    Row,
    State,
)

__all__ = ["Server", "ServerSettings"]


class Server:
    """One session.  See the package docstring for the flow and `events` for what to answer to what.

    A call that answers an event while none of its kind waits is a mistake of the driver: `RuntimeError`.
    """

    __slots__ = (
        "_auth_failures",
        "_authenticated",
        "_body",
        "_body_kind",
        "_commands",
        "_errors",
        "_events",
        "_extended",
        "_idle",
        "_inbox",
        "_last_chunk",
        "_left",
        "_long",
        "_lost",
        "_messages",
        "_mode",
        "_out",
        "_recipients",
        "_refusal",
        "_refused_rcpt",
        "_settings",
        "_smtputf8",
        "_state",
        "_tls",
        "_waiting",
    )

    def __init__(self, settings: ServerSettings, *, tls: bool = False) -> None:
        self._settings = settings
        self._commands: Mapping[bytes, Row] = LMTP_COMMANDS if settings.lmtp else SMTP_COMMANDS
        self._tls = tls
        self._inbox = Inbox()
        self._out: list[bytes] = []
        self._events: list[e.ServerEvent] = []
        self._waiting: type[e.ServerEvent] | None = None
        self._mode = Mode.SILENT
        self._state = State.CONNECTED
        self._extended = False  # the Hello that waits was EHLO or LHLO
        self._lost = False
        self._authenticated = False
        self._errors = self._idle = self._long = self._auth_failures = self._messages = 0
        self._body: DataReader | ChunkReader | None = None
        self._left = 0  # octets of the chunk that are still to come
        self._last_chunk = False
        self._refusal: Reply | None = None  # the reply once a refused chunk is swallowed
        self._recipients = 0
        self._refused_rcpt = False
        self._smtputf8 = False
        self._body_kind = Body.SEVEN

    # -- the driver's side: bytes ------------------------------------------------------------------------

    def greet(self, reply: Reply | None = None) -> None:
        """Queue the 220 banner, or a refusing one (then `Closing` follows). Bytes received before are pregreet: 554."""
        if self._mode is not Mode.SILENT:
            raise RuntimeError("greet: the session has begun already")
        if len(self._inbox):
            self._reject("(before the greeting)", replies.PREGREET, closing=True)
            return
        name = self._settings.hostname
        banner = reply or Reply.of(220, None, f"{name} {'LMTP' if self._settings.lmtp else 'ESMTP'} Kurir")
        self._mode = Mode.COMMAND
        if banner.code == 220:
            self._out.append(banner.render())
        else:
            self._end(banner)

    def receive(self, data: bytes) -> None:
        """Store bytes from the peer; ``b""`` is end of file."""
        if not data:
            self._lost = True
        elif self._mode is not Mode.CLOSED:
            self._inbox.add(data)

    def next_event(self) -> e.ServerEvent | None:
        """Return the next event, or None when bytes or an answer are missing."""
        events = self._events
        while not events:
            if self._waiting is not None:
                return None
            if not self._READERS[self._mode](self):
                if not self._lost or self._mode is Mode.CLOSED:
                    return None
                self._end(replies.LOST, say=False)
        return events.pop(0)

    def take_output(self) -> bytes:
        """Return and forget what is to be written now."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    @property
    def buffered(self) -> int:
        """Octets received and not understood yet: a driver that answers slowly stops reading while this is large."""
        return len(self._inbox)

    # -- the driver's side: answers ------------------------------------------------------------------------

    def reply(self, reply: Reply) -> None:
        """Answer the event that waits."""
        waiting = self._waiting
        if waiting is None:
            raise RuntimeError(f"reply {reply}: no event waits for an answer")
        self._waiting = None
        self._ANSWERS[waiting](self, reply)
        if reply.code == 421 and self._mode is not Mode.CLOSED:
            self._end(reply, say=False)

    def reply_each(self, replies: Sequence[Reply]) -> None:
        """LMTP: answer `BodyEnded` with one reply for each accepted recipient, in order."""
        self._answered(e.BodyEnded)
        if len(replies) != self._recipients:
            raise ValueError(f"reply_each: {len(replies)} replies for {self._recipients} recipients")
        for reply in replies:
            self._say(reply)
        self._body_answered(replies[-1])

    def accept_hello(self) -> None:
        """Answer `Hello` with our name and the extensions that apply now."""
        self._answered(e.Hello)
        if self._talks_early("EHLO"):
            return
        self._reset_transaction()
        self._state = State.IDLE
        lines = hello_lines(self._settings, self._tls)
        self._out.append(Reply(250, None, lines if self._extended else lines[:1]).render())

    def go_on(self) -> None:
        """Answer `BodyStarted(chunking=True)`: take the chunk (its 250 is sent by the server itself)."""
        self._answered(e.BodyStarted)
        if self._body is None:
            raise RuntimeError("go_on: DATA is answered with 354 or a refusal")
        self._mode = Mode.CHUNK

    def challenge(self, data: bytes) -> None:
        """Answer an auth event with a ``334`` challenge."""
        self._answered(e.AuthStarted, e.AuthAnswered)
        if not self._talks_early("AUTH"):
            self._out.append(b"334 " + b2a_base64(data, newline=False) + b"\r\n")
            self._mode = Mode.AUTH

    def auth_succeeded(self, reply: Reply) -> None:
        """End the exchange with success; the session is authenticated from here on."""
        self._answered(e.AuthStarted, e.AuthAnswered)
        self._authenticated = True
        self._say(reply)

    def tls_started(self) -> None:
        """The handshake is done: everything known from before is forgotten (RFC 3207 section 4.2)."""
        if self._mode is not Mode.SILENT or self._tls:
            raise RuntimeError("tls_started: STARTTLS was not answered with 220")
        self._tls = True
        self._authenticated = False
        self._state = State.CONNECTED
        self._mode = Mode.COMMAND
        if len(self._inbox):  # came in the clear, behind STARTTLS
            self._end(replies.EARLY_TALK, say=False)

    def close(self, reply: Reply) -> None:
        """Driver-made end (421 on a deadline or a drain): queues `reply`, then `Closing`."""
        if self._mode is not Mode.CLOSED:
            self._end(reply)

    # -- answers to events ---------------------------------------------------------------------------------

    def _await(self, event: e.ServerEvent) -> None:
        self._events.append(event)
        self._waiting = type(event)

    def _answered(self, *kinds: type[e.ServerEvent]) -> None:
        if self._waiting not in kinds:
            raise RuntimeError(f"{kinds[0].__name__} is answered, but {self._waiting} waits")
        self._waiting = None

    def _answer_plain(self, reply: Reply) -> None:
        self._say(reply)
        if reply.code >= 400:
            self._count_error(reply)

    def _answer_starttls(self, reply: Reply) -> None:
        if reply.code != 220:
            self._answer_plain(reply)
        elif not self._talks_early("STARTTLS"):
            self._say(reply)
            self._mode = Mode.SILENT

    def _answer_auth(self, reply: Reply) -> None:
        if reply.code < 300:
            self._authenticated = True
            self._say(reply)
        else:
            self._auth_failures += 1
            self._answer_plain(reply)

    def _answer_mail(self, reply: Reply) -> None:
        self._say(reply)
        if reply.code < 300:
            self._state = State.MAIL
            self._recipients = 0
            self._refused_rcpt = False
        else:
            self._count_error(reply)

    def _answer_rcpt(self, reply: Reply) -> None:
        self._say(reply)
        if reply.code < 300:
            self._state = State.RCPT
            self._recipients += 1
        else:
            self._refused_rcpt = True
            self._count_error(reply)

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

    def _answer_xclient(self, reply: Reply) -> None:
        if reply.code != 220:
            self._answer_plain(reply)
            return
        self._out.append(reply.render())  # the banner of the new session
        self._state = State.CONNECTED

    # -- readers: one step each; False when more bytes are needed ----------------------------------------------

    def _read_nothing(self) -> bool:
        return False

    def _read_command(self) -> bool:
        line = self._inbox.line(limits.PARAMETER_LINE)
        if line is Trouble.LONG and self._inbox.starts_with_auth():
            line = self._inbox.line(limits.AUTH_LINE)
        if not isinstance(line, bytes):
            return self._read_broken(line)
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        row = self._commands.get(verb)
        if len(line) > limits.COMMAND_LINE - 2 and verb not in PARAMETER_COMMANDS:
            self._reject_long(verb)
        elif row is None:
            self._unknown(line, verb)
        else:
            cell = row[self._state]
            if verb in LAST_IN_GROUP and len(self._inbox):
                self._talks_early(verb.decode())
            elif verb == b"BDAT":
                self._bdat(argument, cell if isinstance(cell, Reply) else None)
            elif isinstance(cell, Reply):
                self._misplaced(verb, cell)
            elif verb not in IDLE_COMMANDS or not self._too_idle():
                try:
                    self._HANDLERS[verb](self, argument, verb)
                except grammar.Malformed as problem:
                    self._reject(verb.decode(), problem.reply)
        return True

    def _read_broken(self, line: Trouble | None) -> bool:
        if self._inbox.first() == TLS_HANDSHAKE:
            self._reject("(TLS)", replies.NOT_SMTP, closing=True)
        elif line is None:
            return False
        elif line is Trouble.BARE:
            self._reject("(bare CR, LF or NUL)", replies.BARE_IN_COMMAND, closing=True)
        else:
            self._mode, self._left = Mode.LONG_LINE, 0
        return True

    def _read_long_line(self) -> bool:
        dropped = self._inbox.skip_line()
        if dropped is None:
            self._mode = Mode.COMMAND
            self._reject_long(b"")
            return True
        self._left += dropped
        if self._left > limits.DISCARDED_LINE:
            self._reject("(endless line)", replies.LINE_TOO_LONG, closing=True)
            return True
        return False

    def _read_auth(self) -> bool:
        line = self._inbox.line(limits.AUTH_LINE)
        if not isinstance(line, bytes):
            return self._read_broken(line)
        self._mode = Mode.COMMAND
        response = grammar.decode_base64(line)
        if line == b"*" or response is None:
            self._auth_failures += 1
            self._reject("AUTH", replies.AUTH_CANCELLED if line == b"*" else replies.AUTH_BAD_BASE64)
        else:
            self._await(e.AuthAnswered(response))
        return True

    def _read_data(self) -> bool:
        data = self._inbox.take()
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
            data = self._inbox.take(self._left)
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
        self._reject("BDAT", refusal)
        return True

    # -- commands ------------------------------------------------------------------------------------------

    def _hello(self, argument: bytes, verb: bytes) -> None:
        name = grammar.parse_hello(argument)
        self._extended = verb != b"HELO"
        self._await(e.Hello(name, self._extended))

    def _starttls(self, argument: bytes, _: bytes) -> None:
        if argument.strip():
            raise grammar.Malformed(replies.NO_ARGUMENT)
        if self._tls:
            raise grammar.Malformed(replies.TLS_ACTIVE)
        if not self._settings.offer_starttls:
            raise grammar.Malformed(replies.NOT_IMPLEMENTED)
        self._await(e.StartTls())

    def _auth(self, argument: bytes, _: bytes) -> None:
        settings = self._settings
        if self._authenticated:
            raise grammar.Malformed(replies.AUTH_DONE)
        if not settings.auth_mechanisms:
            raise grammar.Malformed(replies.NOT_IMPLEMENTED)
        if not auth_offered(settings, self._tls):
            raise grammar.Malformed(replies.TLS_FIRST)
        if self._auth_failures >= settings.max_auth_failures:
            self._reject("AUTH", replies.TOO_MANY_LOGINS, closing=True)
            return
        words = argument.split()
        if not 1 <= len(words) <= 2:
            raise grammar.Malformed(replies.AUTH_SYNTAX)
        mechanism = words[0].upper().decode("ascii", "replace")
        if mechanism not in settings.auth_mechanisms:
            raise grammar.Malformed(replies.AUTH_MECHANISM)
        initial = None
        if len(words) == 2:
            initial = b"" if words[1] == b"=" else grammar.decode_base64(words[1])
            if initial is None:
                self._auth_failures += 1
                raise grammar.Malformed(replies.AUTH_BAD_BASE64)
        self._await(e.AuthStarted(mechanism, initial))

    def _mail(self, argument: bytes, _: bytes) -> None:
        settings = self._settings
        if settings.auth_required and not self._authenticated:
            starttls = settings.offer_starttls and not self._tls
            raise grammar.Malformed(replies.TLS_FIRST if starttls else replies.AUTH_FIRST)
        if 0 < settings.max_transactions <= self._messages:
            self._reject("MAIL", replies.TOO_MANY_MESSAGES, closing=True)
            return
        reverse_path, params = grammar.parse_mail(argument, settings, tls=self._tls)
        self._smtputf8, self._body_kind = params.smtputf8, params.body
        self._await(e.MailFrom(reverse_path, params))

    def _rcpt(self, argument: bytes, _: bytes) -> None:
        recipient = grammar.parse_rcpt(argument, smtputf8=self._smtputf8)
        if self._recipients >= self._settings.max_recipients:
            self._reject("RCPT", replies.TOO_MANY_RECIPIENTS, counted=False)
        else:
            self._await(e.RcptTo(recipient))

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
        self._left, self._last_chunk = chunk
        if refusal is not None:
            self._mode, self._refusal = Mode.SWALLOW, refusal
        elif self._body is None:
            self._body = ChunkReader(self._new_rules())
            self._await(e.BodyStarted(chunking=True))
        else:
            self._mode = Mode.CHUNK

    def _rset(self, argument: bytes, _: bytes) -> None:
        if argument.strip():
            raise grammar.Malformed(replies.NO_ARGUMENT)
        self._reset_transaction()
        self._say(replies.RESET)

    def _noop(self, _: bytes, __: bytes) -> None:
        self._say(replies.OK)

    def _help(self, _: bytes, __: bytes) -> None:
        known = [verb.decode() for verb, row in self._commands.items() if row[State.IDLE].__class__ is State]
        self._say(Reply(214, "2.0.0", ("Commands: " + " ".join(known), "See RFC 5321")))

    def _vrfy(self, argument: bytes, verb: bytes) -> None:
        text = argument.decode("utf-8", "backslashreplace").strip()
        if not text:
            raise grammar.Malformed(replies.VRFY_SYNTAX)
        self._await(e.Verify(verb.decode(), text))

    def _quit(self, _: bytes, __: bytes) -> None:
        self._end(Reply.of(221, "2.0.0", f"{self._settings.hostname} closing connection"))

    def _xclient(self, argument: bytes, _: bytes) -> None:
        if not self._settings.offer_xclient:
            raise grammar.Malformed(Reply.of(550, "5.7.0", "XCLIENT is not for you"))
        self._await(e.Xclient(grammar.parse_xclient(argument)))

    # -- refusing, counting, ending ------------------------------------------------------------------------

    def _unknown(self, line: bytes, verb: bytes) -> None:
        if verb in OTHER_PROTOCOLS or verb.startswith(b"SSH-") or line[:1] == b"\x16":
            self._reject("(another protocol)", replies.NOT_SMTP, closing=True)
        else:  # a word that may be a secret is not repeated
            self._reject(
                verb.decode() if len(verb) <= 10 and verb.isalpha() else "(unknown)", replies.UNKNOWN
            )

    def _misplaced(self, verb: bytes, reply: Reply) -> None:
        if reply is replies.RCPT_FIRST and self._refused_rcpt and not self._settings.lmtp:
            self._reject(verb.decode(), replies.NO_VALID_RECIPIENT, counted=False)  # pipelined, not wrong
        else:
            self._reject(verb.decode(), reply)

    def _talks_early(self, command: str) -> bool:
        """Close when something stands behind a command that must be the last of a group (RFC 2920 section 3.1)."""
        if not len(self._inbox):
            return False
        self._reject(command, replies.EARLY_TALK, closing=True)
        return True

    def _too_idle(self) -> bool:
        self._idle += 1
        if self._idle <= self._settings.max_idle_commands:
            return False
        self._end(replies.TOO_MANY_IDLE)
        return True

    def _reject_long(self, verb: bytes) -> None:
        self._long += 1
        self._reject(
            verb[:10].decode("ascii", "replace") or "(long line)",
            replies.LINE_TOO_LONG,
            closing=self._long >= limits.LONG_COMMANDS,
        )

    def _reject(self, command: str, reply: Reply, *, closing: bool = False, counted: bool = True) -> None:
        self._say(reply)
        self._events.append(e.Rejected(command, reply))
        if closing:
            self._end(reply, say=False)
        elif counted:
            self._count_error(reply)

    def _count_error(self, reply: Reply) -> None:
        self._errors += 1
        if self._errors >= self._settings.max_errors and reply.code != 421:
            self._end(replies.TOO_MANY_ERRORS)

    def _say(self, reply: Reply) -> None:
        self._out.append(replies.wire(reply))

    def _end(self, reply: Reply, *, say: bool = True) -> None:
        if say:
            self._say(reply)
        self._reset_transaction()
        self._events.append(e.Closing(reply, polite=reply.code == 221))
        self._mode, self._waiting, self._body = Mode.CLOSED, None, None
        self._inbox.clear()

    def _reset_transaction(self) -> None:
        if State.MAIL <= self._state <= State.CHUNKS:
            self._events.append(e.TransactionReset())
        if self._state is not State.CONNECTED:
            self._state = State.IDLE
        self._body = None

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

    _READERS: ClassVar[tuple[Callable[["Server"], bool], ...]] = (  # by Mode
        _read_nothing,
        _read_command,
        _read_auth,
        _read_data,
        _read_chunk,
        _swallow,
        _read_long_line,
        _read_nothing,
    )
    _HANDLERS: ClassVar[Mapping[bytes, Callable[["Server", bytes, bytes], None]]] = {
        b"HELO": _hello,
        b"EHLO": _hello,
        b"LHLO": _hello,
        b"STARTTLS": _starttls,
        b"AUTH": _auth,
        b"XCLIENT": _xclient,
        b"MAIL": _mail,
        b"RCPT": _rcpt,
        b"DATA": _data,
        b"RSET": _rset,
        b"NOOP": _noop,
        b"HELP": _help,
        b"VRFY": _vrfy,
        b"QUIT": _quit,
    }
    _ANSWERS: ClassVar[Mapping[type[e.ServerEvent], Callable[["Server", Reply], None]]] = {
        e.Hello: _answer_plain,
        e.StartTls: _answer_starttls,
        e.AuthStarted: _answer_auth,
        e.AuthAnswered: _answer_auth,
        e.MailFrom: _answer_mail,
        e.RcptTo: _answer_rcpt,
        e.BodyStarted: _answer_body_started,
        e.BodyEnded: _answer_body_ended,
        e.Verify: _answer_plain,
        e.Xclient: _answer_xclient,
    }
