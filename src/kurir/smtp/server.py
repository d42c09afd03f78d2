"""The server role: command lines and bodies in, events out, replies to the wire.

`states` says which command is welcome where, `grammar` reads arguments, `intake` takes bodies in, `server_session` is
what they share.  Left here: the greeting, the commands, and what the driver's answers to them mean.
"""

from binascii import b2a_base64
from collections.abc import Callable, Mapping
from typing import ClassVar

from kurir.model import Reply

from . import events as e
from . import grammar, limits, replies
from .extensions import auth_offered, hello_lines, useful_commands
from .intake import Intake
from .reader import Trouble
from .settings import ServerSettings
from .states import (
    IDLE_COMMANDS,
    LAST_IN_GROUP,
    OTHER_PROTOCOLS,
    PARAMETER_COMMANDS,
    TLS_HANDSHAKE,
    Mode,
    State,
)

__all__ = ["Server", "ServerSettings"]


_Reader = Callable[["Server"], bool]


def _by_mode(readers: Mapping[Mode, _Reader]) -> tuple[_Reader, ...]:
    return tuple(readers[mode] for mode in Mode)


class Server(Intake):
    """One session.  See the package docstring for the flow and `events` for what to answer to what.

    A call that answers an event while none of its kind waits is a mistake of the driver: `RuntimeError`.  Once the
    session has ended, answers that come late are void.
    """

    __slots__ = ()

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

    def reply(self, reply: Reply) -> None:
        """Answer the event that waits."""
        waiting = self._waiting
        if waiting is None:
            if self._mode is not Mode.CLOSED:
                raise RuntimeError(f"reply {reply}: no event waits for an answer")
            return
        self._waiting = None
        self._ANSWERS[waiting](self, reply)
        if reply.code == 421:
            self.close(reply, say=False)

    def accept_hello(self) -> None:
        """Answer `Hello` with our name and the extensions that apply now."""
        if not self._answered(e.Hello) or self._talks_early("EHLO"):
            return
        self._reset_transaction()
        self._state = State.IDLE
        lines = hello_lines(self._settings, self._tls)
        self._out.append(Reply(250, None, lines if self._extended else lines[:1]).render())

    def challenge(self, data: bytes) -> None:
        """Answer an auth event with a ``334`` challenge."""
        if self._answered(e.AuthStarted, e.AuthAnswered) and not self._talks_early("AUTH"):
            self._out.append(b"334 " + b2a_base64(data, newline=False) + b"\r\n")
            self._mode = Mode.AUTH

    def auth_succeeded(self, reply: Reply, settings: ServerSettings | None = None) -> None:
        """End the exchange with success; the session is authenticated from here on.

        `settings` replace those so far, where more is offered to this account than before.
        """
        if self._answered(e.AuthStarted, e.AuthAnswered):
            self._authenticated = True
            self._settings = settings or self._settings
            self._say(reply)

    def tls_started(self, settings: ServerSettings | None = None) -> None:
        """The handshake is done: everything known from before is forgotten (RFC 3207 section 4.2).

        `settings` replace those so far, where more is offered to this client than before.
        """
        if self._mode is not Mode.SILENT or self._tls:
            raise RuntimeError("tls_started: STARTTLS was not answered with 220")
        self._settings = settings or self._settings
        self._tls = True
        self._authenticated = False
        self._state = State.CONNECTED
        self._mode = Mode.COMMAND
        if len(self._inbox):  # came in the clear, behind STARTTLS
            self._end(replies.EARLY_TALK, say=False)

    def close(self, reply: Reply, *, say: bool = True) -> None:
        """Driver-made end (421 on a deadline or a drain): queues `reply` unless not to `say` it, then `Closing`."""
        if self._mode is not Mode.CLOSED:
            self._end(reply, say=say)

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

    def _answer_xclient(self, reply: Reply) -> None:
        if reply.code != 220:
            self._answer_plain(reply)
            return
        self._out.append(reply.render())  # the banner of the new session
        self._state = State.CONNECTED

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
                self._bdat(argument, self._why_misplaced(cell) if isinstance(cell, Reply) else None)
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

    def _rset(self, argument: bytes, _: bytes) -> None:
        if argument.strip():
            raise grammar.Malformed(replies.NO_ARGUMENT)
        self._reset_transaction()
        self._say(replies.RESET)

    def _noop(self, _: bytes, __: bytes) -> None:
        self._say(replies.OK)

    def _help(self, _: bytes, __: bytes) -> None:
        verbs = useful_commands(self._commands, self._settings, self._tls, self._authenticated)
        self._say(Reply(214, "2.0.0", ("Commands: " + " ".join(verbs), "See RFC 5321")))

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

    def _unknown(self, line: bytes, verb: bytes) -> None:
        if verb in OTHER_PROTOCOLS or verb.startswith(b"SSH-") or line[:1] == b"\x16":
            self._reject("(another protocol)", replies.NOT_SMTP, closing=True)
        else:  # a word that may be a secret is not repeated
            self._reject(
                verb.decode() if len(verb) <= 10 and verb.isalpha() else "(unknown)", replies.UNKNOWN
            )

    def _misplaced(self, verb: bytes, cell: Reply) -> None:
        reply = self._why_misplaced(cell)
        # Pipelined behind refused recipients it is not wrong, only in vain (RFC 2920 section 3.2).
        self._reject(verb.decode(), reply, counted=reply is not replies.NO_VALID_RECIPIENT)

    def _why_misplaced(self, cell: Reply) -> Reply:
        in_vain = cell is replies.RCPT_FIRST and self._refused_rcpt and not self._settings.lmtp
        return replies.NO_VALID_RECIPIENT if in_vain else cell

    def _reject_long(self, verb: bytes) -> None:
        self._long += 1
        self._reject(
            verb[:10].decode("ascii", "replace") or "(long line)",
            replies.LINE_TOO_LONG,
            closing=self._long >= limits.LONG_COMMANDS,
        )

    _READERS: ClassVar[tuple[_Reader, ...]] = _by_mode(
        {
            **Intake.BODY_READERS,
            Mode.SILENT: _read_nothing,
            Mode.COMMAND: _read_command,
            Mode.AUTH: _read_auth,
            Mode.LONG_LINE: _read_long_line,
            Mode.CLOSED: _read_nothing,
        }
    )
    _HANDLERS: ClassVar[Mapping[bytes, Callable[["Server", bytes, bytes], None]]] = {
        **Intake.BODY_COMMANDS,
        b"HELO": _hello,
        b"EHLO": _hello,
        b"LHLO": _hello,
        b"STARTTLS": _starttls,
        b"AUTH": _auth,
        b"XCLIENT": _xclient,
        b"MAIL": _mail,
        b"RCPT": _rcpt,
        b"RSET": _rset,
        b"NOOP": _noop,
        b"HELP": _help,
        b"VRFY": _vrfy,
        b"QUIT": _quit,
    }
    _ANSWERS: ClassVar[Mapping[type[e.ServerEvent], Callable[["Server", Reply], None]]] = {
        **Intake.BODY_ANSWERS,
        e.Hello: _answer_plain,
        e.StartTls: _answer_starttls,
        e.AuthStarted: _answer_auth,
        e.AuthAnswered: _answer_auth,
        e.MailFrom: _answer_mail,
        e.RcptTo: _answer_rcpt,
        e.Verify: _answer_plain,
        e.Xclient: _answer_xclient,
    }
